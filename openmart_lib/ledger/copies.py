"""Copies: tasks that are sent again become a new batch with new tracking ids, tied to the same rows.

No number is given twice: a number that the journal knows and this ledger does not (an older copy of the
ledger was restored) was sent once, so new batches and tasks are numbered after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from openmart_lib.api.wire import MAX_TASKS_PER_BATCH
from openmart_lib.ledger.erased import check_not_erased
from openmart_lib.ledger.journal import FILE_NAME, read_journal
from openmart_lib.ledger.ledger import Ledger
from openmart_lib.ledger.schema import batch, row_task, run, task
from openmart_lib.ledger.spending import worst_of
from openmart_lib.ledger.states import MAYBE_CREATED, BatchState, Outcome, Pause


def open_tasks(connection: Connection, pk: int) -> list[Any]:
    """Return a batch's tasks without a last word, in order."""
    query = select(task).where(task.c.batch_pk == pk, task.c.final_at.is_(None)).order_by(task.c.task_no)
    return list(connection.execute(query))


def copy_batch(
    ledger: Ledger, connection: Connection, old: Any, tasks: Sequence[Any], *, search_of: int | None = None
) -> tuple[int, list[int]]:
    """Plan these tasks of a batch as a new one that repeats it; return its key and the rows' seq.

    The rows are not settled: whoever copies does it, with whatever else changes for them.

    Args:
        search_of: Key of the refused batch whose bad row is looked for, if this is a part of it.

    Raises:
        LedgerError: If the run's personal data was deleted.
    """
    check_not_erased(connection, old.run_id)
    batch_no, task_no = free_numbers(ledger, connection, old.run_id)
    values = {
        "run_id": old.run_id,
        "account_id": old.account_id,
        "environment": old.environment,
        "batch_no": batch_no,
        "kind": old.kind,
        "state": BatchState.PLANNED,
        "resend_of": old.id,
        "search_of": search_of,
        "never_checked": old.never_checked,
        "task_count": len(tasks),
        "open_tasks": len(tasks),
        "open_rows": 0,
        "worst_credits": worst_of(connection, old.run_id, tasks),
    }
    key = connection.execute(insert(batch).values(values)).inserted_primary_key
    assert key is not None
    pk = int(key[0])
    seqs = _copy_tasks(connection, tasks, pk, task_no)
    connection.execute(update(batch).where(batch.c.id == pk).values(open_rows=len(seqs)))
    grown = run.c.task_count + len(tasks)
    connection.execute(update(run).where(run.c.id == old.run_id).values(task_count=grown))
    # Its pilot is not over any more: what is sent again for it need not wait for another word.
    over = (run.c.id == old.run_id) & run.c.pause_reason.startswith(Pause.PILOT_OVER)
    connection.execute(update(run).where(over).values(paused_at=None, pause_reason=None))
    return pk, seqs


def may_have_been_created(connection: Connection, row: Any) -> bool:
    """Whether the server may have the tasks of this batch from an earlier batch that it repeats."""
    while row is not None and row.resend_of is not None:
        row = connection.execute(select(batch).where(batch.c.id == row.resend_of)).first()
        if row is not None and row.state in MAYBE_CREATED and not row.nothing_created:
            return True
    return False


def forgotten_batches(ledger: Ledger, connection: Connection, run_pk: int) -> set[int]:
    """Return the numbers of a run's batches that this ledger does not know and that may have been created.

    The journal names them as sent; those that were turned away are left out.
    """
    public = connection.execute(select(run.c.public_id).where(run.c.id == run_pk)).scalar_one()
    known = set(connection.execute(select(batch.c.batch_no).where(batch.c.run_id == run_pk)).scalars())
    told = _journalled(ledger, public)
    return {number for number, last in told.items() if number not in known and last != "released"}


def free_numbers(ledger: Ledger, connection: Connection, run_pk: int) -> tuple[int, int]:
    """Return the next batch number and the next task number of a run."""
    public = connection.execute(select(run.c.public_id).where(run.c.id == run_pk)).scalar_one()
    highest = select(func.max(batch.c.batch_no)).where(batch.c.run_id == run_pk)
    batch_no = connection.execute(highest).scalar_one()
    task_no = connection.execute(select(func.max(task.c.task_no)).where(task.c.run_id == run_pk)).scalar_one()
    forgotten = max(0, max(_journalled(ledger, public), default=0) - batch_no)
    return batch_no + forgotten + 1, task_no + forgotten * MAX_TASKS_PER_BATCH + 1


def _journalled(ledger: Ledger, run_id: str) -> dict[int, str]:
    """Return by batch number what the journal says last of each batch of a run: sent, accepted, released."""
    lines = (line for line in read_journal(ledger.folder / FILE_NAME) if line.get("run_id") == run_id)
    told = ((line.get("batch_no"), str(line.get("kind"))) for line in lines)
    return {number: kind for number, kind in told if isinstance(number, int)}


def _copy_tasks(connection: Connection, old: Sequence[Any], new_pk: int, first_no: int) -> list[int]:
    """Copy tasks and their ties to rows under new, consecutive task numbers; return the rows' seq."""
    run_id = old[0].run_id
    new_number = {row.task_no: number for number, row in enumerate(old, first_no)}
    connection.execute(
        insert(task),
        [
            {
                "run_id": run_id,
                "task_no": new_number[row.task_no],
                "batch_pk": new_pk,
                "domain": row.domain,
                "request": row.request,
                "likeness": row.likeness,
            }
            for row in old
        ],
    )
    links = connection.execute(
        select(row_task).where(row_task.c.run_id == run_id, row_task.c.task_no.in_(list(new_number)))
    ).all()
    connection.execute(
        insert(row_task),
        [
            {
                "run_id": run_id,
                "task_no": new_number[link.task_no],
                "person_no": link.person_no,
                "seq": link.seq,
                "outcome": Outcome.PENDING,
            }
            for link in links
        ],
    )
    return [link.seq for link in links]
