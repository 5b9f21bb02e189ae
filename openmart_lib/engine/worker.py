"""The worker: the one process per data folder that spends credits.

It holds ``worker.lock``; another worker stands by until the lock is free. Whoever gets the lock first
replays the journal and calls every batch that a gone worker was sending UNKNOWN. Its parent ends it by
closing its standard input; POSTs in flight finish first, for up to three minutes. It also ends when its
lock's file is removed: a lock that nobody else can see keeps nobody else out.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import logging
import os
import queue
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from openmart_lib.engine.clients import Clients, key_fingerprint, key_last4, sandbox_url
from openmart_lib.engine.clocks import SetClock
from openmart_lib.engine.dispatcher import Dispatcher
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.submit import take_over
from openmart_lib.engine.watch_rounds import WatchRounds
from openmart_lib.errors import LedgerError, NoAnswerError, OpenmartError
from openmart_lib.ledger import Ledger, accounts, answers, open_ledger
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.waits import clock_was_set
from openmart_lib.settings import Settings, load_settings

log = logging.getLogger(__name__)

GRACE: Final = 180.0  # seconds for POSTs in flight when the worker is told to end
BEAT_EVERY: Final = 1.0  # seconds
SANDBOX_START: Final = 5.0  # seconds a starting sandbox is waited for
NOT_RESPONDING: Final = 15.0  # seconds without a beat while the lock is held
GONE: Final = 5.0  # seconds without a beat after which a worker whose lock file was removed has ended
LOCK_FILE: Final = "worker.lock"
BEAT_FILE: Final = "worker.beat"


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
        descriptor = os.open(settings.environment_dir / LOCK_FILE, os.O_RDWR)
    except OSError:
        return WorkerStatus(alive=False, responding=False)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        beat = _read_beat(settings.environment_dir / BEAT_FILE)
        quiet = _quiet_seconds(beat)
        return WorkerStatus(
            alive=True,
            responding=quiet is not None and quiet < NOT_RESPONDING,
            pid=int(beat["pid"]) if "pid" in beat else None,
            started_at=beat.get("started_at"),
            heartbeat_at=None if quiet is None else time.time() - quiet,
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
        self._lock: int | None = None
        self._clock = SetClock()
        self._set_by = 0.0  # seconds that the clock was set by and the ledger has not been told
        self._stopping = threading.Event()

    def run(self) -> None:
        """Wait for the lock, then work until ``stop``; return when POSTs in flight have ended.

        Raises:
            LedgerError: If the ledger or the journal cannot be used; nothing was sent.
        """
        ledger = open_ledger(self._settings)
        try:
            self._lock = self._wait_for_lock(ledger.folder)
            if self._lock is not None:
                self._work(ledger)
        finally:
            if self._lock is not None:
                os.close(self._lock)
            ledger.close()

    def stop(self) -> None:
        """Ask the worker to end; ``run`` returns when POSTs in flight have ended."""
        self._stopping.set()

    def _wait_for_sandbox(self) -> None:
        """Give a sandbox that starts beside this worker a moment, so that no first try goes nowhere."""
        if not self._settings.simulated:
            return
        end = time.monotonic() + SANDBOX_START
        while time.monotonic() < end and not self._stopping.is_set():
            try:
                sandbox_url(self._settings)
                return
            except NoAnswerError:
                self._stopping.wait(0.05)

    def _wait_for_lock(self, folder: Path) -> int | None:
        """Return the lock once it is ours and nobody else works; None when told to stop before that."""
        locked: int | None = None
        while True:
            if locked is None:
                locked = _try_lock(folder / LOCK_FILE)
            # A new lock file does not keep out a worker that holds a removed one: it beats until its
            # POSTs have ended.
            if locked is not None and not _somebody_beats(folder, locked):
                return locked
            if self._stopping.wait(0.2):
                if locked is not None:
                    os.close(locked)
                return None

    def _work(self, ledger: Ledger) -> None:
        settings, pacing = self._settings, Pacing.of(self._settings)
        worker_id = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._beat(ledger.folder)
        self._clock = SetClock()  # what was set while this one stood by, the one before has seen to
        journal, account_id = self._begin(ledger, worker_id, pacing)
        self._wait_for_sandbox()
        clients = Clients(settings)
        submit_executor = ThreadPoolExecutor(settings.submit_concurrency, "submit")
        read_executor = ThreadPoolExecutor(settings.read_concurrency, "read")
        dispatcher = Dispatcher(
            ledger,
            journal,
            clients,
            account_id=account_id,
            worker_id=worker_id,
            pacing=pacing,
            read_rate=settings.effective_read_rate,
            submit_slots=settings.submit_concurrency,
            read_slots=settings.read_concurrency,
            submit_executor=submit_executor,
            read_executor=read_executor,
            on_step=lambda: self._on_step(ledger),
        )
        loop = threading.Thread(target=lambda: self._dispatch(dispatcher), name="dispatcher", daemon=True)
        loop.start()
        watches = WatchRounds.of(ledger, settings).start()
        self._stopping.wait()
        left = self._end(dispatcher, loop)
        watches.stop()
        read_executor.shutdown(wait=False, cancel_futures=True)
        submit_executor.shutdown(wait=False, cancel_futures=True)
        clients.close()
        if not left:  # an answer that comes now still finds the journal open
            journal.close()

    def _dispatch(self, dispatcher: Dispatcher) -> None:
        try:
            dispatcher.run()
        finally:
            self._stopping.set()  # a worker without its loop must not keep the lock

    def _begin(self, ledger: Ledger, worker_id: str, pacing: Pacing) -> tuple[Journal, int]:
        """Settle what a gone worker left, open the journal and name the account."""
        path = ledger.folder / FILE_NAME
        try:
            take_over(ledger, path, worker_id, pacing=pacing)
            with ledger.write() as connection:
                fingerprint = key_fingerprint(ledger, self._settings)
                account_id = accounts.ensure_account(
                    connection, ledger.environment, fingerprint, key_last4(self._settings)
                )
            answers.make_all_due(ledger, account_id)  # nobody asked while no worker was there
            return Journal(path), account_id
        except OSError as error:
            raise LedgerError(
                f"The journal {path} cannot be used ({error.strerror}). Nothing was sent. "
                "Make the data folder writable and check the free space."
            ) from error
        except SQLAlchemyError as error:
            raise LedgerError(
                f"The ledger in {ledger.folder} cannot be used now ({type(error).__name__}). "
                "Nothing was sent. Check the free space; the worker tries again by itself."
            ) from error

    def _end(self, dispatcher: Dispatcher, loop: threading.Thread) -> int:
        """Let POSTs in flight finish; return how many did not."""
        if dispatcher.in_flight:
            _say(f"Waiting for {dispatcher.in_flight} submission(s) in flight, up to 3 minutes ...")
        left = dispatcher.stop(grace=GRACE)
        if left:
            _say(f"{left} submission(s) did not come back and will be shown as unknown.")
        loop.join(timeout=5.0)
        return left

    def _on_step(self, ledger: Ledger) -> None:
        self._beat(ledger.folder)
        self._set_by += self._clock.look()
        if not self._set_by:
            return
        try:
            clock_was_set(ledger, self._set_by)
            self._set_by = 0.0
        except SQLAlchemyError as error:
            log.warning("the ledger cannot be told that the clock was set (%s)", type(error).__name__)

    def _beat(self, folder: Path) -> None:
        now = time.monotonic()
        if now - self._last_beat < BEAT_EVERY:
            return
        self._last_beat = now
        if self._lock is not None and not _is_file_at(self._lock, folder / LOCK_FILE):
            if not self._stopping.is_set():
                _say(f"{folder / LOCK_FILE} was removed. This worker ends, so that never two work at once.")
            self._stopping.set()
        # By the monotonic clock, which all processes share: the time of day may be set meanwhile.
        beat = {"pid": os.getpid(), "started_at": self._started_at, "monotonic": now}
        beat["lock"] = os.fstat(self._lock).st_ino if self._lock is not None else 0
        partial = folder / f"worker.beat.{os.getpid()}"
        try:
            with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
                json.dump(beat, file)
            partial.replace(folder / BEAT_FILE)
        except OSError as error:
            log.warning("the heartbeat could not be written (%s)", error.strerror)


def main(*, with_parent: bool = False) -> int:
    """Run a worker as this process; return its exit code.

    ``with_parent``: end when standard input closes, and leave Ctrl-C to the parent.
    """
    os.umask(0o077)
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(_OneLine("openmart worker: %(message)s"))
    console.addFilter(_NotAgain())
    logging.basicConfig(level=logging.WARNING, handlers=[console])
    try:
        worker = Worker(load_settings())
        gc.freeze()  # what is loaded stays: a tenth of a worker's time went into looking through it again
        _listen(worker.stop, with_parent=with_parent)
        worker.run()
    except OpenmartError as error:
        _say(str(error))
        return 1
    # Threads of reads that hang must not keep the process: everything of value is in the ledger.
    sys.stderr.flush()
    os._exit(0)


class _OneLine(logging.Formatter):
    """An error in one line: its type and place. Its text may hold what nobody may log."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        kind, _, trace = ei
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
        return f"({kind.__name__ if kind else 'error'}{place})"


class _NotAgain(logging.Filter):
    """Lets a line through that differs from the one before: a step that goes on failing says it once."""

    _last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[0] if record.exc_info else None
        line = f"{record.getMessage()} {error}"
        new = line != self._last
        self._last = line
        return new


def _listen(stop: Callable[[], None], *, with_parent: bool) -> None:
    # A signal interrupts the main thread anywhere, also inside a lock it holds; only this queue is safe then.
    told: queue.SimpleQueue[None] = queue.SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *_: told.put(None))
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: it is to outlive its terminal
        signal.signal(signal.SIGHUP, lambda *_: told.put(None))
    if with_parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _in_background("parent", lambda: _until_parent_ends(told))
    else:
        signal.signal(signal.SIGINT, lambda *_: _interrupted(told))
    _in_background("stop", lambda: _stop_when_told(told, stop))


def _stop_when_told(told: queue.SimpleQueue[None], stop: Callable[[], None]) -> None:
    told.get()
    stop()


def _interrupted(told: queue.SimpleQueue[None]) -> None:
    """End at the first Ctrl-C when POSTs in flight are back, at the second one now."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    told.put(None)


def _until_parent_ends(told: queue.SimpleQueue[None]) -> None:
    while os.read(0, 4096):
        pass
    told.put(None)


def _in_background(name: str, work: Callable[[], object]) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


def _try_lock(path: Path) -> int | None:
    """Return the lock's descriptor if nobody holds it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if _is_file_at(descriptor, path):
        return descriptor
    os.close(descriptor)  # removed in between
    return None


def _is_file_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one that others find at this path; yes where that cannot be told."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _somebody_beats(folder: Path, lock: int) -> bool:
    """Whether a worker still works that holds another lock file than this one."""
    beat = _read_beat(folder / BEAT_FILE)
    quiet = _quiet_seconds(beat)
    return quiet is not None and quiet < GONE and beat.get("lock") != os.fstat(lock).st_ino


def _quiet_seconds(beat: dict[str, float]) -> float | None:
    """Return the seconds since a beat; None if there is none since this computer started."""
    quiet = time.monotonic() - beat.get("monotonic", float("inf"))
    return quiet if quiet >= 0 else None


def _read_beat(path: Path) -> dict[str, float]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal was closed: nobody reads it any more
        sys.stderr.write(f"openmart worker: {text}\n")
        sys.stderr.flush()
