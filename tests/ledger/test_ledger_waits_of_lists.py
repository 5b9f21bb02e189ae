"""Watch lists after the clock was set: their waits stay as long as they were meant to be."""

from __future__ import annotations

from typing import Any

import pytest
from ledger_kit import Clock
from sqlalchemy import insert, select

from openmart_lib.ledger import Ledger
from openmart_lib.ledger.schema import upload, watch_list
from openmart_lib.ledger.waits import clock_was_set

TIMES = ("begun_at", "changed_at", "asked_at", "next_ask_at")


def written(ledger: Ledger, name: str, **times: float | None) -> None:
    """A watch list with these times (UTC seconds)."""
    values: dict[str, Any] = {
        "public_id": name,
        "confirm_token": name,
        "name": name,
        "environment": "sandbox",
        "mode": "wait",
        "fields": '["emails"]',
        "mapping": "{}",
        "row_count": 1,
        "item_count": 1,
        "intake_counts": "{}",
        "created_at": 10.0,
        "planned_at": 10.0,
    }
    file = {"name": name, "sha256": "0", "format": "{}", "columns": "[]", "row_count": 1, "parquet": name}
    with ledger.write() as connection:
        key = connection.execute(insert(upload).values(file | {"created_at": 10.0})).inserted_primary_key
        assert key is not None
        connection.execute(insert(watch_list).values(values | times | {"upload_id": key[0]}))


def times(ledger: Ledger, name: str) -> tuple[float | None, ...]:
    query = select(*(watch_list.c[one] for one in TIMES)).where(watch_list.c.public_id == name)
    with ledger.read() as connection:
        return tuple(connection.execute(query).one())


@pytest.mark.parametrize("by", [7_200.0, -7_200.0])
def test_the_waits_of_a_watch_list_move_along_with_the_clock(ledger: Ledger, clock: Clock, by: float) -> None:
    now = clock()
    written(ledger, "asked", begun_at=now - 60, changed_at=now - 50, asked_at=now - 5, next_ask_at=now + 40)

    clock_was_set(ledger, by)

    assert times(ledger, "asked") == (now - 60 + by, now - 50 + by, now - 5 + by, now + 40 + by)


def test_what_happened_to_a_list_that_ended_stays_as_it_was_written(ledger: Ledger, clock: Clock) -> None:
    now = clock()
    written(ledger, "ended", begun_at=now - 60, changed_at=now - 50, asked_at=now - 5, next_ask_at=None)

    clock_was_set(ledger, 3_600.0)

    assert times(ledger, "ended") == (now - 60, now - 50, now - 5, None)


def test_a_list_that_was_not_asked_yet_has_no_time_to_move(ledger: Ledger, clock: Clock) -> None:
    now = clock()
    written(ledger, "new", begun_at=now, changed_at=now, asked_at=None, next_ask_at=now)

    clock_was_set(ledger, 60.0)

    assert times(ledger, "new") == (now + 60, now + 60, None, now + 60)
