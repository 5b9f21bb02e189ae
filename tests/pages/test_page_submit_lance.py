"""Submit asks Lance first: what it finished need not be bought, what it works on can wait, nothing is silent."""

from __future__ import annotations

import polars as pl
import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from openmart_lib import submission
from openmart_lib.api.lance_states import FOUND, NEVER, NOTHING, RUNNING
from openmart_lib.api.wire import InfoField, Kind, LanceField
from openmart_lib.dashboard import resources, submit_spared
from openmart_lib.engine import precheck
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger import watched
from openmart_lib.ledger.schema import uploaded_row
from openmart_lib.ledger.watching import WatchMode
from openmart_lib.settings import Secret, Settings
from tests.lance_kit import entity_ids
from tests.pages.conftest import Desk, button, labels, texts
from tests.pages.submit_kit import draft_of, uploaded

PEOPLE = 40
IDS = entity_ids(PEOPLE)
OFFER = "Check at Lance first (free)"


def people_list(ids: list[str] | None = None) -> str:
    rows = [
        f"Ana{number:c},Silva,Firm {number},firm{number}.example,{one}"
        for number, one in enumerate(ids or IDS, 97)
    ]
    return "\n".join(["First name,Last name,Company,Website,Lance ID", *rows])


def brought(desk: Desk, content: str | None = None) -> AppTest:
    """Submit with a list of people and their Lance ids."""
    page = uploaded(desk, content or people_list(), name="people.csv", role=None)
    page.radio[0].set_value(Kind.LOOKUP_PEOPLE).run()
    return page


def checked(page: AppTest) -> AppTest:
    button(page, OFFER).click().run()
    assert not page.exception
    return page


def known(desk: Desk, *fields: LanceField) -> dict[str, list[str]]:
    """What Lance says now of the people: their ids by advice."""
    states = precheck.precheck(desk.settings, IDS, fields or [LanceField.EMAILS])
    rows = pl.DataFrame({"seq": range(1, PEOPLE + 1), "entity_id": IDS}, schema_overrides={"seq": pl.UInt32})
    advice = precheck.skip_reasons(rows, states, fields or [LanceField.EMAILS])
    by_advice = advice.join(rows, on="seq").group_by("advice").agg("entity_id")
    return dict(by_advice.iter_rows())


@pytest.fixture(autouse=True)
def slow_lance(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Lance works on goes on for minutes: no state changes within a test."""
    monkeypatch.setattr("openmart_lib.sandbox.lance_routes.records", _fixed)


def _fixed(key: str, *_: object) -> list[dict[str, object]]:
    """Of every eight people two are found, one known empty, two under way; the others never requested."""
    entity_id, field, kind = key.split("|")
    place = IDS.index(entity_id) % 8 + (1 if field == "phones" else 0)
    record = {"id": key, "entityId": entity_id, "field": field, "entityType": kind}
    updated = "2025-01-14T10:00:00Z"
    if place in (0, 1):
        return [record | {"status": "finished", "dataFound": True, "updatedAt": updated}]
    if place == 2:
        return [record | {"status": "finished", "dataFound": False, "updatedAt": updated}]
    return [record | {"status": "pending"}] if place in (3, 4) else []


@pytest.mark.parametrize("kind", [Kind.FIND_PEOPLE, Kind.LOOKUP_BUSINESS_EMAIL])
def test_only_known_people_are_compared(desk: Desk, kind: Kind) -> None:
    page = uploaded(desk, people_list(), name="people.csv", role=None)

    page.radio[0].set_value(kind).run()

    assert OFFER not in labels(page)


def test_a_list_without_lance_ids_is_offered_nothing(desk: Desk) -> None:
    page = brought(desk, "First name,Last name,Website\nAna,Silva,everything.example\n")

    assert OFFER not in labels(page)


def test_a_simulated_lance_decides_about_no_real_purchase() -> None:
    key, token = Secret("key"), Secret("token")

    assert submit_spared.can_ask(Settings())
    assert submit_spared.can_ask(Settings(api_key=key, lance_token=token))
    assert not submit_spared.can_ask(Settings(api_key=key))


def test_nothing_is_asked_before_somebody_wants_it(desk: Desk) -> None:
    page = brought(desk)

    assert f"holds the Lance ids of {PEOPLE} people" in texts(page)
    assert f"Submit {PEOPLE} tasks in 1 batch" in labels(page)
    assert desk.sandbox.requests("lance") == 0


def test_what_lance_finished_and_what_it_works_on_is_left_out_unless_wanted(desk: Desk) -> None:
    page = checked(brought(desk))

    said = texts(page)
    assert "found" in said and "= 40 enrichments" in said
    assert "15 people left to look up; 25 rows skipped, at no cost" in said.replace("*", "")
    assert "Submit 15 tasks in 1 batch" in labels(page)
    assert desk.sandbox.credits_spent() == 0
    advised = known(desk)
    assert (len(advised["skip"]), len(advised["wait"]), len(advised["buy"])) == (15, 10, 15)


def test_anything_may_be_submitted_anyway(desk: Desk) -> None:
    page = checked(brought(desk))
    asked = {one.label.split()[0]: number for number, one in enumerate(page.radio)}

    page.radio[asked["15"]].set_value("Submit them anyway").run()
    assert "Submit 30 tasks in 1 batch" in labels(page)
    page.radio[asked["10"]].set_value("Submit them anyway").run()

    assert f"Submit {PEOPLE} tasks in 1 batch" in labels(page)


def test_rows_that_are_left_out_carry_the_reason_in_the_ledger(desk: Desk) -> None:
    page = checked(brought(desk))

    button(page, "Submit 15 tasks in 1 batch").click().run()

    query = select(uploaded_row.c.seq, uploaded_row.c.intake, uploaded_row.c.code, uploaded_row.c.reason)
    with desk.ledger.read() as connection:
        rows = connection.execute(query.order_by(uploaded_row.c.seq)).all()
    assert [row.intake for row in rows].count("skipped") == 25
    assert [row.intake for row in rows].count("accepted") == 15
    assert rows[0].reason == "Lance already holds emails (14 Jan 2025); read them in Lance"
    assert rows[2].reason == "Lance looked for emails (14 Jan 2025) and found nothing"
    assert rows[3].reason == "Lance is looking for emails now; wait for it"
    assert (rows[0].code, rows[3].code) == (submit_spared.SKIP_CODE, submit_spared.WAIT_CODE)
    run = desk.run(desk.newest)
    assert sum(run.outcomes.values()) == PEOPLE


def test_a_reload_keeps_lances_answer_and_what_was_decided(desk: Desk) -> None:
    page = checked(brought(desk))
    next(one for one in page.radio if one.label.startswith("10 rows")).set_value("Submit them anyway").run()
    calls = desk.sandbox.requests("lance")

    again = desk.open(draft=draft_of(page).draft_id)

    assert "Submit 25 tasks in 1 batch" in labels(again)
    assert desk.sandbox.requests("lance") == calls


def test_another_field_is_asked_for_before_it_decides(desk: Desk) -> None:
    page = checked(brought(desk))

    next(one for one in page.checkbox if one.label.startswith("Phone")).check().run()

    said = texts(page)
    assert desk.sandbox.requests("lance") == 2
    assert said.count("= 40 enrichments") == 2
    advised = known(desk, LanceField.EMAILS, LanceField.PHONES)
    assert f"Submit {len(advised['buy'])} tasks in 1 batch" in labels(page)


def test_rows_in_doubt_become_one_watch_list_however_often_it_is_clicked(desk: Desk) -> None:
    page = checked(brought(desk))
    late = desk.open(draft=draft_of(page).draft_id)

    button(page, "Watch these 10 rows at Lance (free)").click().run()
    button(late, "Watch these 10 rows at Lance (free)").click().run()

    (card,) = watched.watch_cards(desk.ledger)
    assert (card.row_count, card.mode, card.fields) == (10, WatchMode.WAIT, ("emails",))
    assert card.columns == ("First name", "Last name", "Company", "Website", "Lance ID")
    assert not [one for one in labels(page) if one.startswith("Watch these")]


def test_without_an_answer_all_rows_may_be_submitted_and_the_page_says_so(desk: Desk) -> None:
    page = brought(desk)
    desk.sandbox.faults.add("status", on="lance", status=401, times=None)

    checked(page)
    asked = desk.sandbox.requests("lance")
    page.run()

    assert "Without Lance's answer no row is left out." in texts(page)
    assert f"Submit {PEOPLE} tasks in 1 batch" in labels(page)
    assert desk.sandbox.requests("lance") == asked, "not asked again by itself"
    desk.sandbox.faults.clear()
    button(page, "Try again").click().run()
    assert "Submit 15 tasks in 1 batch" in labels(page)


def test_a_list_that_lance_knows_whole_leaves_nothing_to_send(desk: Desk) -> None:
    page = checked(brought(desk, people_list([IDS[0], IDS[1], IDS[2]])))

    assert "0 people left to look up; 3 rows skipped" in texts(page).replace("*", "")
    assert not [one for one in labels(page) if one.startswith("Submit ")]


def prepared_of(settings: Settings, ids: list[str | None], *info: InfoField) -> submission.Prepared:
    frame = pl.DataFrame(
        {
            "First": ["Ana", "Ben", "Ana", "Carla"],
            "Last": ["Silva", "Meyer", "Silva", "Rossi"],
            "Site": ["a.example", "b.example", "a.example", "c.example"],
            "Id": ids,
        },
        schema_overrides={"Id": pl.String},
    )
    mapping = {"first_name": ["First"], "last_name": ["Last"], "domain": ["Site"]}
    options = RunOptions(info_access=info or (InfoField.EMAIL,))
    upload = upload_from_frame(frame, "people.csv")
    return submission.prepare(upload, mapping, Kind.LOOKUP_PEOPLE, options, settings=settings)


def said(prepared: submission.Prepared, *states: tuple[str, str, str]) -> submit_spared.Told:
    """What Lance's states (id, field, state) mean for a list."""
    ids = prepared.upload.frame.select("seq", pl.col("Id").alias("entity_id"))
    schema = dict.fromkeys(("entity_id", "field", "state", "updated_at"), pl.String)
    frame = pl.DataFrame([(*one, None) for one in states], schema=schema, orient="row")
    return submit_spared.told(prepared, ids, frame, submit_spared.fields_of(prepared.options.info_access))


def test_a_repeated_person_goes_with_the_row_that_lance_knows(clean_environment: object) -> None:
    prepared = prepared_of(resources.settings(), [IDS[0], IDS[1], IDS[0], None])
    told = said(prepared, (IDS[0], "emails", FOUND), (IDS[1], "emails", NEVER))

    left = submit_spared.spared(prepared, told, skip=True, wait=True)

    assert left.plan.rows["intake"].to_list() == ["skipped", "accepted", "skipped", "accepted"]
    assert left.task_count == 2
    assert left.plan.reckoning.adds_up
    assert told.counts == {"skip": 1, "wait": 0, "buy": 2}


def test_a_repeat_that_lance_knows_stays_while_its_first_row_is_bought(clean_environment: object) -> None:
    prepared = prepared_of(resources.settings(), [None, None, IDS[0], None])

    left = submit_spared.spared(prepared, said(prepared, (IDS[0], "emails", FOUND)), skip=True, wait=True)

    assert left is prepared, "it gets that row's answer, and costs nothing"


def test_a_row_of_which_lance_knows_a_part_is_bought_and_counted(clean_environment: object) -> None:
    both = (InfoField.EMAIL, InfoField.PHONE)
    prepared = prepared_of(resources.settings(), [IDS[0], IDS[1], None, None], *both)

    told = said(
        prepared,
        *((IDS[0], "emails", FOUND), (IDS[0], "phones", NEVER)),
        *((IDS[1], "emails", NOTHING), (IDS[1], "phones", RUNNING)),
    )

    assert (told.counts, told.partly) == ({"skip": 0, "wait": 1, "buy": 2}, 1)


def test_what_is_left_is_another_content_and_the_same_each_time(clean_environment: object) -> None:
    prepared = prepared_of(resources.settings(), [IDS[0], IDS[1], None, None])
    told = said(prepared, (IDS[0], "emails", FOUND), (IDS[1], "emails", RUNNING))

    keys = [
        submit_spared.spared(prepared, told, skip=skip, wait=wait).content_key
        for skip, wait in [(False, False), (True, False), (False, True), (True, True), (True, True)]
    ]

    assert keys[0] == prepared.content_key
    assert len(set(keys)) == 4 and keys[3] == keys[4]


def test_asking_again_brings_lances_newest_word(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    page = checked(brought(desk))
    button(page, "Watch these 10 rows at Lance (free)").click().run()
    monkeypatch.setattr("openmart_lib.sandbox.lance_routes.records", lambda key, *_: [])

    button(page, "Ask again").click().run()

    assert "Lance holds nothing that makes a row needless" in texts(page)
    assert f"Submit {PEOPLE} tasks in 1 batch" in labels(page)
