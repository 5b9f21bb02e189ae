"""The Lance API: the one call that reads the state of enrichments, and none that starts one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import msgspec

from openmart_lib.api.address import key_text
from openmart_lib.api.answers import Service, UnreadableError
from openmart_lib.api.retry import DEFAULT_RETRY, RetryPolicy
from openmart_lib.api.transport import DEFAULT_TIMEOUTS, Timeouts, Transport
from openmart_lib.api.validation import validate_lance_query
from openmart_lib.api.wire import DEFAULT_LANCE_BASE_URL, LANCE_QUERY_PATH, Enrichment, LanceQueryTask

if TYPE_CHECKING:  # settings imports this package
    from openmart_lib.settings import Secret


class LanceClient:
    """A client of Lance's batch query. Used by many threads at once; shows no token."""

    def __init__(
        self,
        token: Secret | str,
        *,
        base_url: str = DEFAULT_LANCE_BASE_URL,
        proxy: str | None = None,
        ca_bundle: Path | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        retry: RetryPolicy = DEFAULT_RETRY,
        max_connections: int = 32,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare the client; nothing is sent. The arguments are those of ``OpenmartClient``.

        Raises:
            ConfigError: If the token or an address cannot be used.
        """
        text = key_text(token, "LANCE_TOKEN")
        self._transport = Transport(
            Service("Lance", "LANCE_TOKEN", "LANCE_BASE_URL", text),
            base_url,
            headers={"Authorization": f"Bearer {text}"},
            proxy=proxy,
            ca_bundle=ca_bundle,
            timeouts=timeouts,
            retry=retry,
            max_connections=max_connections,
            sleep=sleep,
        )

    def __repr__(self) -> str:
        return f"LanceClient({self._transport!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def query(self, tasks: Sequence[LanceQueryTask]) -> list[Enrichment]:
        """Read the state of up to 200 enrichments; free, so it is tried again like any read.

        Returns:
            The records that exist, all their members kept, the newest one (``updatedAt``) per entity,
            type and field. Never requested = no record. Join on those three, never on position.
        Raises:
            InputError: If a task breaks a documented rule; nothing was sent.
            NoAnswerError: If nothing came back.
            ResponseError: If Lance said no, or what it said cannot be read.
        """
        validate_lance_query(tasks)
        return self._transport.read(
            LANCE_QUERY_PATH,
            _read_records,
            body=msgspec.json.encode({"tasks": [dict(task) for task in tasks]}),
        )


def _read_records(value: Any, _: str) -> list[Enrichment]:
    if isinstance(value, dict):
        value = next((value[name] for name in ("data", "enrichments") if name in value), value)
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnreadableError("its answer is not a list of records")
    newest: dict[tuple[str, str, str], Enrichment] = {}
    for item in value:
        record = _read_record(item)
        key = (record["entityId"], record.get("entityType") or "person", record["field"])
        if key not in newest or _updated(record) >= _updated(newest[key]):
            newest[key] = record
    return list(newest.values())


def _read_record(item: Any) -> Enrichment:
    if not isinstance(item, dict) or not all(
        isinstance(item.get(name), str) and item[name] for name in ("entityId", "field", "status")
    ):
        raise UnreadableError("one of its records has no entityId, field or status")
    return cast("Enrichment", item)


def _updated(record: Enrichment) -> datetime:
    try:
        moment = datetime.fromisoformat(record.get("updatedAt") or "")
    except (ValueError, TypeError):
        return datetime.min.replace(tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
