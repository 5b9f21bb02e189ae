"""A worker that dies at any line of a submission: what the next one makes of it, and that it sends nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from engine_oracle import assert_truth
from engine_rig import PATIENT, Rig

from openmart_lib.engine.clients import Clients
from openmart_lib.engine.submit import take_over
from openmart_lib.ledger import Hold, queries, submissions
from openmart_lib.ledger.decisions import drop_batch, resend_batch
from openmart_lib.ledger.journal import FILE_NAME, Journal, read_journal
from openmart_lib.ledger.runs import resume_run


class Killed(BaseException):
    """Stands for kill -9: nothing that catches errors catches it, and nothing after it is done."""


class DyingJournal:
    """A journal in whose hands the worker dies, before or after the line is on disk."""

    def __init__(self, journal: Journal, kind: str, *, after: bool) -> None:
        self._journal, self._kind, self._after = journal, kind, after

    def append(self, kind: str, **line: Any) -> None:
        if kind == self._kind and not self._after:
            raise Killed
        self._journal.append(kind, **line)
        if kind == self._kind:
            raise Killed

    def close(self) -> None:
        self._journal.close()


class DyingClients:
    """Clients in whose hands the worker dies: ``when`` is before or after the POST."""

    def __init__(self, clients: Clients, when: str) -> None:
        self._clients, self._when = clients, when

    def for_submissions(self) -> Any:
        return self

    def submit_body(self, kind: Any, body: bytes) -> Any:
        if self._when == "before":
            raise Killed
        self._clients.for_submissions().submit_body(kind, body)
        raise Killed

    def for_reads(self) -> Any:
        return self._clients.for_reads()

    def close(self) -> None:
        self._clients.close()


class SlowClients(DyingClients):
    """Clients whose answers reach the worker when the test says so."""

    def __init__(self, clients: Clients) -> None:
        super().__init__(clients, "never")
        self.go = threading.Event()

    def submit_body(self, kind: Any, body: bytes) -> Any:
        try:
            return self._clients.for_submissions().submit_body(kind, body)
        finally:
            self.go.wait(PATIENT)


def _dies_in_the_journal(kind: str, *, after: bool) -> Callable[[Rig], None]:
    def arrange(rig: Rig) -> None:
        rig.journal = DyingJournal(rig.journal, kind, after=after)

    return arrange


def _dies_around_the_post(when: str) -> Callable[[Rig], None]:
    def arrange(rig: Rig) -> None:
        rig.clients = DyingClients(rig.clients, when)

    return arrange


POINTS = [
    pytest.param(_dies_in_the_journal("sent", after=False), 0, "unknown", id="after the claim"),
    pytest.param(_dies_in_the_journal("sent", after=True), 0, "unknown", id="after the journal's line"),
    pytest.param(_dies_around_the_post("before"), 0, "unknown", id="before the first byte"),
    pytest.param(_dies_around_the_post("after"), 1, "unknown", id="when the answer is there"),
    pytest.param(_dies_in_the_journal("accepted", after=False), 1, "unknown", id="before the id is on disk"),
    pytest.param(_dies_in_the_journal("accepted", after=True), 1, "collected", id="before the commit"),
]


@pytest.fixture
def slow(rig: Rig) -> SlowClients:
    """Gives the rig clients whose answers wait for ``go``."""
    rig.clients = SlowClients(rig.clients)
    rig.restart_worker()
    return rig.clients


@pytest.fixture
def mortal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A rig whose dispatcher may see its submissions die: that is logged as an error."""
    monkeypatch.setattr("openmart_lib.engine.dispatcher.log.error", lambda *_: None)
    return rig


@pytest.mark.parametrize(("arrange", "created", "state"), POINTS)
def test_a_worker_that_dies_during_a_submission_leaves_a_batch_that_is_never_sent_again(
    mortal: Rig, arrange: Callable[[Rig], None], created: int, state: str
) -> None:
    rig = mortal
    journal, clients = rig.journal, rig.clients
    arrange(rig)
    rig.start_worker(slots=1)
    run_id = rig.plan(4, per_batch=2)
    rig.until(lambda: rig.states(run_id)[0] == "sending" and not rig.dispatcher.in_flight, skip=False)
    assert rig.states(run_id)[1] == "planned", "a dead submission keeps its slot"

    rig.journal, rig.clients = journal, clients
    rig.restart_worker()
    rig.settle()

    assert rig.states(run_id) == [state, "collected"]
    assert rig.posts() == created + 1
    assert_truth(rig.sandbox, rig.ledger)


def test_a_worker_that_dies_after_the_commit_leaves_nothing_to_settle(rig: Rig) -> None:
    run_id = rig.plan(2)
    rig.until(lambda: rig.states(run_id) == ["accepted"])

    rig.restart_worker()
    rig.settle()

    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("reads", [0, 1, 3])
def test_a_worker_that_dies_while_polling_listing_or_reading_is_followed_by_one_that_finishes(
    rig: Rig, reads: int
) -> None:
    run_id = rig.plan(4)
    rig.until(lambda: rig.states(run_id) == ["accepted"])
    rig.sandbox.faults.add("hang", on="reads", seconds=0.3, after=reads, times=None)
    rig.until(lambda: rig.reads() > reads)
    rig.sandbox.faults.clear()

    rig.start_worker()  # the threads of the old one still hang
    rig.settle()

    assert rig.states(run_id) == ["collected"] and rig.posts() == 1
    assert_truth(rig.sandbox, rig.ledger)


def test_a_dead_worker_counts_as_one_unclear_submission_and_the_next_one_goes_on_carefully(
    mortal: Rig,
) -> None:
    rig = mortal
    clients = rig.clients
    run_id = rig.plan(12, per_batch=1)
    for _ in range(5):  # a program that dies of every submission
        rig.clients = DyingClients(clients, "after")
        rig.restart_worker()
        rig.until(lambda: "sending" in rig.states(run_id), skip=True)
        rig.until(lambda: not rig.dispatcher.in_flight, step=False)
    rig.clients = clients
    rig.restart_worker()

    rig.settle()

    assert rig.account().hold is Hold.UNKNOWNS
    assert rig.states(run_id).count("unknown") <= 4 + 4
    assert_truth(rig.sandbox, rig.ledger)


def test_an_answer_that_comes_after_another_worker_took_over_wins_over_unknown(
    rig: Rig, slow: SlowClients
) -> None:
    run_id = rig.plan(2)
    rig.until(lambda: rig.posts() == 1, skip=False)
    assert take_over_by_another(rig) == ["unknown"]

    slow.go.set()
    rig.until(lambda: rig.states(run_id) != ["unknown"], step=False)
    rig.settle()

    assert rig.states(run_id) == ["collected"] and rig.posts() == 1
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("decide", [resend_batch, drop_batch])
def test_a_late_answer_is_kept_also_when_a_person_has_decided_meanwhile(
    rig: Rig, slow: SlowClients, decide: Callable[..., Any]
) -> None:
    run_id = rig.plan(2)
    rig.until(lambda: rig.posts() == 1, skip=False)
    take_over_by_another(rig)
    decide(rig.ledger, rig.batch(run_id)["pk"])

    slow.go.set()
    rig.until(lambda: rig.states(run_id)[0] == "accepted", step=False)
    rig.settle()

    assert rig.states(run_id)[0] == "collected"
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("status", [400, 401, 429])
def test_a_late_definite_no_marks_the_unknown_batch_as_not_created(
    rig: Rig, slow: SlowClients, status: int
) -> None:
    rig.sandbox.faults.add("status", on="submit", status=status, detail="no")
    run_id = rig.plan(2)
    rig.until(lambda: rig.posts() == 1, skip=False)
    take_over_by_another(rig)

    slow.go.set()
    rig.until(lambda: not rig.dispatcher.in_flight, step=False)

    assert rig.states(run_id) == ["unknown"] and rig.batch(run_id)["nothing_created"]
    assert_truth(rig.sandbox, rig.ledger)


def test_a_late_word_that_nothing_was_sent_marks_the_unknown_batch_as_not_created(rig: Rig) -> None:
    waiting = threading.Event()
    journal = rig.journal

    class Stalled:
        def append(self, kind: str, **line: Any) -> None:
            waiting.wait(2.0)
            raise OSError(28, "No space left on device")

        close = journal.close

    rig.journal = Stalled()
    rig.restart_worker()
    run_id = rig.plan(2)
    rig.until(lambda: rig.states(run_id) == ["sending"], skip=False)
    take_over_by_another(rig)
    waiting.set()

    rig.until(lambda: not rig.dispatcher.in_flight, step=False)

    assert rig.states(run_id) == ["unknown"] and rig.batch(run_id)["nothing_created"]
    assert rig.posts() == 0


def take_over_by_another(rig: Rig) -> list[str]:
    """Do what a worker does that has got the lock, while the old one's POST is still open."""
    take_over(rig.ledger, rig.ledger.folder / FILE_NAME, "another", pacing=rig.pacing)
    return queries.batches(rig.ledger, queries.newest_run_id(rig.ledger))["state"].to_list()


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind": "accepted", "run_id": "nosuchrun2", "batch_no": 1, "batch_id": "b"}\n',
        b'{"kind": "accepted", "batch_no": 1}\n',
        b'{"kind": "accepted", "run_id": null, "batch_no": null, "batch_id": null}\n',
        b'{"kind": "accepted", "run_id": "x", "batch_no": "many", "batch_id": "b"}\n',
        b"\xff\xfe not a line at all\n",
        b'{"kind": "acc',
    ],
)
def test_an_odd_line_in_the_journal_keeps_no_worker_from_starting(
    rig: Rig, line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmart_lib.engine.submit.log.error", lambda *_: None)
    path = rig.ledger.folder / FILE_NAME
    rig.journal.close()
    path.write_bytes(path.read_bytes().rstrip(b"\0") + line)

    rig.journal = Journal(path)
    rig.restart_worker()
    run_id = rig.plan(2)
    rig.settle()

    assert rig.states(run_id) == ["collected"]
    assert [entry["kind"] for entry in read_journal(path)][-2:] == ["sent", "accepted"]


def test_a_batch_id_that_another_batch_has_already_leaves_no_batch_sending(rig: Rig) -> None:
    first = rig.plan(1)
    rig.settle()
    taken = rig.batch(first)["batch_id"]

    class SameAgain(DyingClients):
        def submit_body(self, kind: Any, body: bytes) -> Any:
            receipt = self._clients.for_submissions().submit_body(kind, body)
            return receipt | {"batch_id": taken}

    rig.clients = SameAgain(rig.clients, "never")
    rig.restart_worker()
    second = rig.plan(1)
    rig.until(lambda: rig.states(second) == ["unknown"], skip=False)

    assert rig.batch(second)["detail"]
    assert rig.account().unknown_streak == 1
    accounts_held = [each.hold for each in queries.accounts(rig.ledger)]
    assert accounts_held == [Hold.OUTAGE]


def test_an_answer_that_cannot_be_written_down_for_an_unknown_reason_does_not_keep_its_slot(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(submissions, "accept", breaks)
    monkeypatch.setattr("openmart_lib.engine.submit.log.exception", lambda *_: None)
    run_id = rig.plan(1)
    rig.until(lambda: rig.states(run_id) == ["unknown"], skip=False)

    monkeypatch.undo()
    rig.restart_worker()
    rig.settle()

    assert rig.states(run_id) == ["collected"], "the journal has the id"
    assert_truth(rig.sandbox, rig.ledger)


def _cut_at(rig: Rig, at: int) -> str:
    """Submit one batch whose answer ends after so many bytes; return what the ledger makes of it."""
    if rig.account().waits_for_person:  # five in doubt, one after the other
        resume_run(rig.ledger, queries.newest_run_id(rig.ledger))
    rig.sandbox.faults.add("cut_answer", at=at)
    run_id = rig.plan(1)
    posts = rig.posts()
    rig.until(lambda: rig.states(run_id)[0] in ("unknown", "accepted", "refused"))
    rig.pass_time(60)
    assert rig.posts() == posts + 1, "whatever came back, it is not sent again"
    return str(rig.states(run_id)[0])


@pytest.mark.parametrize("at", [1, 9, 16, 40, 100, 130, 170, -2])
def test_an_answer_cut_at_some_byte_leaves_its_batch_unknown(rig: Rig, at: int) -> None:
    assert _cut_at(rig, at) == "unknown"

    seen = rig.batch(queries.newest_run_id(rig.ledger))["detail"]
    assert "cut off" in seen or "connection broke" in seen or "without a batch id" in seen, seen
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.slow
def test_an_answer_cut_at_any_byte_leaves_its_batch_unknown_and_a_whole_one_is_accepted(rig: Rig) -> None:
    at = 0
    while _cut_at(rig, at) == "unknown":
        at += 1
        assert at < 2000

    rig.until(lambda: rig.idle, step=False)
    assert at > 200, "every byte of head and body but the last was missing once"
    assert len(rig.sandbox.journal()) == at + 1
    assert_truth(rig.sandbox, rig.ledger)
