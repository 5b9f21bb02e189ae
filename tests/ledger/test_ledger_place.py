"""The disk under a ledger: how full it is, whether the file is still there, and what it is mounted from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ledger_kit import ENVIRONMENT, plan

from openmart_lib.ledger import Ledger, place
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.place import network_file_system

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/ada/local ext4 rw 0 0
//nas/share /mnt/our\\040share cifs rw 0 0
ada@far:/ /mnt/far fuse.sshfs rw 0 0
/dev/sdc1 /mnt/twice nfs rw 0 0
/dev/sdc1 /mnt/twice xfs rw 0 0
short line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/openmart", None),
        ("/home/ada/openmart", "nfs4"),
        ("/home", "nfs4"),
        ("/homestead/openmart", None),
        ("/home/ada/local/openmart", None),
        ("/mnt/our share/openmart", "cifs"),
        ("/mnt/far/openmart", "fuse.sshfs"),
        ("/mnt/twice/openmart", None),
    ],
)
def test_the_nearest_and_latest_mount_over_a_folder_says_what_it_lies_on(
    tmp_path: Path, folder: str, kind: str | None
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)

    assert network_file_system(Path(folder), tmp_path / "mounts") == kind


def test_where_mounts_are_not_listed_nothing_is_claimed(tmp_path: Path) -> None:
    assert network_file_system(Path("/home/ada"), tmp_path / "no such file") is None


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "data" / ENVIRONMENT, environment=ENVIRONMENT)


def test_a_disk_with_room_stands_in_nobodys_way(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "free_bytes", lambda folder: place.ROOM_TO_SUBMIT)

    with closing(ledger):
        assert ledger.obstacle() is None
        assert ledger.free_bytes() == place.ROOM_TO_SUBMIT


def test_a_nearly_full_disk_says_how_much_is_left_and_how_much_is_needed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "free_bytes", lambda folder: 34_567_890)

    with closing(ledger):
        assert ledger.obstacle() == (
            f"The disk is nearly full (34 MB left in {ledger.folder}). Nothing more is sent; what is with "
            "Openmart is still collected. Make 200 MB free: sending goes on by itself."
        )


def test_the_free_room_is_that_of_the_disk_the_folder_lies_on(ledger: Ledger) -> None:
    with closing(ledger):
        assert abs(ledger.free_bytes() - shutil.disk_usage(ledger.folder).free) < 10 * 1024**3


def _gone(ledger: Ledger) -> None:
    shutil.rmtree(ledger.folder.parent)


def _renamed(ledger: Ledger) -> None:
    ledger.folder.rename(ledger.folder.with_name("elsewhere"))


def _replaced(ledger: Ledger) -> None:
    shutil.copy(ledger.folder / DATABASE_FILE, ledger.folder / "copy")
    (ledger.folder / "copy").replace(ledger.folder / DATABASE_FILE)


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (_gone, "cannot be reached (No such file or directory)"),
        (_renamed, "cannot be reached (No such file or directory)"),
        (_replaced, "was replaced by another file"),
    ],
)
def test_a_ledger_that_nobody_would_read_again_is_an_obstacle(
    ledger: Ledger, happens: Callable[[Ledger], None], said: str
) -> None:
    """SQLite goes on writing into a deleted file: a batch sent then would be paid for and forgotten."""
    with closing(ledger):
        plan(ledger, 1)
        happens(ledger)

        obstacle = ledger.obstacle()

    assert obstacle is not None and said in obstacle and "Nothing more is sent" in obstacle
