"""A data folder whose ledger is exchanged for an older copy of itself, while its journal stays."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ledger_kit import ENVIRONMENT, Clock, account_id, assert_adds_up, free, new_run

from openmart_lib.ledger import Ledger, queries, submissions
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.replay import Replayed, replay
from openmart_lib.ledger.runs import plan_run
from openmart_lib.ledger.submissions import Claim


class Desk:
    """A data folder, its ledger and its journal; the worker's part is played line by line."""

    def __init__(self, folder: Path, empty: Path) -> None:
        self.folder = folder
        folder.mkdir()
        shutil.copy(empty, folder / DATABASE_FILE)
        self.ledger = self._open()
        self.journal = Journal(folder / FILE_NAME)
        self._copies = 0

    def _open(self) -> Ledger:
        return Ledger.open(self.folder, environment=ENVIRONMENT, clock=Clock())

    def plan(self, batches: int = 1, content: str = "content", *, size: int = 2, **changes: Any) -> str:
        run = new_run(size * batches, per_batch=size, content=content, **changes)
        return plan_run(self.ledger, run)

    def claim(self) -> Claim:
        mine = account_id(self.ledger)
        candidate = submissions.next_candidate(self.ledger, mine)
        assert candidate is not None
        claim = submissions.claim(self.ledger, candidate, account_id=mine, worker_id="w", slots=99)
        assert claim is not None
        return claim

    def say(self, kind: str, claim: Claim, **detail: Any) -> None:
        """Write the journal's line as the engine does."""
        self.journal.append(kind, **(claim.sent_line() if kind == "sent" else claim.line()), **detail)

    def send(self) -> Claim:
        claim = self.claim()
        self.say("sent", claim)
        return claim

    def turned_away(self) -> Claim:
        """Send a batch that gets a 429."""
        claim = self.send()
        self.say("released", claim)
        submissions.release_rate_limited(self.ledger, claim.pk, 1.0, "slow down")
        self.due_again(claim.pk)
        return claim

    def due_again(self, pk: int) -> None:
        free(self.ledger)
        with self.ledger.write() as connection:
            batches = submissions.batch
            connection.execute(batches.update().where(batches.c.id == pk).values(not_before=0.0))

    def taken(self, batch_id: str) -> Claim:
        claim = self.send()
        self.say("accepted", claim, batch_id=batch_id)
        submissions.accept(self.ledger, claim.pk, batch_id, None, poll_after=0.0)
        return claim

    def copy(self) -> Path:
        """Copy the ledger's file by hand, as it is now."""
        self.ledger.close()
        self._copies += 1
        copied = self.folder / f"copy-{self._copies}"
        shutil.copy(self.folder / DATABASE_FILE, copied)
        return copied

    def put_back(self, copied: Path) -> None:
        """Put a copy in the ledger's place, not through ``openmart restore``."""
        self.ledger.close()
        shutil.copy(copied, self.folder / DATABASE_FILE)
        self.ledger = self._open()

    def start_worker(self) -> Replayed:
        """Do what a worker does first; nothing may be left in between afterwards."""
        done = replay(self.ledger, self.folder / FILE_NAME)
        submissions.lose_orphans(self.ledger, "the next worker")
        assert_adds_up(self.ledger)
        return done

    def states(self, run_id: str) -> list[str]:
        return queries.batches(self.ledger, run_id)["state"].to_list()
