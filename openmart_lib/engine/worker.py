"""The worker: the one process per data folder that spends credits.

It holds ``worker.lock``; another worker stands by until the lock is free. Whoever gets the lock first
replays the journal and calls every batch that a gone worker was sending UNKNOWN. Its parent ends it by
closing its standard input; POSTs in flight finish first, for up to three minutes.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from openmart_lib.engine.clients import Clients, key_fingerprint, key_last4
from openmart_lib.engine.dispatcher import Dispatcher
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.submit import replay
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import Ledger, accounts, open_ledger, submissions
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.settings import Settings, load_settings

log = logging.getLogger(__name__)

GRACE: Final = 180.0  # seconds for POSTs in flight when the worker is told to end
BEAT_EVERY: Final = 1.0  # seconds
NOT_RESPONDING: Final = 15.0  # seconds without a beat while the lock is held


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Whether runs move. Times are UTC seconds."""

    alive: bool
    responding: bool
    pid: int | None = None
    started_at: float | None = None
    heartbeat_at: float | None = None


def worker_status(settings: Settings) -> WorkerStatus:
    """Return whether a worker holds the lock of this environment, and when it was last heard of."""
    try:
        descriptor = os.open(settings.environment_dir / "worker.lock", os.O_RDWR)
    except OSError:
        return WorkerStatus(alive=False, responding=False)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        beat = _read_beat(settings.environment_dir / "worker.beat")
        at = beat.get("at")
        return WorkerStatus(
            alive=True,
            responding=at is not None and time.time() - at < NOT_RESPONDING,
            pid=int(beat["pid"]) if "pid" in beat else None,
            started_at=beat.get("started_at"),
            heartbeat_at=at,
        )
    finally:
        os.close(descriptor)
    return WorkerStatus(alive=False, responding=False)


class Worker:
    """Holds the lock and runs the dispatcher until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started_at = time.time()
        self._last_beat = 0.0
        self._stopping = threading.Event()
        self._dispatcher: Dispatcher | None = None

    def run(self) -> None:
        """Wait for the lock, then work until ``stop``; return when POSTs in flight have ended."""
        ledger = open_ledger(self._settings)
        lock = self._wait_for_lock(ledger.folder / "worker.lock")
        if lock is None:
            return
        try:
            self._work(ledger)
        finally:
            os.close(lock)
            ledger.close()

    def stop(self) -> None:
        """Ask the worker to end; ``run`` returns when POSTs in flight have ended."""
        self._stopping.set()

    def _wait_for_lock(self, path: Path) -> int | None:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if self._stopping.wait(0.2):
                    os.close(descriptor)
                    return None

    def _work(self, ledger: Ledger) -> None:
        settings = self._settings
        worker_id = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._beat(ledger.folder)
        journal_file = ledger.folder / FILE_NAME
        recovered = replay(ledger, journal_file)
        lost = submissions.lose_orphans(ledger, worker_id)
        if recovered or lost:
            log.warning("took over: %d accepted from the journal, %d unknown", recovered, len(lost))
        with ledger.write() as connection:
            fingerprint = key_fingerprint(ledger, settings)
            account_id = accounts.ensure_account(
                connection, ledger.environment, fingerprint, key_last4(settings)
            )
        journal, clients = Journal(journal_file), Clients(settings)
        submit_executor = ThreadPoolExecutor(settings.submit_concurrency, "submit")
        read_executor = ThreadPoolExecutor(settings.read_concurrency, "read")
        dispatcher = Dispatcher(
            ledger,
            journal,
            clients,
            account_id=account_id,
            worker_id=worker_id,
            pacing=Pacing.of(settings),
            read_rate=settings.effective_read_rate,
            submit_slots=settings.submit_concurrency,
            read_slots=settings.read_concurrency,
            submit_executor=submit_executor,
            read_executor=read_executor,
            on_step=lambda: self._beat(ledger.folder),
        )
        loop = threading.Thread(target=dispatcher.run, name="dispatcher", daemon=True)
        loop.start()
        self._stopping.wait()
        self._end(dispatcher, loop)
        read_executor.shutdown(wait=False, cancel_futures=True)
        submit_executor.shutdown(wait=False, cancel_futures=True)
        clients.close()
        journal.close()

    def _end(self, dispatcher: Dispatcher, loop: threading.Thread) -> None:
        if dispatcher.in_flight:
            _say(f"Waiting for {dispatcher.in_flight} submission(s) in flight, up to 3 minutes ...")
        left = dispatcher.stop(grace=GRACE)
        if left:
            _say(f"{left} submission(s) did not come back and will be shown as unknown.")
        loop.join(timeout=5.0)

    def _beat(self, folder: Path) -> None:
        now = time.monotonic()
        if now - self._last_beat < BEAT_EVERY:
            return
        self._last_beat = now
        beat = {"pid": os.getpid(), "started_at": self._started_at, "at": time.time()}
        partial = folder / f"worker.beat.{os.getpid()}"
        try:
            with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
                json.dump(beat, file)
            partial.replace(folder / "worker.beat")
        except OSError as error:
            log.warning("the heartbeat could not be written (%s)", error.strerror)


def main(*, with_parent: bool = False) -> int:
    """Run a worker as this process; return its exit code.

    ``with_parent``: end when standard input closes, and leave Ctrl-C to the parent.
    """
    os.umask(0o077)
    logging.basicConfig(level=logging.WARNING, format="worker: %(message)s", stream=sys.stderr)
    try:
        worker = Worker(load_settings())
        _listen(worker.stop, with_parent=with_parent)
        worker.run()
    except OpenmartError as error:
        _say(str(error))
        return 1
    # Threads of reads that hang must not keep the process: everything of value is in the ledger.
    sys.stderr.flush()
    os._exit(0)


def _listen(stop: Callable[[], None], *, with_parent: bool) -> None:
    signal.signal(signal.SIGTERM, lambda *_: stop())
    signal.signal(signal.SIGHUP, lambda *_: stop())
    if not with_parent:
        signal.signal(signal.SIGINT, lambda *_: stop())
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def until_parent_ends() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        stop()

    threading.Thread(target=until_parent_ends, name="parent", daemon=True).start()


def _read_beat(path: Path) -> dict[str, float]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _say(text: str) -> None:
    sys.stderr.write(f"openmart worker: {text}\n")
    sys.stderr.flush()
