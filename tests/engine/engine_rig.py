"""The engine on a bench: a real sandbox, a real ledger, a dispatcher stepped by the test, and time that is skipped.

The ledger and the sandbox share one clock. While nothing is under way the rig moves it to the next moment at
which something is due, so the waits of the real API (a poll every 5 to 30 s, a backoff of minutes) cost a
test nothing. Only the 20 ms of a submission pass for real.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import bindparam, select, update

from openmart_lib.api import Timeouts
from openmart_lib.api.wire import Kind
from openmart_lib.engine import key_fingerprint, key_last4
from openmart_lib.engine.clients import Clients
from openmart_lib.engine.dispatcher import Dispatcher
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.submit import take_over
from openmart_lib.ledger import BatchState, Ledger, RunState, accounts, queries
from openmart_lib.ledger.accounts import AccountInfo
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.runs import NewRun, plan_run
from openmart_lib.ledger.schema import account, batch, run
from openmart_lib.ledger.states import PERSON_HOLDS
from openmart_lib.ledger.submissions import next_candidate
from openmart_lib.sandbox import Sandbox
from openmart_lib.settings import SANDBOX, Settings

PATIENT = (
    60.0  # real seconds for what takes one where nothing else runs; every wait ends when its condition holds
)
PATIENCE = Timeouts(connect=PATIENT, read=PATIENT, total=PATIENT)  # a slow machine is no outage
QUICK = Timeouts(connect=PATIENT, read=1.0, total=PATIENT)  # where a test's server falls silent in a read
SUBMIT_SECONDS = 0.02
TASK_SECONDS = (10.0, 30.0)
_STATES = (
    select(batch.c.state)
    .join(run, run.c.id == batch.c.run_id)
    .where(run.c.public_id == bindparam("run_id"))
    .order_by(batch.c.batch_no)
)
LONGEST = 6 * 3600.0  # skipped seconds after which a test is not settling at all


class Clock:
    """A time of day that passes a hundred times slower than the real one, and what was skipped.

    A busy machine may take seconds over a test: they must not be what ends a backoff in it.
    """

    def __init__(self) -> None:
        self.skipped = 0.0
        self._began = time.time()

    def __call__(self) -> float:
        return self._began + (time.time() - self._began) / 100 + self.skipped

    def skip(self, seconds: float) -> None:
        self.skipped += seconds


class Rig:
    """One data folder, one sandbox, one ledger and at most one dispatcher."""

    def __init__(self, folder: Path, template: Path, *, submit_seconds: float = SUBMIT_SECONDS) -> None:
        self.clock = Clock()
        self.settings = Settings(data_dir=folder, sandbox_speed=1000, read_concurrency=8)
        self.pacing = replace(Pacing(), max_poll=120.0, probe_every=0.05)
        self.sandbox = Sandbox(
            self.settings.sandbox_dir,
            speed=1,
            submit_seconds=submit_seconds,
            task_seconds=TASK_SECONDS,
            clock=self.clock,
        )
        self.settings.environment_dir.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, self.settings.environment_dir / template.name)
        self.ledger = Ledger.open(self.settings.environment_dir, environment=SANDBOX, clock=self.clock)
        self.clients: Any = Clients(self.settings, submitting=PATIENCE, reading=PATIENCE)
        self.journal: Any = Journal(self.ledger.folder / FILE_NAME)
        self._fingerprint_of: tuple[Settings | None, str] = None, ""
        self._executors: list[ThreadPoolExecutor] = []
        self._workers = itertools.count(1)
        self._plans = itertools.count(1)
        self.dispatcher = self.start_worker()

    def start_worker(self, *, slots: int = 4) -> Dispatcher:
        """Begin as a worker does: settle what a gone one left, then dispatch."""
        self.worker_id = f"worker-{next(self._workers)}"
        take_over(self.ledger, self.ledger.folder / FILE_NAME, self.worker_id, pacing=self.pacing)
        with self.ledger.write() as connection:
            self.account_id = accounts.ensure_account(
                connection, SANDBOX, key_fingerprint(self.ledger, self.settings), key_last4(self.settings)
            )
        submits, reads = ThreadPoolExecutor(slots), ThreadPoolExecutor(self.settings.read_concurrency)
        self._executors += [submits, reads]
        self.dispatcher = Dispatcher(
            self.ledger,
            self.journal,
            self.clients,
            account_id=self.account_id,
            worker_id=self.worker_id,
            pacing=self.pacing,
            read_rate=0.0,
            submit_slots=slots,
            read_slots=self.settings.read_concurrency,
            submit_executor=submits,
            read_executor=reads,
        )
        return self.dispatcher

    def restart_worker(self, **changes: Any) -> Dispatcher:
        """Put a new worker in the place of the present one, whose threads have ended."""
        self.until(lambda: not self.dispatcher.in_flight and not self.dispatcher.reading, step=False)
        return self.start_worker(**changes)

    def close(self) -> None:
        self.dispatcher.stop(grace=3.0)
        for executor in self._executors:
            executor.shutdown(cancel_futures=True)
        self.clients.close()
        self.journal.close()
        self.ledger.close()

    # what a person does -------------------------------------------------------------------------------

    def plan(
        self,
        rows: int = 3,
        *,
        per_batch: int = 100,
        domains: Sequence[str] = (),
        kind: Kind = Kind.FIND_PEOPLE,
        rejected: int = 0,
    ) -> str:
        """Confirm a list of so many companies, one task each, and some rows that cannot be sent."""
        number = next(self._plans)
        names = [*domains, *(f"shop{number}-{n}.example" for n in range(1, rows + 1 - len(domains)))]
        return plan_run(self.ledger, new_run(self, number, names, per_batch, kind, rejected))

    def info(self, run_id: str) -> RunInfo:
        return queries.run_info(
            self.ledger, run_id, key_fingerprint=self._fingerprint(), stall_after=self.pacing.stall_after
        )

    def _fingerprint(self) -> str:
        """The fingerprint of the present settings' key, reckoned once: it is looked at in every wait."""
        if self._fingerprint_of[0] is not self.settings:
            self._fingerprint_of = self.settings, key_fingerprint(self.ledger, self.settings)
        return self._fingerprint_of[1]

    def account(self) -> AccountInfo:
        return next(each for each in queries.accounts(self.ledger) if each.id == self.account_id)

    def states(self, run_id: str) -> list[str]:
        """The states of a run's batches, in their order; asked for in every wait, so without the rest."""
        with self.ledger.read() as connection:
            return list(connection.execute(_STATES, {"run_id": run_id}).scalars())

    def batch(self, run_id: str, number: int = 1) -> dict[str, Any]:
        """One batch of a run, by its number."""
        frame = queries.batches(self.ledger, run_id)
        return frame.row(by_predicate=pl.col("batch_no") == number, named=True)

    def outcomes(self, run_id: str) -> dict[str, int]:
        """Uploaded rows per outcome, those without rows left out."""
        return {str(name): rows for name, rows in self.info(run_id).outcomes.items() if rows}

    def reasons(self, run_id: str) -> set[str | None]:
        return set(queries.row_states(self.ledger, run_id)["outcome_reason"].to_list())

    def posts(self) -> int:
        """Submissions that reached the sandbox."""
        return self.sandbox.requests("submit")

    def posts_read(self) -> int:
        """Submissions whose body reached the sandbox too: a sender frozen before has sent nothing."""
        return sum(len(self.sandbox.bodies(kind)) for kind in Kind)

    def reads(self) -> int:
        return sum(self.sandbox.requests(route) for route in ("status", "task_ids", "task", "balance"))

    # time -----------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Step until nothing moves any more but by a person's hand; every read has come back by then."""
        self.until(self.is_settled)

    def until(
        self, condition: Callable[[], bool], *, timeout: float = PATIENT, step: bool = True, skip: bool = True
    ) -> None:
        """Step until a condition holds, skipping the waits."""
        end, latest = time.monotonic() + timeout, self.clock.skipped + LONGEST
        while not condition():
            assert time.monotonic() < end, f"not within {timeout} s: {self._where()}"
            assert self.clock.skipped < latest, f"not within {LONGEST} skipped s: {self._where()}"
            if step:
                self.dispatcher.step()
            self._breathe()
            if self.idle and step and skip and not condition():
                self._skip_to_next()

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass, with everything that is due in it."""
        end = self.clock() + seconds
        while True:
            self.dispatcher.step()
            if self.idle:
                if self.clock() >= end:
                    return
                self._skip_to_next(end)
            self._breathe()

    def _breathe(self) -> None:
        """Let what is under way go on for a moment."""
        for _ in range(8):
            time.sleep(0.001)
            if self.idle:
                return

    @property
    def idle(self) -> bool:
        return not self.dispatcher.in_flight and not self.dispatcher.reading

    def is_settled(self) -> bool:
        if not self.idle:
            return False
        for info in queries.runs(self.ledger, key_fingerprint=self._fingerprint()):
            if info.state in (RunState.PLANNING, RunState.ACTIVE) or info.batches[BatchState.SENDING]:
                return False
            if info.batches[BatchState.ACCEPTED] and not info.other_key:
                return False
        return True

    def _skip_to_next(self, end: float = float("inf")) -> None:
        """Move the clock to the next moment something is due, unless something is due now."""
        with self.ledger.read() as connection:
            mine = connection.execute(select(account).where(account.c.id == self.account_id)).one()
            polls = select(batch.c.next_poll_at).where(
                batch.c.account_id == self.account_id, batch.c.state == BatchState.ACCEPTED
            )
            moments = list(connection.execute(polls).scalars())
            if mine.hold is None:
                waiting = (
                    select(batch.c.not_before)
                    .join(run, run.c.id == batch.c.run_id)
                    .where(batch.c.state == BatchState.PLANNED, run.c.paused_at.is_(None))
                    .where(run.c.account_id == self.account_id, run.c.cancelled_at.is_(None))
                    .distinct()
                )
                due = connection.execute(waiting).scalars().all()
                # What a limit or a pilot keeps back is not due, however long ago it could have gone.
                kept = next_candidate(self.ledger, self.account_id) is None
                moments += [moment for moment in due if moment > self.clock() or not kept]
            elif mine.hold not in PERSON_HOLDS and not mine.needs_read:
                moments.append(mine.hold_until)
        now = self.clock()
        moments = [moment for moment in (*moments, end) if moment != float("inf")]
        if moments and min(moments) > now:
            self.clock.skip(min(moments) - now)

    def _where(self) -> str:
        with self.ledger.read() as connection:
            found = connection.execute(select(batch.c.id, batch.c.state, batch.c.detail, batch.c.read_error))
            batches = [tuple(row) for row in found][:12]
        hold = self.account()
        return f"{batches}, {hold.hold}, needs read: {hold.needs_read}, posts {self.posts()}, reads {self.reads()}"

    # the database, where a test needs to break it ----------------------------------------------------------

    def set_batch(self, pk: int, **values: Any) -> None:
        with self.ledger.write() as connection:
            connection.execute(update(batch).where(batch.c.id == pk).values(values))


def new_run(
    rig: Rig, number: int, domains: Sequence[str], per_batch: int, kind: Kind, rejected: int
) -> NewRun:
    """Return what Confirm would write for these companies."""
    tasks = [(no, json.dumps(a_request(kind, domain)), domain) for no, domain in enumerate(domains, 1)]
    rows = [
        (no, no + 1, "accepted", None, None, domain, "Owner", None) for no, domain in enumerate(domains, 1)
    ]
    rows += [
        (no, no + 1, "rejected", "no_domain", "no domain", None, None, None)
        for no in range(len(rows) + 1, len(rows) + 1 + rejected)
    ]
    numbers = {"seq": pl.UInt32, "file_line": pl.UInt32}
    texts = dict.fromkeys(("intake", "code", "reason", "domain", "asked_title"), pl.String)
    frame = pl.DataFrame(
        [(row[0], row[1], row[5] or "") for row in rows],
        schema=numbers | {"Company": pl.String},
        orient="row",
    )
    return NewRun(
        name=f"list {number}",
        kind=kind,
        mapping={"domain": ["Company"]},
        options={"max_k": 1},
        content_key=f"content {number}",
        confirm_token=f"token {number}",
        upload_name="list.csv",
        upload_sha256="00" * 32,
        upload_format={},
        frame=frame,
        rows=pl.DataFrame(rows, schema=numbers | texts | {"duplicate_of": pl.UInt32}, orient="row"),
        tasks=pl.DataFrame(
            tasks, schema={"task_no": pl.UInt32, "request": pl.String, "domain": pl.String}, orient="row"
        ),
        links=pl.DataFrame(
            [(no, no, 1 if kind is Kind.LOOKUP_PEOPLE else 0) for no, _, _ in tasks],
            schema={"seq": pl.UInt32, "task_no": pl.UInt32, "person_no": pl.UInt32},
            orient="row",
        ),
        worst_credits=11.0 * len(tasks),
        key_fingerprint=key_fingerprint(rig.ledger, rig.settings),
        key_last4=key_last4(rig.settings),
        tasks_per_batch=per_batch,
    )


def a_request(kind: Kind, domain: str) -> dict[str, Any]:
    """Return a task about a company, without its tracking id."""
    request: dict[str, Any] = {"domain": domain}
    both = {"info_access": ["EMAIL", "PHONE"]}
    match kind:
        case Kind.FIND_PEOPLE:
            return request | {"title": "Owner", "max_k": 1} | both
        case Kind.LOOKUP_PEOPLE:
            return request | {"people": [{"first_name": "Ada", "last_name": "Roe"}]} | both
        case Kind.LOOKUP_BUSINESS_EMAIL:
            return request | {"company_name": domain.split(".")[0]}
        case Kind.FIND_TECH:
            return request | {"tech_type": "shopify"}
