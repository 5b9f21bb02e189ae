"""The Lance API: the one call that reads the state of enrichments, and none that starts one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from openmart_lib.api.address import key_text
from openmart_lib.api.answers import Service, UnreadableError
from openmart_lib.api.lance_states import Triple
from openmart_lib.api.retry import DEFAULT_RETRY, RetryPolicy
from openmart_lib.api.transport import DEFAULT_TIMEOUTS, Client, Timeouts, Transport
from openmart_lib.api.validation import validate_lance_query
from openmart_lib.api.wire import (
    DEFAULT_LANCE_BASE_URL,
    LANCE_QUERY_PATH,
    MAX_LANCE_QUERY,
    Enrichment,
    LanceEntityType,
    LanceQueryTask,
)
from openmart_lib.errors import OpenmartError

if TYPE_CHECKING:  # settings imports this package
    from openmart_lib.settings import Secret


CONNECTIONS: Final = 8  # queries under way at a time, unless told otherwise
_IN_HAND: Final = 2  # queries per connection that are handed out: one on its way, one to follow at once


@dataclass(frozen=True, slots=True)
class Answered:
    """One query of many: what it asked, the records found, and the error if it brought none.

    A triple without a record was never requested, but only where ``error`` is None.
    """

    asked: tuple[Triple, ...]
    records: Mapping[Triple, Enrichment]
    error: OpenmartError | None = None


class LanceClient(Client):
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
        records = self._read(tasks)
        newest: dict[tuple[str, str, str], Enrichment] = {}
        for record in records:
            _keep_newest(newest, (record["entityId"], _type_of(record), record["field"]), record)
        return list(newest.values())

    def query_all(
        self,
        triples: Iterable[Triple],
        *,
        connections: int = CONNECTIONS,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[Triple, Enrichment]:
        """Read the state of any number of enrichments, 200 to a query, several queries at a time.

        A triple named twice is asked once. Each query is tried again as the read it is.

        Args:
            triples: Ids in any case; the answer's keys are lower case.
            connections: Queries under way at a time.
            progress: Told (triples known, triples in all) as the answers come.
        Returns:
            The newest record per triple; a triple that is not in it was never requested.
        Raises:
            InputError: If a triple breaks a documented rule; nothing was sent.
            NoAnswerError, ResponseError: The first query that failed for good; none is begun after it.
        """
        wanted = list(dict.fromkeys(map(_lower, triples)))
        for part in _parts(wanted):
            validate_lance_query([_task(one) for one in part])
        known: dict[Triple, Enrichment] = {}
        done = 0
        for answered in self.query_each(wanted, connections=connections):
            if answered.error is not None:
                raise answered.error
            known.update(answered.records)
            done += len(answered.asked)
            if progress is not None:
                progress(done, len(wanted))
        return known

    def query_each(self, triples: Iterable[Triple], *, connections: int = CONNECTIONS) -> Iterator[Answered]:
        """Ask about any number of different triples, 200 to a query; give each query as it comes back.

        ``triples`` is drawn from as connections come free, so it may read from a file or a ledger. A query
        that failed for good is given with its error, and the others go on; stop iterating to begin no more.
        Ids must be lower case.
        """
        parts = _parts(triples)
        pool = ThreadPoolExecutor(connections, thread_name_prefix="lance")
        under_way: set[Future[Answered]] = set()
        try:
            for part in itertools.islice(parts, connections * _IN_HAND):
                under_way.add(pool.submit(self._answered, part))
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for part in itertools.islice(parts, len(done)):
                    under_way.add(pool.submit(self._answered, part))
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _answered(self, part: tuple[Triple, ...]) -> Answered:
        try:
            tasks = [_task(one) for one in part]
            validate_lance_query(tasks)
            return Answered(part, _joined(part, self._read(tasks)))
        except OpenmartError as error:
            return Answered(part, {}, error)

    def _read(self, tasks: Sequence[LanceQueryTask]) -> list[Enrichment]:
        body = msgspec.json.encode({"tasks": [dict(task) for task in tasks]})
        return self._transport.read(LANCE_QUERY_PATH, _read_records, body=body)


def _lower(triple: Triple) -> Triple:
    return Triple(triple[0].lower(), str(triple[1]), str(triple[2]))


def _parts(triples: Iterable[Triple]) -> Iterator[tuple[Triple, ...]]:
    source = iter(triples)
    while part := tuple(itertools.islice(source, MAX_LANCE_QUERY)):
        yield part


def _task(triple: Triple) -> LanceQueryTask:
    task = {"entityId": triple.entity_id, "field": triple.field, "entityType": triple.entity_type}
    return cast("LanceQueryTask", task)  # what is wrong with it, the validation says


def _joined(asked: Sequence[Triple], records: list[Enrichment]) -> dict[Triple, Enrichment]:
    """Return the newest record of each triple that was asked for; other records are passed over."""
    wanted = frozenset(asked)
    known: dict[Triple, Enrichment] = {}
    for record in records:
        triple = Triple(record["entityId"].lower(), _type_of(record), record["field"])
        if not record.get("entityType") and triple not in wanted:
            # No type is a person's, unless only the company was asked about.
            triple = triple._replace(entity_type=LanceEntityType.COMPANY.value)
        if triple in wanted:
            _keep_newest(known, triple, record)
    return known


def _read_records(value: Any, _: str) -> list[Enrichment]:
    if isinstance(value, dict):
        value = next((value[name] for name in ("data", "enrichments") if name in value), value)
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnreadableError("its answer is not a list of records")
    return [_read_record(item) for item in value]


def _read_record(item: Any) -> Enrichment:
    if not isinstance(item, dict) or not all(
        isinstance(item.get(name), str) and item[name] for name in ("entityId", "field", "status")
    ):
        raise UnreadableError("one of its records has no entityId, field or status")
    return cast("Enrichment", item)


def _keep_newest(known: dict[Any, Enrichment], key: object, record: Enrichment) -> None:
    if key not in known or _updated(record) >= _updated(known[key]):
        known[key] = record


def _type_of(record: Enrichment) -> str:
    return (record.get("entityType") or LanceEntityType.PERSON.value).lower()


def _updated(record: Enrichment) -> datetime:
    try:
        moment = datetime.fromisoformat(record.get("updatedAt") or "")
    except (ValueError, TypeError):
        return datetime.min.replace(tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
