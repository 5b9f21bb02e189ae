"""A data folder, its worker and a server with books of its own, and what must hold between the two.

The server keeps what it created, for whom it charges and what it will answer, whatever becomes of the ledger.
So every promise of the money path is a comparison of two sets of books.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
from ledger_kit import (
    BEST_FIRST,
    EMAIL,
    ENVIRONMENT,
    NAME_ONLY,
    Clock,
    answer_to,
    assert_adds_up,
    free,
    make_empty,
)
from sqlalchemy import select

from openmart_lib import suppression
from openmart_lib.api.wire import TaskAnswer
from openmart_lib.errors import LedgerError
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.ledger import BatchState, Ledger, Outcome, answers, queries, submissions
from openmart_lib.ledger.backup import Restored, backup, restore
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.replay import Replayed, replay
from openmart_lib.ledger.runs import finish_cancelling
from openmart_lib.ledger.schema import batch, remote_task, row_task, run, task, uploaded_row
from openmart_lib.ledger.states import MAYBE_CREATED
from openmart_lib.ledger.submissions import Candidate, Claim

Row = tuple[str, str]  # run id, domain: each row of the runs played here asks for a company of its own
# What the server found, turn by turn: (status, data, credits it charges by the runs' prices, outcome of a row);
# none of these people is one of those that a task asks for by name.
FOUND: Final[list[tuple[str, Any, float, Outcome]]] = [
    ("COMPLETED", [EMAIL], 3.0, Outcome.MATCHED),
    ("COMPLETED", [], 0.0, Outcome.NO_MATCH),
    ("COMPLETED", [NAME_ONLY], 0.0, Outcome.PARTIAL),
    ("ERRORED", None, 0.0, Outcome.ERRORED),
    ("COMPLETED", [EMAIL, EMAIL], 6.0, Outcome.MATCHED),
]
IN_DOUBT: Final = frozenset(MAYBE_CREATED) - {BatchState.ACCEPTED, BatchState.COLLECTED}


@dataclass(frozen=True, slots=True)
class Created:
    """A batch in the server's books: what it answers to each task, what each row of it costs and becomes."""

    batch_id: str
    run_id: str
    batch_no: int
    answers: list[TaskAnswer]
    charged: float
    outcomes: dict[str, Outcome]  # by domain


@dataclass(frozen=True, slots=True)
class Flight:
    """A submission that left and whose answer is not written down; ``fate`` says what the answer will be."""

    claim: Claim
    fate: str
    created: Created | None
    worker: str


@dataclass(slots=True)
class Server:
    """The provider's side. It forgets nothing and knows nothing of ledgers."""

    books: dict[str, Created] = field(default_factory=dict)
    times_created: Counter[Row] = field(default_factory=Counter)

    def create(self, claim: Claim) -> Created:
        """Create a batch from a body, as it left."""
        found: list[TaskAnswer] = []
        outcomes: dict[str, Outcome] = {}
        charged, batch_id = 0.0, f"B{len(self.books) + 1}"
        for number, asked in enumerate(json.loads(claim.body)):
            status, data, credits, outcome = FOUND[(len(self.books) + number) % len(FOUND)]
            tracking = asked["tracking_id"]
            found.append(answer_to(tracking, data, status=status, task_id=f"{batch_id}/{tracking}"))
            outcomes[asked["domain"]] = Outcome.NO_MATCH if data and "people" in asked else outcome
            charged += credits
            self.times_created[claim.run_id, asked["domain"]] += 1
        made = Created(batch_id, claim.run_id, claim.batch_no, found, charged, outcomes)
        self.books[batch_id] = made
        return made


class World:
    """One data folder with its journal and its worker, played line by line; and the server."""

    def __init__(self, ledger: Ledger, empty: Path) -> None:
        make_empty(ledger, empty, Clock())
        self.ledger, self.folder, self.server = ledger, ledger.folder, Server()
        self.journal = Journal(self.folder / FILE_NAME)
        self.worker, self._numbers = "worker-0", 0
        self._chosen: Candidate | None = None
        self.flights: list[Flight] = []
        self.backups: list[Path] = []  # .zip: made with `openmart backup`; .db: copied by hand
        self.typed: Counter[Row] = Counter()  # how often a person typed that a row may be paid again
        self.listed: dict[str, None] = {}
        self.erased: set[str] = set()
        self.forgotten: set[str] = set()  # ids in the server's books that a person was told are in no ledger

    def close(self) -> None:
        self.journal.close()
        for path in self.backups:
            path.unlink()
        for folder in self.folder.glob("*-20*/"):  # ledgers that restores set aside
            shutil.rmtree(folder)

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    # --- the worker

    def choose(self) -> Candidate | None:
        """Choose the next batch to claim; rows that were listed meanwhile are withdrawn first."""
        for account in queries.accounts(self.ledger):
            chosen = submissions.next_candidate(self.ledger, account.id)
            if chosen is not None and not chosen.checked:
                suppression.withdraw_listed(self.ledger, run_id=chosen.run_id)
                chosen = submissions.next_candidate(self.ledger, account.id)
            if chosen is not None:
                return chosen
        return None

    def claim(self, *, of_before: bool = False) -> Claim | None:
        """Claim the next batch, or the one that was chosen for the last claim: somebody was slow to claim it."""
        chosen = self._chosen if of_before else self.choose()
        self._chosen = chosen or self._chosen
        if chosen is None:
            return None
        (account,) = queries.accounts(self.ledger)
        worker = self.worker
        return submissions.claim(self.ledger, chosen, account_id=account.id, worker_id=worker, slots=4)

    def die(self, *, answers_still_come: bool = False) -> None:
        """Kill the worker; the next one takes over. The answers of its open POSTs are lost, or come late."""
        self.worker, self._chosen = f"worker-{self.number()}", None
        if not answers_still_come:
            self.flights.clear()
        self.take_over()

    def take_over(self) -> Replayed:
        told = replay(self.ledger, self.folder / FILE_NAME)
        finish_cancelling(self.ledger)
        submissions.lose_orphans(self.ledger, self.worker)
        return told

    def waits_are_over(self) -> None:
        free(self.ledger)
        with self.ledger.write() as connection:
            connection.execute(batch.update().values(not_before=0.0))

    def fetch(self, one: Any, *, only_first: bool = False) -> None:
        """Collect an accepted batch, or its first task only."""
        brought = self.server.books[one.batch_id].answers[: 1 if only_first else None]
        answers.store_listing(self.ledger, one.id, [each["task_id"] for each in brought])
        answers.store_answers(self.ledger, one.id, brought)
        answers.finish_if_complete(self.ledger, one.id)

    # --- people

    def batches(self, *states: BatchState) -> Sequence[Any]:
        """Return the batches in these states, each with its run's ``public_id``, oldest first."""
        query = select(batch, run.c.public_id).join(run, run.c.id == batch.c.run_id).order_by(batch.c.id)
        with self.ledger.read() as connection:
            return connection.execute(query.where(batch.c.state.in_(states))).all()

    def states(self) -> set[str]:
        with self.ledger.read() as connection:
            return set(connection.execute(select(batch.c.state).distinct()).scalars())

    def open_domains(self, pk: int) -> list[str]:
        query = select(task.c.domain).where(task.c.batch_pk == pk, task.c.final_at.is_(None))
        with self.ledger.read() as connection:
            return [domain for domain in connection.execute(query).scalars() if domain]

    def list_company(self, domain: str) -> None:
        """Put a company on the never-contact list, which is imported whole."""
        self.listed[domain] = None
        upload = upload_from_frame(pl.DataFrame({"website": list(self.listed)}))
        suppression.add_list(self.ledger, upload, name="never")

    def back_up(self, *, by_hand: bool) -> None:
        path = self.folder / f"backup-{self.number()}.{'db' if by_hand else 'zip'}"
        if by_hand:
            self.ledger.close()
            shutil.copy(self.folder / DATABASE_FILE, path)
        else:
            backup(self.ledger, path)
        self.backups.append(path)

    def go_back(self, path: Path) -> None:
        """Put a backup in the ledger's place and start a worker; nothing may go on by itself, all is told.

        A copy put back by hand goes on where nothing was sent since: then it is the ledger as it was.
        """
        self.flights.clear()
        self._chosen = None
        self.ledger.close()
        self.worker = f"worker-{self.number()}"
        if path.suffix == ".zip":
            done: Restored | Replayed = restore(self.folder, path, environment=ENVIRONMENT)
            self.take_over()
        else:
            shutil.copy(path, self.folder / DATABASE_FILE)
            done = self.take_over()
            if self.listed:  # what the pause's reason asks a person to do
                self.list_company(next(iter(self.listed)))
        self._was_told_of_all_that_is_not_here(done)
        if isinstance(done, Restored) or done.older:
            self._nothing_goes_on_unasked()

    # --- what must hold

    def _was_told_of_all_that_is_not_here(self, done: Restored | Replayed) -> None:
        """Of what the server created and this ledger cannot book, the ids or at least the number are told."""
        new = [one for one in self._not_here() if one.batch_id not in self.forgotten]
        ids = {batch_id for _, batch_id in done.strangers}
        unnamed = [one for one in new if one.batch_id not in ids]
        assert len(unnamed) <= done.unanswered, (unnamed, done)
        self.forgotten.update(one.batch_id for one in new)

    def _not_here(self) -> Iterator[Created]:
        with self.ledger.read() as connection:
            query = select(run.c.public_id, batch.c.batch_no, batch.c.batch_id)
            rows = connection.execute(query.join(run, run.c.id == batch.c.run_id)).all()
        numbers = {(row.public_id, row.batch_no) for row in rows}
        ids = {row.batch_id for row in rows}
        for one in self.server.books.values():
            if one.batch_id not in ids and (one.run_id, one.batch_no) not in numbers:
                yield one

    def nothing_is_created_twice_without_a_typed_choice(self) -> None:
        for row, times in self.server.times_created.items():
            assert times <= 1 + self.typed[row], row

    def what_was_created_is_here_or_in_doubt(self) -> None:
        """Every batch of the server is here under its id, or each of its rows is shown as in doubt."""
        with self.ledger.read() as connection:
            ids = set(connection.execute(select(batch.c.batch_id)).scalars())
            query = select(run.c.public_id, task.c.domain).join(batch, batch.c.id == task.c.batch_pk)
            query = query.join(run, run.c.id == task.c.run_id)
            doubted = batch.c.state.in_(IN_DOUBT) & batch.c.nothing_created.is_(False)
            doubtful = {(row[0], row[1]) for row in connection.execute(query.where(doubted))}
        for one in self.server.books.values():
            if one.batch_id not in ids | self.forgotten and one.run_id not in self.erased:
                for domain in one.outcomes:
                    assert (one.run_id, domain) in doubtful, (one, domain)

    def what_was_charged_is_shown(self) -> None:
        """Credits spent <= spent shown + out shown, run by run; but for what a person was told is not here."""
        charged: Counter[str] = Counter()
        gone = {one.batch_id for one in self._not_here()} & self.forgotten
        for one in self.server.books.values():
            charged[one.run_id] += 0.0 if one.batch_id in gone else one.charged
        with self.ledger.read() as connection:
            for each in connection.execute(select(run)):
                assert charged[each.public_id] <= each.credits_spent + each.credits_out + 1e-6, each

    def every_row_has_one_outcome(self, *, recount: bool) -> None:
        """The sums are right; with ``recount`` also everything else that the ledger only counts along."""
        for info in queries.runs(self.ledger):
            assert sum(info.outcomes.values()) == info.row_count
        if recount and not self.erased:  # not from what was deleted
            assert_adds_up(self.ledger)

    def _nothing_goes_on_unasked(self) -> None:
        assert all(
            info.state != "active" or not info.batches["planned"] for info in queries.runs(self.ledger)
        )

    def nothing_delivered_is_lost(self) -> None:
        """Once all is collected, each answer is stored once and its row shows at least as much."""
        self.die()
        for one in self.batches(BatchState.ACCEPTED, BatchState.COLLECTED):
            if one.public_id not in self.erased:
                self.fetch(one)
        with self.ledger.read() as connection:
            ids = set(connection.execute(select(batch.c.batch_id)).scalars())
            stored = Counter(connection.execute(select(remote_task.c.task_id)).scalars())
            ties = (row_task.c.run_id == task.c.run_id) & (row_task.c.task_no == task.c.task_no)
            query = select(run.c.public_id, task.c.domain, uploaded_row.c.outcome).join(row_task, ties)
            same = (uploaded_row.c.run_id == row_task.c.run_id) & (uploaded_row.c.seq == row_task.c.seq)
            query = query.join(uploaded_row, same).join(run, run.c.id == task.c.run_id)
            shown = {(row[0], row[1]): Outcome(row[2]) for row in connection.execute(query)}
        for made in self.server.books.values():
            if made.batch_id not in ids or made.run_id in self.erased:
                continue
            assert all(stored[each["task_id"]] == 1 for each in made.answers), made
            for domain, outcome in made.outcomes.items():
                seen = shown[made.run_id, domain]
                assert BEST_FIRST.index(seen) <= BEST_FIRST.index(outcome), (made, domain, seen)


def one_of(choices: Sequence[Any], which: int) -> Any:
    """Return one of them, None where there is none."""
    return choices[which % len(choices)] if choices else None


def try_to(act: Callable[..., Any], *args: Any) -> bool:
    """Do as a person does who may come too late; return whether it was done."""
    with suppress(LedgerError):
        act(*args)
        return True
    return False
