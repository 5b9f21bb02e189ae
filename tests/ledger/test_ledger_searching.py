"""Find the row: a refused batch in halves, until what is refused stands alone and the rest is accepted."""

from __future__ import annotations

import pytest
from ledger_kit import (
    accepted,
    answer,
    assert_adds_up,
    claim,
    free,
    outcomes,
    plan,
    reasons,
    row_of,
    sending,
    state_of,
    task_numbers,
)
from search_kit import WORDS, has_any_of, play, refused, rows_in, states, the_search

from openmart_lib.api.wire import Kind
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import (
    BatchState,
    Outcome,
    RunState,
    answers,
    decisions,
    queries,
    submissions,
)
from openmart_lib.ledger.runs import cancel_run
from openmart_lib.ledger.searches import searches
from openmart_lib.ledger.searching import find_row


def test_one_bad_row_among_a_hundred_is_found_and_the_99_others_are_accepted_once(ledger):
    run_id = plan(ledger, 100)

    find_row(ledger, refused(ledger))
    taken = play(ledger, has_any_of({38}))

    assert sorted(row for rows in taken for row in rows) == [row for row in range(1, 101) if row != 38]
    assert outcomes(ledger, run_id) == {"pending": 99, "refused": 1}
    assert reasons(ledger, run_id)[37] == f"Openmart refused this row alone: {WORDS}"
    search = the_search(ledger, run_id)
    assert [(row.seq, row.file_line) for row in search.guilty] == [(38, 39)]
    assert (search.going, search.accepted_tasks, search.left_over) == (False, 99, ())
    assert search.sent <= 14, "about two submissions for each halving"
    assert_adds_up(ledger)


def test_the_halves_are_new_batches_with_new_tracking_ids_and_the_refused_one_stays(ledger):
    run_id = plan(ledger, 5)
    root = refused(ledger)

    first, second = find_row(ledger, root)

    batches = queries.batches(ledger, run_id)
    assert batches["state"].to_list() == ["refused", "planned", "planned"]
    assert batches["resend_of_no"].to_list() == batches["search_of_no"].to_list() == [None, 1, 1]
    assert (task_numbers(ledger, first), task_numbers(ledger, second)) == ([6, 7], [8, 9, 10])
    assert (rows_in(ledger, first), rows_in(ledger, second)) == ({1, 2}, {3, 4, 5})
    info = queries.run_info(ledger, run_id)
    assert (info.task_count, info.state) == (10, RunState.ACTIVE)
    assert outcomes(ledger, run_id) == {"pending": 5}
    assert_adds_up(ledger)


def test_a_half_of_a_half_names_its_parent_and_the_batch_that_is_searched(ledger):
    run_id = plan(ledger, 4)
    root = refused(ledger)
    find_row(ledger, root)

    half = refused(ledger)

    batches = queries.batches(ledger, run_id)
    quarters = batches.filter(batches["resend_of_no"] == row_of(ledger, half).batch_no)
    assert quarters["task_count"].to_list() == [1, 1]
    assert quarters["search_of_no"].to_list() == [1, 1]
    assert state_of(ledger, half) is BatchState.REFUSED


def test_the_newest_parts_are_sent_first_and_before_the_rest_of_the_run(ledger):
    plan(ledger, 12, per_batch=4)
    find_row(ledger, refused(ledger))

    half = refused(ledger)
    children = [claim(ledger).pk for _ in range(2)]

    assert {row_of(ledger, pk).resend_of for pk in children} == {half}
    assert row_of(ledger, claim(ledger).pk).search_of is not None
    assert row_of(ledger, claim(ledger).pk).batch_no == 2, "then the rest, in its order"


def test_a_batch_of_which_every_part_is_refused_is_given_up_early_with_the_likely_cause(ledger):
    run_id = plan(ledger, 100)

    find_row(ledger, refused(ledger))
    play(ledger, lambda rows: True)

    search = the_search(ledger, run_id)
    assert search.hopeless and not search.going
    assert search.sent < 50, "not the 198 submissions that every single row would take"
    assert outcomes(ledger, run_id) == {"refused": 100}
    said = set(reasons(ledger, run_id))
    assert any("the cause is likely an option of the run" in text for text in said)
    assert "search_hopeless" in queries.events(ledger, run_id)["kind"].to_list()
    assert_adds_up(ledger)


@pytest.mark.parametrize("lanes", [1, 4])
def test_bad_rows_spread_evenly_are_all_found(ledger, lanes):
    bad = set(range(5, 50, 10))
    run_id = plan(ledger, 50)

    find_row(ledger, refused(ledger))
    play(ledger, has_any_of(bad), lanes=lanes)

    assert {row.seq for row in the_search(ledger, run_id).guilty} == bad
    assert outcomes(ledger, run_id) == {"pending": 45, "refused": 5}


def test_a_part_that_was_not_halved_any_more_can_be_searched_again_on_its_own(ledger):
    run_id = plan(ledger, 64)
    find_row(ledger, refused(ledger))
    play(ledger, lambda rows: True)
    part = max(the_search(ledger, run_id).left_over, key=lambda one: one.task_count)

    find_row(ledger, part.pk)
    taken = play(ledger, has_any_of({min(rows_in(ledger, part.pk))}))

    assert sum(len(rows) for rows in taken) == part.task_count - 1
    assert [search.pk for search in searches(ledger, run_id)] == [1, part.pk]
    assert part.pk not in [one.pk for one in searches(ledger, run_id)[0].left_over]
    assert_adds_up(ledger)


def test_the_bad_task_of_several_people_is_refused_with_all_its_rows(ledger):
    run_id = plan(ledger, 4, people=3, kind=Kind.LOOKUP_PEOPLE)

    find_row(ledger, refused(ledger))
    play(ledger, has_any_of({8}))

    assert outcomes(ledger, run_id) == {"pending": 9, "refused": 3}
    assert [row.seq for row in the_search(ledger, run_id).guilty] == [7, 8, 9]
    assert (
        reasons(ledger, run_id)[6:9]
        == [f"Openmart refused these 3 rows, which are one task, alone: {WORDS}"] * 3
    )
    links = queries.links(ledger, run_id)
    assert set(links.filter(links["seq"] == 8)["person_no"]) == {2}
    assert_adds_up(ledger)


# what may not be searched


def test_only_a_refused_batch_is_searched(ledger):
    plan(ledger, 2)
    pk = accepted(ledger)

    with pytest.raises(LedgerError, match=r"not refused.*Nothing was sent\..*Reload"):
        find_row(ledger, pk)


def test_a_batch_is_searched_once(ledger):
    run_id = plan(ledger, 4)
    root = refused(ledger)
    find_row(ledger, root)

    with pytest.raises(LedgerError, match="looked for already"):
        find_row(ledger, root)

    assert len(states(ledger, run_id)) == 3


def test_a_batch_of_one_task_needs_no_search(ledger):
    plan(ledger, 1)
    root = refused(ledger)

    with pytest.raises(LedgerError, match=r"holds one task.*Correct its row"):
        find_row(ledger, root)


def test_nothing_of_a_cancelled_run_is_searched(ledger):
    run_id = plan(ledger, 4, per_batch=2)
    root = refused(ledger)
    cancel_run(ledger, run_id)

    with pytest.raises(LedgerError, match="was cancelled"):
        find_row(ledger, root)

    assert states(ledger, run_id) == ["refused", "cancelled"]


def test_a_refused_batch_whose_first_try_may_have_been_charged_is_not_sent_in_parts(ledger):
    plan(ledger, 4)
    first = sending(ledger)
    submissions.lose(ledger, first, seen="timeout")
    free(ledger)
    decisions.resend_batch(ledger, first)
    again = refused(ledger)

    with pytest.raises(LedgerError, match="charged twice"):
        find_row(ledger, again)


def test_a_refused_batch_whose_first_try_created_nothing_may_be_sent_in_parts(ledger):
    plan(ledger, 4)
    first = sending(ledger)
    submissions.lose(ledger, first, seen="timeout")
    submissions.note_late_no(ledger, first, status=400, detail=WORDS)
    free(ledger)
    decisions.resend_batch(ledger, first)

    assert len(find_row(ledger, refused(ledger))) == 2


def test_a_run_without_searches_has_none(ledger):
    assert searches(ledger, plan(ledger, 2)) == []


def test_the_answers_of_parts_are_the_rows_answers(ledger):
    run_id = plan(ledger, 2)
    find_row(ledger, refused(ledger))
    play(ledger, has_any_of({1}))
    part = next(one for one in the_search(ledger, run_id).parts if one.state is BatchState.ACCEPTED)
    (number,) = task_numbers(ledger, part.pk)

    answers.store_answers(ledger, part.pk, [answer(run_id, number, [])])
    answers.finish_if_complete(ledger, part.pk)

    assert outcomes(ledger, run_id) == {str(Outcome.NO_MATCH): 1, str(Outcome.REFUSED): 1}
    assert queries.run_info(ledger, run_id).state is RunState.DONE
    assert_adds_up(ledger)
