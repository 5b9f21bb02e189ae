"""Entity ids: which column of a list holds them, and what becomes of every row before Lance is asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import polars as pl

from openmart_lib.api.wire import LanceEntityType
from openmart_lib.errors import InputError
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.fields import Field, Intake
from openmart_lib.intake.synonyms import meaning_of
from openmart_lib.wording import worded

ROWS_SCHEMA: Final[dict[str, Any]] = {
    "seq": pl.UInt32,
    "file_line": pl.UInt32,
    "intake": pl.String,
    "reason": pl.String,
    "entity_id": pl.String,
    "entity_type": pl.String,
}
SAMPLE: Final = 5_000  # rows that a guess looks at
_ENOUGH_IDS: Final = 0.2  # of a column's filled cells: nothing else looks like one
_ENOUGH_TYPES: Final = 0.5
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_BARE: Final = " ([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12}) "
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_UUID_LENGTH: Final = 36
_TYPE_WORDS: Final = {
    **dict.fromkeys(("person", "people", "contact", "lead"), LanceEntityType.PERSON.value),
    **dict.fromkeys(
        ("company", "companies", "account", "organization", "organisation", "business"),
        LanceEntityType.COMPANY.value,
    ),
}


@dataclass(frozen=True, slots=True)
class EntityMapping:
    """Which uploaded columns hold what Lance is asked about.

    Attributes:
        id_column: The column of entity ids.
        type_column: The column that says person or company; None: all rows are ``entity_type``.
        entity_type: Of all rows, and of those whose cell in ``type_column`` is empty.
    """

    id_column: str
    type_column: str | None = None
    entity_type: LanceEntityType = LanceEntityType.PERSON

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return asdict(self)


def guess_entities(frame: pl.DataFrame) -> EntityMapping | None:
    """Guess the columns of ids and types from their cells, where two hold ids from their names.

    Of two that are not named so, one of ids with dashes goes first: without them they can be other keys.

    Args:
        frame: An upload's frame.
    Returns:
        None where no column holds mostly ids.
    """
    sample = frame.head(SAMPLE)
    shares = {name: _share(sample.get_column(name), _one_id()) for name in uploaded_columns(frame)}
    ids = [name for name, share in shares.items() if share >= _ENOUGH_IDS]
    if not ids:
        return None
    named = [name for name in ids if meaning_of(name).field == Field.ENTITY_ID]
    types = [
        name
        for name in uploaded_columns(frame)
        if name not in ids and _share(sample.get_column(name), _type()) >= _ENOUGH_TYPES
    ]
    dashed = {name: _share(sample.get_column(name), _dashed_id()) >= _ENOUGH_IDS for name in ids}
    best = max(named or ids, key=lambda name: (dashed[name], shares[name]))
    return EntityMapping(best, types[0] if types else None)


def check_entities(frame: pl.DataFrame, mapping: EntityMapping) -> None:
    """Check that a mapping's columns are in the file.

    Raises:
        InputError: Naming the column that is not.
    """
    columns = uploaded_columns(frame)
    for name in filter(None, (mapping.id_column, mapping.type_column)):
        if name not in columns:
            raise InputError(
                f"There is no column {name!r} in this file. Nothing was asked, and asking is free. "
                f"Choose one of: {', '.join(columns)}.",
                column=name,
            )


def read_entities(frame: pl.DataFrame, mapping: EntityMapping) -> pl.DataFrame:
    """Read the entity of every uploaded row.

    A cell may hold the id in any case, without its dashes, in braces, as ``urn:uuid:`` or inside a link, but
    one id only.

    Args:
        frame: An upload's frame.
    Returns:
        One row per uploaded row, in order: seq, file_line (UInt32); intake (``accepted``, ``duplicate``,
        ``rejected``); reason (String: column and cause; null when accepted); entity_id (lower case) and
        entity_type (``person``, ``company``), both null when rejected.
    Raises:
        InputError: If a column of the mapping is not in the file.
    """
    check_entities(frame, mapping)
    type_column = mapping.type_column
    typed = pl.when(pl.lit(type_column is None) | (_cell("type") == ""))
    cells = frame.select("seq", "file_line").with_columns(
        frame.get_column(mapping.id_column).alias("cell"),
        frame.get_column(type_column or mapping.id_column).alias("type"),
    )
    read = cells.with_columns(
        entity_id=_one_id(),
        entity_type=typed.then(pl.lit(mapping.entity_type.value)).otherwise(_type("type")),
    ).with_columns(
        problem=pl.coalesce(
            _in_column(mapping.id_column, _id_problem()),
            _in_column(
                type_column or "",
                pl.when(pl.col("entity_type").is_null()).then(pl.lit("neither person nor company")),
            ),
        )
    )
    accepted = pl.col("problem").is_null()
    first = pl.when(accepted).then(pl.col("seq").min().over("entity_id", "entity_type", "problem"))
    return (
        read.with_columns(first=first)
        .with_columns(
            intake=pl.when(~accepted)
            .then(pl.lit(Intake.REJECTED.value))
            .when(pl.col("first") < pl.col("seq"))
            .then(pl.lit(Intake.DUPLICATE.value))
            .otherwise(pl.lit(Intake.ACCEPTED.value)),
            reason=pl.when(pl.col("first") < pl.col("seq"))
            .then(worded("same entity as row {}", "first"))
            .otherwise("problem"),
            entity_id=pl.when(accepted).then("entity_id"),
            entity_type=pl.when(accepted).then("entity_type"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in ROWS_SCHEMA.items())
    )


def undashed(frame: pl.DataFrame, mapping: EntityMapping) -> int:
    """Return in how many rows an id was read that is written without its dashes (32 characters)."""
    cells = frame.select(frame.get_column(mapping.id_column).alias("cell"))
    return int(cells.select((_one_id().is_not_null() & _dashed_id().is_null()).sum()).item())


def _cell(column: str = "cell") -> pl.Expr:
    return pl.col(column).fill_null("").str.strip_chars().str.to_lowercase()


def _apart() -> pl.Expr:
    """The cell with two blanks for whatever no id can hold, so that each id has blanks of its own."""
    return worded("  {}  ", _cell().str.replace_all("[^0-9a-f-]+", "  "))


def _ids() -> pl.Expr:
    """The cell as ``_apart`` gives it, with the dashes that are missing in 32 characters of an id."""
    return _apart().str.replace_all(_BARE, " ${1}-${2}-${3}-${4}-${5} ")


def _one_id() -> pl.Expr:
    """The id of a cell that holds exactly one, else null."""
    return _only_id(_ids())


def _dashed_id() -> pl.Expr:
    """The same of a cell that has it with its dashes."""
    return _only_id(_apart())


def _only_id(apart: pl.Expr) -> pl.Expr:
    one = apart.str.extract(f" ({_UUID}) ")
    return pl.when(apart.str.count_matches(f" {_UUID} ") == 1, one != _NOBODY).then(one)


def _type(column: str = "cell") -> pl.Expr:
    return _cell(column).replace_strict(_TYPE_WORDS, default=None, return_dtype=pl.String)


def _id_problem() -> pl.Expr:
    count, length = _ids().str.count_matches(f" {_UUID} "), _cell().str.len_chars()
    strange = _cell().str.extract("([^0-9a-f-])")
    plural = pl.when(length == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    return (
        pl.when(_cell() == "")
        .then(pl.lit("no id, the cell is empty"))
        .when(count > 1)
        .then(worded("{} ids in one cell; one row can be one", count))
        .when(count == 1)
        .then(pl.when(_one_id().is_null()).then(pl.lit("not an id: it is all zeros")))
        .when(length != _UUID_LENGTH)
        .then(worded("not a UUID: it has {} character{}", length, plural))
        .when(strange.is_not_null())
        .then(worded("not a UUID: it holds the character {}", strange))
        .otherwise(pl.lit("not a UUID: its dashes are in other places"))
    )


def _in_column(name: str, problem: pl.Expr) -> pl.Expr:
    return pl.when(problem.is_not_null()).then(worded('column "{}": {}', pl.lit(name), problem))


def _share(cells: pl.Series, read: pl.Expr) -> float:
    """Return which part of a column's filled cells can be read as that."""
    filled = pl.DataFrame({"cell": cells}).filter(_cell() != "")
    return float(filled.select(read.is_not_null().mean()).item()) if filled.height else 0.0
