"""The sandbox's folder: private to its owner, with a lock, and the port by which others find the server."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import Final

from openmart_lib.errors import ConfigError

LOCK_FILE: Final = "lock"
PORT_FILE: Final = "port"
_HOST: Final = "127.0.0.1"


def sandbox_url(state_dir: Path) -> str | None:
    """Return the address of the sandbox that serves a folder, None if none ever did.

    Only reads the port file; whether that sandbox still runs, a request has to show.
    """
    port = _remembered_port(state_dir)
    return f"http://{_HOST}:{port}" if port else None


def prepare_dir(state_dir: Path) -> None:
    """Create the folder, readable by its owner alone.

    Raises:
        ConfigError: If it cannot be created.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(state_dir, error) from None


def open_lock(state_dir: Path) -> int:
    """Return the folder's open lock file, not locked yet.

    Raises:
        ConfigError: If it cannot be opened.
    """
    try:
        return os.open(state_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(state_dir, error) from None


def wait_for_lock(lock: int) -> None:
    """Wait until no other sandbox process serves the folder; the lock holds until this process ends."""
    fcntl.flock(lock, fcntl.LOCK_EX)


def listening_socket(state_dir: Path, host: str, port: int) -> socket.socket:
    """Return a socket on the port given, else on the remembered one if it is free, else on any.

    Raises:
        ConfigError: If the port given, or the host, cannot be used.
    """
    if not port:
        remembered = _remembered_port(state_dir)
        with contextlib.suppress(OSError):
            return _bound(host, remembered or 0)
    try:
        return _bound(host, port)
    except (OSError, OverflowError):
        raise ConfigError(
            f"The sandbox cannot listen on {host} port {port}. Give another port, or none for a free one."
        ) from None


def write_port(state_dir: Path, port: int) -> None:
    """Tell others where the server listens, in one step."""
    temporary = state_dir / f".{PORT_FILE}.{os.getpid()}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"{port}\n")
    temporary.replace(state_dir / PORT_FILE)


def _unusable(state_dir: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"The sandbox's folder {state_dir} cannot be used ({error.strerror}). Give another folder."
    )


def _remembered_port(state_dir: Path) -> int | None:
    try:
        port = int((state_dir / PORT_FILE).read_text())
    except (OSError, ValueError):
        return None
    return port if 0 < port < 65536 else None


def _bound(host: str, port: int) -> socket.socket:
    # Named TCP, so that asyncio turns Nagle's algorithm off: each answer would else wait 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Without it a port is blocked for a minute after a restart with open connections.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener
