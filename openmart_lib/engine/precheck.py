"""Before enrichments are bought: what Lance already holds of these people, and which rows to leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from openmart_lib.api import RetryPolicy, Timeouts
from openmart_lib.api.lance_states import FOUND, NOTHING, RUNNING, Triple, read_state, triples
from openmart_lib.api.wire import Enrichment, InfoField, LanceEntityType, LanceField
from openmart_lib.engine.clients import lance_client
from openmart_lib.settings import Settings
from openmart_lib.wording import worded

PATIENCE: Final = Timeouts(connect=5.0, read=15.0, total=20.0)  # seconds, per try; a person waits
RETRY: Final = RetryPolicy(max_attempts=3, max_backoff=2.0, max_wait=5.0)
FIELD_OF: Final[dict[InfoField, LanceField]] = {
    InfoField.EMAIL: LanceField.EMAILS,
    InfoField.PHONE: LanceField.PHONES,
}
"""What Openmart sells, as Lance calls it."""
SCHEMA: Final[dict[str, Any]] = dict.fromkeys(("entity_id", "field", "state", "updated_at"), pl.String)
SKIP: Final = "skip"  # Lance holds all that would be bought
WAIT: Final = "wait"  # Lance is working on some of it
BUY: Final = "buy"


def precheck(
    settings: Settings,
    ids: Iterable[str],
    fields: Sequence[LanceField],
    *,
    entity_type: LanceEntityType = LanceEntityType.PERSON,
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Ask Lance about any number of entities, 200 to a call; free.

    Args:
        ids: Entity ids (UUIDs, any case); each is asked once.
        progress: Told (triples known, triples in all).
    Returns:
        As ``states_frame``.
    Raises:
        InputError: If an id is no UUID; nothing was sent.
        OpenmartError: If Lance cannot be asked; the message says what to do. Submitting is still possible.
    """
    wanted = triples(ids, fields, entity_type)
    with lance_client(settings, timeouts=PATIENCE, retry=RETRY) as client:
        known = client.query_all(wanted, connections=settings.read_concurrency, progress=progress)
    return states_frame(wanted, known)


def states_frame(wanted: Sequence[Triple], known: Mapping[Triple, Enrichment]) -> pl.DataFrame:
    """Return one row per triple, in order: entity_id, field, state (``api.lance_states``), updated_at.

    All String; updated_at is ISO 8601 as Lance says it, null where nobody ever asked for it.
    """
    states = [(one, read_state(known.get(one))) for one in wanted]
    rows = [(one.entity_id, one.field, said.state, said.updated_at) for one, said in states]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def skip_reasons(rows: pl.DataFrame, states: pl.DataFrame, fields: Sequence[LanceField]) -> pl.DataFrame:
    """Say for each row whether it need not be bought, and why.

    A row whose every field Lance finished (found, or known to be empty) is to be skipped; else one with a
    field that Lance works on can wait; all others are to be bought.

    Args:
        rows: ``seq`` and ``entity_id`` (String, as ``intake.entities`` reads it; null for none).
        states: As ``precheck`` gives them.
        fields: The fields about to be bought.
    Returns:
        One row per row of ``rows``, in order: seq; advice (``skip``, ``wait`` or ``buy``); reason (String,
        such as "Lance already holds emails (14 Jan); read them in Lance"; null where there is nothing to
        say); skipped_fields (Int64, paid fields that skipping this row avoids).
    """
    wanted = [str(field) for field in fields]
    asked = states.filter(pl.col("field").is_in(wanted))
    known = asked.group_by("entity_id").agg(
        pl.col("state").is_in([FOUND, NOTHING]).sum().cast(pl.Int64).alias("finished"),
        (pl.col("state") == RUNNING).any().alias("running"),
        *(_sentence_parts(state, name) for state, name in _PARTS),
    )
    joined = rows.select("seq", "entity_id").join(known, on="entity_id", how="left", maintain_order="left")
    skip = pl.lit(len(wanted) > 0) & (pl.col("finished").fill_null(0) == len(wanted))
    return joined.select(
        "seq",
        pl.when(skip)
        .then(pl.lit(SKIP))
        .when(pl.col("running").fill_null(False))
        .then(pl.lit(WAIT))
        .otherwise(pl.lit(BUY))
        .alias("advice"),
        pl.concat_str(
            [pl.when(pl.col(name) != "").then(worded(words, name)) for name, words in _SENTENCES],
            separator="; ",
            ignore_nulls=True,
        )
        .replace("", None)
        .alias("reason"),
        pl.when(skip).then(len(wanted)).otherwise(0).cast(pl.Int64).alias("skipped_fields"),
    )


_PARTS: Final = ((FOUND, "holds"), (NOTHING, "empty"), (RUNNING, "pending"))
_SENTENCES: Final = (
    ("holds", "Lance already holds {}; read them in Lance"),
    ("empty", "Lance looked for {} and found nothing"),
    ("pending", "Lance is looking for {} now; wait for it"),
)


def _sentence_parts(state: str, name: str) -> pl.Expr:
    """The fields of an entity in a state, with the day: "emails (14 Jan), phones (2 Mar 2024)"."""
    day = pl.col("updated_at").map_elements(_day, return_dtype=pl.String, skip_nulls=False)
    one = pl.concat_str(pl.col("field"), day)
    return one.filter(pl.col("state") == state).sort().str.join(", ").alias(name)


def _day(iso: str | None) -> str:
    try:
        moment = datetime.fromisoformat(iso or "").astimezone(UTC)
    except ValueError:
        return ""
    year = "" if moment.year == datetime.now(UTC).year else f" {moment.year}"
    return f" ({moment.day} {moment:%b}{year})"
