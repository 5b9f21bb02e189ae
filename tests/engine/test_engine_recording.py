"""The recorder: changes are made in order, several to a transaction, and one that fails stands alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from openmart_lib.engine.recording import Recorder
from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.ledger import append_event
from openmart_lib.ledger.schema import event


class Told:
    """What the recorder said of each change, in order."""

    def __init__(self) -> None:
        self.words: list[tuple[str, Exception | None]] = []
        self._changed = threading.Condition()

    def then(self, name: str):
        def note(error: Exception | None) -> None:
            with self._changed:
                self.words.append((name, error))
                self._changed.notify_all()

        return note

    def wait(self, count: int) -> list[tuple[str, Exception | None]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.words) >= count, timeout=60.0)
            return list(self.words)


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "sandbox", environment="sandbox")
    yield opened
    opened.close()


@pytest.fixture
def recorder(ledger: Ledger) -> Iterator[Recorder]:
    made = Recorder(ledger)
    yield made
    made.close()


def write_event(ledger: Ledger, kind: str) -> None:
    with ledger.write() as connection:
        append_event(connection, 1.0, kind)


def kinds(ledger: Ledger) -> list[str]:
    with ledger.read() as connection:
        return list(connection.execute(select(event.c.kind).order_by(event.c.id)).scalars())


def fail(error: Exception) -> None:
    raise error


def test_changes_are_made_in_the_order_in_which_they_were_handed_in(
    ledger: Ledger, recorder: Recorder
) -> None:
    told = Told()

    for number in range(50):
        recorder.record(lambda number=number: write_event(ledger, f"n{number}"), told.then(f"n{number}"))

    assert told.wait(50) == [(f"n{number}", None) for number in range(50)]
    assert kinds(ledger) == [f"n{number}" for number in range(50)]


def test_what_waits_while_another_writes_is_committed_together(ledger: Ledger, recorder: Recorder) -> None:
    told = Told()
    before = queries.revision(ledger)

    with ledger.write() as connection:
        append_event(connection, 1.0, "mine")
        for number in range(20):
            recorder.record(lambda: write_event(ledger, "theirs"), told.then(str(number)))
    told.wait(20)

    # The first may have been taken alone before the others were handed in.
    assert queries.revision(ledger) - before in (2, 3)
    assert kinds(ledger) == ["mine"] + ["theirs"] * 20


def test_a_change_that_fails_is_told_and_takes_no_other_with_it(ledger: Ledger, recorder: Recorder) -> None:
    told = Told()
    broken = ValueError("broken")

    with ledger.write():  # so that all of them wait, and share a transaction
        recorder.record(lambda: write_event(ledger, "first"), told.then("first"))
        recorder.record(lambda: fail(broken), told.then("broken"))
        recorder.record(lambda: write_event(ledger, "last"), told.then("last"))

    assert told.wait(3) == [("first", None), ("broken", broken), ("last", None)]
    assert kinds(ledger) == ["first", "last"]


def test_nothing_of_a_change_that_fails_half_way_stays(ledger: Ledger, recorder: Recorder) -> None:
    told = Told()

    def half() -> None:
        write_event(ledger, "half")
        raise ValueError("the other half")

    recorder.record(half, told.then("half"))
    recorder.record(lambda: write_event(ledger, "whole"), told.then("whole"))
    told.wait(2)

    assert kinds(ledger) == ["whole"]


def test_a_callback_that_fails_does_not_end_the_recorder(ledger: Ledger, recorder: Recorder) -> None:
    told = Told()

    recorder.record(lambda: write_event(ledger, "one"), lambda error: fail(ValueError("callback")))
    recorder.record(lambda: write_event(ledger, "two"), told.then("two"))

    assert told.wait(1) == [("two", None)]


def test_closing_makes_what_was_handed_in_before(ledger: Ledger, recorder: Recorder) -> None:
    told = Told()

    with ledger.write():
        for number in range(5):
            recorder.record(lambda: write_event(ledger, "kept"), told.then(str(number)))
        recorder.close()

    told.wait(5)
    assert kinds(ledger) == ["kept"] * 5
