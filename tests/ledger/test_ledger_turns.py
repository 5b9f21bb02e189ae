"""Whose turn it is to write: one thread at a time, the patient ones last."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import select

from openmart_lib.ledger import Ledger
from openmart_lib.ledger.ledger import append_event
from openmart_lib.ledger.schema import event
from openmart_lib.ledger.turns import Turns


def until(condition) -> None:
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def take_in_thread(turns: Turns, order: list[str], name: str, *, patient: bool) -> threading.Thread:
    def take() -> None:
        with turns.take(patient=patient):
            order.append(name)

    thread = threading.Thread(target=take)
    thread.start()
    return thread


def test_a_patient_thread_comes_after_all_that_are_not() -> None:
    turns, order = Turns(), []

    with turns.take():
        threads = [take_in_thread(turns, order, "patient", patient=True)]
        threads += [take_in_thread(turns, order, "money", patient=False) for _ in range(3)]
        until(lambda: turns.waiting == 3)
    for thread in threads:
        thread.join(60.0)

    assert order == ["money", "money", "money", "patient"]


def test_only_one_thread_has_its_turn_at_any_time() -> None:
    turns, inside, most = Turns(), [], []

    def work() -> None:
        for patient in (True, False) * 50:
            with turns.take(patient=patient):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)

    assert len(most) == 400 and max(most) == 1


def test_a_turn_ends_also_when_its_block_fails() -> None:
    turns = Turns()

    with pytest.raises(ValueError, match="broken"), turns.take():
        raise ValueError("broken")

    with turns.take(patient=True):
        assert turns.waiting == 0


def test_a_write_inside_a_write_joins_its_transaction(tmp_path) -> None:
    ledger = Ledger.open(tmp_path / "sandbox", environment="sandbox")

    with pytest.raises(ValueError, match="after"), ledger.write() as outer:
        with ledger.write() as inner:
            append_event(inner, 1.0, "inside")
        assert inner is outer
        raise ValueError("after")

    with ledger.read() as connection:
        assert connection.execute(select(event.c.id)).all() == []
    with ledger.write() as connection:  # the thread is in no transaction any more
        append_event(connection, 1.0, "next")
    with ledger.read() as connection:
        assert connection.execute(select(event.c.kind)).scalars().all() == ["next"]
    ledger.close()
