"""What an analyst decided once, kept for the next file: values by topic and key, the newest of them.

Nothing of money or results is here: all of it may be forgotten without loss.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.schema import remembered

MAPPING: Final = "mapping"  # which columns feed which field, by the header of the file
DOMAIN_CHOICE: Final = "domain choice"  # what to do with a cell that is no clean domain
KEPT: Final = 1_000  # values of one topic, unless asked for more
_AT_ONCE: Final = 2_000  # rows in one write transaction
_INSERT: Final = insert(remembered)
_PUT: Final = _INSERT.on_conflict_do_update(
    index_elements=["topic", "key"], set_={"value": _INSERT.excluded.value, "at": _INSERT.excluded.at}
)


@in_plain_words
def remember(ledger: Ledger, topic: str, key: str, value: Any, *, kept: int = KEPT) -> None:
    """Keep a value under a topic and key, in place of an earlier one; drop all but the ``kept`` newest.

    Args:
        value: Anything that is JSON.

    Raises:
        LedgerError: If it could not be stored.
    """
    remember_all(ledger, topic, {key: value}, kept=kept)


@in_plain_words
def remember_all(ledger: Ledger, topic: str, values: Mapping[str, Any], *, kept: int = KEPT) -> None:
    """Keep many values of one topic, as ``remember``; the last ones count as the newest.

    Raises:
        LedgerError: If they could not be stored; those of earlier transactions are.
    """
    rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in list(values.items())[-kept:]]
    for start in range(0, len(rows), _AT_ONCE):
        with ledger.write() as connection:
            at = _next_time(connection, topic, ledger.now())
            connection.execute(
                _PUT,
                [
                    {"topic": topic, "key": key, "value": text, "at": at}
                    for key, text in rows[start : start + _AT_ONCE]
                ],
            )
            _drop_oldest(connection, topic, kept)


@in_plain_words
def recall(ledger: Ledger, topic: str, key: str) -> Any | None:
    """Return what is kept under a topic and key, None when nothing is.

    Raises:
        LedgerError: If the ledger cannot be read.
    """
    query = select(remembered.c.value).where(remembered.c.topic == topic, remembered.c.key == key)
    with ledger.read() as connection:
        text = connection.execute(query).scalar_one_or_none()
    return None if text is None else json.loads(text)


@in_plain_words
def recall_all(ledger: Ledger, topic: str) -> dict[str, Any]:
    """Return all values of a topic by key, the newest first.

    Raises:
        LedgerError: If the ledger cannot be read.
    """
    query = select(remembered.c.key, remembered.c.value).where(remembered.c.topic == topic)
    with ledger.read() as connection:
        rows = connection.execute(query.order_by(remembered.c.at.desc(), remembered.c.key)).all()
    return {row.key: json.loads(row.value) for row in rows}


@in_plain_words
def forget(ledger: Ledger, topic: str, key: str | None = None) -> int:
    """Forget what is kept under a topic and key, or under the whole topic; return how many values.

    Raises:
        LedgerError: If it could not be done.
    """
    gone = delete(remembered).where(remembered.c.topic == topic)
    if key is not None:
        gone = gone.where(remembered.c.key == key)
    with ledger.write() as connection:
        return connection.execute(gone).rowcount


def _next_time(connection: Connection, topic: str, now: float) -> float:
    """Return a time later than all of the topic, so that a clock set back makes no new value the oldest."""
    newest = select(func.max(remembered.c.at)).where(remembered.c.topic == topic)
    last = connection.execute(newest).scalar_one_or_none()
    return now if last is None else max(now, last + 0.001)


def _drop_oldest(connection: Connection, topic: str, kept: int) -> None:
    of_topic = remembered.c.topic == topic
    newest = select(remembered.c.key).where(of_topic).order_by(remembered.c.at.desc()).limit(kept)
    connection.execute(delete(remembered).where(of_topic, remembered.c.key.not_in(newest)))
