"""The checklist of Settings: each thing the dashboard needs, whether it is fine, and what to do if not."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from openmart_lib.api.wire import CreditBalance
from openmart_lib.dashboard import words
from openmart_lib.engine import WorkerStatus
from openmart_lib.ledger import place
from openmart_lib.settings import NAMES, SECRETS_FILE, Settings

Level = Literal["good", "simulated", "mend"]
ROOM_WANTED: Final = 1_000_000_000  # bytes free in the data folder
_KEYS: Final = (
    "OPENMART_API_KEY",
    "LANCE_TOKEN",
    "OPENMART_DATABASE_URL",
    "OPENMART_PROXY",
)  # may hold secrets


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist; ``line`` is text to paste into the settings file."""

    name: str
    level: Level
    state: str
    todo: str = ""
    line: str = ""


def checks(settings: Settings, worker: WorkerStatus) -> list[Check]:
    """Return the checklist, most important first."""
    return [
        _openmart(settings),
        _lance(settings),
        _folder(settings),
        *_network(settings),
        _room(settings),
        _worker(worker),
        _secrets_mode(),
    ]


def secrets_file() -> Path:
    """Return the full path of the settings file this process reads."""
    return SECRETS_FILE.absolute()


def balance_sentence(balance: CreditBalance) -> str:
    """Return the credit balance in words."""
    if not balance["metered"]:
        return "Your plan is not metered."
    until = f" until {balance['period_end'][:10]}" if balance["period_end"] else ""
    return f"{words.count(balance['balance'])} credits are left{until}."


def all_settings(settings: Settings) -> pl.DataFrame:
    """Return every setting with its present value: Setting, Value, Set by."""
    return pl.DataFrame(
        [{"Setting": name, "Value": _value(settings, name), "Set by": _set_by(name)} for name in NAMES]
    )


def _openmart(settings: Settings) -> Check:
    if settings.simulated:
        return Check(
            "Openmart",
            level="simulated",
            state="simulated on this computer; contacts are invented and nothing is spent.",
            todo="To use the real one, put this line with your key into the file below, and restart:",
            line='OPENMART_API_KEY = "your key"',
        )
    last4 = settings.api_key.last4 if settings.api_key else ""
    return Check(
        "Openmart", level="good", state=f"{settings.base_url}, key ending in {last4 or '(short key)'}."
    )


def _lance(settings: Settings) -> Check:
    if settings.lance_simulated:
        return Check(
            "Lance",
            level="simulated",
            state="simulated on this computer.",
            todo="To use the real one, put this line with your token into the file below, and restart:",
            line='LANCE_TOKEN = "your token"',
        )
    return Check("Lance", level="good", state=f"{settings.lance_base_url}.")


def _folder(settings: Settings) -> Check:
    folder = settings.environment_dir
    writable = os.access(folder, os.W_OK)
    return Check(
        "Data folder",
        level="good" if writable else "mend",
        state=f"{folder}{'' if writable else ' cannot be written'}.",
        todo="" if writable else "Make it writable, or name another folder:",
        line="" if writable else 'OPENMART_DATA_DIR = "/a/folder/of/yours"',
    )


def _network(settings: Settings) -> list[Check]:
    """Return a warning where the ledger lies on another computer's disk; most often nothing."""
    kind = place.network_file_system(settings.environment_dir)
    if kind is None:
        return []
    return [
        Check(
            "Kind of disk",
            level="mend",
            state=f"the data folder lies on a network file system ({kind}), whose locks cannot be relied on.",
            todo="A ledger there can be damaged. Stop the dashboard, move the folder to a disk of this "
            "computer and name it:",
            line='OPENMART_DATA_DIR = "/a/folder/on/this/computer"',
        )
    ]


def _room(settings: Settings) -> Check:
    free = shutil.disk_usage(settings.environment_dir).free
    return Check(
        "Room on disk",
        level="good" if free >= ROOM_WANTED else "mend",
        state=f"{words.file_size(free)} free.",
        todo="" if free >= ROOM_WANTED else "Make room: results that cannot be stored cannot be collected.",
    )


def _worker(worker: WorkerStatus) -> Check:
    good = worker.alive and worker.responding
    if good:
        state = "running; runs go on without an open tab."
    elif worker.alive:
        state = "started, but not responding."
    else:
        state = "not running, so nothing is sent or fetched."
    todo = "" if good else "Wait a minute; if it stays so, restart the dashboard."
    return Check("Engine", level="good" if good else "mend", state=state, todo=todo)


def _secrets_mode() -> Check:
    path = secrets_file()
    if not path.exists():
        return Check("Settings file", level="good", state="not there yet; that is fine without keys.")
    private = path.stat().st_mode & 0o077 == 0
    return Check(
        "Settings file",
        level="good" if private else "mend",
        state=f"{path}{'' if private else ' can be read by other users of this computer'}.",
        todo="" if private else "Make it yours alone:",
        line="" if private else f"chmod 600 {path}",
    )


def _value(settings: Settings, name: str) -> str:
    if name in _KEYS:
        given = {
            "OPENMART_API_KEY": settings.api_key,
            "LANCE_TOKEN": settings.lance_token,
            "OPENMART_DATABASE_URL": settings.database_url,
            "OPENMART_PROXY": settings.proxy,
        }[name]
        return "set (hidden)" if given else "not set"
    values: dict[str, object] = {
        "OPENMART_BASE_URL": settings.base_url,
        "OPENMART_AUTH": settings.auth,
        "OPENMART_DATA_DIR": settings.data_dir,
        "OPENMART_SUBMIT_CONCURRENCY": settings.submit_concurrency,
        "OPENMART_READ_RATE": f"{settings.effective_read_rate:g} per second"
        if settings.effective_read_rate
        else "no limit",
        "OPENMART_READ_CONCURRENCY": settings.read_concurrency,
        "OPENMART_STALL_AFTER": words.duration(settings.effective_stall_after),
        "OPENMART_CA_BUNDLE": settings.ca_bundle or "not set",
        "OPENMART_PRICES": (
            f"email={settings.prices.email:g},phone={settings.prices.phone:g},"
            f"mailbox={settings.prices.mailbox:g},technology={settings.prices.technology:g}"
        ),
        "OPENMART_CONFIRM_ABOVE": f"{words.count(settings.confirm_above)} credits",
        "OPENMART_REUSE_DAYS": words.counted(settings.reuse_days, "day"),
        "OPENMART_SANDBOX_SPEED": f"{settings.sandbox_speed:g} x faster than life",
        "LANCE_BASE_URL": settings.lance_base_url,
    }
    return str(values.get(name, ""))


def _set_by(name: str) -> str:
    return "environment variable" if os.environ.get(name, "").strip() else "settings file or default"
