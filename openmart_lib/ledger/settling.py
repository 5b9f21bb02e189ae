"""Settling: what happened to tasks becomes the outcome of uploaded rows and the counters, in one transaction.

Every change of an outcome in the whole program goes through ``settle``, so counters cannot drift.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import Connection, Integer, Text, bindparam, column, func, select, text, update
from sqlalchemy.dialects.sqlite import insert

from openmart_lib.ledger.following import Followed, follow, follow_into
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import batch, counter, reused_row, row_task, task, uploaded_row
from openmart_lib.ledger.states import BEST_FIRST, Outcome
from openmart_lib.ledger.verdicts import Flag

# Plain text and numbers: these loops run once per row, and an enum's operators cost ten times as much.
_RANK: Final = {str(outcome): rank for rank, outcome in enumerate(BEST_FIRST)}
# Left to itself SQLite walks over all ties of a run: without statistics it believes that a run has ten.
_TIES_BY_ROW: Final = text("row_task INDEXED BY ix_row_task_run_id_seq")
# Built once: putting a statement together costs as much as running it, and these run for every answer.
_LINKS: Final = (
    select(column("seq", Integer), column("outcome", Text), column("reason", Text), column("flags", Integer))
    .select_from(_TIES_BY_ROW)
    .where(column("run_id") == bindparam("b_run"), column("seq").in_(bindparam("b_seqs", expanding=True)))
    .order_by(column("task_no"))
)
_COLUMNS: Final = uploaded_row.c
_BEFORE: Final = select(_COLUMNS.seq, _COLUMNS.outcome, _COLUMNS.outcome_reason, _COLUMNS.flags).where(
    _COLUMNS.run_id == bindparam("b_run"), _COLUMNS.seq.in_(bindparam("b_seqs", expanding=True))
)
# Driver SQL: for every row it binds, SQLAlchemy costs more than SQLite takes to write it.
_SETTLE: Final = """
UPDATE uploaded_row SET outcome = ?, outcome_reason = ?, flags = ? WHERE run_id = ? AND seq = ?
"""
_INSERT: Final = insert(counter)
_ADD: Final = _INSERT.on_conflict_do_update(
    index_elements=["run_id", "name"], set_={"n": counter.c.n + _INSERT.excluded.n}
)
_FOLLOWED_AT_ONCE: Final = 2_000  # rows in one write transaction
_FLAG_COUNTERS: Final = {
    Flag.EMAIL: "found:rows_with_email",
    Flag.VERIFIED_EMAIL: "found:rows_with_verified_email",
    Flag.PHONE: "found:rows_with_phone",
}


def mark_open_rows(
    connection: Connection, batch_pk: int, outcome: Outcome, reason: str | None, *, final: bool = False
) -> int:
    """Give every row of a batch whose task has no last word this outcome; return the rows that became final.

    ``final`` closes the tasks too (a refused, cancelled or closed batch). The number is negative when
    rows came back to pending.
    """
    owner = select(task.c.run_id, task.c.task_no).where(
        task.c.batch_pk == batch_pk, task.c.final_at.is_(None)
    )
    open_tasks = [(run_pk, task_no) for run_pk, task_no in connection.execute(owner)]
    if not open_tasks:
        return 0
    run_pk = open_tasks[0][0]
    numbers = [task_no for _, task_no in open_tasks]
    mine = (row_task.c.run_id == run_pk) & row_task.c.task_no.in_(numbers)
    connection.execute(update(row_task).where(mine).values(outcome=outcome, reason=reason))
    if final:
        connection.execute(update(batch).where(batch.c.id == batch_pk).values(open_tasks=0, open_rows=0))
    seqs = connection.execute(select(row_task.c.seq).where(mine)).scalars().all()
    return settle(connection, run_pk, seqs)


def reopen_rows(connection: Connection, batch_pk: int) -> None:
    """Count a closed batch's tasks without a last word as open again: it was sent after all."""
    is_open = (task.c.batch_pk == batch_pk) & task.c.final_at.is_(None)
    mine = (row_task.c.run_id == task.c.run_id) & (row_task.c.task_no == task.c.task_no)
    open_tasks = select(func.count()).select_from(task).where(is_open).scalar_subquery()
    open_rows = select(func.count()).select_from(task).join(row_task, mine).where(is_open).scalar_subquery()
    values = {"open_tasks": open_tasks, "open_rows": open_rows}
    connection.execute(update(batch).where(batch.c.id == batch_pk).values(values))


def settle(connection: Connection, run_pk: int, seqs: Collection[int]) -> int:
    """Recompute the outcome of these rows from all tasks sent for them; return how many became final.

    Of several tasks the best outcome counts, of equal ones the latest; what was found by any of them counts
    as found.
    """
    wanted = sorted(set(seqs))
    if not wanted:
        return 0
    winners, flags = _best_of_links(connection, run_pk, wanted)
    before = connection.execute(_BEFORE, {"b_run": run_pk, "b_seqs": list(winners)}).all()
    changes: list[tuple[str, str | None, int, int, int]] = []
    deltas: dict[str, int] = defaultdict(int)
    became_final = 0
    for seq, old_outcome, old_reason, old_flags in before:
        new, reason = winners[seq]
        if (new, reason, flags[seq]) == (old_outcome, old_reason, old_flags):
            continue
        changes.append((new, reason, flags[seq], run_pk, seq))
        deltas[f"outcome:{old_outcome}"] -= 1
        deltas[f"outcome:{new}"] += 1
        if flags[seq] != old_flags:
            for flag, name in _FLAG_COUNTERS.items():
                deltas[name] += bool(flags[seq] & flag) - bool(old_flags & flag)
        became_final += (new != Outcome.PENDING) - (old_outcome != Outcome.PENDING)
    if changes:
        connection.exec_driver_sql(_SETTLE, changes)
    add_to_counters(connection, run_pk, deltas.items())
    if changes:
        count_followers(connection, follow(connection, run_pk, [seq for *_, seq in changes]))
    return became_final


def count_followers(connection: Connection, followed: Iterable[Followed]) -> None:
    """Count what changed in the runs that reuse something, and note it among their events."""
    for one in followed:
        add_to_counters(connection, one.run_pk, one.counters.items())
        append_event(connection, one.at, "reused_rows_followed", run=one.run_pk, rows=one.final)


def follow_sources(ledger: Ledger, pk: int) -> None:
    """Give the reused rows of a run (its integer key) the outcomes of the rows that they follow, in chunks.

    Called when a run's lines are all stored and before a worker sees it: what its sources do from then on
    reaches it by itself. Called again it changes nothing.
    """
    query = select(func.min(reused_row.c.seq), func.max(reused_row.c.seq)).where(reused_row.c.run_id == pk)
    with ledger.read() as connection:
        first, last = connection.execute(query).one()
    for low in range(first or 1, (last or 0) + 1, _FOLLOWED_AT_ONCE):
        with ledger.write() as connection:
            count_followers(connection, follow_into(connection, pk, low, low + _FOLLOWED_AT_ONCE - 1))


def add_to_counters(connection: Connection, run_pk: int, deltas: Iterable[tuple[str, int]]) -> None:
    """Change a run's counters by these amounts, creating the ones that are new."""
    values = [{"run_id": run_pk, "name": name, "n": n} for name, n in deltas if n]
    if values:
        connection.execute(_ADD, values)


def _best_of_links(
    connection: Connection, run_pk: int, seqs: list[int]
) -> tuple[dict[int, tuple[str, str | None]], dict[int, int]]:
    """Return per row the best (outcome, reason) of its tasks, and everything that any of them found."""
    winners: dict[int, tuple[str, str | None]] = {}
    flags: dict[int, int] = defaultdict(int)
    for seq, outcome, reason, found in connection.execute(_LINKS, {"b_run": run_pk, "b_seqs": seqs}).all():
        flags[seq] |= found
        known = winners.get(seq)
        if known is None or _RANK[outcome] <= _RANK[known[0]]:
            winners[seq] = (outcome, reason)
    return winners, flags
