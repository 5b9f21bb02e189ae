"""Answers: counters, lists and tasks as reads bring them: late, twice, in part, or not at all."""

from __future__ import annotations

import json

import pytest
from ledger_kit import (
    EMAIL,
    PHONE,
    accepted,
    account_id,
    answer,
    answer_to,
    assert_adds_up,
    counts,
    outcomes,
    plan,
    row_of,
    sending,
    state_of,
)
from sqlalchemy import func, select

from openmart_lib.api.wire import BatchCounts, Kind
from openmart_lib.ledger import BatchState, answers, landing, queries, submissions
from openmart_lib.ledger.schema import remote_task


@pytest.fixture
def run_id(ledger) -> str:
    return plan(ledger, 3, kind=Kind.FIND_PEOPLE)


@pytest.fixture
def pk(ledger, run_id) -> int:
    return accepted(ledger)


def test_counters_are_kept_with_when_they_were_asked_for_and_when_they_changed(ledger, clock, pk):
    clock.pass_(10.0)
    answers.store_counts(ledger, pk, counts(2, 1), next_poll_at=clock.at + 5.0)
    changed = clock.at
    clock.pass_(10.0)

    answers.store_counts(ledger, pk, counts(2, 1), next_poll_at=clock.at + 7.0)

    row = row_of(ledger, pk)
    assert (row.processing, row.completed, row.errored, row.total) == (2, 1, 0, 3)
    assert (row.asked_at, row.changed_at, row.next_poll_at) == (clock.at, changed, clock.at + 7.0)
    assert row.polls == 2


def test_counters_that_are_missing_are_kept_as_missing(ledger, clock, pk):
    none = BatchCounts(processing=None, completed=None, errored=None, total=None, batch_ready=False)

    answers.store_counts(ledger, pk, counts(3, 0), next_poll_at=clock.at)
    clock.pass_(1.0)
    answers.store_counts(ledger, pk, none, next_poll_at=clock.at)
    clock.pass_(1.0)
    answers.store_counts(ledger, pk, none, next_poll_at=clock.at)

    row = row_of(ledger, pk)
    assert (row.processing, row.total) == (None, None)
    assert row.changed_at == clock.at - 1.0, "missing twice is no change"


def test_ready_is_when_it_was_first_seen_and_is_taken_back_when_the_server_takes_it_back(
    ledger, clock, run_id, pk
):
    answers.store_counts(ledger, pk, counts(0, 3, ready=True), next_poll_at=clock.at)
    first = clock.at
    clock.pass_(5.0)
    answers.store_counts(ledger, pk, counts(0, 3, ready=True), next_poll_at=clock.at)
    seen_twice = row_of(ledger, pk).ready_at
    fetching = queries.run_info(ledger, run_id).pending
    answers.store_counts(ledger, pk, counts(1, 2, ready=False), next_poll_at=clock.at)

    assert seen_twice == first
    assert (fetching.fetching, fetching.at_openmart) == (3, 0)
    assert row_of(ledger, pk).ready_at is None
    assert queries.run_info(ledger, run_id).pending.at_openmart == 3


def test_a_failed_read_is_shown_until_one_succeeds(ledger, clock, pk):
    answers.store_read_error(ledger, pk, "Openmart failed to answer (HTTP 503).", next_poll_at=clock.at + 5.0)
    shown = row_of(ledger, pk).read_error
    answers.store_counts(ledger, pk, counts(3, 0), next_poll_at=clock.at)

    assert shown == "Openmart failed to answer (HTTP 503)."
    assert row_of(ledger, pk).read_error is None


def test_a_batch_is_due_at_its_time_the_longest_overdue_first(ledger, clock):
    plan(ledger, 3, per_batch=1)
    pks = [accepted(ledger) for _ in range(3)]
    for wait, each in zip((30.0, 10.0, 20.0), pks, strict=True):
        answers.store_counts(ledger, each, counts(1, 0), next_poll_at=clock.at + wait)

    now = answers.due_batches(ledger, account_id(ledger), limit=9)
    clock.pass_(25.0)
    later = answers.due_batches(ledger, account_id(ledger), limit=9)
    one = answers.due_batches(ledger, account_id(ledger), limit=1)

    assert now == []
    assert [due.pk for due in later] == [pks[1], pks[2]]
    assert [due.pk for due in one] == [pks[1]]
    assert later[0].batch_id == f"batch-{pks[1]}"


def test_a_poll_more_than_an_hour_ahead_is_due_because_the_clock_was_set_back(ledger, clock, pk):
    answers.store_counts(ledger, pk, counts(1, 0), next_poll_at=clock.at + 30.0)

    clock.pass_(-86_400.0)

    assert [due.pk for due in answers.due_batches(ledger, account_id(ledger), limit=9)] == [pk]


def test_batches_can_be_made_due_one_or_all(ledger, clock):
    plan(ledger, 2, per_batch=1)
    first, second = accepted(ledger), accepted(ledger)
    for each in (first, second):
        answers.store_counts(ledger, each, counts(1, 0), next_poll_at=clock.at + 30.0)

    answers.make_due(ledger, first)
    one = [due.pk for due in answers.due_batches(ledger, account_id(ledger), limit=9)]
    answers.make_all_due(ledger, account_id(ledger))
    both = [due.pk for due in answers.due_batches(ledger, account_id(ledger), limit=9)]

    assert (one, sorted(both)) == ([first], [first, second])


def test_batches_that_are_not_with_openmart_are_never_due(ledger, clock):
    plan(ledger, 2, per_batch=1)
    sending(ledger)

    answers.make_all_due(ledger, account_id(ledger))
    clock.pass_(10_000.0)

    assert answers.due_batches(ledger, account_id(ledger), limit=9) == []


def test_the_typical_duration_is_a_short_one_of_the_runs_ready_batches(ledger, clock):
    """Ready is seen late, never early: late looks must not make the next ones later."""
    plan(ledger, 5, per_batch=1)
    pks = [accepted(ledger) for _ in range(5)]
    assert answers.typical_duration(ledger, pks[4]) is None

    for each in pks[:4]:
        clock.pass_(40.0)
        answers.store_counts(ledger, each, counts(0, 1, ready=True), next_poll_at=clock.at)

    assert answers.typical_duration(ledger, pks[4]) == 80.0


def test_only_the_last_batches_say_what_is_typical_now(ledger, clock):
    count = answers.RECENT + 1
    plan(ledger, count, per_batch=1)
    pks = []
    for seconds in [1.0] + [60.0] * (count - 1):
        pks.append(accepted(ledger))
        clock.pass_(seconds)
        answers.store_counts(ledger, pks[-1], counts(0, 1, ready=True), next_poll_at=clock.at)

    assert answers.typical_duration(ledger, pks[-1]) == 60.0


def test_listed_ids_are_fetched_once_however_often_they_are_listed(ledger, clock, run_id, pk):
    answers.store_listing(ledger, pk, ["t-2", "t-1", "t-2"])
    changed = clock.at
    clock.pass_(5.0)
    answers.store_listing(ledger, pk, ["t-1"])
    answers.store_listing(ledger, pk, [])

    assert answers.listed(ledger, pk) == {"t-2": False, "t-1": False}, (
        "a list that shrinks takes nothing back"
    )
    assert row_of(ledger, pk).changed_at == changed, "ids that are known are no change"
    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL], task_id="t-1")])
    assert answers.listed(ledger, pk) == {"t-2": False, "t-1": True}


def test_ids_that_come_after_the_batch_was_ready_are_a_change(ledger, clock, pk):
    answers.store_counts(ledger, pk, counts(0, 3, ready=True), next_poll_at=clock.at)
    answers.store_listing(ledger, pk, ["t-1"])
    clock.pass_(60.0)

    answers.store_listing(ledger, pk, ["t-1", "t-2"])

    assert row_of(ledger, pk).changed_at == clock.at


def test_reading_what_is_finished_of_a_stalled_batch_does_not_make_it_look_alive(ledger, clock, run_id, pk):
    answers.store_counts(ledger, pk, counts(2, 1), next_poll_at=clock.at)
    stalled_since = row_of(ledger, pk).changed_at
    clock.pass_(3_000.0)
    answers.store_counts(ledger, pk, counts(2, 1), next_poll_at=clock.at)

    answers.store_listing(ledger, pk, ["task-1"])
    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])

    assert row_of(ledger, pk).changed_at == stalled_since
    assert queries.run_info(ledger, run_id).stalled_batches == 1


def test_a_task_that_is_still_processing_is_not_stored_and_stays_to_be_fetched(ledger, run_id, pk):
    answers.store_listing(ledger, pk, ["task-1"])

    stored = answers.store_answers(ledger, pk, [answer(run_id, 1, status="PROCESSING")])

    assert stored == 0
    assert answers.listed(ledger, pk) == {"task-1": False}
    assert outcomes(ledger, run_id) == {"pending": 3}


def test_payload_and_outcome_are_stored_as_the_server_gave_them(ledger, clock, run_id, pk):
    given = answer(run_id, 2, [EMAIL, PHONE])

    stored = answers.store_answers(ledger, pk, [given])

    assert stored == 1
    (kept,) = queries.answers(ledger, run_id).to_dicts()
    assert kept["payload"] == given["raw"]
    assert (kept["task_no"], kept["task_id"], kept["status"]) == (2, "task-2", "COMPLETED")
    assert kept["fetched_at"] == clock.at
    assert queries.row_states(ledger, run_id)["outcome"].to_list() == ["pending", "matched", "pending"]
    found = queries.run_info(ledger, run_id).found
    assert found == {
        "records": 2,
        "emails": 1,
        "verified_emails": 1,
        "phones": 1,
        "mailboxes": 0,
        "technologies": 0,
        "rows_with_email": 1,
        "rows_with_verified_email": 1,
        "rows_with_phone": 1,
    }
    assert_adds_up(ledger)


def test_an_answer_told_again_changes_nothing_even_when_it_says_something_else(ledger, run_id, pk):
    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])
    before = queries.answers(ledger, run_id)

    again = answers.store_answers(
        ledger, pk, [answer(run_id, 1, []), answer(run_id, 1, None, status="ERRORED")]
    )

    assert again == 0
    assert queries.answers(ledger, run_id).equals(before)
    assert outcomes(ledger, run_id) == {"matched": 1, "pending": 2}
    assert_adds_up(ledger)


def test_an_answer_doubled_in_one_go_is_stored_once(ledger, run_id, pk):
    stored = answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL]), answer(run_id, 1, [])])

    assert stored == 1
    assert outcomes(ledger, run_id) == {"matched": 1, "pending": 2}
    assert_adds_up(ledger)


def test_two_server_tasks_for_one_of_ours_are_both_kept_and_counted_once(ledger, run_id, pk):
    stored = answers.store_answers(
        ledger, pk, [answer(run_id, 1, [EMAIL], task_id="a"), answer(run_id, 1, [EMAIL], task_id="b")]
    )

    assert stored == 1
    assert queries.answers(ledger, run_id)["task_id"].to_list() == ["a", "b"]
    assert queries.run_info(ledger, run_id).found["emails"] == 1
    assert row_of(ledger, pk).open_tasks == 2
    assert_adds_up(ledger)


@pytest.mark.parametrize(
    "tracking", [None, "", "somebody-elses", "aaaaaaaaaa-1", "{run}-99", "{run}-0", "{run}-01"]
)
def test_an_answer_with_a_tracking_id_that_we_did_not_send_is_kept_and_touches_no_row(
    ledger, run_id, pk, tracking
):
    tracking = tracking.format(run=run_id) if tracking else tracking
    foreign = answer_to(tracking, [EMAIL], status="COMPLETED", task_id="foreign")

    stored = answers.store_answers(ledger, pk, [foreign])

    assert stored == 0
    (kept,) = queries.answers(ledger, run_id).to_dicts()
    assert (kept["task_no"], kept["tracking_id"], kept["payload"]) == (None, tracking, foreign["raw"])
    assert outcomes(ledger, run_id) == {"pending": 3}
    assert_adds_up(ledger)


def test_a_foreign_answer_told_again_keeps_the_first_payload(ledger, run_id, pk):
    first = answer_to("somebody-elses", [EMAIL], status="COMPLETED", task_id="foreign")

    answers.store_answers(ledger, pk, [first])
    answers.store_answers(ledger, pk, [answer_to("somebody-elses", [], status="ERRORED", task_id="foreign")])

    (kept,) = queries.answers(ledger, run_id).to_dicts()
    assert (kept["payload"], kept["status"]) == (first["raw"], "COMPLETED")


def test_an_answer_for_another_run_touches_neither_run(ledger, run_id, pk):
    other = plan(ledger, 1, content="other")

    answers.store_answers(ledger, pk, [answer(other, 1, [EMAIL])])

    assert outcomes(ledger, other) == {"pending": 1}
    assert outcomes(ledger, run_id) == {"pending": 3}
    assert_adds_up(ledger)


def test_a_batch_whose_lists_stay_without_a_task_ends_with_missing_rows(ledger, run_id, pk):
    answers.store_answers(ledger, pk, [answer(run_id, no, [EMAIL]) for no in (1, 2)])

    missing = answers.mark_missing(ledger, pk, by_person=False)

    assert missing == 1
    assert (state_of(ledger, pk), row_of(ledger, pk).closed_by_person) == (BatchState.COLLECTED, False)
    assert outcomes(ledger, run_id) == {"matched": 2, "missing": 1}
    assert (
        "its lists stayed without this row"
        in queries.row_states(ledger, run_id)["outcome_reason"].to_list()[2]
    )
    assert_adds_up(ledger)


def test_a_hundred_answers_are_one_transaction(ledger):
    run_id = plan(ledger, 100)
    pk = accepted(ledger)
    before = queries.revision(ledger)

    answers.store_answers(ledger, pk, [answer(run_id, no, [EMAIL]) for no in range(1, 101)])

    assert queries.revision(ledger) == before + 1
    assert outcomes(ledger, run_id) == {"matched": 100}


def test_answers_that_cannot_be_stored_leave_neither_payload_nor_outcome(ledger, run_id, pk, monkeypatch):
    monkeypatch.setattr(landing, "settle", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])

    with ledger.read() as connection:
        assert connection.execute(select(func.count()).select_from(remote_task)).scalar() == 0
    assert outcomes(ledger, run_id) == {"pending": 3}
    assert row_of(ledger, pk).open_tasks == 3
    assert_adds_up(ledger)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    "data", [None, [], {}, "text", 7, [None, 7, "x", {"email": {"email": {"deep": []}}}], {"a": {"b": [[]]}}]
)
def test_whatever_shape_an_answer_has_its_rows_get_an_outcome(ledger, kind, data):
    run_id = plan(ledger, 1, people=2 if kind is Kind.LOOKUP_PEOPLE else 0, kind=kind)
    pk = accepted(ledger)

    answers.store_answers(ledger, pk, [answer(run_id, 1, data)])

    assert answers.finish_if_complete(ledger, pk)
    assert "pending" not in outcomes(ledger, run_id)
    assert json.loads(queries.answers(ledger, run_id)["payload"].item())["data"] == data
    assert_adds_up(ledger)


def test_mailboxes_and_technologies_have_counters_of_their_own(ledger):
    mail = plan(ledger, 1, kind=Kind.LOOKUP_BUSINESS_EMAIL)
    answers.store_answers(
        ledger,
        accepted(ledger),
        [answer(mail, 1, ["info@x.invalid", {"email": "old@x.invalid", "status": "INVALID"}])],
    )
    tech = plan(ledger, 1, kind=Kind.FIND_TECH, content="tech")
    answers.store_answers(ledger, accepted(ledger), [answer(tech, 1, [{"technology": "shopify"}])])

    mail_found, tech_found = (queries.run_info(ledger, run_id).found for run_id in (mail, tech))

    assert (mail_found["mailboxes"], mail_found["emails"], mail_found["rows_with_email"]) == (2, 0, 1)
    assert (tech_found["technologies"], tech_found["records"]) == (1, 1)
    assert_adds_up(ledger)


def test_an_answer_that_comes_while_the_batch_is_in_doubt_lands(ledger, run_id):
    """Another batch's listing may bring it; what is here is here."""
    pk = sending(ledger)
    submissions.lose(ledger, pk, seen="timeout")

    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])

    assert outcomes(ledger, run_id) == {"matched": 1, "unknown": 2}
    assert_adds_up(ledger)
