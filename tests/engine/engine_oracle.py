"""The truth, checked: the sandbox's own journal against the ledger, after any fault."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import func, select

from openmart_lib.ledger import BatchState, Ledger
from openmart_lib.ledger.schema import batch, counter, remote_task, row_task, run, task, uploaded_row
from openmart_lib.ledger.tracking import parse_tracking_id
from openmart_lib.sandbox import Sandbox

TOOK = (BatchState.ACCEPTED, BatchState.COLLECTED)
IN_DOUBT = (BatchState.UNKNOWN, BatchState.RESENT, BatchState.DROPPED)
MOST_PER_TASK = {
    "find_people": 11,
    "lookup_people": 11,
    "lookup_business_email": 4,
    "find_tech": 2,
}  # credits


def assert_truth(sandbox: Sandbox, ledger: Ledger) -> None:
    """Check that nothing was lost (N), nothing was paid twice (D), and that every count adds up."""
    with ledger.read() as connection:
        batches = {row.id: row for row in connection.execute(select(batch))}
        public = {row.id: row.public_id for row in connection.execute(select(run))}
        tasks = {(public[row.run_id], row.task_no): row for row in connection.execute(select(task))}
        links = defaultdict(set)
        for link in connection.execute(select(row_task)):
            links[public[link.run_id], link.task_no].add((link.run_id, link.seq))
        stored = list(connection.execute(select(remote_task)))
    _assert_known(sandbox, batches, tasks)
    _assert_once(sandbox, batches, tasks, links)
    _assert_credits(sandbox, batches)
    _assert_payloads(stored, batches, tasks, public)
    _assert_counts(ledger)


def assert_all_collected(sandbox: Sandbox, ledger: Ledger) -> None:
    """Check that every task of every batch known to be taken has its payload stored."""
    with ledger.read() as connection:
        query = select(batch.c.batch_id, func.count(remote_task.c.payload)).join(
            remote_task, remote_task.c.batch_pk == batch.c.id, isouter=True
        )
        stored = dict(
            connection.execute(query.where(batch.c.batch_id.is_not(None)).group_by(batch.c.batch_id)).all()
        )
    for created in sandbox.journal():
        if created.batch_id in stored:
            assert stored[created.batch_id] == len(created.tracking_ids), f"batch {created.batch_id}"


def _assert_known(sandbox: Sandbox, batches: dict[int, Any], tasks: dict[tuple[str, int], Any]) -> None:
    for created in sandbox.journal():
        for tracking in created.tracking_ids:
            number = parse_tracking_id(tracking)
            assert number in tasks, f"the server has a task that the ledger does not: {tracking}"
            mine = batches[tasks[number].batch_pk]
            took = mine.state in TOOK and mine.batch_id == created.batch_id
            assert took or mine.state in IN_DOUBT, f"{tracking} was created, and its batch is {mine.state}"


def _assert_once(
    sandbox: Sandbox, batches: dict[int, Any], tasks: dict[tuple[str, int], Any], links: dict[Any, set[Any]]
) -> None:
    times = Counter(sandbox.created_tracking_ids())
    assert max(times.values(), default=1) == 1, f"created twice: {times.most_common(1)}"
    creators: dict[Any, list[int]] = defaultdict(list)
    for tracking in times:
        number = parse_tracking_id(tracking)
        assert number is not None
        for row in links[number]:
            creators[row].append(tasks[number].batch_pk)
    for row, pks in creators.items():
        resent = sum(batches[pk].resend_of is not None for pk in pks)
        assert len(pks) - resent <= 1, f"row {row} was created {len(pks)} times"


def _assert_credits(sandbox: Sandbox, batches: dict[int, Any]) -> None:
    shown = sum(
        MOST_PER_TASK[each.kind] * each.task_count
        for each in batches.values()
        if each.state in TOOK + IN_DOUBT
    )
    spent = sum(created.credits for created in sandbox.journal())
    assert spent <= shown, f"{spent} credits spent, {shown} shown at most"


def _assert_payloads(
    stored: list[Any], batches: dict[int, Any], tasks: dict[tuple[str, int], Any], public: dict[int, str]
) -> None:
    kept = Counter((public[row.run_id], row.task_no) for row in stored if row.task_no is not None)
    assert max(kept.values(), default=1) == 1, f"stored twice: {kept.most_common(1)}"
    for row in stored:
        if row.fetched_at is None:
            continue
        payload = json.loads(row.payload)
        assert payload["status"] == row.status and payload["tracking_id"] == row.tracking_id
    for number, mine in tasks.items():
        assert (mine.final_at is not None) == (number in kept), f"{number}: last word and payload disagree"


def _assert_counts(ledger: Ledger) -> None:
    with ledger.read() as connection:
        for each in connection.execute(select(run)):
            rows = Counter(
                dict(
                    connection.execute(
                        select(uploaded_row.c.outcome, func.count())
                        .where(uploaded_row.c.run_id == each.id)
                        .group_by(uploaded_row.c.outcome)
                    ).all()
                )
            )
            assert rows.total() == each.row_count, f"{rows.total()} rows with an outcome of {each.row_count}"
            query = select(counter.c.name, counter.c.n).where(counter.c.run_id == each.id)
            counted = {
                name.removeprefix("outcome:"): n
                for name, n in connection.execute(query).all()
                if name.startswith("outcome:") and n
            }
            assert counted == dict(rows), f"counters {counted}, rows {dict(rows)}"
