"""A search for bad rows that something comes between: no clear answer, a person, a hold, an older ledger."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from ledger_kit import (
    ENVIRONMENT,
    Clock,
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
from search_kit import WORDS, has_any_of, heirs, play, refused, states, the_search

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import (
    BatchState,
    Ledger,
    RunState,
    decisions,
    queries,
    submissions,
)
from openmart_lib.ledger.backup import backup, restore
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.runs import cancel_run, pause_run, resume_run
from openmart_lib.ledger.searching import find_row, stop_search
from openmart_lib.ledger.states import Hold


def test_a_part_without_a_clear_answer_is_unknown_like_any_other_and_not_sent_again(ledger):
    run_id = plan(ledger, 4)
    find_row(ledger, refused(ledger))
    part = sending(ledger)

    submissions.lose(ledger, part, seen="timeout")
    free(ledger)
    taken = play(ledger, has_any_of(set()))

    assert state_of(ledger, part) is BatchState.UNKNOWN
    assert [len(rows) for rows in taken] == [2]
    assert outcomes(ledger, run_id) == {"pending": 2, "unknown": 2}
    assert the_search(ledger, run_id).unknown == 1
    assert_adds_up(ledger)


def test_an_unknown_part_that_a_person_resends_and_openmart_refuses_is_not_halved_by_the_program(ledger):
    plan(ledger, 4)
    find_row(ledger, refused(ledger))
    part = sending(ledger)
    submissions.lose(ledger, part, seen="timeout")
    free(ledger)
    again = decisions.resend_batch(ledger, part)
    assert claim(ledger).pk == again

    submissions.refuse(ledger, again, status=400, detail=WORDS)

    assert not heirs(ledger, again), "its tasks may be at Openmart from the first try"


def test_an_unknown_part_of_which_nothing_was_created_goes_on_with_the_search_when_resent(ledger):
    plan(ledger, 4)
    root = refused(ledger)
    find_row(ledger, root)
    part = sending(ledger)
    submissions.lose(ledger, part, seen="timeout")
    submissions.note_late_no(ledger, part, status=400, detail=WORDS)
    free(ledger)
    again = decisions.resend_batch(ledger, part)
    assert claim(ledger).pk == again

    submissions.refuse(ledger, again, status=400, detail=WORDS)

    assert [row.search_of for row in heirs(ledger, again)] == [root, root]


def test_stopping_cancels_the_unsent_parts_and_nothing_is_halved_any_more(ledger):
    run_id = plan(ledger, 8)
    root = refused(ledger)
    find_row(ledger, root)
    part = sending(ledger)

    stopped = stop_search(ledger, root)
    submissions.refuse(ledger, part, status=400, detail=WORDS)

    assert stopped == 1
    assert states(ledger, run_id) == ["refused", "cancelled", "refused"]
    assert outcomes(ledger, run_id) == {"cancelled": 4, "refused": 4}
    assert "search for the bad row was stopped" in reasons(ledger, run_id)[0]
    search = the_search(ledger, run_id)
    assert search.stopped and not search.going and search.left_over[0].pk == part
    assert_adds_up(ledger)


def test_a_part_that_comes_back_unsent_to_a_stopped_search_is_cancelled(ledger):
    plan(ledger, 4)
    root = refused(ledger)
    find_row(ledger, root)
    part = sending(ledger)
    stop_search(ledger, root)

    submissions.release_not_sent(ledger, part, "connection refused")

    assert state_of(ledger, part) is BatchState.CANCELLED


def test_a_part_resent_by_a_person_after_the_stop_is_a_batch_of_its_own(ledger):
    plan(ledger, 4)
    root = refused(ledger)
    find_row(ledger, root)
    part = sending(ledger)
    submissions.lose(ledger, part, seen="timeout")
    stop_search(ledger, root)

    again = decisions.resend_batch(ledger, part)

    assert row_of(ledger, again).search_of is None


def test_a_search_that_is_over_cannot_be_stopped(ledger):
    plan(ledger, 2)
    root = refused(ledger)
    find_row(ledger, root)
    play(ledger, has_any_of({1}))

    with pytest.raises(LedgerError, match=r"No search .* going on\. Nothing was changed\."):
        stop_search(ledger, root)


def test_cancelling_the_run_ends_its_search(ledger):
    run_id = plan(ledger, 8)
    find_row(ledger, refused(ledger))
    part = sending(ledger)

    cancel_run(ledger, run_id)
    submissions.refuse(ledger, part, status=400, detail=WORDS)

    assert states(ledger, run_id) == ["refused", "cancelled", "refused"]
    assert queries.run_info(ledger, run_id).state is RunState.CANCELLED
    assert outcomes(ledger, run_id) == {"cancelled": 4, "refused": 4}
    assert_adds_up(ledger)


def test_the_parts_of_a_paused_run_wait_with_it(ledger):
    run_id = plan(ledger, 8)
    find_row(ledger, refused(ledger))
    part = sending(ledger)
    pause_run(ledger, run_id)

    submissions.refuse(ledger, part, status=400, detail=WORDS)
    waiting = claim(ledger)
    resume_run(ledger, run_id)
    play(ledger, has_any_of({8}))

    assert waiting is None
    assert outcomes(ledger, run_id) == {"pending": 7, "refused": 1}


def test_a_held_account_keeps_the_parts_until_a_person_resumes(ledger):
    run_id = plan(ledger, 8)
    find_row(ledger, refused(ledger))
    part = sending(ledger)

    submissions.release_and_hold(ledger, part, Hold.CREDIT_LIMIT, status=402, detail="no credits")
    waiting = claim(ledger)
    resume_run(ledger, run_id)
    play(ledger, has_any_of({8}))

    assert waiting is None
    assert outcomes(ledger, run_id) == {"pending": 7, "refused": 1}
    assert_adds_up(ledger)


def test_a_refused_batch_that_turns_up_cancels_all_parts_that_were_not_sent(ledger):
    run_id = plan(ledger, 8)
    find_row(ledger, refused(ledger))
    refused(ledger)
    sent = sending(ledger)

    submissions.accept_by_number(ledger, run_id, 1, "from-the-journal")
    submissions.refuse(ledger, sent, status=400, detail=WORDS)

    found = Counter(states(ledger, run_id))
    assert found == {"accepted": 1, "refused": 2, "cancelled": 2}
    assert outcomes(ledger, run_id) == {"pending": 8}
    assert claim(ledger) is None, "its rows are being collected, so none is sent again"
    assert_adds_up(ledger)


@pytest.fixture
def folder(memory_path: Path) -> Path:
    return memory_path / ENVIRONMENT


def test_a_restored_ledger_does_not_search_where_batches_were_sent_that_it_does_not_know(
    folder: Path, memory_path: Path
) -> None:
    ledger = Ledger.open(folder, environment=ENVIRONMENT, clock=Clock())
    run_id = plan(ledger, 4)
    root = refused(ledger)
    file = backup(ledger, memory_path / "before.zip")
    with_journal(ledger, find_row(ledger, root), run_id)
    ledger.close()
    restore(folder, file, environment=ENVIRONMENT)

    ledger = Ledger.open(folder, environment=ENVIRONMENT, clock=Clock())
    with pytest.raises(LedgerError, match=r"may have been charged\. Nothing was sent\."):
        find_row(ledger, root)
    ledger.close()


def test_a_restored_ledger_searches_where_what_it_does_not_know_was_turned_away(
    folder: Path, memory_path: Path
) -> None:
    ledger = Ledger.open(folder, environment=ENVIRONMENT, clock=Clock())
    run_id = plan(ledger, 4)
    root = refused(ledger)
    file = backup(ledger, memory_path / "before.zip")
    journal = Journal(folder / FILE_NAME)
    for pk in find_row(ledger, root):
        journal.append("sent", run_id=run_id, batch_no=row_of(ledger, pk).batch_no, attempt=1)
        journal.append("released", run_id=run_id, batch_no=row_of(ledger, pk).batch_no, attempt=1)
    journal.close()
    ledger.close()
    restore(folder, file, environment=ENVIRONMENT)

    ledger = Ledger.open(folder, environment=ENVIRONMENT, clock=Clock())
    parts = find_row(ledger, root)

    assert [row_of(ledger, pk).batch_no for pk in parts] == [4, 5]
    ledger.close()


def test_a_restored_ledger_gives_no_number_that_was_sent_before(folder: Path, memory_path: Path) -> None:
    """The journal is replayed at every start: a number given twice would give a batch another one's id."""
    ledger = Ledger.open(folder, environment=ENVIRONMENT, clock=Clock())
    run_id = plan(ledger, 8)
    find_row(ledger, refused(ledger))
    file = backup(ledger, memory_path / "before.zip")
    half = refused(ledger)
    with_journal(ledger, [row.id for row in heirs(ledger, half)], run_id)
    ledger.close()
    restore(folder, file, environment=ENVIRONMENT)

    ledger = Ledger.open(folder, environment=ENVIRONMENT, clock=Clock())
    resume_run(ledger, run_id)
    free(ledger)
    half = refused(ledger)

    new = heirs(ledger, half)
    assert [row.batch_no for row in new] == [6, 7], "4 and 5 were sent"
    assert min(task_numbers(ledger, new[0].id)) > 16 + 4
    assert_adds_up(ledger)
    ledger.close()


def with_journal(ledger: Ledger, pks: list[int], run_id: str) -> None:
    """Write what a worker writes when it sends these batches."""
    journal = Journal(ledger.folder / FILE_NAME)
    for pk in pks:
        journal.append("sent", run_id=run_id, batch_no=row_of(ledger, pk).batch_no)
        journal.append("accepted", run_id=run_id, batch_no=row_of(ledger, pk).batch_no, batch_id=f"b-{pk}")
    journal.close()
