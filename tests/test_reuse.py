"""Reuse: what was bought once is found again, whatever list asks for it, and is not bought twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from reuse_kit import ANA, OWNERS, answer, claim, looked, second_run, send
from sqlalchemy import update

from openmart_lib import reuse, submission
from openmart_lib.api.wire import Kind
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.likeness import with_likeness
from openmart_lib.intake.options import RunOptions
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.answers import finish_if_complete, mark_missing
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.ledger.runs import cancel_run
from openmart_lib.ledger.schema import task
from openmart_lib.ledger.submissions import lose, refuse
from openmart_lib.reuse import Choice
from openmart_lib.settings import Settings

DAY = 86_400.0
NOW = 1_760_000_000.0
PEOPLE = {"domain": ["website"], "first_name": ["first"], "last_name": ["last"]}
PHONES = RunOptions(info_access=("PHONE",), people_per_task=4)


class Time:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def ledger(tmp_path: Path, time: Time) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path, environment="sandbox", clock=time)
    yield opened
    opened.close()


def companies(*domains: str) -> pl.DataFrame:
    return pl.DataFrame({"website": domains})


def people(*names: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(names, schema=["website", "first", "last"], orient="row")


def first_run(ledger: Ledger, *domains: str) -> str:
    """Plan a list as the first of this ledger."""
    return second_run(ledger, companies(*domains), Choice.BUY, name=f"First list {domains}")


def answered(ledger: Ledger, *domains: str) -> str:
    """A first run whose every task found Ana."""
    run_id = first_run(ledger, *domains)
    for start in range(1, len(domains) + 1, 2):
        pk = send(ledger)
        for task_no in range(start, min(start + 2, len(domains) + 1)):
            answer(ledger, run_id, pk, task_no, [ANA])
        finish_if_complete(ledger, pk)
    return run_id


def rows_of(ledger: Ledger, run_id: str) -> list[tuple[str, str]]:
    return queries.row_states(ledger, run_id).select("intake", "outcome").rows()


def test_what_was_answered_serves_also_when_nothing_was_found(ledger: Ledger) -> None:
    run_id = first_run(ledger, "acme.com", "beta.com", "gamma.com")
    pk = send(ledger)
    answer(ledger, run_id, pk, 1, [ANA])
    answer(ledger, run_id, pk, 2, [])

    _, found = looked(ledger, companies("new.com", "https://www.Acme.com/about", "beta.com"))

    assert found.rows["seq"].to_list() == [2, 3]
    assert found.rows["outcome"].to_list() == ["matched", "no match"]
    assert found.rows["source_task_no"].to_list() == [1, 2]


def test_unfinished_tasks_are_waited_for_and_said_to_be(ledger: Ledger) -> None:
    first_run(ledger, "acme.com", "beta.com")

    _, found = looked(ledger, companies("acme.com"))

    assert (found.served, found.waiting, found.reusable) == (0, 1, 1)
    assert found.as_json()["waiting"] == 1


@pytest.mark.parametrize("end", ["refused", "cancelled", "missing", "errored"])
def test_what_ended_badly_serves_nobody(ledger: Ledger, end: str) -> None:
    run_id = first_run(ledger, "acme.com")
    match end:
        case "refused":
            refuse(ledger, claim(ledger), status=400, detail="no")
        case "cancelled":
            cancel_run(ledger, run_id)
        case "missing":
            mark_missing(ledger, send(ledger), by_person=True)
        case "errored":
            answer(ledger, run_id, send(ledger), 1, None, status="ERRORED")
    assert [outcome for _, outcome in rows_of(ledger, run_id)] == [end]

    _, found = looked(ledger, companies("acme.com"))

    assert found.rows.is_empty()


def test_a_task_in_doubt_is_named_apart_and_not_bought_again_unless_somebody_says_so(ledger: Ledger) -> None:
    first_run(ledger, "acme.com")
    lose(ledger, claim(ledger), seen="the connection broke")

    plan, found = looked(ledger, companies("acme.com", "new.com"))

    assert (found.reusable, found.in_doubt) == (0, 1)
    assert found.sentence() == "" and "may have been bought" in found.doubt()
    assert reuse.apply(plan, found, Choice.REUSE)[0].tasks["domain"].to_list() == ["new.com"]
    bought, reused = reuse.apply(plan, found, Choice.REUSE, buy_doubtful=True)
    assert bought.tasks["domain"].to_list() == ["acme.com", "new.com"] and reused is None


@pytest.mark.parametrize(
    "other",
    [
        RunOptions(title="Buyer", max_k=3, info_access=("EMAIL", "PHONE")),
        RunOptions(title="Owner", max_k=2, info_access=("EMAIL", "PHONE")),
        RunOptions(title="Owner", max_k=3, info_access=("EMAIL",)),
        RunOptions(title="Owner", max_k=3, info_access=("EMAIL", "PHONE"), city="Porto"),
        RunOptions(title="Owner", max_k=3, info_access=("EMAIL", "PHONE"), version=1),
    ],
    ids=["role", "people wanted", "fields", "place", "pipeline"],
)
def test_another_question_about_the_same_company_is_another_purchase(
    ledger: Ledger, other: RunOptions
) -> None:
    answered(ledger, "acme.com")

    _, found = looked(ledger, companies("acme.com"), options=other)

    assert found.rows.is_empty()


def test_the_company_name_and_the_case_of_the_role_make_no_difference(ledger: Ledger) -> None:
    answered(ledger, "acme.com")
    named = RunOptions(title="OWNER", max_k=3, info_access=("PHONE", "EMAIL"), company_name="Acme Inc.")

    _, found = looked(ledger, companies("acme.com"), options=named)

    assert found.served == 1


def test_only_runs_of_the_last_days_count_and_their_age_is_told(ledger: Ledger, time: Time) -> None:
    answered(ledger, "acme.com")
    time.at += 9 * DAY

    said = looked(ledger, companies("acme.com", "new.com"))[1].sentence()
    beyond = looked(ledger, companies("acme.com"), days=8)[1]

    assert said == "1 of 2 you already have (9 days ago), saves up to 33 credits."
    assert beyond.rows.is_empty()


def test_of_several_purchases_the_newest_answered_one_serves(ledger: Ledger, time: Time) -> None:
    answered(ledger, "acme.com", "x.com")
    time.at += DAY
    second_run(ledger, companies("acme.com", "y.com"), Choice.BUY, name="bought again")
    answer(ledger, newest := queries.newest_run_id(ledger), send(ledger), 1, [ANA])
    time.at += DAY
    first_run(ledger, "acme.com", "z.com")  # has no answer yet

    _, found = looked(ledger, companies("acme.com"))

    assert newest in found.rows["run"][0]


def test_equal_bits_of_different_questions_reuse_nothing(ledger: Ledger) -> None:
    """No wrong person's data through a collision: what is asked is compared word for word."""
    answered(ledger, "acme.com")
    plan, _ = looked(ledger, companies("other.com"))
    colliding = with_likeness(plan.tasks, Kind.FIND_PEOPLE)["likeness"][0]
    with ledger.write() as connection:
        connection.execute(update(task).values(likeness=colliding))

    _, found = looked(ledger, companies("other.com"))

    assert found.rows.is_empty()


def test_the_likeness_that_a_run_keeps_and_one_worked_out_of_what_it_sent_find_the_same(
    ledger: Ledger,
) -> None:
    plan, found = looked(ledger, companies("acme.com", "beta.com"))
    second_run(
        ledger,
        companies("acme.com", "beta.com"),
        name="with likeness",
        tasks=with_likeness(plan.tasks, Kind.FIND_PEOPLE),
    )
    assert found.rows.is_empty()

    _, kept = looked(ledger, companies("beta.com"))
    for derived in ledger.results_dir.glob("*.likeness.parquet"):
        derived.unlink()
    with ledger.write() as connection:
        connection.execute(update(task).values(likeness=None))
    _, worked_out = looked(ledger, companies("beta.com"))

    assert kept.rows.equals(worked_out.rows) and kept.waiting == 1


@pytest.mark.parametrize("kind", [Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE])
def test_what_is_written_down_at_planning_is_what_a_look_would_work_out(ledger: Ledger, kind: Kind) -> None:
    """The first look reads it; deleted, the next one makes the very same again."""
    frame = people(("acme.com", "Ana", "Silva"), ("acme.com", "Bo", "Lee"), ("beta.com", "Cy", "Day"))
    upload = upload_from_frame(frame)
    mapping, options = (PEOPLE, PHONES) if kind is Kind.LOOKUP_PEOPLE else ({"domain": ["website"]}, OWNERS)
    settings = Settings(data_dir=ledger.folder.parent)
    prepared = submission.prepare(upload, mapping, kind, options, settings=settings)

    run_id = submission.confirm(ledger, settings, prepared, name="new", confirm_token="new")

    (path,) = ledger.results_dir.glob(f"{run_id}.likeness.parquet")
    kept, written_at = pl.read_parquet(path), path.stat().st_mtime_ns
    _, found = looked(ledger, frame, kind=kind, mapping=mapping, options=options)
    assert found.waiting == (3 if kind is Kind.LOOKUP_PEOPLE else 2)
    assert path.stat().st_mtime_ns == written_at, "it was read, not made anew"
    path.unlink()
    looked(ledger, frame, kind=kind, mapping=mapping, options=options)
    assert pl.read_parquet(path).equals(kept)


def test_a_second_visit_to_the_same_confirm_leaves_what_is_written_down(ledger: Ledger) -> None:
    settings = Settings(data_dir=ledger.folder.parent)
    for sites in (["acme.com"], ["beta.com"]):  # the same token: the first one's run
        upload = upload_from_frame(companies(*sites))
        prepared = submission.prepare(
            upload, {"domain": ["website"]}, Kind.FIND_PEOPLE, OWNERS, settings=settings
        )
        submission.confirm(ledger, settings, prepared, name="new", confirm_token="one visit")
        for path in ledger.results_dir.glob("*.parquet") if sites == ["acme.com"] else ():
            path.unlink()

    assert looked(ledger, companies("acme.com"))[1].waiting == 1


def test_of_a_group_of_people_each_is_a_purchase_of_his_own(ledger: Ledger) -> None:
    group = people(("acme.com", "Ana", "Silva"), ("acme.com", "Bo", "Lee"), ("acme.com", "Cy", "Day"))
    run_id = second_run(
        ledger, group, Choice.BUY, name="group", kind=Kind.LOOKUP_PEOPLE, mapping=PEOPLE, options=PHONES
    )
    answer(ledger, run_id, send(ledger), 1, [ANA | {"phones": [{"phone_number": "+15550100"}]}])
    wanted = people(("acme.com", "Di", "Fox"), ("acme.com", "Bo", "Lee"), ("acme.com", "Eve", "Gil"))

    plan, found = looked(ledger, wanted, kind=Kind.LOOKUP_PEOPLE, mapping=PEOPLE, options=PHONES)
    left, reused = reuse.apply(plan, found, Choice.REUSE)

    assert found.rows.select("seq", "source_person_no", "outcome").rows() == [(2, 2, "no match")]
    assert left.links.rows() == [(1, 1, 1), (3, 1, 2)]
    assert left.tasks["request"].str.json_decode(
        pl.Struct({"people": pl.List(pl.Struct({"first_name": pl.String}))})
    ).struct.field("people").to_list() == [[{"first_name": "Di"}, {"first_name": "Eve"}]]
    assert reused is not None and reused["seq"].to_list() == [2]


def test_reused_rows_are_not_bought_and_everything_adds_up(ledger: Ledger) -> None:
    answered(ledger, "acme.com")

    plan, found = looked(ledger, companies("acme.com", "new.com", "www.acme.com", "nonsense"))
    left, _ = reuse.apply(plan, found, Choice.REUSE)

    assert left.reckoning.sentence == "4 rows = 1 accepted + 1 duplicate + 1 rejected + 1 reused"
    assert left.reckoning.adds_up
    assert left.tasks["domain"].to_list() == ["new.com"] and left.links.rows() == [(2, 1, 0)]
    assert "bought in run" in left.rows["reason"][0]


def test_skipped_rows_are_left_out_with_their_duplicates_and_say_where_they_were_bought(
    ledger: Ledger,
) -> None:
    run_id = answered(ledger, "acme.com")

    plan, found = looked(ledger, companies("acme.com", "new.com", "www.acme.com"))
    left, reused = reuse.apply(plan, found, Choice.SKIP)

    assert left.rows["intake"].to_list() == ["skipped", "accepted", "skipped"]
    assert left.reckoning.codes == {reuse.BOUGHT_CODE: 2}
    assert left.rows["reason"].drop_nulls().str.contains(run_id).all()
    assert reused is None


def test_bought_again_the_plan_stays_as_it_is(ledger: Ledger) -> None:
    answered(ledger, "acme.com")
    plan, found = looked(ledger, companies("acme.com"))

    assert reuse.apply(plan, found, Choice.BUY) == (plan, None)


def test_a_run_that_reuses_is_no_source_itself(ledger: Ledger) -> None:
    """The row that paid is followed, not one that shows its answer."""
    bought = answered(ledger, "acme.com")
    second_run(ledger, companies("acme.com", "new.com"), name="reuses")

    _, found = looked(ledger, companies("acme.com"))

    assert bought in found.rows["run"][0]


def test_what_was_deleted_cannot_be_reused(ledger: Ledger) -> None:
    run_id = answered(ledger, "acme.com")
    looked(ledger, companies("acme.com"))  # the derived list of what it bought exists
    erase_run(ledger, run_id)

    _, found = looked(ledger, companies("acme.com"))

    assert found.rows.is_empty()
    assert not list(ledger.results_dir.glob(f"{run_id}*"))


def test_a_run_of_only_reused_rows_has_its_answers_at_once(ledger: Ledger) -> None:
    answered(ledger, "acme.com")

    run_id = second_run(ledger, companies("acme.com"))

    info = queries.run_info(ledger, run_id)
    assert rows_of(ledger, run_id) == [("reused", "reused")]
    assert info.state == "done" and info.task_count == 0
    assert {outcome: n for outcome, n in info.outcomes.items() if n} == {Outcome.REUSED: 1}
    assert OWNERS.max_k == 3  # the question was the same
