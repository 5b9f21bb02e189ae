"""What Lance's states make of a list about to be bought: rows to skip or to wait for. No streamlit."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from openmart_lib.api.wire import InfoField, LanceEntityType, LanceField
from openmart_lib.engine import precheck
from openmart_lib.intake.entities import EntityMapping, read_entities
from openmart_lib.intake.fields import Intake
from openmart_lib.intake.narrowing import take_out
from openmart_lib.settings import Settings
from openmart_lib.submission import Prepared

SKIP_CODE: Final = "known_at_lance"  # intake codes of rows that are skipped for what Lance says
WAIT_CODE: Final = "running_at_lance"


@dataclass(frozen=True, slots=True)
class Told:
    """What Lance's states say of the rows that would be bought.

    Attributes:
        rows: One row per row to be bought: as ``engine.precheck.skip_reasons``.
        counts: Rows by advice (``skip``, ``wait``, ``buy``).
        partly: Rows of which Lance knows only a part, which are bought whole.
    """

    rows: pl.DataFrame
    counts: dict[str, int]
    partly: int


def can_ask(settings: Settings) -> bool:
    """Whether what Lance says may decide about this purchase: a simulated Lance not about a real one."""
    return not settings.lance_simulated or settings.simulated


def fields_of(info: Sequence[str]) -> list[LanceField]:
    """Return what is about to be bought, as Lance calls it."""
    return [precheck.FIELD_OF[InfoField(one)] for one in info]


def people(frame: pl.DataFrame, mapping: EntityMapping) -> pl.DataFrame:
    """Return the rows of an upload that name a person at Lance: seq (UInt32), entity_id (String)."""
    person = pl.col("entity_type") == LanceEntityType.PERSON.value
    return read_entities(frame, mapping).filter(person).select("seq", "entity_id")


def states_path(folder: Path, revision: int, mapping: EntityMapping, fields: Sequence[LanceField]) -> Path:
    """Return where a draft keeps what Lance said of this column and these fields."""
    asked = "|".join((str(revision), str(mapping.to_dict()), *sorted(fields)))
    return folder / f"lance-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.parquet"


def keep_states(states: pl.DataFrame, path: Path) -> None:
    """Keep what Lance said, readable by its owner only."""
    partial = path.with_suffix(f".{secrets.token_hex(4)}.part")
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        states.write_parquet(file)
    partial.replace(path)


def told(prepared: Prepared, named: pl.DataFrame, states: pl.DataFrame, fields: Sequence[LanceField]) -> Told:
    """Say for each row to be bought what Lance's states mean for it.

    Args:
        named: As ``people``.
        states: As ``engine.precheck.precheck`` gives them.
    """
    bought = prepared.plan.rows.filter(pl.col("intake") == Intake.ACCEPTED.value).select("seq")
    asked = bought.join(named, on="seq", how="left", maintain_order="left")
    rows = precheck.skip_reasons(asked, states, fields)
    counts = dict.fromkeys((precheck.SKIP, precheck.WAIT, precheck.BUY), 0)
    counts |= dict(rows["advice"].value_counts().iter_rows())
    partly = rows.filter(pl.col("advice") == precheck.BUY, pl.col("reason").is_not_null()).height
    return Told(rows, counts, partly)


def spared(prepared: Prepared, told: Told, *, skip: bool, wait: bool) -> Prepared:
    """Return the list without rows that Lance has finished, or works on; each is ``skipped`` with the reason.

    Duplicates of such a row go with it: they ask for the same person. The content is another one then, so
    that nothing that was computed of the whole list is taken for this.
    """
    plan, marks = prepared.plan, []
    for wanted, advice, code in ((skip, precheck.SKIP, SKIP_CODE), (wait, precheck.WAIT, WAIT_CODE)):
        rows = told.rows.filter(pl.col("advice") == advice).select("seq", "reason")
        if wanted and rows.height:
            plan = take_out(plan, rows, intake=Intake.SKIPPED.value, code=code, copies="follow")
            marks.append(code.encode() + rows["seq"].to_numpy().tobytes())
    if not marks:
        return prepared
    key = hashlib.sha256(b"|".join((prepared.content_key.encode(), *marks))).hexdigest()
    return replace(prepared, plan=plan, content_key=key)
