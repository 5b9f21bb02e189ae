"""The wire: both APIs over HTTP, and nothing else. requests lives only here."""

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
