"""What an HTTP answer means: its JSON, or the error it stands for in words that say what it costs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from openmart_lib.api.retry import parse_retry_after
from openmart_lib.errors import (
    AuthError,
    BannedError,
    CreditsError,
    InvalidAnswerError,
    NoAnswerError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    ResponseError,
    ServerError,
    SubmissionUnknownError,
    WrongAddressError,
)

MAX_DEPTH: Final = 50  # levels of nesting in an answer; the documented ones have 5
EXCERPT_LENGTH: Final = 2_000  # characters of an unclear answer that are kept
_WORDS_LENGTH: Final = 300  # characters of the server's words that are shown

WRONG_ADDRESS_STATUSES: Final = frozenset({404, 405, 411, 414, 415, 431})
REFUSED_STATUSES: Final = frozenset({400, 413, 422})
"""A definite no to this body; on a submission nothing was created."""
DEFINITE_NO_STATUSES: Final = REFUSED_STATUSES | WRONG_ADDRESS_STATUSES | {401, 402, 403, 429}
"""On a submission: the server's word that nothing was created. Everything else leaves it open."""


@dataclass(frozen=True, slots=True)
class Service:
    """Who is being talked to, for messages; ``secret`` is taken out of whatever is quoted."""

    name: str
    key_setting: str
    url_setting: str
    secret: str = field(repr=False)

    def hide(self, text: str) -> str:
        """Return a text of the server's without our key, should it have echoed it, whole or cut off."""
        text = text.replace(self.secret, "****")
        for length in range(len(self.secret) - 1, 3, -1):
            if text.endswith(self.secret[:length]):
                return text[:-length] + "****"
        return text


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one HTTP request came to.

    Attributes:
        status: HTTP status, None when none was read.
        headers: The answer's headers.
        body: The decoded body, as far as it was read.
        complete: The whole answer was read.
        handed_over: A byte of the request was given to the connection.
        seen: What went wrong, in plain words; "" when complete.
    """

    status: int | None
    headers: Mapping[str, str]
    body: bytes
    complete: bool
    handed_over: bool
    seen: str

    @property
    def succeeded(self) -> bool:
        """Whether the server said yes (any 2xx) and all of it was read."""
        return self.complete and self.status is not None and 200 <= self.status < 300

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asks to wait, None when it does not (or not clearly).

        A date is read against the server's own clock, so that ours may be wrong.
        """
        try:
            now = parsedate_to_datetime(self.headers.get("Date", ""))
        except (ValueError, TypeError, IndexError, OverflowError):
            now = datetime.now(UTC)
        return parse_retry_after(self.headers.get("Retry-After"), now=now)

    @property
    def request_id(self) -> str | None:
        """The server's id of the request, for its support."""
        for name in ("X-Request-Id", "Request-Id", "CF-Ray"):
            if text := self.headers.get(name):
                return text[:100] if text.isprintable() else None
        return None


class UnreadableError(Exception):
    """An answer's body is no JSON that can be used; the text says why, in plain words."""


def decode_json(body: bytes) -> tuple[Any, str]:
    """Decode an answer, whatever its content type says.

    Returns:
        The value, and its JSON text as received. Where a text holds what JSON must not hold (half a
        surrogate pair, bytes that are no UTF-8, NaN), both are cleaned of it: the rest was paid for.
    Raises:
        UnreadableError: If it is not JSON, or nested deeper than ``MAX_DEPTH``.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        try:
            value, text = msgspec.json.decode(body), body.decode()
        except (msgspec.DecodeError, UnicodeDecodeError):
            value, text = _decode_leniently(body)
    except RecursionError:
        raise UnreadableError("it is nested too deeply") from None
    except ValueError:
        raise UnreadableError("it is not JSON") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deeper_than(value, MAX_DEPTH):
        raise UnreadableError("it is nested too deeply")
    return value, text


def _decode_leniently(body: bytes) -> tuple[Any, str]:
    value = json.loads(body.decode("utf-8", "replace"), parse_constant=lambda _: None)
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return json.loads(text), text


def _is_deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return bool(level)


def definite_no(exchange: Exchange, service: Service) -> ResponseError | None:
    """Return the error of a submission that created nothing for certain, None for any other answer."""
    status = exchange.status
    if status is None or status not in DEFINITE_NO_STATUSES:
        return None
    if status in WRONG_ADDRESS_STATUSES:
        return WrongAddressError(
            f"The address does not take submissions (HTTP {status}). Nothing was spent. "
            f"Check {service.url_setting}.",
            **_facts(exchange, service),
        )
    return _plain_no(exchange, service, status, "Nothing was spent.")


def no_answer(exchange: Exchange, service: Service) -> NoAnswerError:
    """Return the error of a request that came back without any answer."""
    money = "Reading is free." if exchange.handed_over else "Nothing was sent, so nothing was spent."
    return NoAnswerError(
        f"{service.name} could not be reached: {exchange.seen}. {money} "
        "Check the network (and the proxy, if one is set), then try again."
    )


def submission_unknown(exchange: Exchange, service: Service, seen: str) -> SubmissionUnknownError:
    """Return the error of a submission that may have created a batch."""
    return SubmissionUnknownError(
        f"No clear answer came for this batch: {seen}. It may have been created and charged. "
        f"Look at your credits at {service.name} before you send it again.",
        seen=seen,
        status=exchange.status,
        body=service.hide(exchange.body.decode("utf-8", "replace"))[:EXCERPT_LENGTH],
    )


def read_error(exchange: Exchange, service: Service) -> NoAnswerError | ResponseError:
    """Return the error of a read that did not succeed."""
    status = exchange.status
    if status is None:
        return no_answer(exchange, service)
    facts = _facts(exchange, service)
    if 200 <= status < 300:
        return invalid_answer(exchange, service, exchange.seen)
    if status in (400, 413, 422, 401, 402, 403, 429):
        return _plain_no(exchange, service, status, "Reading is free.")
    if status == 404:
        return NotFoundError(
            f"{service.name} does not know this id (HTTP 404). Reading is free. "
            "Check the id, and that the key belongs to the team that sent it.",
            **facts,
        )
    if status >= 500 or status == 408:
        return ServerError(
            f"{service.name} failed to answer (HTTP {status}{_quoted(facts)}). Reading is free. "
            "Try again later.",
            **facts,
        )
    where = f" to {host}" if (host := redirect_host(exchange)) else ""
    return WrongAddressError(
        f"The address does not behave like {service.name} (HTTP {status}{where}). Reading is free. "
        f"Check {service.url_setting}.",
        **facts,
    )


def invalid_answer(exchange: Exchange, service: Service, why: str) -> InvalidAnswerError:
    """Return the error of a successful answer that cannot be read."""
    return InvalidAnswerError(
        f"{service.name} answered, but {why}. Reading is free. Try again later.",
        **_facts(exchange, service),
    )


def redirect_host(exchange: Exchange) -> str:
    """Return the host an answer redirects to, "" when it names none."""
    match = re.match(r"(?:https?:)?//(?:[^/?#@]*@)?([A-Za-z0-9.-]+)", exchange.headers.get("Location", ""))
    return match[1] if match else ""


def _plain_no(exchange: Exchange, service: Service, status: int, money: str) -> ResponseError:
    facts = _facts(exchange, service)
    said = f"(HTTP {status}{_quoted(facts)})"
    if status == 401:
        return AuthError(
            f"{service.name} does not accept this key {said}. {money} Check {service.key_setting}.", **facts
        )
    if status == 402:
        return CreditsError(
            f"The credit limit is reached {said}. {money} Add credits at {service.name}, then resume.",
            **facts,
        )
    if status == 403:
        return BannedError(
            f"{service.name} has banned this user {said}. {money} Contact {service.name}.", **facts
        )
    if status == 429:
        wait = exchange.retry_after
        when = "in a while" if wait is None else f"in {wait:.0f} s"
        return RateLimitedError(
            f"{service.name} asks to slow down {said}. {money} Resume {when}.", **facts, retry_after=wait
        )
    return RefusedError(
        f"{service.name} refused this request {said}. {money} Correct what it names, then try again.", **facts
    )


def _quoted(facts: Mapping[str, Any]) -> str:
    return f': "{facts["detail"]}"' if facts["detail"] else ""


def _facts(exchange: Exchange, service: Service) -> dict[str, Any]:
    return {
        "status": exchange.status,
        "detail": server_words(exchange.body, service) if exchange.complete else "",
        "request_id": exchange.request_id,
    }


def server_words(body: bytes, service: Service) -> str:
    """Return what the server says in an error: ``detail``, else any text in its JSON, else plain text.

    Pages of HTML say nothing of use and give "". E-mail addresses and phone numbers are taken out.
    """
    try:
        text = " · ".join(_texts(decode_json(body)[0]))
    except UnreadableError:
        text = body.decode("utf-8", "replace")
        text = "" if text.lstrip().startswith("<") else text
    text = service.hide(text)[: 4 * _WORDS_LENGTH]  # the patterns below are slow on megabytes
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"[^\s@\"']+@[^\s@\"']+\.\w+", "(e-mail)", text)
    text = re.sub(r"\+\d[\d ()-]{6,}\d", "(phone)", text)
    return "".join(filter(str.isprintable, text))[:_WORDS_LENGTH]


def _texts(value: Any) -> list[str]:
    """Collect an error's texts; Lance's layout is not documented, so every text may be the one."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        told = next((value[name] for name in ("detail", "message") if value.get(name)), None)
        return _texts(list(value.values()) if told is None else told)
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return []
