"""Replay: what the journal knows of submissions and this ledger does not.

The claim commits ``attempts`` before the journal's ``sent`` line is written, and the ledger keeps what it
committed. So a journal that names a later attempt than the ledger does, or a batch that the ledger does not
have, tells that this file is an older copy: a backup, a copy made by hand, a file whose -wal was lost. Then
what was sent is never sent again, also where it left in another batch than this copy has it in
(``redividing``), and a person looks before anything else is.

One line is about 160 bytes, two lines a batch: a million rows make 3.2 MB, read in 0.2 s. The
journal is never cut: nobody knows how old a ledger may come back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.sqlite import insert

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import moves, submissions
from openmart_lib.ledger.journal import Key, Told, read_journal
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.redividing import doubt, redivide
from openmart_lib.ledger.schema import batch, meta, run
from openmart_lib.ledger.spans import parse_spans
from openmart_lib.ledger.states import NEVER_SENT, OPEN_STATES, BatchState, Event

log = logging.getLogger(__name__)

LISTS_AGAIN: Final = "import again the never-contact lists added since then, then resume"
OLDER_COPY: Final = (
    f"this ledger is an older copy of the one that submitted last; look at its batches, {LISTS_AGAIN}"
)
TURNED_AWAY: Final = "Openmart turned it away, and the program stopped before it had written that down"
NAMED: Final = 20  # batch ids on the console; the event holds all
_SEEN: Final = "journal_lines"  # in `meta`: lines of the journal that this ledger was compared with


@dataclass(slots=True)
class Replayed:
    """What a replay brought in. ``strangers`` are (run id, batch id) accepted for runs or batches that this
    ledger does not have: they were paid for, and their ids are all that is left of them here.

    ``unanswered`` are such batches of which no id is known: they may have been paid for, too, and nothing
    here shows it.
    """

    accepted: int = 0
    unknown: int = 0
    planned: int = 0
    paused_runs: int = 0
    older: bool = False
    strangers: list[tuple[str, str]] = field(default_factory=list)
    unanswered: int = 0


def replay(ledger: Ledger, journal_file: Path, *, pause: str | None = None) -> Replayed:
    """Bring into the ledger what the journal knows of submissions and the ledger missed.

    Only for the holder of the worker lock, before anything is claimed. May be cut off at any line and
    done again. An odd line is passed over: it must not keep the worker from starting.

    Args:
        pause: Pause every unfinished run with this reason; None: only when this ledger is an older copy.

    Raises:
        OSError: If the journal cannot be read.
    """
    told, lines = _read(journal_file)
    known, seen = _batches(ledger), _lines_seen(ledger)
    missing = {key: word for key, word in told.items() if key not in known and word.line >= seen}
    later = any(told[key].attempt > row.attempts for key, row in known.items() if key in told)
    done = Replayed(older=bool(missing) or later)
    if pause is not None or done.older:
        # First of all: a replay that is cut off after its last batch would not be done again.
        done.paused_runs = _pause_unfinished(ledger, pause or OLDER_COPY)
    if done.older:
        done.unknown += redivide(ledger, told, known)
        known = _batches(ledger)
        missing = {key: word for key, word in missing.items() if key not in known}
    ids = {row.batch_id for row in known.values()}
    done.strangers = [(key[0], word.batch_id) for key, word in missing.items() if word.batch_id]
    done.unanswered = sum(word.may_be_created for word in missing.values()) - len(done.strangers)
    for key, row in ((key, known[key]) for key in told if key in known):
        try:
            if _is_news(row, told[key], ids):
                _bring_in(ledger, key, row, told[key], done)
        except LedgerError as error:
            log.error("what the journal says of a batch fits no move (%s)", error)
    if done.older:
        _tell(ledger, done, forgotten=len(missing))
    if lines != seen:
        _note_seen(ledger, lines)
    return done


def _read(journal_file: Path) -> tuple[dict[Key, Told], int]:
    told: dict[Key, Told] = {}
    lines = 0
    for lines, entry in enumerate(read_journal(journal_file), 1):
        try:
            key = str(entry["run_id"]), int(entry["batch_no"])
            kind, batch_id = str(entry["kind"]), entry.get("batch_id")
            attempt, tasks = entry.get("attempt"), parse_spans(str(entry.get("tasks", "")))
            if kind == "accepted" and not isinstance(batch_id, str):
                raise ValueError(kind)
            word = told.setdefault(key, Told())
            # Lines of a former version have no number: the n-th "sent" is at most the n-th claim.
            word.attempt = int(attempt) if attempt is not None else word.attempt + (kind == "sent")
        except (KeyError, TypeError, ValueError) as error:
            log.error("a line of the journal fits no batch (%s)", type(error).__name__)
            continue
        word.kind, word.line = kind, lines - 1
        if kind == "sent":
            word.tasks, word.repeats = tasks, entry.get("repeats")
        word.batch_id = batch_id or word.batch_id  # accepted once, known for ever
    return told, lines


def _is_news(row: Any, word: Told, ids: set[str | None]) -> bool:
    if word.attempt > row.attempts or (word.batch_id is not None and word.batch_id not in ids):
        return True
    return bool(row.state == BatchState.SENDING and word.kind == "released" and word.attempt == row.attempts)


def _bring_in(ledger: Ledger, key: Key, row: Any, word: Told, done: Replayed) -> None:
    if word.batch_id is not None:
        done.accepted += submissions.accept_by_number(ledger, *key, word.batch_id)
    elif word.kind == "sent" and (row.state in NEVER_SENT or row.nothing_created):
        with ledger.write() as connection:
            doubt(ledger, connection, row.id)
        done.unknown += 1
    elif word.kind == "released" and row.state == BatchState.SENDING and word.attempt == row.attempts:
        _put_back(ledger, row)
        done.planned += 1
    with ledger.write() as connection:
        later = (batch.c.id == row.id) & (batch.c.attempts < word.attempt)
        connection.execute(update(batch).where(later).values(attempts=word.attempt))


def _put_back(ledger: Ledger, row: Any) -> None:
    """Make a batch PLANNED again whose definite no reached the journal and not the ledger."""
    with ledger.write() as connection:
        now, whole = ledger.now(), moves.check(connection, row.id, Event.NOT_SENT)
        moves.back_to_planned(connection, whole, now=now, detail=TURNED_AWAY, not_before=0.0)
        append_event(connection, now, "batch_not_sent", run=row.run_id, batch=row.id, seen=TURNED_AWAY)


def _pause_unfinished(ledger: Ledger, reason: str) -> int:
    unfinished = exists(select(batch.c.id).where(batch.c.run_id == run.c.id, batch.c.state.in_(OPEN_STATES)))
    with ledger.write() as connection:
        paused = connection.execute(
            update(run)
            .where(unfinished, run.c.cancelled_at.is_(None))
            .values(paused_at=ledger.now(), pause_reason=reason)
            .returning(run.c.id)
        ).all()
    return len(paused)


def _tell(ledger: Ledger, done: Replayed, *, forgotten: int) -> None:
    named = [batch_id for _, batch_id in done.strangers[:NAMED]]
    log.warning(
        "this ledger is an older copy: %d batches accepted since then are collected, %d are unknown, "
        "%d belong to nothing it knows%s; %d runs are paused",
        done.accepted,
        done.unknown,
        forgotten,
        f" (accepted as {', '.join(named)})" if named else "",
        done.paused_runs,
    )
    with ledger.write() as connection:
        append_event(connection, ledger.now(), "older_copy", forgotten=forgotten, strangers=done.strangers)


def _batches(ledger: Ledger) -> dict[Key, Any]:
    names = "id", "run_id", "batch_no", "state", "attempts", "batch_id", "nothing_created"
    columns = [batch.c[name] for name in names]
    query = select(*columns, run.c.public_id).join(run, run.c.id == batch.c.run_id)
    with ledger.read() as connection:
        return {(row.public_id, row.batch_no): row for row in connection.execute(query)}


def _lines_seen(ledger: Ledger) -> int:
    with ledger.read() as connection:
        found = connection.execute(select(meta.c.value).where(meta.c.name == _SEEN)).scalar()
    return int(found) if found is not None else 0


def _note_seen(ledger: Ledger, lines: int) -> None:
    with ledger.write() as connection:
        statement = insert(meta).values(name=_SEEN, value=str(lines))
        connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={"value": str(lines)})
        )
