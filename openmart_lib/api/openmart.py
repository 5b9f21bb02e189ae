"""The Openmart API, a method per endpoint."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from openmart_lib.api.address import key_text, path_segment, usable_id
from openmart_lib.api.answers import (
    Exchange,
    Service,
    UnreadableError,
    decode_json,
    definite_no,
    no_answer,
    redirect_host,
    submission_unknown,
)
from openmart_lib.api.retry import DEFAULT_RETRY, RetryPolicy
from openmart_lib.api.transport import DEFAULT_TIMEOUTS, Client, Timeouts, Transport
from openmart_lib.api.validation import validate_tasks
from openmart_lib.api.wire import (
    CREDIT_BALANCE_PATH,
    DEFAULT_BASE_URL,
    TASK_BATCH_PATH,
    TASK_PATH,
    BatchCounts,
    BatchReceipt,
    CreditBalance,
    FindPeopleTask,
    FindTechTask,
    Kind,
    LookupBusinessEmailTask,
    LookupPeopleTask,
    TaskAnswer,
)
from openmart_lib.errors import ConfigError

if TYPE_CHECKING:  # settings imports this package
    from openmart_lib.settings import Secret

_UNLIMITED_PLACEHOLDER = 10_000  # what unlimited keys always show; source: the API README, "Credits"


class OpenmartClient(Client):
    """A client of the Openmart batch API. Used by many threads at once; shows no key."""

    def __init__(
        self,
        api_key: Secret | str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        auth: str = "x-api-key",
        proxy: str | None = None,
        ca_bundle: Path | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        retry: RetryPolicy = DEFAULT_RETRY,
        max_connections: int = 32,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare the client; nothing is sent.

        Args:
            api_key: The key, visible ASCII.
            base_url: https, or http on this computer.
            auth: ``x-api-key`` or ``bearer``.
            proxy: http or https address of a proxy. The environment's proxies are not used.
            ca_bundle: File or folder of certificates to trust instead of the built-in ones.
            timeouts: Seconds, for submissions and reads alike.
            retry: For reads only.
            max_connections: Reads at once; more threads than that wait for each other.
            sleep: Waits between the tries of a read.
        Raises:
            ConfigError: If the key, an address or ``auth`` cannot be used.
        """
        key = key_text(api_key, "OPENMART_API_KEY")
        if auth not in ("x-api-key", "bearer"):
            raise ConfigError("OPENMART_AUTH must be x-api-key or bearer. Correct it.")
        self._transport = Transport(
            Service("Openmart", "OPENMART_API_KEY", "OPENMART_BASE_URL", key),
            base_url,
            headers={"X-API-Key": key} if auth == "x-api-key" else {"Authorization": f"Bearer {key}"},
            proxy=proxy,
            ca_bundle=ca_bundle,
            timeouts=timeouts,
            retry=retry,
            max_connections=max_connections,
            sleep=sleep,
        )

    def find_people(self, tasks: Sequence[FindPeopleTask]) -> BatchReceipt:
        """Submit companies in which people are to be found by job title; see ``submit``."""
        return self.submit(Kind.FIND_PEOPLE, tasks)

    def lookup_people(self, tasks: Sequence[LookupPeopleTask]) -> BatchReceipt:
        """Submit named people whose e-mail or phone is wanted; see ``submit``."""
        return self.submit(Kind.LOOKUP_PEOPLE, tasks)

    def lookup_business_email(self, tasks: Sequence[LookupBusinessEmailTask]) -> BatchReceipt:
        """Submit companies whose shared mailboxes are wanted; see ``submit``."""
        return self.submit(Kind.LOOKUP_BUSINESS_EMAIL, tasks)

    def find_tech(self, tasks: Sequence[FindTechTask]) -> BatchReceipt:
        """Submit companies whose site is to be checked for a technology; see ``submit``."""
        return self.submit(Kind.FIND_TECH, tasks)

    def submit(self, kind: Kind, tasks: Sequence[Mapping[str, object]]) -> BatchReceipt:
        """Check one batch and send it once; it costs credits and takes 26 s or more.

        Args:
            kind: The endpoint.
            tasks: 1 to 100 tasks of it.
        Raises:
            InputError: If a task breaks a documented rule; nothing was sent.
            OpenmartError: As ``submit_body``.
        """
        validate_tasks(kind, tasks)
        return self.submit_body(kind, encode_tasks(tasks))

    def submit_body(self, kind: Kind, body: bytes) -> BatchReceipt:
        """Send one batch that is already checked and encoded. Sent at most once, whatever happens.

        Raises:
            NoAnswerError: If nothing of it was handed over; nothing was spent, it may be sent again.
            RefusedError: On 400, 413, 422; nothing was created.
            AuthError, CreditsError, BannedError, RateLimitedError, WrongAddressError: On 401, 402, 403,
                429, and 404, 405, 411, 414, 415, 431; nothing was created.
            SubmissionUnknownError: On everything else; it may have been created and charged.
        Source: design.md, "The money path".
        """
        path = f"{TASK_BATCH_PATH}/{Kind(kind).value}"
        exchange = self._transport.submit(path, body)
        service = self._transport.service
        if exchange.status is None and not exchange.handed_over:
            raise no_answer(exchange, service)
        if error := definite_no(exchange, service):
            raise error
        receipt = _read_receipt(exchange)
        if receipt is None:
            raise submission_unknown(exchange, service, _unclear_words(exchange))
        return receipt

    def batch_status(self, batch_id: str) -> BatchCounts:
        """Read a batch's progress counters."""
        return self._transport.read(
            f"{TASK_BATCH_PATH}/{path_segment(batch_id, 'batch_id')}/status", _read_status
        )

    def task_ids(self, batch_id: str, *, status: str | None = None) -> list[str]:
        """List the ids of a batch's tasks, in the server's order, as often as it names them.

        Args:
            batch_id: From the receipt.
            status: Only tasks in this status, such as ``COMPLETED``; None = no filter.
        """
        return self._transport.read(
            f"{TASK_BATCH_PATH}/{path_segment(batch_id, 'batch_id')}/task_ids",
            _read_task_ids,
            query="" if status is None else f"?status={quote(status, safe='')}",
        )

    def task(self, task_id: str) -> TaskAnswer:
        """Read one task, with its data once it is completed."""
        return self._transport.read(
            f"{TASK_PATH}/{path_segment(task_id, 'task_id')}",
            lambda value, text: _read_task(value, text, task_id),
        )

    def credit_balance(self) -> CreditBalance:
        """Read the credits of the key's team; the call to test a key with."""
        return self._transport.read(CREDIT_BALANCE_PATH, _read_balance)


def encode_tasks(tasks: Sequence[Mapping[str, object]]) -> bytes:
    """Encode a batch as the bytes that are sent: a bare JSON array, fields in the order given."""
    return msgspec.json.encode([dict(task) for task in tasks], enc_hook=_plain_text)


def _plain_text(value: object) -> str:
    """Encode the kinds of text that are not quite ``str``, such as numpy's."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")


def body_sha256(body: bytes) -> str:
    """Return the hash by which the ledger recognises a body, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _read_receipt(exchange: Exchange) -> BatchReceipt | None:
    if not exchange.succeeded:
        return None
    try:
        value, _ = decode_json(exchange.body)
    except UnreadableError:
        return None
    for answer in (value, value.get("data")) if isinstance(value, dict) else ():
        if isinstance(answer, dict) and (batch_id := usable_id(answer.get("batch_id"))):
            label = answer.get("submit_for")
            return BatchReceipt(
                batch_id=batch_id,
                submit_for=label if isinstance(label, str) else None,
                status=_counts(answer),
            )
    return None


def _unclear_words(exchange: Exchange) -> str:
    status = exchange.status
    if status is None:
        return exchange.seen
    if not 200 <= status < 300:
        where = f", to {host}" if (host := redirect_host(exchange)) else ""
        return f"the server answered HTTP {status}{where}"
    if not exchange.complete:
        return f"the server answered HTTP {status}, but {exchange.seen}"
    return f"the server answered HTTP {status} without a batch id"


def _counts(answer: Any) -> BatchCounts | None:
    """Find the counters: at top level on the status route, under ``status`` on a submission."""
    if not isinstance(answer, dict):
        return None
    for found in (answer, answer.get("status"), answer.get("data")):
        if isinstance(found, dict) and not found.keys().isdisjoint(BatchCounts.__annotations__):
            return BatchCounts(
                processing=_count(found.get("processing")),
                completed=_count(found.get("completed")),
                errored=_count(found.get("errored")),
                total=_count(found.get("total")),
                batch_ready=found.get("batch_ready") is True,
            )
    return None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _read_status(value: Any, _: str) -> BatchCounts:
    counts = _counts(value)
    if counts is None:
        raise UnreadableError("its batch status has no counters")
    return counts


def _read_task_ids(value: Any, _: str) -> list[str]:
    if isinstance(value, dict):
        value = next((value[name] for name in ("task_ids", "data") if name in value), value)
    if value is None:
        return []
    ids = [usable_id(item) for item in value] if isinstance(value, list) else [None]
    if None in ids:
        raise UnreadableError("its list of task ids is not a list of ids")
    return [task_id for task_id in ids if task_id is not None]


def _read_task(value: Any, text: str, asked: str) -> TaskAnswer:
    status = value.get("status") if isinstance(value, dict) else None
    if not isinstance(status, str) or not status.strip():
        raise UnreadableError("its task has no status")
    tracking_id = value.get("tracking_id")
    return TaskAnswer(
        task_id=usable_id(value.get("task_id")) or asked,
        status=status,
        tracking_id=None if tracking_id is None else str(tracking_id),
        data=value.get("data"),
        raw=text,
    )


def _read_balance(value: Any, _: str) -> CreditBalance:
    balance = value.get("balance") if isinstance(value, dict) else None
    if not isinstance(balance, int | float) or isinstance(balance, bool):
        raise UnreadableError("its credit balance is not a number")
    start, end = value.get("period_start"), value.get("period_end")
    return CreditBalance(
        balance=balance,
        period_start=start if isinstance(start, str) else None,
        period_end=end if isinstance(end, str) else None,
        metered=not (balance == _UNLIMITED_PLACEHOLDER and _is_new_year(start)),
    )


def _is_new_year(text: object) -> bool:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return False
    if moment is None:
        return False
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return (moment.month, moment.day, moment.hour, moment.minute, moment.second) == (1, 1, 0, 0, 0)
