"""Lance on a bench: a real sandbox, a real ledger, rounds stepped by the test, and waits that are skipped."""

from __future__ import annotations

import itertools
import random
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl

from openmart_lib import lance_lists
from openmart_lib.api import LanceClient, RetryPolicy, Timeouts
from openmart_lib.api.wire import LanceField
from openmart_lib.engine.watch_rounds import WatchPacing, WatchRounds
from openmart_lib.intake.files import Upload, upload_from_frame
from openmart_lib.ledger import Ledger, watched
from openmart_lib.ledger.watched import Standing, WatchCard
from openmart_lib.ledger.watching import WatchMode
from openmart_lib.sandbox import Sandbox
from openmart_lib.settings import SANDBOX, Settings

EMAILS, PHONES = LanceField.EMAILS, LanceField.PHONES
NO_WAIT = RetryPolicy(max_attempts=1)
_tokens = itertools.count(1)


class Clock:
    """The time of day, and what was skipped."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def __call__(self) -> float:
        return time.time() + self.skipped


def entity_ids(count: int, start: int = 0) -> list[str]:
    """Different ids, always the same ones, of which the sandbox makes every kind of state."""
    return [str(uuid.UUID(int=number * 7919 + 5, version=4)) for number in range(start, start + count)]


def uploaded(ids: Iterable[str | None], **more: Iterable[str | None]) -> Upload:
    """An upload with the ids in its column "Lance ID", beside other columns."""
    return upload_from_frame(pl.DataFrame({"Lance ID": list(ids), **more}), "people.csv")


class Bench:
    """One data folder with its sandbox and ledger on one clock, and the rounds of a worker."""

    def __init__(self, folder: Path, *, real_time: bool = False, **options: Any) -> None:
        self.clock = Clock()
        self.settings = Settings(data_dir=folder)
        self.sandbox = Sandbox(self.settings.sandbox_dir, speed=1, clock=self.clock)
        self.sandbox.start()
        self.ledger = Ledger.open(self.settings.environment_dir, environment=SANDBOX, clock=self.clock)
        self.token = "sandbox-token"
        self.retry = NO_WAIT
        self.rounds = self.worker(**options)

    def worker(self, *, seed: int = 7, connections: int = 4, environment: str = SANDBOX) -> WatchRounds:
        """Rounds as a worker has them that starts now, with the waits of the real Lance."""
        self.rounds = WatchRounds(
            self.ledger,
            self.client,
            environment=environment,
            connections=connections,
            pacing=WatchPacing(),
            uniform=random.Random(seed).uniform,
        )
        self.rounds.begin()
        return self.rounds

    def client(self) -> LanceClient:
        return LanceClient(
            self.token, base_url=self.sandbox.url, retry=self.retry, timeouts=Timeouts(2.0, 5.0, 5.0)
        )

    def watch(
        self,
        ids: Iterable[str | None],
        *fields: LanceField,
        mode: WatchMode = WatchMode.EXISTS,
        **more: Iterable[str | None],
    ) -> str:
        prepared = lance_lists.prepare(uploaded(ids, **more), fields=fields or (EMAILS,), mode=mode)
        token = f"test-{next(_tokens)}"
        return lance_lists.confirm(self.ledger, self.settings, prepared, confirm_token=token)

    def card(self, list_id: str) -> WatchCard:
        return watched.watch_card(self.ledger, list_id)

    def calls(self) -> int:
        return self.sandbox.requests("lance")

    def until(self, condition: Callable[[], bool], *, longest: float = 4 * 3600.0) -> None:
        """Step, and skip the waits, until a condition holds."""
        latest = self.clock.skipped + longest
        while not condition():
            assert self.clock.skipped < latest, f"not within {longest} skipped seconds"
            if not self.rounds.step():
                self.skip_to_next()

    def until_ended(self, list_id: str) -> WatchCard:
        self.until(lambda: self.card(list_id).standing in (Standing.ENDED, Standing.HELD))
        return self.card(list_id)

    def skip_to_next(self) -> None:
        """Move the clock to the next moment at which a list is due."""
        waiting = [card.next_ask_at for card in watched.watch_cards(self.ledger) if card.next_ask_at]
        assert waiting, "nothing is waited for"
        self.clock.skipped += max(0.01, min(waiting) - self.clock())

    def close(self) -> None:
        self.rounds.stop()
        self.ledger.close()
        self.sandbox.stop()
