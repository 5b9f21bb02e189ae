"""Several websites in one cell: the first of them is taken, or each becomes a row of its own.

A row stays one row in the ledger, with one outcome: a task is tied to one row (its other rows are its
duplicates), an earlier result serves one row, and a row's one domain says which company an answer is of. So
the websites behind the first get rows of their own at the end of the list, which keeps every uploaded row's
number; the column ``parent_row`` holds the number of the uploaded row, in that row too. Such rows are
accepted, duplicates or rejected like all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.intake.anyway import PARENT, websites_in
from openmart_lib.intake.fields import Field, Mapping
from openmart_lib.intake.files import Upload
from openmart_lib.intake.judge import DomainCode
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.overrides import NO_OVERRIDES, Choice, Overrides
from openmart_lib.intake.rejects import list_mark
from openmart_lib.intake.tasks import Plan, plan_tasks


class Several(StrEnum):
    """What becomes of cells that name several websites."""

    REJECT = "reject"
    FIRST = "first"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Split:
    """A list in which cells with several websites were divided.

    Attributes:
        upload: The list, with the new rows at its end.
        parents: The rows (``seq``) that were divided, in order.
        added: How many rows that made.
    """

    upload: Upload
    parents: tuple[int, ...]
    added: int


def crowded_rows(plan: Plan) -> list[int]:
    """Return the rows (``seq``) that are rejected because their cell names several websites."""
    return plan.rows.filter(pl.col("code") == DomainCode.MULTIPLE.value)["seq"].to_list()


def split_rows(
    upload: Upload,
    mapping: Mapping,
    plan: Plan,
    seqs: Sequence[int],
    *,
    overrides: Overrides = NO_OVERRIDES,
    allow_example: bool = False,
) -> Split:
    """Give each website of these rows' cells a row; the row itself stands for the first.

    The new rows have their parent's cells, but for the column that websites are read from first: it holds
    the website alone. Websites that cannot be sent (a private mailbox, a page on a social network) get
    none, and a row without any that can be sent stays as it is.

    Args:
        mapping: Which columns feed the domain.
        plan: The list as it was planned.
        seqs: Rows of it, as ``crowded_rows`` names them.
        overrides: What was decided about the list: an edited cell is read as edited.
        allow_example: As in ``plan_tasks``.
    """
    wanted = pl.col("seq").is_in(list(seqs))
    cells = plan.cells.filter(wanted).select("seq", pl.col("cell").alias(Field.DOMAIN.value))
    cells = overrides.edited(cells)
    found = websites_in(cells.get_column(Field.DOMAIN.value), allow_example=allow_example)
    sites = found.select(pl.col("domain"), cells["seq"].gather(found["place"]).alias("parent"))
    parents = sites["parent"].unique(maintain_order=True)
    if parents.is_empty():
        return Split(upload, (), 0)
    new = sites.filter(~pl.col("parent").is_first_distinct())
    frame = _with_parents(upload.frame, parents)
    rows = _rows_of(frame, new, mapping[Field.DOMAIN][0])
    digest = hashlib.sha256(f"{upload.sha256} split {parents.to_list()}".encode()).hexdigest()
    mark = list_mark(upload.sha256)
    divided = replace(upload, frame=pl.concat([frame, rows]), sha256=mark + digest[len(mark) :])
    return Split(divided, tuple(parents), rows.height)


def settled(
    upload: Upload,
    mapping: Mapping,
    kind: Kind,
    options: RunOptions,
    several: Several,
    *,
    allow_example: bool = False,
) -> tuple[Upload, Overrides]:
    """Return a list and the decisions about it after its cells with several websites were dealt with.

    Raises:
        InputError: As ``plan_tasks``.
    """
    if several is Several.FIRST:
        return upload, NO_OVERRIDES.with_class(DomainCode.MULTIPLE.value, Choice.SEND)
    if several is Several.REJECT:
        return upload, NO_OVERRIDES
    plan = plan_tasks(upload.frame, mapping, kind, options, allow_example=allow_example)
    split = split_rows(upload, mapping, plan, crowded_rows(plan), allow_example=allow_example)
    return split.upload, NO_OVERRIDES


def _with_parents(frame: pl.DataFrame, parents: pl.Series) -> pl.DataFrame:
    """Write the rows' own numbers into the column of parents, which is added where there is none."""
    before = pl.col(PARENT) if PARENT in frame.columns else pl.lit(None, pl.String)
    mine = pl.col("seq").is_in(parents.implode())
    return frame.with_columns(
        pl.when(mine).then(pl.col("seq").cast(pl.String)).otherwise(before).alias(PARENT)
    )


def _rows_of(frame: pl.DataFrame, sites: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return the new rows: copies of their parents, with the website alone in the column read first."""
    copies = frame.select(pl.all().gather(sites["parent"] - 1))
    first = frame.height + 1
    number = pl.int_range(first, first + pl.len(), dtype=pl.UInt32)
    return copies.with_columns(sites["domain"].alias(column), seq=number)
