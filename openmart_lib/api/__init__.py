"""The wire: both APIs over HTTP, and nothing else. requests lives only here.

Read ``openmart`` first: a method per endpoint, each one request through ``transport``.

    wire: what both APIs take and give, as types, limits and known values
    openmart, lance: the two clients
    validation, address: tasks, addresses, keys and ids, checked before anything is sent
    transport: one request: sent, timed, bounded
    connection: knows whether a byte was handed over, which decides whether a batch is unknown
    deadline: the timer that shuts the socket
    retry, pace: when to try again; the breaker; requests per second
    answers: what an HTTP answer means, as JSON or as one of our errors
    payload, lance_states: what was found, read tolerantly into our own values
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openmart_lib.api.lance import LanceClient
    from openmart_lib.api.openmart import OpenmartClient, body_sha256, encode_tasks
    from openmart_lib.api.pace import TokenBucket
    from openmart_lib.api.retry import Breaker, RetryPolicy, is_transient, parse_retry_after
    from openmart_lib.api.transport import Timeouts
    from openmart_lib.api.validation import validate_lance_query, validate_tasks

__all__ = [
    "Breaker",
    "LanceClient",
    "OpenmartClient",
    "RetryPolicy",
    "Timeouts",
    "TokenBucket",
    "body_sha256",
    "encode_tasks",
    "is_transient",
    "parse_retry_after",
    "validate_lance_query",
    "validate_tasks",
]

# Imported when first asked for: whoever needs a name of `wire` only (intake, the sandbox, the process that
# reads one file) need not load requests.
_LATER = {
    "Breaker": "retry",
    "LanceClient": "lance",
    "OpenmartClient": "openmart",
    "RetryPolicy": "retry",
    "Timeouts": "transport",
    "TokenBucket": "pace",
    "body_sha256": "openmart",
    "encode_tasks": "openmart",
    "is_transient": "retry",
    "parse_retry_after": "retry",
    "validate_lance_query": "validation",
    "validate_tasks": "validation",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
