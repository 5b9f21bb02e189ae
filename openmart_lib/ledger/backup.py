"""Backups that people make, and the only way back from one.

``bundle`` says what a backup is. On a restore the journal in the data folder is newer than the backup, and
it says which batches were sent since. Those become accepted or unknown, never planned, so that yesterday's
backup pays nothing twice; every other unfinished run is paused until a person has looked. No journal holds
people's wishes (never-contact lists, deleted data): they are carried over from the ledger that is replaced,
and where that cannot be read a person is told what to do again.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import bundle, runs, submissions
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.carrying import Carried, carry
from openmart_lib.ledger.journal import FILE_NAME
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.opening import SET_ASIDE
from openmart_lib.ledger.replay import LISTS_AGAIN, replay
from openmart_lib.wording import counted, utc_minute


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did. ``strangers`` are (run id, batch id) that were accepted after the backup was made,
    of runs it does not know: they were paid for, and their ids are all that is left of them."""

    made_at: float
    accepted_batches: int
    unknown_batches: int
    paused_runs: int
    strangers: list[tuple[str, str]]
    unanswered: int
    carried: Carried
    set_aside: Path | None

    def sentence(self) -> str:
        """Return what happened, what it means for money and rows, and what to do next."""
        said = (
            f"Restored from {utc_minute(self.made_at)}. "
            f"Batches sent since then: {self.accepted_batches} will be collected, "
            f"{self.unknown_batches} unknown (may have been charged). "
            f"Unfinished runs, now paused: {self.paused_runs}. Look at them in Monitor."
        )
        if wishes := self.carried.sentence():
            said += f" {wishes}"
        if self.unanswered:
            said += (
                " Sent since, not in this backup and without an answer: "
                f"{counted(self.unanswered, 'batch', 'batches')}; may have been charged beyond what is "
                "shown here."
            )
        if self.strangers:
            ids = ", ".join(batch_id for _, batch_id in self.strangers)
            said += f" Paid for in runs that this backup does not know; ask Openmart for them: {ids}."
        if self.set_aside is not None:
            said += f" The former ledger is kept, with its personal data, in {self.set_aside}."
        return said


def backup(ledger: Ledger, path: Path) -> Path:
    """Write a backup of the ledger and its uploads to ``path`` (a .zip); safe while a worker works.

    Raises:
        LedgerError: If the file exists already or cannot be written, or the ledger is damaged.
    """
    bundle.write_bundle(ledger.folder, path, environment=ledger.environment, made_at=ledger.now())
    with suppress(OSError):  # it is written; only that it would be offered by itself is lost
        bundle.remember_place(ledger.folder, path)
    return path


def restore(folder: Path, path: Path, *, environment: str) -> Restored:
    """Put the ledger of a backup in the place of the present one, and make sure nothing is paid twice.

    The present ledger, damaged or not, is set aside, never deleted. Rows of batches that the journal names as
    sent after the backup become accepted (their id is known) or unknown. A restore that is cut off may be
    done again; a worker that starts instead finds an older copy, and does the same.

    Raises:
        LedgerError: If a worker is running, or there is no room for what is in the backup.
        InputError: If the file cannot be read, or is no sound backup of this environment.
    """
    with _no_worker(folder), tempfile.TemporaryDirectory(dir=folder) as place:
        manifest = bundle.unpack(path, Path(place), environment)
        carried = carry(folder, Path(place), environment=environment)  # cut off after the swap, too
        set_aside = _swap(folder, Path(place))
        ledger = Ledger.open(folder, environment=environment)
        try:
            return _reconcile(ledger, float(manifest["made_at"]), carried, set_aside)
        finally:
            ledger.close()


def _reconcile(ledger: Ledger, made_at: float, carried: Carried, set_aside: Path | None) -> Restored:
    then = "then resume" if carried.whole else LISTS_AGAIN
    reason = f"restored from {utc_minute(made_at)}; look at its batches, {then}"
    done = replay(ledger, ledger.folder / FILE_NAME, pause=reason)
    runs.finish_cancelling(ledger)  # of runs whose data was deleted
    lost = submissions.lose_orphans(ledger, "nobody")  # no worker runs: whoever was sending is gone
    with ledger.write() as connection:
        append_event(connection, ledger.now(), "restored", made_at=made_at, strangers=done.strangers)
    unknown = done.unknown + len(lost)
    return Restored(
        made_at, done.accepted, unknown, done.paused_runs, done.strangers, done.unanswered, carried, set_aside
    )


@contextmanager
def _no_worker(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "worker.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerError(
                "A worker is running on this data folder. Nothing was changed. "
                "Stop the dashboard and every `openmart` command, then restore."
            ) from None
        yield
    finally:
        os.close(descriptor)


def _swap(folder: Path, unpacked: Path) -> Path | None:
    """Put the unpacked ledger in its place; return where the former one was set aside.

    A -wal of another ledger would be played into the new one, so it goes too, also when it is all there is.
    """
    set_aside: Path | None = None
    former = [folder / f"{DATABASE_FILE}{end}" for end in ("", "-wal", "-shm")]
    if any(file.exists() for file in former):
        name = f"{SET_ASIDE}{datetime.now(UTC):%Y%m%d-%H%M%S}-"
        set_aside = Path(tempfile.mkdtemp(prefix=name, dir=folder))
        for file in former:
            if file.exists():
                file.rename(set_aside / file.name)
    (folder / "uploads").mkdir(exist_ok=True, mode=0o700)
    for upload in (unpacked / "uploads").glob("*.parquet"):
        upload.replace(folder / "uploads" / upload.name)
    for end in ("-wal", ""):
        if (file := unpacked / f"{DATABASE_FILE}{end}").exists():
            file.replace(folder / file.name)
    return set_aside
