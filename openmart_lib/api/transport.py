"""One HTTP request at a time: sent, timed, bounded, and never an exception of requests let out.

Submissions go through ``submit``: a fresh connection, sent at most once. Reads go through ``read``: pooled
connections, tried again as the policy says. Both use requests' adapter and prepared requests directly. A
``requests.Session`` would add only what must not happen here: following redirects (with our key and the
people's names in the body), keys replaced from ``.netrc``, proxies from the environment, cookies.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import requests
import urllib3
from urllib3.exceptions import DecodeError, IncompleteRead, ReadTimeoutError

from openmart_lib.api.address import base_address, proxies_for
from openmart_lib.api.answers import (
    Exchange,
    Service,
    UnreadableError,
    decode_json,
    invalid_answer,
    read_error,
)
from openmart_lib.api.connection import WatchedAdapter
from openmart_lib.api.deadline import CURRENT_WATCH, DEADLINES, Watch
from openmart_lib.api.retry import RetryPolicy, is_transient
from openmart_lib.errors import ConfigError, NoAnswerError, ResponseError

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024  # decoded; a page of 100 ids has 5 KB
_CHUNK: Final = 64 * 1024  # bytes

log = logging.getLogger("openmart_lib.api")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a request may take, in seconds.

    Attributes:
        connect: To open the connection, per address the name resolves to.
        read: Between two bytes. The documents ask for 60 at least on submissions.
        total: From beginning to end. Resolving a name cannot be interrupted; the request then ends
            right after it.
    """

    connect: float = 10.0
    read: float = 90.0
    total: float = 180.0


DEFAULT_TIMEOUTS: Final = Timeouts()


class _TooLargeError(Exception):
    """The answer is larger than ``MAX_ANSWER_BYTES``."""


class Client:
    """What each client is: connections of its own, closed at the end of a ``with``; its key is not shown."""

    _transport: Transport

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()


class Transport:
    """Sends requests to one service. Used by many threads at once; shows no key."""

    def __init__(
        self,
        service: Service,
        base_url: str,
        *,
        headers: Mapping[str, str],
        proxy: str | None,
        ca_bundle: Path | None,
        timeouts: Timeouts,
        retry: RetryPolicy,
        max_connections: int,
        sleep: Callable[[float], None],
    ) -> None:
        """Prepare everything that all requests share.

        Raises:
            ConfigError: If the base URL, the proxy or the CA bundle cannot be used.
        """
        if ca_bundle is not None and not ca_bundle.exists():
            raise ConfigError(f"The CA bundle {ca_bundle} does not exist. Correct the path.")
        self.service = service
        self._base_url = base_address(base_url, service.url_setting)
        self._proxies = proxies_for(self._base_url, proxy)
        self._verify = True if ca_bundle is None else str(ca_bundle)
        self._timeouts = timeouts
        self._timeout: Any = urllib3.Timeout(
            connect=min(timeouts.connect, timeouts.total), read=timeouts.read
        )
        self._retry = retry
        self._sleep = sleep
        self._headers = {
            "User-Agent": "openmart-desk",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            **headers,
        }
        self._get = self._prepare("GET", "/")
        # Plain: walking through requests' own mapping costs a twelfth of a read.
        vars(self._get)["headers"] = dict(self._headers)
        self._pooled = WatchedAdapter(max_connections)

    def __repr__(self) -> str:
        return f"Transport({self._base_url!r})"

    def __reduce__(self) -> str:
        raise TypeError("a client holds a key and is not pickled")

    def close(self) -> None:
        """Close the pooled connections."""
        self._pooled.close()

    def submit(self, path: str, body: bytes) -> Exchange:
        """POST ``body`` once, over a connection of its own; whatever happens is in the exchange."""
        adapter = WatchedAdapter(1)
        try:
            return self._send(adapter, self._prepare("POST", path, body), path, logging.INFO)
        finally:
            with contextlib.suppress(Exception):  # tidying up must not lose a receipt
                adapter.close()

    def read(
        self,
        path: str,
        parse: Callable[[Any, str], Value],
        *,
        query: str = "",
        body: bytes | None = None,
    ) -> Value:
        """GET, or POST what only reads; try again as the policy says.

        Args:
            path: Already percent-encoded.
            parse: Makes the result from the decoded JSON and its text; raises ``UnreadableError``, with
                the reason in plain words, when the answer has another shape.
            query: Already encoded, with its question mark.
            body: Makes it a POST.
        Raises:
            NoAnswerError: If nothing came back.
            ResponseError: If the server said no, or what it said cannot be read.
        """
        attempt = 0
        while True:
            attempt += 1
            exchange = self._send(self._pooled, self._prepare_read(path, query, body), path, logging.DEBUG)
            try:
                return self._value(exchange, parse)
            except (NoAnswerError, ResponseError) as error:
                retry_after = exchange.retry_after
                wait = self._retry.wait(attempt, retry_after=retry_after) if is_transient(error) else None
                if wait is None:
                    raise
            log.debug("%s again in %.1f s", path, wait)
            self._sleep(wait)

    def _value(self, exchange: Exchange, parse: Callable[[Any, str], Value]) -> Value:
        if not exchange.succeeded:
            raise read_error(exchange, self.service)
        try:
            return parse(*decode_json(exchange.body))
        except UnreadableError as error:
            why = str(error)
        raise invalid_answer(exchange, self.service, why)

    def _prepare(self, method: str, path: str, body: bytes | None = None) -> requests.PreparedRequest:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        return requests.Request(method, self._base_url + path, headers=headers, data=body).prepare()

    def _prepare_read(self, path: str, query: str, body: bytes | None) -> requests.PreparedRequest:
        if body is not None:
            return self._prepare("POST", path + query, body)
        # Preparing costs as much as sending; only the address differs, and nobody changes the headers.
        prepared = requests.PreparedRequest()
        vars(prepared).update(vars(self._get))
        prepared.url = f"{self._base_url}{path}{query}"
        return prepared

    def _send(
        self, adapter: WatchedAdapter, prepared: requests.PreparedRequest, path: str, level: int
    ) -> Exchange:
        """Send once. Every failure becomes part of the exchange, so no error can carry the request along."""
        started = time.monotonic()
        watch = Watch(self._timeouts.read)
        token = CURRENT_WATCH.set(watch)
        response: requests.Response | None = None
        chunks: list[bytes] = []
        complete, seen = False, ""
        try:
            DEADLINES.add(watch, self._timeouts.total)
            response = adapter.send(
                prepared, stream=True, timeout=self._timeout, verify=self._verify, proxies=self._proxies
            )
            _collect(response, chunks)
            # A body without a length ends when the connection does, also when the deadline ended it.
            complete = not watch.expired or _has_length(response)
        except Exception as error:
            seen = self._words(error, watch, time.monotonic() - started)
        finally:
            CURRENT_WATCH.reset(token)
            DEADLINES.remove(watch)
            if response is not None and not complete:
                with contextlib.suppress(Exception):
                    response.close()
            watch.end()
        seconds = time.monotonic() - started
        status = None if response is None else response.status_code
        if not complete and not seen:
            seen = self._expired_words()
        log.log(level, "%s %s %s %.3f s", prepared.method, path, status or seen, seconds)
        return Exchange(
            status=status,
            headers={} if response is None else response.headers,
            body=chunks[0] if len(chunks) == 1 else b"".join(chunks),
            complete=complete,
            handed_over=watch.handed_over,
            seen=seen,
        )

    def _expired_words(self) -> str:
        return f"no complete answer came within {self._timeouts.total:g} s"

    def _words(self, error: Exception, watch: Watch, seconds: float) -> str:
        """Say what was seen, in words that hold nothing of the request."""
        if watch.expired:
            return self._expired_words()
        if not watch.handed_over:
            return self._words_before(error)
        if _caused_by(error, _TooLargeError):
            return f"the answer was larger than {MAX_ANSWER_BYTES // 2**20} MB"
        if _caused_by(error, DecodeError):
            return "the answer could not be decompressed"
        if _caused_by(error, TimeoutError, ReadTimeoutError):
            return f"nothing came for {self._timeouts.read:g} s"
        if _caused_by(error, IncompleteRead):
            return f"the answer was cut off after {seconds:.1f} s"
        return f"the connection broke after {seconds:.1f} s ({_name_of_first(error)})"

    def _words_before(self, error: Exception) -> str:
        proxy = next((text for one in _causes(error) if (text := _tunnel_refusal(one))), None)
        if proxy is not None:
            return f"the proxy refused to connect ({proxy})"
        if _caused_by(error, socket.gaierror):
            return "its name could not be resolved"
        if _caused_by(error, ConnectionRefusedError):
            return "the connection was refused"
        if _caused_by(error, ssl.SSLCertVerificationError):
            return "its certificate is not to be trusted"
        if _caused_by(error, ssl.SSLError):
            return "the TLS handshake failed"
        if _caused_by(error, TimeoutError):
            return f"no connection within {self._timeouts.connect:g} s"
        return f"no connection could be made ({_name_of_first(error)})"


def _collect(response: requests.Response, chunks: list[bytes]) -> None:
    """Read the decoded body piece by piece, so that what came before a break is kept."""
    size = 0
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            del chunks[1:]  # the beginning is all that is shown of it
            raise _TooLargeError
        chunks.append(chunk)


def _has_length(response: requests.Response) -> bool:
    return bool(response.raw.chunked) or "Content-Length" in response.headers


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk an error and all it wraps: causes, contexts, urllib3's reasons, exceptions among arguments."""
    todo: list[Any] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]


def _caused_by(error: BaseException, *types: type[BaseException]) -> bool:
    return any(isinstance(one, types) for one in _causes(error))


def _name_of_first(error: BaseException) -> str:
    """Return the type of what came first: the innermost cause says most."""
    return type(list(_causes(error))[-1]).__name__


def _tunnel_refusal(error: BaseException) -> str | None:
    match = re.match(r"Tunnel connection failed: (\d{3})", str(error)) if isinstance(error, OSError) else None
    return f"HTTP {match[1]}" if match else None
