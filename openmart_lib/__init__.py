"""Openmart Desk: a list of companies or people becomes contacts that are paid for exactly once.

``open()`` is the way in for notebooks: submit a frame, wait, read the results. ``OpenmartClient`` and
``LanceClient`` are the bare wire: one method per endpoint, nothing remembered, nothing sent twice by
itself. What is not listed in ``__all__`` is private.

The packages, in the order in which a list passes through them; each says itself what is in it:

    intake: a file becomes tasks
    ledger: the truth about what was sent, paid and found
    engine: the worker, which moves runs forward
    api: the wire to Openmart and Lance
    results: what the ledger holds, as frames and files
    dashboard: what the pages are made of
    commands: the command line's commands
    sandbox: both APIs simulated

What ties them together:

    submission, reuse, suppression: an upload becomes a run, without what was bought before or is never sent
    attachment, lance_lists: the other ways in: a batch that another tool made, a list to watch at Lance
    report, watch: how a run stands, in plain values; waiting for it
    desk, desk_run, choices: the way in for notebooks, and what people type, as values
    cli, console: the command line, and what it says
    errors, settings, wording: what every part may use
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from openmart_lib.api.wire import InfoField, Kind, TaskStatus
from openmart_lib.errors import (
    AuthError,
    BannedError,
    ConfigError,
    CreditsError,
    InputError,
    InvalidAnswerError,
    LedgerDamagedError,
    LedgerError,
    LedgerNewerError,
    NoAnswerError,
    NotFoundError,
    OpenmartError,
    RateLimitedError,
    RefusedError,
    ResponseError,
    RunExistsError,
    RunNotFoundError,
    ServerError,
    SubmissionUnknownError,
    WrongAddressError,
)
from openmart_lib.settings import Prices, Secret, Settings, load_settings

if TYPE_CHECKING:
    from openmart_lib.api import LanceClient, OpenmartClient
    from openmart_lib.desk import Desk, open
    from openmart_lib.desk_run import Run
    from openmart_lib.ledger import BatchState, Outcome, RunState

__all__ = [
    "AuthError",
    "BannedError",
    "BatchState",
    "ConfigError",
    "CreditsError",
    "Desk",
    "InfoField",
    "InputError",
    "InvalidAnswerError",
    "Kind",
    "LanceClient",
    "LedgerDamagedError",
    "LedgerError",
    "LedgerNewerError",
    "NoAnswerError",
    "NotFoundError",
    "OpenmartClient",
    "OpenmartError",
    "Outcome",
    "Prices",
    "RateLimitedError",
    "RefusedError",
    "ResponseError",
    "Run",
    "RunExistsError",
    "RunNotFoundError",
    "RunState",
    "Secret",
    "ServerError",
    "Settings",
    "SubmissionUnknownError",
    "TaskStatus",
    "WrongAddressError",
    "load_settings",
    "open",
]

# Imported when first asked for: every child process imports this package; the sandbox's needs neither polars
# nor a database nor a client (0.4 s of 0.6 s, 50 MB of 90 MB), and the one that reads a file no client.
_LATER = {
    "BatchState": "openmart_lib.ledger",
    "Desk": "openmart_lib.desk",
    "LanceClient": "openmart_lib.api",
    "OpenmartClient": "openmart_lib.api",
    "Outcome": "openmart_lib.ledger",
    "Run": "openmart_lib.desk_run",
    "RunState": "openmart_lib.ledger",
    "open": "openmart_lib.desk",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return __all__
