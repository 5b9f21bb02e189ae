"""The truth, checked: the sandbox's own journal against the ledger, after any fault."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl
from sqlalchemy import func, select

from openmart_lib.api.payload import read_records
from openmart_lib.api.wire import Kind, TaskStatus
from openmart_lib.engine.clients import SANDBOX_KEY
from openmart_lib.ledger import BatchState, Ledger, Outcome, queries
from openmart_lib.ledger.schema import batch, counter, remote_task, row_task, run, task, uploaded_row
from openmart_lib.ledger.tracking import parse_tracking_id
from openmart_lib.sandbox import Sandbox
from openmart_lib.sandbox.batch import join_task_id
from openmart_lib.sandbox.world import find
from openmart_lib.settings import Prices

TOOK = (BatchState.ACCEPTED, BatchState.COLLECTED)
IN_DOUBT = (BatchState.UNKNOWN, BatchState.RESENT, BatchState.DROPPED)
MOST_PER_TASK = {
    "find_people": 11,
    "lookup_people": 11,
    "lookup_business_email": 4,
    "find_tech": 2,
}  # credits
NEEDS_REASON = (Outcome.UNKNOWN, Outcome.MISSING, Outcome.REFUSED, Outcome.ERRORED, Outcome.CANCELLED)


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


@dataclass(frozen=True, slots=True)
class Served:
    """A task as the server tells it once it has ended; ``text`` is the whole answer."""

    batch_id: str
    tracking_id: str
    text: str


def served(sandbox: Sandbox) -> dict[str, Served]:
    """Return by task id what the server delivers, or would deliver; tasks that never end are left out."""
    found = {}
    for created in sandbox.journal():
        for index, (tracking_id, sent) in enumerate(zip(created.tracking_ids, created.tasks, strict=True)):
            task_id, finding = join_task_id(created.batch_id, index), find(created.kind, sent)
            if finding.status is TaskStatus.PROCESSING or tracking_id is None:
                continue
            answer = {"task_id": task_id, "status": finding.status, "tracking_id": tracking_id}
            if finding.data is not msgspec.UNSET:
                answer["data"] = finding.data
            found[task_id] = Served(created.batch_id, tracking_id, msgspec.json.encode(answer).decode())
    return found


def assert_stored_as_served(sandbox: Sandbox, ledger: Ledger) -> None:
    """Check that every stored payload is the server's text, and that no task is stored twice."""
    truth = served(sandbox)
    with ledger.read() as connection:
        query = select(remote_task.c.task_id, remote_task.c.tracking_id, remote_task.c.payload)
        stored = list(connection.execute(query.where(remote_task.c.fetched_at.is_not(None))))
    times = Counter(row.task_id for row in stored)
    assert max(times.values(), default=1) == 1, f"stored twice: {times.most_common(1)}"
    for row in stored:
        told = truth[row.task_id]
        text = told.text
        if row.tracking_id == f"foreign-{row.task_id}":  # as the fault of that name writes it
            text = text.replace(f'"{told.tracking_id}"', f'"{row.tracking_id}"', 1)
        assert row.payload.rstrip(" ") == text, f"{row.tracking_id} is not stored as it was served"


def lost(sandbox: Sandbox, ledger: Ledger) -> list[str]:
    """Return the tracking ids of ended tasks that are not stored, although nobody is told to doubt them.

    A batch that is shown as unknown, or was given up by a person, is in doubt; so is what was being sent.
    """
    with ledger.read() as connection:
        query = select(remote_task.c.task_id).where(remote_task.c.fetched_at.is_not(None))
        stored = set(connection.execute(query).scalars())
        states = {row.id: BatchState(row.state) for row in connection.execute(select(batch))}
        owners = select(run.c.public_id, task.c.task_no, task.c.batch_pk).join(run, run.c.id == task.c.run_id)
        state_of = {(row.public_id, row.task_no): states[row.batch_pk] for row in connection.execute(owners)}
    return [
        each.tracking_id
        for task_id, each in served(sandbox).items()
        if task_id not in stored and state_of.get(parse_tracking_id(each.tracking_id)) not in IN_DOUBT
    ]


def created_twice(sandbox: Sandbox, ledger: Ledger) -> tuple[int, int]:
    """Return how many tasks were created again for a row: by the program, and because a person chose so."""
    with ledger.read() as connection:
        resent = select(batch.c.id).where(batch.c.resend_of.is_not(None))
        by_person = set(connection.execute(resent).scalars())
        query = select(run.c.public_id, row_task.c.task_no, row_task.c.seq, task.c.batch_pk).select_from(
            row_task.join(run, run.c.id == row_task.c.run_id).join(
                task, (task.c.run_id == row_task.c.run_id) & (task.c.task_no == row_task.c.task_no)
            )
        )
        ties = {(row.public_id, row.task_no): row for row in connection.execute(query)}
    creations: dict[Any, list[bool]] = defaultdict(list)
    for tracking_id in sandbox.created_tracking_ids():
        tie = ties[parse_tracking_id(tracking_id)]  # type: ignore[index]  # assert_truth has checked it
        creations[tie.public_id, tie.seq].append(tie.batch_pk in by_person)
    again = sum(len(each) - 1 for each in creations.values())
    chosen = sum(min(len(each) - 1, sum(each)) for each in creations.values())
    return again - chosen, chosen


def assert_credits_shown(sandbox: Sandbox, ledger: Ledger) -> None:
    """Check that what is found times its price, and the worst case of what has no answer, cover the bill."""
    prices = Prices()
    with ledger.read() as connection:
        query = select(task.c.status, batch.c.kind, batch.c.state).join(batch, batch.c.id == task.c.batch_pk)
        tasks = list(connection.execute(query))
    found: Counter[str] = Counter()
    for each in queries.runs(ledger):
        found.update(each.found)
    checks = sum(row.status == TaskStatus.COMPLETED and row.kind == Kind.FIND_TECH for row in tasks)
    spent = prices.email * found["emails"] + prices.phone * found["phones"]
    spent += prices.mailbox * found["mailboxes"] + prices.technology * checks
    doubtful = (*TOOK, *IN_DOUBT, BatchState.SENDING)
    unknown = sum(MOST_PER_TASK[row.kind] for row in tasks if row.status is None and row.state in doubtful)
    charged = sum(created.credits for created in sandbox.journal())
    assert charged <= spent + unknown, f"{charged} credits charged, {spent} spent and {unknown} unknown shown"


def assert_plain_words(ledger: Ledger) -> None:
    """Check that each trouble has its message, and that no message holds a key, a person or a traceback."""
    frames = [queries.batches(ledger, each.run_id) for each in queries.runs(ledger)]
    batches = pl.concat(frames, how="vertical")
    rows = pl.concat([queries.row_states(ledger, each.run_id) for each in queries.runs(ledger)])
    unsaid = pl.col("detail").fill_null("") == ""  # a refusal without words is told by its status
    wordless = (pl.col("state") == BatchState.REFUSED) & unsaid & pl.col("http_status").is_null()
    silent = batches.filter(wordless | ((pl.col("state") == BatchState.UNKNOWN) & unsaid))
    assert silent.is_empty(), f"a trouble without a message: {silent}"
    unexplained = rows.filter(pl.col("outcome").is_in(NEEDS_REASON) & pl.col("outcome_reason").is_null())
    assert rows.filter(pl.col("outcome") == Outcome.REJECTED)["reason"].null_count() == 0
    assert unexplained.is_empty(), f"rows without a reason: {unexplained}"
    held = [each for each in queries.accounts(ledger) if each.hold is not None]
    assert all(each.hold_detail for each in held), "a hold without a message"
    assert_nothing_private(
        ledger,
        [
            *batches["detail"].drop_nulls(),
            *batches["read_error"].drop_nulls(),
            *rows["outcome_reason"].drop_nulls(),
            *(each.hold_detail or "" for each in held),
            *(each.pause_reason or "" for each in queries.runs(ledger)),
            *queries.events(ledger, limit=100_000)["detail"].drop_nulls(),
        ],
    )


def assert_nothing_private(ledger: Ledger, messages: Iterable[str]) -> None:
    """Check that no message holds the key, a traceback, or a person, address or number of any payload."""
    said = "\n".join(set(messages))
    private = {SANDBOX_KEY.reveal()}
    for each in queries.runs(ledger):
        for payload in queries.answers(ledger, each.run_id)["payload"]:
            for record in read_records(each.kind, json.loads(payload).get("data")):
                private |= {record.email or "", record.linkedin_url or ""}
                private |= {phone.number for phone in record.phones}
                if record.first_name and record.last_name:
                    private.add(f"{record.first_name} {record.last_name}")
    told = [each for each in private if each and each in said]
    assert not told, f"a message holds what is private: {told[0][:4]}..."
    assert not re.search(r'Traceback|File "|object at 0x|\.py\b', said), "a message holds a traceback"
