"""An opened watch list: states that add up, advice about money, filters in the address, files to take away."""

from __future__ import annotations

import io
from typing import Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib import lance_lists
from openmart_lib.api.lance_states import NEVER
from openmart_lib.api.wire import LanceField
from openmart_lib.dashboard import background, lance_cards, lance_downloads, routes
from openmart_lib.dashboard.results_prepared import FORMATS
from openmart_lib.ledger import watched
from openmart_lib.ledger.watched import Standing, WatchCard
from openmart_lib.ledger.watching import WatchMode
from openmart_lib.results import lance_files
from openmart_lib.results.lance_files import ADVICE_COLUMNS, Advice
from openmart_lib.settings import Secret, Settings
from tests.lance_kit import entity_ids, uploaded
from tests.pages.conftest import PATIENCE, Desk, button, eventually, labels, texts

BOTH = (LanceField.EMAILS, LanceField.PHONES)


def watch(desk: Desk, count: int = 250, *, settings: Settings | None = None, **more: Any) -> str:
    """A watch list of so many people, one row that repeats the first and one without an id."""
    ids = [*entity_ids(count), entity_ids(1)[0], None]
    names = [f"Person {number}" for number in range(1, len(ids) + 1)]
    mode = more.pop("mode", WatchMode.EXISTS)
    prepared = lance_lists.prepare(uploaded(ids, Name=names, **more), fields=BOTH, mode=mode)
    list_id = lance_lists.confirm(
        desk.ledger, settings or desk.settings, prepared, name="Fair", confirm_token=f"{count} {mode}"
    )
    lance_cards.cards.clear()
    return list_id


def card_of(desk: Desk, list_id: str) -> WatchCard:
    return watched.watch_card(desk.ledger, list_id)


def ended(desk: Desk, list_id: str) -> pl.DataFrame:
    """Let a worker ask until the list ended; return its rows with what Lance said."""
    with desk.working():
        eventually(lambda: card_of(desk, list_id).standing is Standing.ENDED)
    lance_cards.cards.clear()
    return lance_files.joined(desk.ledger, list_id)


def metric(page: AppTest, label: str) -> tuple[str, str]:
    found = next(one for one in page.metric if one.label == label)
    return found.value, found.delta


def test_a_list_not_asked_yet_is_shown_with_its_rows(desk: Desk) -> None:
    page = desk.open("lance", list=watch(desk, 5))

    assert "5 ids + 1 row repeats one (asked once) + 1 rejected = 7 rows" in texts(page)
    assert "Asking Lance now" in texts(page)
    assert "As soon as Lance has answered" in texts(page)
    assert len(page.dataframe[0].value) == 7


def test_advice_counts_each_enrichment_once_and_adds_up(desk: Desk) -> None:
    list_id = watch(desk)
    frame = ended(desk, list_id)
    counts = lance_files.advice_counts(frame)

    page = desk.open("lance", list=list_id)

    shown = ("Safe to enrich now", "Wait for", "Do not pay for", "Look at first")
    figures = [int(metric(page, label)[0]) for label in shown]
    assert sum(figures) == 500
    assert figures[0] == counts.triples[Advice.ENRICH]
    assert f"{counts.calls_avoided} paid calls avoided" in texts(page).replace("*", "")
    assert desk.sandbox.credits_spent() == 0


def test_a_filter_in_the_address_shows_those_rows_only(desk: Desk) -> None:
    list_id = watch(desk)
    frame = ended(desk, list_id)
    never = frame.filter(pl.col("emails_state") == NEVER)

    page = desk.open("lance", list=list_id, emails=NEVER)

    assert f"**{never.height}** of 252 rows" in texts(page)
    table = page.dataframe[0].value
    assert set(table["emails: state"]) == {NEVER}
    assert list(table["Row"]) == never["row"].head(100).to_list()


def test_filters_write_themselves_into_the_address_and_begin_at_the_first_page(desk: Desk) -> None:
    list_id = watch(desk)
    frame = ended(desk, list_id)
    page = desk.open("lance", list=list_id)
    page.query_params["page"] = "3"
    page.run()
    assert len(page.dataframe[0].value) == 52

    advice = next(one for one in page.multiselect if one.label == "Advice")
    advice.set_value([Advice.DO_NOT_PAY.value]).run()

    assert str(page.query_params["advice"]).strip("[]'") == Advice.DO_NOT_PAY.value
    assert "page" not in page.query_params
    told = frame.filter(pl.col(ADVICE_COLUMNS[Advice.DO_NOT_PAY]).is_not_null())
    assert f"**{told.height}** of 252 rows" in texts(page)


def test_what_no_list_has_is_no_filter_and_no_page(desk: Desk) -> None:
    list_id = watch(desk, 20)

    page = desk.open("lance", list=list_id, emails="owned", advice="burn")
    page.query_params["page"] = "99"
    page.run()

    assert not page.exception
    assert len(page.dataframe[0].value) == 22


def test_filters_that_no_row_fits_say_so(desk: Desk) -> None:
    list_id = watch(desk, 20)

    page = desk.open("lance", list=list_id, emails="no id", advice="wait")

    assert "No row fits all of these filters." in texts(page)


def test_uploaded_columns_keep_their_cells_beside_ours_of_the_same_name(desk: Desk) -> None:
    list_id = watch(desk, 3, Advice=["call", "write", "leave", "", ""])
    page = desk.open("lance", list=list_id)

    next(one for one in page.checkbox if one.label.startswith("All ")).check().run()

    table = page.dataframe[0].value
    assert list(table["Advice"])[:3] == ["call", "write", "leave"]
    assert list(table["Advice\u200b"])[:3] == ["wait: emails, phones"] * 3


def test_every_selection_is_offered_in_every_kind_with_its_lines(desk: Desk) -> None:
    list_id = watch(desk)
    frame = ended(desk, list_id)
    advised = [one for one in Advice if lance_files.selection(frame, one).height]

    page = desk.open("lance", list=list_id)

    offered = [str(one.label) for one in page.download_button]
    for fmt in lance_downloads.KINDS:
        assert offered.count(FORMATS[fmt].name) == 1 + len(advised)
    for advice in advised:
        lines = lance_files.selection(frame, advice).height
        assert f"{lines} line" in texts(page)


def test_files_of_a_part_are_named_after_it(desk: Desk) -> None:
    card = card_of(desk, watch(desk, 3))
    frame = lance_files.joined(desk.ledger, card.list_id)
    csv = FORMATS["csv"]

    names = [
        lance_downloads.Part(card, frame, "all").file_name(csv),
        lance_downloads.Part(card, frame, "shown").file_name(csv),
        lance_downloads.Part(card, frame, Advice.ENRICH.value, Advice.ENRICH).file_name(csv),
        lance_downloads.Part(card, frame, "emails", Advice.ENRICH).file_name(csv),
    ]

    assert [name.split("_partial_")[0] for name in names] == [
        "SANDBOX-Fair_lance_states",
        "SANDBOX-Fair_lance_shown-states",
        "SANDBOX-Fair_lance_enrich-now",
        "SANDBOX-Fair_lance_emails-enrich-now",
    ]


def test_a_large_file_is_written_in_the_background_with_all_its_rows(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmart_lib.dashboard.lance_downloads.AT_ONCE", 5)
    list_id = watch(desk, 20)
    page = desk.open("lance", list=list_id)

    button(page, "Prepare Parquet").click().run()

    key = page.session_state[f"{list_id}_prepared"]
    job = background.find(key)
    assert job is not None and job.wait(PATIENCE)
    offer = routes.OFFERS.find(job.result().address)
    assert offer is not None
    assert pl.read_parquet(io.BytesIO(offer.path.read_bytes())).height == 22


def test_a_list_that_is_not_there_is_said_and_the_page_goes_on(desk: Desk) -> None:
    watch(desk, 3)

    page = desk.open("lance", list="abcdefghij")

    assert "There is no watch list abcdefghij here." in texts(page)
    assert "Fair" in texts(page)


def test_a_list_of_another_lance_is_only_looked_at(desk: Desk) -> None:
    other = Settings(data_dir=desk.settings.data_dir, lance_token=Secret("real"))
    list_id = watch(desk, 3, settings=other)

    page = desk.open("lance", list=list_id)

    assert "belongs to another Lance" in texts(page)
    assert "Refresh now" not in labels(page)
    assert lance_cards.every(lance_cards.cards()) is None


def test_a_list_whose_rows_are_gone_is_a_message(desk: Desk) -> None:
    list_id = watch(desk, 3)
    for path in desk.ledger.uploads_dir.iterdir():
        path.unlink()

    page = desk.open("lance", list=list_id)

    assert not page.exception
    assert "are gone" in texts(page)


def test_a_waiting_list_tells_its_course_round_after_round(desk: Desk) -> None:
    list_id = watch(desk, 120, mode=WatchMode.WAIT)
    with desk.working():
        eventually(lambda: card_of(desk, list_id).rounds >= 2)
    lance_cards.cards.clear()

    page = desk.open("lance", list=list_id)

    assert not page.exception
    assert [one.label for one in page.expander] == ["Over time"]
    assert len(page.get("vega_lite_chart")) == 3


def test_five_thousand_rows_go_in_and_come_out_by_state_whatever_lance_does(desk: Desk) -> None:
    for name in ("status", "drop_before", "cut_answer", "invalid_json", "answer_lost"):
        for after in (0, 7, 19):
            desk.sandbox.faults.add(name, on="lance", after=after, times=2)
    ids = [*entity_ids(4_980), *entity_ids(12), *[""] * 8]
    page = desk.open("lance")
    lines = ["Lead,Lance ID", *(f"Lead {number},{one}" for number, one in enumerate(ids, 1))]
    page.file_uploader[0].upload("leads.csv", "\n".join(lines).encode())
    page.run()
    assert "4,980 ids + 12 rows repeat one (asked once) + 8 rejected = 5,000 rows" in texts(page)
    assert "4,980 ids x 2 fields = 9,960 questions in 50 free calls." in texts(page)

    button(page, "Ask Lance about 4,980 ids").click().run()
    (card,) = watched.watch_cards(desk.ledger)
    frame = ended(desk, card.list_id)

    card = card_of(desk, card.list_id)
    assert {field: sum(states.values()) for field, states in card.counts.items()} == {
        "phones": 4_980,
        "emails": 4_980,
    }
    assert "not asked" not in card.states
    for field in card.fields:
        by_state = frame.group_by(f"{field}_state").len()
        assert by_state["len"].sum() == frame.height == 5_000
        assert frame.filter(pl.col(f"{field}_state").is_null()).height == 8
    assert desk.sandbox.requests("lance") > 50, "some questions were asked again"
    assert desk.sandbox.credits_spent() == 0
