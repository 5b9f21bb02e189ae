"""What the ledger's tests are written in: small runs, answers as the server gives them, and a recount."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select

from openmart_lib.api.payload import read_records
from openmart_lib.api.wire import BatchCounts, Kind, TaskAnswer
from openmart_lib.ledger import BatchState, Ledger, Outcome, queries, submissions
from openmart_lib.ledger.journal import FILE_NAME
from openmart_lib.ledger.ledger import DATABASE_FILE
from openmart_lib.ledger.runs import NewRun, plan_run
from openmart_lib.ledger.schema import account, batch, remote_task, row_task, run, task, uploaded_row
from openmart_lib.ledger.submissions import Claim
from openmart_lib.ledger.tariff import Tariff, count_found
from openmart_lib.ledger.tracking import tracking_id
from openmart_lib.ledger.verdicts import Flag

# For tests that kill a process: each comes from one that has imported all this before, which takes a second.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "openmart_lib.ledger.queries", "openmart_lib.api.payload"])

ENVIRONMENT = "sandbox"
KEY = "fingerprint-of-the-key"
EMAIL = {"first_name": "Ada", "last_name": "Roe", "email": {"email": "ada@one.invalid", "verified": True}}
PHONE = {"first_name": "Bo", "phones": [{"phone_number": "+15550100", "line_type": "MOBILE", "valid": True}]}
NAME_ONLY = {"first_name": "Cy", "last_name": "Doe", "title": "Owner", "email": None, "phones": []}
BEST_FIRST = [  # of several tasks for one row, as the design orders them
    Outcome.MATCHED,
    Outcome.PARTIAL,
    Outcome.NO_MATCH,
    Outcome.PENDING,
    Outcome.ERRORED,
    Outcome.MISSING,
    Outcome.UNKNOWN,
    Outcome.CANCELLED,
    Outcome.REFUSED,
]
ROW_SCHEMA = {
    "seq": pl.UInt32,
    "file_line": pl.UInt32,
    "intake": pl.String,
    "code": pl.String,
    "reason": pl.String,
    "domain": pl.String,
    "asked_title": pl.String,
    "duplicate_of": pl.UInt32,
}


class Clock:
    """A clock that moves only when told."""

    def __init__(self, at: float = 1_700_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += seconds


def make_empty(ledger: Ledger, empty: Path, clock: Clock) -> None:
    """Put the file of an empty ledger in the place of the present one."""
    ledger.close()
    folder = ledger.folder
    for leftover in (*folder.glob(f"{DATABASE_FILE}*"), *folder.glob("uploads/*"), *folder.glob(FILE_NAME)):
        leftover.unlink()
    shutil.copy(empty, folder / DATABASE_FILE)
    ledger.now = clock


def new_run(
    tasks: int = 3,
    *,
    people: int = 0,
    rejected: int = 0,
    skipped: int = 0,
    duplicates: int = 0,
    per_batch: int = 100,
    kind: Kind = Kind.FIND_PEOPLE,
    content: str = "content",
    token: str | None = None,
    **changes: Any,
) -> NewRun:
    """Return a run of so many tasks (``people`` rows each, one by default), then the rows that are not sent."""
    group = people or 1
    rows: list[tuple[Any, ...]] = []
    links: list[tuple[int, int, int]] = []
    for task_no in range(1, tasks + 1):
        for person_no in range(1, group + 1):
            seq = len(rows) + 1
            rows.append((seq, seq + 1, "accepted", None, None, f"shop{task_no}.example", "Owner", None))
            links.append((seq, task_no, person_no if kind is Kind.LOOKUP_PEOPLE else 0))
    for intake, number in (("rejected", rejected), ("skipped", skipped), ("duplicate", duplicates)):
        for _ in range(number):
            seq = len(rows) + 1
            twin = 1 if intake == "duplicate" else None
            rows.append((seq, seq + 1, intake, "code", f"the row is {intake}", None, None, twin))
    requests = [
        (no, json.dumps(_request(kind, no, group)), f"shop{no}.example") for no in range(1, tasks + 1)
    ]
    frame = pl.DataFrame(
        {
            "seq": [row[0] for row in rows],
            "file_line": [row[1] for row in rows],
            "Company": [f"Shop {row[0]}" for row in rows],
            "Note": ["as uploaded"] * len(rows),
        },
        schema={"seq": pl.UInt32, "file_line": pl.UInt32, "Company": pl.String, "Note": pl.String},
    )
    values: dict[str, Any] = {
        "name": "Shops",
        "kind": kind,
        "mapping": {"domain": ["Company"]},
        "options": {"max_k": 1},
        "content_key": content,
        "confirm_token": token or f"token of {content}",
        "upload_name": "shops.csv",
        "upload_sha256": "ab" * 32,
        "upload_format": {"encoding": "utf-8"},
        "frame": frame,
        "rows": pl.DataFrame(rows, schema=ROW_SCHEMA, orient="row"),
        "tasks": pl.DataFrame(
            requests, schema={"task_no": pl.UInt32, "request": pl.String, "domain": pl.String}, orient="row"
        ),
        "links": pl.DataFrame(
            links, schema={"seq": pl.UInt32, "task_no": pl.UInt32, "person_no": pl.UInt32}, orient="row"
        ),
        "worst_credits": 33.0,
        "key_fingerprint": KEY,
        "key_last4": "abcd",
        "tasks_per_batch": per_batch,
    }
    return NewRun(**(values | changes))


def _request(kind: Kind, task_no: int, group: int) -> dict[str, Any]:
    request: dict[str, Any] = {"domain": f"shop{task_no}.example"}
    match kind:
        case Kind.FIND_PEOPLE:
            request |= {"title": "Owner", "max_k": 1, "info_access": ["EMAIL"]}
        case Kind.LOOKUP_PEOPLE:
            people = [{"first_name": f"First{no}", "last_name": "Last"} for no in range(1, group + 1)]
            request |= {"people": people, "info_access": ["EMAIL"]}
        case Kind.LOOKUP_BUSINESS_EMAIL:
            request |= {"company_name": f"Shop {task_no}"}
        case Kind.FIND_TECH:
            request |= {"tech_type": "shopify"}
    return request


def estimate_of(kind: Kind, *, each: float = 12.0) -> dict[str, Any]:
    """Return as much of an estimate as the ledger reads: a task, or each person in it, costs this at most."""
    prices = {"email": 3.0, "phone": 8.0, "mailbox": 0.3, "technology": 2.0}
    return {"each": each, "per_person": kind is Kind.LOOKUP_PEOPLE, "prices": prices}


def plan(ledger: Ledger, tasks: int = 3, **options: Any) -> str:
    """Plan a small run; return its public id."""
    return plan_run(ledger, new_run(tasks, **options))


def account_id(ledger: Ledger) -> int:
    """Return the only account's id, that of the first run."""
    with ledger.read() as connection:
        return int(connection.execute(select(account.c.id).order_by(account.c.id)).scalars().first() or 0)


def account_row(ledger: Ledger) -> Any:
    """Return the first account as stored."""
    with ledger.read() as connection:
        return connection.execute(select(account).order_by(account.c.id)).first()


def claim(ledger: Ledger, *, worker: str = "worker-1", slots: int = 4) -> Claim | None:
    """Claim the next batch as a worker does."""
    mine = account_id(ledger)
    candidate = submissions.next_candidate(ledger, mine)
    if candidate is None:
        return None
    return submissions.claim(ledger, candidate, account_id=mine, worker_id=worker, slots=slots)


def sending(ledger: Ledger, **options: Any) -> int:
    """Claim the next batch, which there is; return its key."""
    claimed = claim(ledger, **options)
    assert claimed is not None
    return claimed.pk


def accepted(ledger: Ledger, batch_id: str | None = None) -> int:
    """Claim the next batch and have it accepted; return its key."""
    pk = sending(ledger)
    submissions.accept(ledger, pk, batch_id or f"batch-{pk}", None, poll_after=1.0)
    return pk


def unknown(ledger: Ledger) -> int:
    """Claim the next batch and lose its answer; return its key. The account is free again."""
    pk = sending(ledger)
    submissions.lose(ledger, pk, seen="the connection broke")
    free(ledger)
    return pk


def free(ledger: Ledger) -> None:
    """End whatever holds the accounts, as if all of it had passed."""
    values = {"hold": None, "hold_until": None, "needs_read": False, "cautious": False, "unknown_streak": 0}
    with ledger.write() as connection:
        connection.execute(account.update().values(values))


def row_of(ledger: Ledger, pk: int) -> Any:
    """Return a batch as stored."""
    with ledger.read() as connection:
        return connection.execute(select(batch).where(batch.c.id == pk)).one()


def state_of(ledger: Ledger, pk: int) -> BatchState:
    """Return a batch's state."""
    return BatchState(row_of(ledger, pk).state)


def outcomes(ledger: Ledger, run_id: str) -> dict[str, int]:
    """Return the outcomes of a run's rows that occur, by name."""
    info = queries.run_info(ledger, run_id)
    return {str(outcome): n for outcome, n in info.outcomes.items() if n}


def reasons(ledger: Ledger, run_id: str) -> list[str | None]:
    """Return each row's reason, in order."""
    return queries.row_states(ledger, run_id)["outcome_reason"].to_list()


def task_numbers(ledger: Ledger, pk: int) -> list[int]:
    """Return the task numbers of a batch."""
    with ledger.read() as connection:
        query = select(task.c.task_no).where(task.c.batch_pk == pk).order_by(task.c.task_no)
        return list(connection.execute(query).scalars())


def answer(
    run_id: str, task_no: int, data: Any = None, *, status: str = "COMPLETED", task_id: str | None = None
) -> TaskAnswer:
    """Return a task as the server gives it back."""
    return answer_to(tracking_id(run_id, task_no), data, status=status, task_id=task_id or f"task-{task_no}")


def answer_to(tracking: str | None, data: Any = None, *, status: str, task_id: str) -> TaskAnswer:
    """Return a task with any tracking id."""
    raw = json.dumps({"task_id": task_id, "status": status, "tracking_id": tracking, "data": data})
    return TaskAnswer(task_id=task_id, status=status, tracking_id=tracking, data=data, raw=raw)


def counts(processing: int, completed: int, errored: int = 0, *, ready: bool = False) -> BatchCounts:
    """Return a batch's counters as the server gives them."""
    total = processing + completed + errored
    return BatchCounts(
        processing=processing, completed=completed, errored=errored, total=total, batch_ready=ready
    )


def assert_adds_up(ledger: Ledger) -> None:
    """Recount everything that the ledger only counts along, for every run."""
    for info in queries.runs(ledger):
        with ledger.read() as connection:
            pk = connection.execute(select(run.c.id).where(run.c.public_id == info.run_id)).scalar_one()
            rows = connection.execute(select(uploaded_row).where(uploaded_row.c.run_id == pk)).all()
            links = connection.execute(select(row_task).where(row_task.c.run_id == pk)).all()
            batches = connection.execute(select(batch).where(batch.c.run_id == pk)).all()
            tasks = connection.execute(select(task).where(task.c.run_id == pk)).all()
            stored = connection.execute(select(remote_task).where(remote_task.c.run_id == pk)).all()
            itself = connection.execute(select(run).where(run.c.id == pk)).one()
        _assert_money_recounts(itself, batches, tasks, stored)
        assert sum(info.outcomes.values()) == info.row_count == len(rows)
        counted = Counter(Outcome(row.outcome) for row in rows)
        assert {outcome: n for outcome, n in info.outcomes.items() if n} == dict(counted)
        _assert_rows_follow_links(rows, links)
        _assert_batches_recount(batches, tasks, links)
        _assert_found_recounts(info, rows, tasks, stored)
        assert info.pending.total == info.outcomes[Outcome.PENDING]
        assert info.task_count == len(tasks)
        progress = queries.progress(ledger, info.run_id)["final_rows"].to_list()
        assert progress[-1] == info.final_rows


def _assert_rows_follow_links(rows: Sequence[Any], links: Sequence[Any]) -> None:
    mine: dict[int, list[Any]] = {}
    for link in links:
        mine.setdefault(link.seq, []).append(link)
    for row in rows:
        own = mine.get(row.seq, [])
        assert bool(own) == (row.intake == "accepted")
        if own:
            best = min((Outcome(link.outcome) for link in own), key=BEST_FIRST.index)
            assert row.outcome == best
            flags = 0
            for link in own:
                flags |= link.flags
            assert row.flags == flags


def _assert_batches_recount(batches: Sequence[Any], tasks: Sequence[Any], links: Sequence[Any]) -> None:
    for one in batches:
        open_tasks = {each.task_no for each in tasks if each.batch_pk == one.id and each.final_at is None}
        closed = one.state in (BatchState.CANCELLED, BatchState.REFUSED, BatchState.COLLECTED)
        assert one.open_tasks == (0 if closed else len(open_tasks)), one
        expected = 0 if closed else sum(link.task_no in open_tasks for link in links)
        assert one.open_rows == expected, one


def _assert_money_recounts(
    one: Any, batches: Sequence[Any], tasks: Sequence[Any], stored: Sequence[Any]
) -> None:
    """Count anew what may still be charged and what came back, from states, requests and raw answers."""
    tariff = Tariff.from_estimate(one.estimate)
    out = spent = 0.0
    raw = {(each.task_no, each.task_id): each for each in stored if each.fetched_at is not None}
    for each in batches:
        mine = [job for job in tasks if job.batch_pk == each.id]
        still = [job for job in mine if job.final_at is None]
        worst = sum(tariff.at_most(json.loads(job.request)) for job in still) if tariff else 0.0
        assert each.worst_credits == pytest.approx(worst), each
        never = each.state in (BatchState.PLANNED, BatchState.REFUSED, BatchState.CANCELLED)
        out += 0.0 if never or each.nothing_created else worst
        for job in mine if tariff else ():
            if job.final_at is not None and (text := raw[job.task_no, job.task_id].payload):
                records = read_records(Kind(one.kind), json.loads(text)["data"])
                found = count_found(Kind(one.kind), records)
                spent += tariff.spent(Kind(one.kind), job.status, found)
    assert one.credits_out == pytest.approx(out, abs=1e-4)
    assert one.credits_spent == pytest.approx(spent, abs=1e-4)


def _assert_found_recounts(
    info: Any, rows: Sequence[Any], tasks: Sequence[Any], stored: Sequence[Any]
) -> None:
    task_ids = {each.task_no: each.task_id for each in tasks if each.final_at is not None}
    found = dict.fromkeys(info.found, 0)
    for each in stored:
        if each.fetched_at is None or each.task_no is None or task_ids.get(each.task_no) != each.task_id:
            continue
        if each.status == "COMPLETED":
            for record in read_records(info.kind, json.loads(each.payload)["data"]):
                found["records"] += 1
                found["phones"] += bool(record.phones)
                found["technologies"] += info.kind is Kind.FIND_TECH
                if record.email:
                    mailbox = info.kind is Kind.LOOKUP_BUSINESS_EMAIL
                    found["mailboxes" if mailbox else "emails"] += 1
                    found["verified_emails"] += bool(record.email_verified) and not mailbox
    for flag, name in (
        (Flag.EMAIL, "rows_with_email"),
        (Flag.VERIFIED_EMAIL, "rows_with_verified_email"),
        (Flag.PHONE, "rows_with_phone"),
    ):
        found[name] = sum(bool(row.flags & flag) for row in rows)
    assert info.found == found


def only_batch(ledger: Ledger) -> int:
    """Return the key of the newest run's only batch."""
    return int(queries.batches(ledger, queries.newest_run_id(ledger))["pk"].item())


def last_words(pipe: Connection) -> list[Any]:
    """Return what a process that was killed had told before, and nobody has read yet."""
    told = []
    with suppress(EOFError, OSError):  # also one word cut in two
        while pipe.poll():
            told.append(pipe.recv())
    return told
