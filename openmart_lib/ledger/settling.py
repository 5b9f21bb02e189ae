"""Settling: what happened to tasks becomes the outcome of uploaded rows and the counters, in one transaction.

Every change of an outcome in the whole program goes through ``settle``, so counters cannot drift.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects.sqlite import insert

from openmart_lib.ledger.schema import batch, counter, row_task, task, uploaded_row
from openmart_lib.ledger.states import Outcome, best
from openmart_lib.ledger.verdicts import Flag

_FLAG_COUNTERS = {
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
    open_tasks = [(run_id, task_no) for run_id, task_no in connection.execute(owner)]
    if not open_tasks:
        return 0
    run_id = open_tasks[0][0]
    numbers = [task_no for _, task_no in open_tasks]
    mine = (row_task.c.run_id == run_id) & row_task.c.task_no.in_(numbers)
    connection.execute(update(row_task).where(mine).values(outcome=outcome, reason=reason))
    if final:
        connection.execute(update(batch).where(batch.c.id == batch_pk).values(open_tasks=0, open_rows=0))
    seqs = connection.execute(select(row_task.c.seq).where(mine)).scalars().all()
    return settle(connection, run_id, seqs)


def settle(connection: Connection, run_id: int, seqs: Collection[int]) -> int:
    """Recompute the outcome of these rows from all tasks sent for them; return how many became final.

    Of several tasks the best outcome counts; what was found by any of them counts as found.
    """
    wanted = sorted(set(seqs))
    if not wanted:
        return 0
    links: dict[int, list[Any]] = defaultdict(list)
    query = select(row_task.c.seq, row_task.c.outcome, row_task.c.reason, row_task.c.flags).where(
        row_task.c.run_id == run_id, row_task.c.seq.in_(wanted)
    )
    for link in connection.execute(query):
        links[link.seq].append(link)
    before = connection.execute(
        select(uploaded_row.c.seq, uploaded_row.c.outcome, uploaded_row.c.flags).where(
            uploaded_row.c.run_id == run_id, uploaded_row.c.seq.in_(list(links))
        )
    )
    changes: list[dict[str, Any]] = []
    deltas: dict[str, int] = defaultdict(int)
    became_final = 0
    for seq, old_outcome, old_flags in before:
        new, reason, flags = _best_of(links[seq])
        changes.append({"b_seq": seq, "b_outcome": new, "b_reason": reason, "b_flags": int(flags)})
        deltas[f"outcome:{old_outcome}"] -= 1
        deltas[f"outcome:{new}"] += 1
        for flag, name in _FLAG_COUNTERS.items():
            deltas[name] += bool(flags & flag) - bool(Flag(old_flags) & flag)
        became_final += (new != Outcome.PENDING) - (old_outcome != Outcome.PENDING)
    if changes:
        connection.execute(
            update(uploaded_row)
            .where(uploaded_row.c.run_id == run_id, uploaded_row.c.seq == bindparam("b_seq"))
            .values(
                outcome=bindparam("b_outcome"),
                outcome_reason=bindparam("b_reason"),
                flags=bindparam("b_flags"),
            ),
            changes,
        )
    add_to_counters(connection, run_id, deltas.items())
    return became_final


def add_to_counters(connection: Connection, run_id: int, deltas: Iterable[tuple[str, int]]) -> None:
    """Change a run's counters by these amounts, creating the ones that are new."""
    values = [{"run_id": run_id, "name": name, "n": n} for name, n in deltas if n]
    if not values:
        return
    statement = insert(counter)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["run_id", "name"], set_={"n": counter.c.n + statement.excluded.n}
        ),
        values,
    )


def _best_of(links: list[Any]) -> tuple[Outcome, str | None, Flag]:
    winner = best([Outcome(link.outcome) for link in links])
    reason = next(link.reason for link in links if link.outcome == winner)
    flags = Flag.NOTHING
    for link in links:
        flags |= Flag(link.flags)
    return winner, reason, flags
