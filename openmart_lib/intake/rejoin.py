"""A corrected rejects file comes back: its rows join the list they were taken from, by row number.

Of a list that was submitted, only they are sent then (``Overrides.only``), in a run of its own that says in
the column ``LIST_ROW`` which row of the list each of them is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.files import FileProblem, Upload
from openmart_lib.intake.rejects import MARK, OURS, ROW, clear_names, list_mark

LIST_ROW: Final = "list_row"  # the number of a row in the list that it was corrected for
_NUMBER: Final = r"^\s*0*(\d{1,9})(?:[.,]0+)?\s*$"  # spreadsheets write 3 as "3.0"
_NAMED: Final = 20  # rows named one by one; the others are counted
# Our columns as a reader of files calls them: file_line is a name of its own frames.
_AS_READ: Final = re.compile(rf"{'|'.join(OURS)}|file_line \(uploaded\)(?:_\d+)?")


@dataclass(frozen=True, slots=True)
class Rejoined:
    """A list with corrected rows.

    Attributes:
        upload: The list.
        rows: The numbers (``seq``) of the corrected rows in it, in order.
        problems: The lines of the corrected file that were left out, and why.
    """

    upload: Upload
    rows: tuple[int, ...]
    problems: tuple[FileProblem, ...]


def corrected_list(upload: Upload) -> str | None:
    """Return the mark of the list that an upload holds corrected rows of (``list_mark`` of its hash).

    None when it is no rejects file of ours, or holds rows of several lists.
    """
    if not {ROW, MARK} <= set(upload.frame.columns):
        return None
    marks = upload.frame.get_column(MARK).drop_nulls().str.strip_chars().unique()
    return str(marks[0]) if len(marks) == 1 and marks[0] else None


def rejoin(original: Upload, corrected: Upload) -> Rejoined:
    """Return the list with the corrected rows in place of those of the same number.

    Rows keep their number and line, whatever is not corrected stays as it is, and the list's mark stays the
    same, so that more of the same rejects file can come later. Columns that are new in the corrected file are
    added. Lines without a place are left out and named.

    Raises:
        InputError: If the file holds no corrected rows, or those of another list.
    """
    placed, problems = _place(original, corrected)
    columns = uploaded_columns(placed)
    frame = original.frame.with_columns(
        pl.lit(None, pl.String).alias(name) for name in columns if name not in original.frame.columns
    )
    is_new = frame.get_column("seq").is_in(placed.get_column("seq").implode())
    new = frame.select("seq").join(placed, on="seq", how="left", maintain_order="left")
    frame = frame.with_columns(
        pl.when(is_new).then(new.get_column(name)).otherwise(name).alias(name) for name in columns
    )
    content = hashlib.sha256(f"{original.sha256} {corrected.sha256}".encode()).hexdigest()
    mark = list_mark(original.sha256)
    upload = replace(original, frame=frame, sha256=mark + content[len(mark) :])
    return Rejoined(upload, tuple(sorted(placed.get_column("seq"))), problems)


def _place(original: Upload, corrected: Upload) -> tuple[pl.DataFrame, tuple[FileProblem, ...]]:
    """Return the rows with a place (``seq`` and the list's columns), and the lines without one.

    Of two lines with one number the first counts.
    """
    _check_belongs(original, corrected)
    columns = uploaded_columns(original.frame)
    names = {new: name for name, new in clear_names(columns, OURS).items()}
    read = uploaded_columns(corrected.frame)
    kept = [name for name in read if name in names or not _AS_READ.fullmatch(name)]
    number = pl.col(ROW).str.extract(_NUMBER).cast(pl.UInt32, strict=False)
    numbered = corrected.frame.with_columns(number=number, first=number.is_first_distinct())
    known = pl.col("number").is_in(original.frame.get_column("seq").implode()).fill_null(False)
    placed = numbered.filter(known & pl.col("first"))
    if placed.is_empty():
        raise InputError(
            "None of the rows has a number of this list in its column “row”. Nothing was changed. Leave that "
            "column as it was in the rejects file."
        )
    lost = numbered.filter(~(known & pl.col("first"))).select("file_line", ROW, "number", known=known)
    frame = placed.select(
        pl.col("number").alias("seq"), *(pl.col(name).alias(names.get(name, name)) for name in kept)
    )
    return frame, tuple(_without_place(lost.rows()))


def _check_belongs(original: Upload, corrected: Upload) -> None:
    columns = set(corrected.frame.columns)
    if ROW not in columns:
        raise InputError(
            "The file has no column “row”, so its rows cannot find their place in the list. Nothing was "
            "changed. Correct the rejects file and upload it, or submit this file as a list of its own."
        )
    if MARK in columns and corrected_list(corrected) != list_mark(original.sha256):
        raise InputError(
            "These are corrected rows of another list. Nothing was changed. Open that list, or download the "
            "rejects of this one again."
        )
    shared = set(clear_names(uploaded_columns(original.frame), OURS).values()) & columns
    if not shared - {ROW}:
        raise InputError(
            "The file has none of the list's columns, so it does not hold its rows. Nothing was changed. "
            "Correct the rejects file of this list and upload that."
        )


def _without_place(lost: Sequence[tuple[int, str | None, int | None, bool]]) -> list[FileProblem]:
    problems = [
        FileProblem(
            line,
            f"Line {line:,} of the corrected file was left out: "
            + (
                f"row {number:,} is there already."
                if known
                else f"the list has no row {text!r}."
                if text
                else "it has no row number."
            ),
        )
        for line, text, number, known in lost[:_NAMED]
    ]
    if len(lost) > _NAMED:
        more = len(lost) - _NAMED
        problems.append(
            FileProblem(lost[_NAMED][0], f"{more:,} more lines of the corrected file were left out.")
        )
    return problems
