"""Watch lists, what is read of them: how each stands, how its states went, its rows and their states."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, func, select

from openmart_lib.errors import LedgerError
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.row_reads import read_frame
from openmart_lib.ledger.schema import upload, watch_count, watch_item, watch_list, watch_row
from openmart_lib.ledger.watching import Ended, WatchMode, watch_pk


class Standing(StrEnum):
    """Whether anything will happen to a list by itself."""

    ASKING = "asking"  # due, or being asked
    WAITING = "waiting"  # for its next round
    HELD = "held"  # a person must act; ``error`` says on what
    ENDED = "ended"  # ``ended_why`` says why


@dataclass(frozen=True, slots=True)
class WatchCard:
    """A watch list as it stands. Times are UTC seconds.

    Attributes:
        intake_counts: Uploaded rows by intake; adds up to ``row_count``.
        counts: Per field, triples by state (``api.lance_states``); each field adds up to
            ``item_count / len(fields)``. As of the last look, which in a long round is seconds ago.
        next_ask_at: When the next round begins; None once it ended.
        error: Why Lance gave no answer, in plain words; None while it does.
    """

    list_id: str
    name: str
    mode: WatchMode
    fields: tuple[str, ...]
    mapping: dict[str, Any]
    environment: str
    upload_name: str
    columns: tuple[str, ...]
    row_count: int
    item_count: int
    intake_counts: dict[str, int]
    counts: dict[str, dict[str, int]]
    rounds: int
    created_at: float
    begun_at: float
    asked_at: float | None
    changed_at: float
    next_ask_at: float | None
    standing: Standing
    ended_why: Ended | None
    error: str | None

    @property
    def states(self) -> dict[str, int]:
        """Triples by state, all fields together; adds up to ``item_count``."""
        together: dict[str, int] = {}
        for by_state in self.counts.values():
            for state, n in by_state.items():
                together[state] = together.get(state, 0) + n
        return together


@in_plain_words
def watch_cards(ledger: Ledger) -> list[WatchCard]:
    """Return all watch lists, newest first, those of another environment of Lance's included."""
    query = _CARDS.order_by(watch_list.c.created_at.desc(), watch_list.c.id.desc())
    with ledger.read() as connection:
        now = ledger.now()
        return [_card(connection, row, now) for row in connection.execute(query)]


@in_plain_words
def watch_card(ledger: Ledger, list_id: str) -> WatchCard:
    """Return one watch list.

    Raises:
        LedgerError: If there is none of that id.
    """
    pk = watch_pk(ledger, list_id)
    with ledger.read() as connection:
        row = connection.execute(_CARDS.where(watch_list.c.id == pk)).one()
        return _card(connection, row, ledger.now())


@in_plain_words
def watch_course(ledger: Ledger, list_id: str) -> pl.DataFrame:
    """Return how the states went: one row per moment, field and state that had triples then.

    Columns: at (Float64, UTC s), field, state (String), n (Int64, triples). The first moment is when the
    list was made; then after each round, and every few seconds within a long one.
    """
    pk = watch_pk(ledger, list_id)
    names = ("at", "field", "state", "n")
    query = select(*(watch_count.c[name] for name in names)).where(watch_count.c.list_id == pk)
    with ledger.read() as connection:
        return read_frame(connection, query.order_by(*names[:3]), _COURSE_SCHEMA)


@in_plain_words
def watch_rows(ledger: Ledger, list_id: str) -> pl.DataFrame:
    """Return what became of each uploaded row, in order.

    Columns: seq, file_line (UInt32); intake (``accepted``, ``duplicate``, ``rejected``), reason, entity_id,
    entity_type (String). Duplicates have the entity of the row they repeat, rejected ones none.
    """
    pk = watch_pk(ledger, list_id)
    query = select(*(watch_row.c[name] for name in _ROWS_SCHEMA)).where(watch_row.c.list_id == pk)
    with ledger.read() as connection:
        return read_frame(connection, query.order_by(watch_row.c.seq), _ROWS_SCHEMA)


@in_plain_words
def watch_items(ledger: Ledger, list_id: str) -> pl.DataFrame:
    """Return one row per triple, sorted by its three columns.

    Columns: entity_id, entity_type, field, state (``api.lance_states``), status (Lance's own word), error,
    created_at, updated_at (ISO 8601 as Lance says it), enrichment_id, credit_transaction_id (String);
    data_found, open (Boolean: still to be asked); asked_at (Float64, UTC s).
    """
    pk = watch_pk(ledger, list_id)
    query = select(*(watch_item.c[name] for name in _ITEMS_SCHEMA)).where(watch_item.c.list_id == pk)
    keys = watch_item.c.entity_id, watch_item.c.entity_type, watch_item.c.field
    with ledger.read() as connection:
        return read_frame(connection, query.order_by(*keys), _ITEMS_SCHEMA)


@in_plain_words
def watch_upload(ledger: Ledger, list_id: str) -> pl.LazyFrame:
    """Return a list's uploaded rows in order: seq, file_line, then the uploaded columns as text.

    Raises:
        LedgerError: If there is no such list, or the file that holds its rows is gone.
    """
    pk = watch_pk(ledger, list_id)
    query = select(upload.c.parquet).join(watch_list, watch_list.c.upload_id == upload.c.id)
    with ledger.read() as connection:
        path = ledger.uploads_dir / connection.execute(query.where(watch_list.c.id == pk)).scalar_one()
    if not path.is_file():
        raise LedgerError(
            f"The uploaded rows of watch list {list_id} are gone ({path}). What Lance said is still known. "
            "Restore the file from a backup, or upload the list again; asking is free."
        )
    return pl.scan_parquet(path)


_CARDS: Final = (
    select(watch_list, upload.c.name.label("upload_name"), upload.c.columns)
    .join(upload, upload.c.id == watch_list.c.upload_id)
    .where(watch_list.c.planned_at.is_not(None))
)
_COURSE_SCHEMA: Final[dict[str, Any]] = {
    "at": pl.Float64,
    "field": pl.String,
    "state": pl.String,
    "n": pl.Int64,
}
_ROWS_SCHEMA: Final[dict[str, Any]] = {
    "seq": pl.UInt32,
    "file_line": pl.UInt32,
    **dict.fromkeys(("intake", "reason", "entity_id", "entity_type"), pl.String),
}
_ITEMS_SCHEMA: Final[dict[str, Any]] = {
    **dict.fromkeys(("entity_id", "entity_type", "field", "state", "status"), pl.String),
    "data_found": pl.Boolean,
    **dict.fromkeys(("error", "created_at", "updated_at", "enrichment_id"), pl.String),
    "credit_transaction_id": pl.String,
    "open": pl.Boolean,
    "asked_at": pl.Float64,
}


def _card(connection: Connection, row: Any, now: float) -> WatchCard:
    counted = select(watch_count.c.field, watch_count.c.state, watch_count.c.n)
    newest = select(func.max(watch_count.c.at)).where(watch_count.c.list_id == row.id).scalar_subquery()
    mine = counted.where(watch_count.c.list_id == row.id, watch_count.c.at == newest)
    fields = tuple(json.loads(row.fields))
    counts: dict[str, dict[str, int]] = {field: {} for field in fields}
    for field, state, n in connection.execute(mine):
        counts[field][state] = n
    return WatchCard(
        list_id=row.public_id,
        name=row.name,
        mode=WatchMode(row.mode),
        fields=fields,
        mapping=json.loads(row.mapping),
        environment=row.environment,
        upload_name=row.upload_name,
        columns=tuple(json.loads(row.columns)),
        row_count=row.row_count,
        item_count=row.item_count,
        intake_counts=json.loads(row.intake_counts),
        counts=counts,
        rounds=row.rounds,
        created_at=row.created_at,
        begun_at=row.begun_at,
        asked_at=row.asked_at,
        changed_at=row.changed_at,
        next_ask_at=row.next_ask_at,
        standing=_standing(row, now),
        ended_why=Ended(row.ended_why) if row.ended_why else None,
        error=row.error,
    )


def _standing(row: Any, now: float) -> Standing:
    if row.ended_why:
        return Standing.ENDED
    if row.held:
        return Standing.HELD
    return Standing.ASKING if row.next_ask_at <= now else Standing.WAITING
