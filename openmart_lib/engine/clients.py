"""Clients for this environment: the real API, or the sandbox wherever it listens now."""

from __future__ import annotations

import threading
import time
from typing import Final

from openmart_lib.api import LanceClient, OpenmartClient, RetryPolicy, Timeouts
from openmart_lib.errors import NoAnswerError
from openmart_lib.ledger import Ledger
from openmart_lib.settings import Secret, Settings

SANDBOX_KEY: Final = Secret("sandbox-key-of-this-computer")
NO_RETRY: Final = RetryPolicy(max_attempts=1)
LOOK_EVERY: Final = 0.1  # seconds between looks at where the sandbox listens: many reads share one
SUBMIT_TIMEOUTS: Final = Timeouts()  # seconds; a submission waits 26 s and more for its answer
READ_TIMEOUTS: Final = Timeouts(connect=10.0, read=25.0, total=60.0)


def key_fingerprint(ledger: Ledger, settings: Settings) -> str:
    """Return the salted fingerprint that ties runs to the present key."""
    return (settings.api_key or SANDBOX_KEY).fingerprint(ledger.meta("salt"))


def key_last4(settings: Settings) -> str:
    """Return the last four characters of the present key, "" on the sandbox."""
    return settings.api_key.last4 if settings.api_key else ""


def sandbox_url(settings: Settings) -> str:
    """Return where the sandbox listens now.

    Raises:
        NoAnswerError: If it has not started yet.
    """
    try:
        port = int((settings.sandbox_dir / "port").read_text())
    except (OSError, ValueError):
        raise NoAnswerError(
            "The built-in sandbox is not running yet. Nothing was spent. Wait a moment and try again."
        ) from None
    return f"http://127.0.0.1:{port}"


def openmart_client(
    settings: Settings, *, timeouts: Timeouts | None = None, retry: RetryPolicy = NO_RETRY
) -> OpenmartClient:
    """Return a client of Openmart, or of the sandbox when no key is set.

    Raises:
        NoAnswerError: If the sandbox has not started yet.
        ConfigError: If a setting cannot be used.
    """
    return OpenmartClient(
        settings.api_key or SANDBOX_KEY,
        base_url=sandbox_url(settings) if settings.simulated else settings.base_url,
        auth=settings.auth,
        proxy=None if settings.simulated else settings.proxy,
        ca_bundle=None if settings.simulated else settings.ca_bundle,
        timeouts=timeouts or Timeouts(),
        retry=retry,
        max_connections=settings.read_concurrency,
    )


def lance_client(
    settings: Settings, *, timeouts: Timeouts | None = None, retry: RetryPolicy = NO_RETRY
) -> LanceClient:
    """Return a client of Lance, or of the sandbox when no token is set; raises as ``openmart_client``."""
    simulated = settings.lance_simulated
    return LanceClient(
        settings.lance_token or SANDBOX_KEY,
        base_url=sandbox_url(settings) if simulated else settings.lance_base_url,
        proxy=None if simulated else settings.proxy,
        ca_bundle=None if simulated else settings.ca_bundle,
        timeouts=timeouts or Timeouts(),
        retry=retry,
    )


class Clients:
    """The worker's Openmart clients, made anew when the sandbox moves to another port.

    Reads have a client of their own, which gives up earlier: while a read hangs, nothing shows that the
    server is back.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        submitting: Timeouts = SUBMIT_TIMEOUTS,
        reading: Timeouts = READ_TIMEOUTS,
    ) -> None:
        self._settings = settings
        self._timeouts = submitting, reading
        self._lock = threading.Lock()
        self._clients: tuple[OpenmartClient, OpenmartClient] | None = None
        self._url = ""
        # The clients and until when nobody looks again; replaced whole, so that readers need no lock.
        self._fresh: tuple[tuple[OpenmartClient, OpenmartClient], float] | None = None

    def for_submissions(self) -> OpenmartClient:
        """Return the client to submit with now; raises as ``openmart_client``."""
        with self._lock:
            self._fresh = None  # what is paid for never goes to where the sandbox was before
        return self._both()[0]

    def for_reads(self) -> OpenmartClient:
        """Return the client to read with now; raises as ``openmart_client``."""
        return self._both()[1]

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for client in self._clients or ():
                client.close()

    def _both(self) -> tuple[OpenmartClient, OpenmartClient]:
        if (fresh := self._still_fresh()) is not None:
            return fresh
        with self._lock:
            if (fresh := self._still_fresh()) is not None:  # another thread has looked meanwhile
                return fresh
            until = time.monotonic() + LOOK_EVERY
            url = sandbox_url(self._settings) if self._settings.simulated else self._settings.base_url
            if self._clients is None or url != self._url:
                submitting, reading = self._timeouts
                self._clients = (
                    openmart_client(self._settings, timeouts=submitting),
                    openmart_client(self._settings, timeouts=reading),
                )
                self._url = url
            self._fresh = self._clients, until
            return self._clients

    def _still_fresh(self) -> tuple[OpenmartClient, OpenmartClient] | None:
        fresh = self._fresh
        return fresh[0] if fresh is not None and time.monotonic() < fresh[1] else None
