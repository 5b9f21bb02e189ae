"""The journal knows more than the ledger: a copy made by hand comes back, and nothing is sent twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ledger_kit import (
    ENVIRONMENT,
    accepted,
    account_id,
    free,
    outcomes,
    row_of,
    state_of,
    unknown,
)
from replay_kit import Desk

from openmart_lib.ledger import BatchState, Hold, RunState, queries, submissions
from openmart_lib.ledger import replay as replay_module
from openmart_lib.ledger.journal import FILE_NAME, Journal, read_journal
from openmart_lib.ledger.redividing import SENT_BY_ANOTHER
from openmart_lib.ledger.replay import OLDER_COPY, Replayed, replay
from openmart_lib.ledger.runs import cancel_run, resume_run
from openmart_lib.ledger.submissions import Claim

S = BatchState


@pytest.fixture
def desk(memory_path: Path, empty_ledger: Path) -> Iterator[Desk]:
    made = Desk(memory_path / ENVIRONMENT, empty_ledger)
    yield made
    made.journal.close()
    made.ledger.close()


def _nothing(desk: Desk, claim: Claim) -> None:
    pass


def _rate_limit(desk: Desk, claim: Claim) -> None:
    submissions.release_rate_limited(desk.ledger, claim.pk, 1.0, "slow down")


def _not_sent(desk: Desk, claim: Claim) -> None:
    submissions.release_not_sent(desk.ledger, claim.pk, "no connection")


def _out_of_credits(desk: Desk, claim: Claim) -> None:
    submissions.release_and_hold(desk.ledger, claim.pk, Hold.CREDIT_LIMIT, status=402, detail="no credits")


def _refuse(desk: Desk, claim: Claim) -> None:
    submissions.refuse(desk.ledger, claim.pk, status=400, detail="no")


def _accept(desk: Desk, claim: Claim) -> None:
    submissions.accept(desk.ledger, claim.pk, "B-1", None, poll_after=0.0)


def _lose(desk: Desk, claim: Claim) -> None:
    submissions.lose(desk.ledger, claim.pk, seen="timeout")


# The program is killed after the claim and the lines and the commit named here: in either order.
KILLS = [
    pytest.param([], _nothing, S.UNKNOWN, id="claim"),
    pytest.param(["sent"], _nothing, S.UNKNOWN, id="claim, sent"),
    pytest.param(["sent", "accepted"], _nothing, S.ACCEPTED, id="claim, sent, accepted"),
    pytest.param(["sent", "accepted"], _accept, S.ACCEPTED, id="claim, sent, accepted, commit"),
    pytest.param(["sent"], _accept, S.ACCEPTED, id="claim, sent, commit: the journal was full"),
    pytest.param(["sent", "released"], _nothing, S.PLANNED, id="claim, sent, released"),
    pytest.param(["sent", "released"], _rate_limit, S.PLANNED, id="claim, sent, released, commit"),
    pytest.param(["sent"], _rate_limit, S.PLANNED, id="claim, sent, 429 committed: the journal was full"),
    pytest.param(["sent"], _not_sent, S.PLANNED, id="claim, sent, nothing sent committed"),
    pytest.param([], _not_sent, S.PLANNED, id="claim, the journal was full, committed"),
    pytest.param(["sent", "released"], _out_of_credits, S.PLANNED, id="claim, sent, released, 402"),
    pytest.param(["sent", "released"], _refuse, S.REFUSED, id="claim, sent, released, refused"),
    pytest.param(["sent"], _lose, S.UNKNOWN, id="claim, sent, lost"),
]


@pytest.mark.parametrize("before", [0, 2], ids=["first attempt", "third attempt"])
@pytest.mark.parametrize(("lines", "commit", "expected"), KILLS)
def test_a_program_killed_between_journal_and_ledger_is_no_older_copy(
    desk: Desk, before: int, lines: list[str], commit: Callable[[Desk, Claim], None], expected: BatchState
) -> None:
    desk.plan()
    for _ in range(before):
        desk.turned_away()
    claim = desk.claim()
    for kind in lines:
        desk.say(kind, claim, **({"batch_id": "B-1"} if kind == "accepted" else {}))
    commit(desk, claim)

    done = desk.start_worker()

    assert state_of(desk.ledger, claim.pk) is expected
    assert not done.older and done.paused_runs == 0
    assert desk.start_worker() == Replayed(), "told once"


@pytest.mark.parametrize("before", [0, 2], ids=["first attempt", "third attempt"])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [(["sent"], S.UNKNOWN), (["sent", "accepted"], S.ACCEPTED), (["sent", "released"], S.PLANNED)],
)
def test_an_older_copy_learns_from_the_journal_what_became_of_a_batch_it_would_send(
    desk: Desk, before: int, lines: list[str], expected: BatchState
) -> None:
    run_id = desk.plan(2)
    for _ in range(before):
        desk.turned_away()
    copied = desk.copy()
    claim = desk.claim()
    for kind in lines:
        desk.say(kind, claim, **({"batch_id": "B-1"} if kind == "accepted" else {}))
    desk.put_back(copied)
    assert desk.states(run_id) == ["planned", "planned"]

    done = desk.start_worker()

    assert desk.states(run_id) == [expected, "planned"]
    assert row_of(desk.ledger, claim.pk).attempts == before + 1
    assert done.older and done.paused_runs == 1
    assert (done.accepted, done.unknown) == (expected is S.ACCEPTED, expected is S.UNKNOWN)
    info = queries.run_info(desk.ledger, run_id)
    assert (info.state, info.pause_reason) == (RunState.PAUSED, OLDER_COPY)
    assert "never-contact lists" in OLDER_COPY, "who was listed since the copy was made is in no journal"
    assert submissions.next_candidate(desk.ledger, account_id(desk.ledger)) is None, "a person looks first"


def test_an_unknown_batch_of_an_older_copy_says_why(desk: Desk) -> None:
    run_id = desk.plan()
    copied = desk.copy()
    claim = desk.send()
    desk.put_back(copied)

    desk.start_worker()

    assert row_of(desk.ledger, claim.pk).detail == SENT_BY_ANOTHER
    assert outcomes(desk.ledger, run_id) == {"unknown": 2}


def test_a_run_that_a_person_resumed_is_not_paused_at_the_next_start(desk: Desk) -> None:
    run_id = desk.plan(2)
    copied = desk.copy()
    desk.send()
    desk.put_back(copied)
    desk.start_worker()
    resume_run(desk.ledger, run_id)

    done = desk.start_worker()

    assert done == Replayed()
    assert queries.run_info(desk.ledger, run_id).state is RunState.ACTIVE
    assert desk.claim().batch_no == 2, "it goes on with what was never sent"


def test_what_went_on_in_an_older_copy_is_no_older_copy_again(desk: Desk) -> None:
    """Attempts are counted on from the journal's, so that a second old copy is found out as well."""
    desk.plan()
    copied = desk.copy()
    desk.turned_away()
    desk.put_back(copied)
    desk.start_worker()
    free(desk.ledger)
    resume_run(desk.ledger, queries.newest_run_id(desk.ledger))

    claim = desk.send()
    desk.put_back(copied)
    done = desk.start_worker()

    assert claim.attempt == 2
    assert done.older and state_of(desk.ledger, claim.pk) is S.UNKNOWN


@pytest.mark.parametrize("believed", [S.CANCELLED, S.REFUSED])
def test_an_end_that_only_the_older_copy_knows_does_not_hide_what_was_sent(
    desk: Desk, believed: BatchState
) -> None:
    """The copy was put back, and before any worker started a person cancelled its run."""
    run_id = desk.plan()
    copied = desk.copy()
    claim = desk.send()
    desk.put_back(copied)
    if believed is S.CANCELLED:
        cancel_run(desk.ledger, run_id)
    else:
        _refuse_behind_its_back(desk, claim.pk)
    assert state_of(desk.ledger, claim.pk) is believed

    desk.start_worker()

    assert state_of(desk.ledger, claim.pk) is S.UNKNOWN
    assert outcomes(desk.ledger, run_id) == {"unknown": 2}


def _refuse_behind_its_back(desk: Desk, pk: int) -> None:
    """Refuse a batch at the attempt before the one that the journal knows."""
    with desk.ledger.write() as connection:
        batches = submissions.batch
        connection.execute(batches.update().where(batches.c.id == pk).values(state=S.SENDING))
    submissions.refuse(desk.ledger, pk, status=400, detail="no")


def test_decisions_about_doubt_stand_whatever_the_journal_repeats(desk: Desk) -> None:
    desk.plan(2)
    first = accepted(desk.ledger, "B-1")
    second = unknown(desk.ledger)
    for pk in (first, second):
        row = row_of(desk.ledger, pk)
        desk.journal.append(
            "sent", run_id=queries.newest_run_id(desk.ledger), batch_no=row.batch_no, attempt=1
        )

    done = desk.start_worker()

    assert done == Replayed()
    assert (state_of(desk.ledger, first), state_of(desk.ledger, second)) == (S.ACCEPTED, S.UNKNOWN)


def test_batches_of_runs_that_the_copy_does_not_know_are_named_once_and_pause_what_is_open(
    desk: Desk,
) -> None:
    old = desk.plan(2, "old")
    desk.taken("B-1")
    desk.start_worker()
    copied = desk.copy()
    later = desk.plan(2, "later")
    cancel_run(desk.ledger, old)
    lost = desk.taken("B-2")
    desk.put_back(copied)

    done = desk.start_worker()
    again = desk.start_worker()

    assert lost.run_id == later and done.strangers == [(later, "B-2")]
    assert queries.run_info(desk.ledger, old).pause_reason == OLDER_COPY
    assert again == Replayed()
    (told,) = queries.events(desk.ledger).filter(kind="older_copy")["detail"].to_list()
    assert "B-2" in told


def test_a_replay_that_is_cut_off_is_done_again_and_leaves_no_run_active(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = desk.plan(4)
    copied = desk.copy()
    for _ in range(3):
        desk.send()
    desk.put_back(copied)
    real = replay_module._bring_in
    for cut in range(3):
        with monkeypatch.context() as patch:
            calls: list[int] = []

            def killed(*given: Any, calls: list[int] = calls, cut: int = cut) -> None:
                calls.append(1)
                if len(calls) > 1 or cut == 0:
                    raise KeyboardInterrupt
                real(*given)

            patch.setattr(replay_module, "_bring_in", killed)
            with pytest.raises(KeyboardInterrupt):
                replay(desk.ledger, desk.folder / FILE_NAME)
        assert queries.run_info(desk.ledger, run_id).state is RunState.PAUSED

    desk.start_worker()

    assert desk.states(run_id) == ["unknown"] * 3 + ["planned"]
    assert queries.run_info(desk.ledger, run_id).state is RunState.PAUSED


def _former(desk: Desk) -> None:
    """Rewrite the journal as the former version wrote it: without attempts, and without ``released``."""
    path = desk.folder / FILE_NAME
    lines = [line for line in read_journal(path) if line["kind"] != "released"]
    desk.journal.close()
    path.unlink()
    desk.journal = Journal(path)
    for line in lines:
        line.pop("attempt")
        desk.journal.append(**line)


def test_lines_of_the_former_version_make_no_older_copy(desk: Desk) -> None:
    run_id = desk.plan(2)
    desk.turned_away()
    desk.turned_away()
    desk.taken("B-1")
    desk.turned_away()
    _former(desk)

    assert not desk.start_worker().older
    assert desk.states(run_id) == ["accepted", "planned"]


def test_lines_of_the_former_version_tell_an_older_copy_too(desk: Desk) -> None:
    run_id = desk.plan(2)
    desk.turned_away()
    copied = desk.copy()
    desk.send()
    _former(desk)
    desk.put_back(copied)

    assert desk.start_worker().older
    assert desk.states(run_id) == ["unknown", "planned"]


def test_a_journal_that_is_gone_changes_nothing(desk: Desk) -> None:
    run_id = desk.plan(2)
    desk.taken("B-1")
    desk.start_worker()
    desk.journal.close()
    (desk.folder / FILE_NAME).unlink()
    desk.journal = Journal(desk.folder / FILE_NAME)

    assert desk.start_worker() == Replayed()
    assert desk.states(run_id) == ["accepted", "planned"]


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "sent", "run_id": "x", "batch_no": "many"},
        {"kind": "accepted", "batch_no": 1, "batch_id": "b"},
        {"kind": "sent", "run_id": None, "batch_no": None, "attempt": []},
        {"batch_no": 1, "run_id": "x"},
        {"kind": "accepted", "run_id": "RUN", "batch_no": 1, "batch_id": None},
        {"kind": "sent", "run_id": "RUN", "batch_no": 1, "attempt": "third"},
    ],
)
def test_an_odd_line_is_passed_over(
    desk: Desk, line: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    run_id = desk.plan()
    values = {name: run_id if value == "RUN" else value for name, value in line.items()}
    path = desk.folder / FILE_NAME
    path.write_bytes(json.dumps(values).encode() + b"\n" + path.read_bytes())

    done = desk.start_worker()

    assert done == Replayed() and desk.states(run_id) == ["planned"]
    assert "a line of the journal fits no batch" in caplog.text


def test_the_desk_of_these_tests_sends_as_the_engine_does(desk: Desk) -> None:
    desk.plan()
    claim = desk.send()
    with closing(Journal(desk.folder / FILE_NAME)):
        (line,) = read_journal(desk.folder / FILE_NAME)

    assert line["attempt"] == row_of(desk.ledger, claim.pk).attempts == claim.attempt == 1
