"""Watch lists, what people do with them: make one, refresh it by hand, close it, delete it.

Nothing here costs anything: a watch list only reads which enrichments exist at Lance. The worker asks;
what it writes is in ``asking``, what is read of it in ``watched``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, delete, func, insert, select, update

from openmart_lib.api.lance_states import FOUND, NOT_ASKED
from openmart_lib.api.wire import LanceField
from openmart_lib.errors import LedgerError
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.schema import upload, watch_count, watch_item, watch_list, watch_row
from openmart_lib.ledger.tracking import random_id
from openmart_lib.ledger.uploads import insert_upload, write_upload
from openmart_lib.settings import SANDBOX, Settings

CHUNK_ROWS: Final = 2_000  # no write transaction is larger: the money path must be able to write in between
CUT_OFF_AFTER: Final = 86_400.0  # seconds; a list that is still being written then never will be


class WatchMode(StrEnum):
    """What a list is for; the values are stored."""

    EXISTS = "exists"  # see what exists: one pass, an omitted record was never requested
    WAIT = "wait"  # wait for enrichments that were started: asked again until all is final


class Ended(StrEnum):
    """Why nothing is asked any more; the values are stored."""

    FINAL = "final"  # every state is final
    ONE_PASS = "one pass"  # everything was asked once, as wanted
    UNCHANGED = "unchanged"  # not final, and nothing changed for half an hour
    REFUSED = "refused"  # Lance does not take this list's questions; its words are the list's error
    CLOSED = "closed"  # by a person
    DELETED = "deleted"  # by a person; what is left of it is being removed


@dataclass(frozen=True, slots=True)
class NewWatch:
    """Everything that makes a watch list.

    ``environment`` is Lance's: "sandbox", or its base URL. ``frame`` has seq, file_line and the uploaded
    columns as text; ``rows`` one row per uploaded row: seq, file_line, intake, reason, entity_id,
    entity_type.
    """

    name: str
    mode: WatchMode
    fields: tuple[LanceField, ...]
    mapping: dict[str, Any]
    environment: str
    confirm_token: str
    upload_name: str
    upload_sha256: str
    upload_format: dict[str, Any]
    frame: pl.DataFrame
    rows: pl.DataFrame

    @property
    def items(self) -> pl.DataFrame:
        """One row per triple: entity_id, entity_type, field; sorted, so that chunks are written in order."""
        entities = self.rows.filter(pl.col("intake") == "accepted").select("entity_id", "entity_type")
        fields = pl.DataFrame({"field": [field.value for field in self.fields]}, schema={"field": pl.String})
        return entities.join(fields, how="cross").sort(pl.all())


def lance_environment(settings: Settings) -> str:
    """Return which Lance is talked to: "sandbox", or its base URL. A watch list is bound to it."""
    return SANDBOX if settings.lance_simulated else settings.lance_base_url


@in_plain_words
def create_watch(ledger: Ledger, new: NewWatch, *, progress: Callable[[int, int], None] | None = None) -> str:
    """Write a watch list, from where the worker asks Lance; return its public id.

    The same ``confirm_token`` gives the same list, however often it is confirmed, and a writing that was
    cut off goes on. ``progress`` is told (lines written, lines in all).

    Raises:
        LedgerError: If the ledger cannot be used; nothing was asked.
    """
    items = new.items
    with ledger.write() as connection:
        seen = connection.execute(
            select(watch_list.c.id, watch_list.c.public_id, watch_list.c.planned_at, upload.c.parquet)
            .join(upload, upload.c.id == watch_list.c.upload_id)
            .where(watch_list.c.confirm_token == new.confirm_token)
        ).first()
        if seen is None:
            pk, public_id = _insert(ledger, connection, new, items.height)
            parquet = f"{public_id}.parquet"
        elif seen.planned_at is not None:
            return str(seen.public_id)
        else:
            pk, public_id, parquet = seen.id, seen.public_id, seen.parquet
    write_upload(ledger, new.frame, parquet)
    rows = new.rows.select(pl.lit(pk).alias("list_id"), *_ROW_COLUMNS)
    states = items.select(pl.lit(pk).alias("list_id"), pl.all(), pl.lit(NOT_ASKED).alias("state"))
    done, lines = 0, rows.height + states.height
    for table, frame in (("watch_row", rows), ("watch_item", states)):
        marks = ", ".join("?" * frame.width)
        statement = (
            f"INSERT INTO {table} ({', '.join(frame.columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        )
        for part in frame.iter_slices(CHUNK_ROWS):
            with ledger.write(patient=True) as connection:
                connection.exec_driver_sql(statement, part.rows())
            done += part.height
            if progress is not None:
                progress(done, lines)
    _begin(ledger, pk, new, items.height)
    return str(public_id)


@in_plain_words
def refresh_watch(ledger: Ledger, list_id: str) -> None:
    """Ask a list's states again now, but for data that was found; ends a hold, and opens a list that ended.

    Raises:
        LedgerError: If there is no such list, or the ledger cannot be used.
    """
    pk = watch_pk(ledger, list_id)
    reopen = watch_item.c.list_id == pk, watch_item.c.open.is_(False), watch_item.c.state != FOUND
    _in_chunks(ledger, pk, reopen, change=True)
    now = ledger.now()
    with ledger.write() as connection:
        connection.execute(
            update(watch_list)
            .where(watch_list.c.id == pk, watch_list.c.planned_at.is_not(None))
            .values(begun_at=now, changed_at=now, next_ask_at=now, waits=0, quiet_rounds=0)
            .values(ended_why=None, held=False, error=None)
        )


@in_plain_words
def close_watch(ledger: Ledger, list_id: str) -> None:
    """Ask nothing more for a list; what is known of it stays, and it can be refreshed by hand.

    Raises:
        LedgerError: If there is no such list, or the ledger cannot be used.
    """
    pk = watch_pk(ledger, list_id)
    with ledger.write() as connection:
        connection.execute(
            update(watch_list)
            .where(watch_list.c.id == pk, watch_list.c.ended_why.is_(None))
            .values(ended_why=Ended.CLOSED, next_ask_at=None, held=False, error=None)
        )


@in_plain_words
def delete_watch(ledger: Ledger, list_id: str) -> None:
    """Delete a list with its uploaded rows and all that is known of it; nothing at Lance changes.

    Raises:
        LedgerError: If there is no such list, or the ledger cannot be used.
    """
    pk = watch_pk(ledger, list_id)
    with ledger.write() as connection:  # from here on nobody sees it, and a kill is finished by `sweep`
        connection.execute(
            update(watch_list)
            .where(watch_list.c.id == pk)
            .values(planned_at=None, ended_why=Ended.DELETED, next_ask_at=None)
        )
    _remove(ledger, pk)


def sweep(ledger: Ledger) -> int:
    """Remove what is left of lists whose deleting or writing was cut off; return how many."""
    old = watch_list.c.created_at < ledger.now() - CUT_OFF_AFTER
    query = select(watch_list.c.id).where(
        watch_list.c.planned_at.is_(None), (watch_list.c.ended_why == Ended.DELETED) | old
    )
    with ledger.read() as connection:
        found = connection.execute(query).scalars().all()
    for pk in found:
        _remove(ledger, pk)
    return len(found)


def watch_pk(ledger: Ledger, list_id: str) -> int:
    """Return the integer key of a list.

    Raises:
        LedgerError: If there is none of that id.
    """
    query = select(watch_list.c.id).where(
        watch_list.c.public_id == list_id, watch_list.c.planned_at.is_not(None)
    )
    with ledger.read() as connection:
        pk: int | None = connection.execute(query).scalar()
    if pk is None:
        raise LedgerError(
            f"There is no watch list {list_id}. Nothing was asked or changed. Choose one that is listed."
        )
    return pk


def note_counts(ledger: Ledger, pk: int) -> None:
    """Write down how many triples of a list are in which state, by field, at this moment."""
    query = select(watch_item.c.field, watch_item.c.state, func.count()).where(watch_item.c.list_id == pk)
    with ledger.read() as connection:  # counting many would hold up the money path's writes
        counts = connection.execute(query.group_by(watch_item.c.field, watch_item.c.state)).all()
    at = ledger.now()
    lines = [{"list_id": pk, "at": at, "field": field, "state": state, "n": n} for field, state, n in counts]
    with ledger.write(patient=True) as connection:
        known = select(watch_list.c.id).where(watch_list.c.id == pk)
        if lines and connection.execute(known).first() is not None:
            same = (watch_count.c.list_id == pk) & (watch_count.c.at == at)
            connection.execute(delete(watch_count).where(same))
            connection.execute(insert(watch_count), lines)


_ROW_COLUMNS: Final = ("seq", "file_line", "intake", "reason", "entity_id", "entity_type")


def _insert(ledger: Ledger, connection: Connection, new: NewWatch, item_count: int) -> tuple[int, str]:
    public_id, now = random_id(), ledger.now()
    values = {
        "public_id": public_id,
        "environment": new.environment,
        "upload_id": insert_upload(connection, new, public_id, now),
        "name": new.name,
        "mode": new.mode,
        "fields": json.dumps([field.value for field in new.fields]),
        "mapping": json.dumps(new.mapping, ensure_ascii=False),
        "confirm_token": new.confirm_token,
        "row_count": new.rows.height,
        "item_count": item_count,
        "intake_counts": json.dumps(dict(new.rows["intake"].value_counts().iter_rows())),
        "created_at": now,
    }
    key = connection.execute(insert(watch_list).values(values)).inserted_primary_key
    assert key is not None
    return int(key[0]), public_id


def _begin(ledger: Ledger, pk: int, new: NewWatch, item_count: int) -> None:
    """Make a list visible once all of it is written; one without a triple is final at once."""
    with ledger.read() as connection:
        for table, expected in ((watch_row, new.rows.height), (watch_item, item_count)):
            query = select(func.count()).select_from(table).where(table.c.list_id == pk)
            stored = connection.execute(query).scalar_one()
            if stored != expected:
                raise LedgerError(
                    f"{stored:,} instead of {expected:,} lines of the list are stored. "
                    "Nothing was asked, and asking is free. Make the watch list again."
                )
    note_counts(ledger, pk)
    now = ledger.now()
    values: dict[str, Any] = {"planned_at": now, "begun_at": now, "changed_at": now}
    values |= {"next_ask_at": now} if item_count else {"ended_why": Ended.FINAL}
    with ledger.write() as connection:
        mine = (watch_list.c.id == pk) & watch_list.c.planned_at.is_(None)
        connection.execute(update(watch_list).where(mine).values(values))


def _in_chunks(ledger: Ledger, pk: int, where: tuple[Any, ...], *, change: bool) -> None:
    """Open (``change``) or delete the items that fit, at most ``CHUNK_ROWS`` in a transaction."""
    keys = watch_item.c.entity_id, watch_item.c.entity_type, watch_item.c.field
    found = select(*keys).where(*where).limit(CHUNK_ROWS)
    statement = "UPDATE watch_item SET open = 1" if change else "DELETE FROM watch_item"
    statement += " WHERE list_id = ? AND entity_id = ? AND entity_type = ? AND field = ?"
    while True:
        with ledger.write(patient=True) as connection:
            part = connection.execute(found).all()
            if not part:
                return
            connection.exec_driver_sql(statement, [(pk, *key) for key in part])


def _remove(ledger: Ledger, pk: int) -> None:
    _in_chunks(ledger, pk, (watch_item.c.list_id == pk,), change=False)
    removed = 1
    while removed:
        with ledger.write(patient=True) as connection:
            first = select(watch_row.c.seq).where(watch_row.c.list_id == pk).limit(CHUNK_ROWS)
            seqs = connection.execute(first.order_by(watch_row.c.seq)).scalars().all()
            removed = len(seqs)
            if seqs:
                mine = watch_row.c.list_id == pk, watch_row.c.seq <= seqs[-1]
                connection.execute(delete(watch_row).where(*mine))
    with ledger.write() as connection:
        query = select(upload.c.id, upload.c.parquet).join(watch_list, watch_list.c.upload_id == upload.c.id)
        found = connection.execute(query.where(watch_list.c.id == pk)).first()
        connection.execute(delete(watch_count).where(watch_count.c.list_id == pk))
        connection.execute(delete(watch_list).where(watch_list.c.id == pk))
        if found is not None:
            connection.execute(delete(upload).where(upload.c.id == found.id))
            (ledger.uploads_dir / found.parquet).unlink(missing_ok=True)
