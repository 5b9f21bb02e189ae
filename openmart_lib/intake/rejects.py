"""The rows that cannot be sent, as the analyst gets them back: to correct, and to upload again."""

from __future__ import annotations

from typing import Final

import polars as pl

from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.fields import Intake

# Our columns of such a file, behind the uploaded ones. By the last of them it is known again.
ROW: Final = "row"
SUGGESTION: Final = "intake_suggestion"
MARK: Final = "intake_list"
OURS: Final = (ROW, "file_line", "intake_code", "intake_reason", SUGGESTION, MARK)
_MARK_LENGTH: Final = 16  # hex characters


def list_mark(sha256: str) -> str:
    """Return what a rejects file calls the list it belongs to: the beginning of the upload's hash."""
    return sha256[:_MARK_LENGTH]


def rejects_frame(
    upload_frame: pl.DataFrame,
    rows: pl.DataFrame,
    *,
    cells: pl.DataFrame | None = None,
    sha256: str | None = None,
) -> pl.DataFrame:
    """Return the rejected rows as the analyst gets them back: to correct, and to upload again.

    Args:
        upload_frame: The upload's frame.
        rows: ``Plan.rows`` of it.
        cells: ``Plan.cells``, for the suggestions.
        sha256: The upload's hash, by which the corrected file is known again.

    Returns:
        The uploaded columns, then ``row`` (``seq``), ``file_line``, ``intake_code``, ``intake_reason``; with
        ``cells`` also ``intake_suggestion``, with ``sha256`` also ``intake_list``. An uploaded column of such
        a name is called ``row (uploaded)``.
    """
    columns = uploaded_columns(upload_frame)
    renamed = clear_names(columns, OURS)
    rejected = rows.filter(pl.col("intake") == Intake.REJECTED).select(
        "seq", pl.col("code").alias("intake_code"), pl.col("reason").alias("intake_reason")
    )
    ours = list(OURS[:4])
    if cells is not None:
        rejected = rejected.join(
            cells.select("seq", pl.col("suggestion").alias(SUGGESTION)),
            on="seq",
            how="left",
            maintain_order="left",
        )
        ours.append(SUGGESTION)
    if sha256 is not None:
        rejected = rejected.with_columns(pl.lit(list_mark(sha256)).alias(MARK))
        ours.append(MARK)
    clear = upload_frame.rename({name: new for name, new in renamed.items() if name != new})
    return clear.join(rejected, on="seq", how="inner", maintain_order="left").select(
        *renamed.values(), pl.col("seq").alias(ROW), *ours[1:]
    )


def clear_names(columns: list[str], ours: tuple[str, ...]) -> dict[str, str]:
    """Return what each uploaded column is called in a file with columns of ours: itself, where it is free."""
    taken = {*ours, *columns}
    names: dict[str, str] = {}
    for name in columns:
        names[name] = _free_name(name, taken) if name in ours else name
        taken.add(names[name])
    return names


def _free_name(name: str, taken: set[str]) -> str:
    candidate, number = f"{name} (uploaded)", 2
    while candidate in taken:
        candidate, number = f"{name} (uploaded {number})", number + 1
    return candidate
