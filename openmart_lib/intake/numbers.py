"""What a spreadsheet program made of ids and phones that it took for numbers: said, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from openmart_lib.intake.synonyms import PHONE, meaning_of

Remark = tuple[int, str]  # the first line it is about, and what is to be said

KEPT_DIGITS: Final = 15  # of a number in a spreadsheet cell; Excel, "Specifications and limits"
SHORTENED: Final = "E+"  # stands in every number that is shown as 4.47E+11
_SHORTENED: Final = r"^\s*[+-]?[0-9](?:[.,][0-9]+)?E\+[0-9]{1,2}\s*$"
_LONG: Final = rf"^-?[0-9]{{{KEPT_DIGITS + 1},}}$"
_BARE_PHONE: Final = r"^[1-9][0-9]{6,14}(?:\.0)?$"
_WHOLE_IN_AMERICA: Final = r"^1?[2-9][0-9]{2}[2-9][0-9]{6}(?:\.0)?$"  # never had a zero, and need no plus
_NAMED: Final = 5  # lines named one by one
_SAMPLE: Final = 1_000


def long_numbers(cells: pl.DataFrame) -> list[int]:
    """Return the places of the columns (of text) in which a cell has more digits than a number can keep."""
    too_long = pl.all().str.len_bytes() > KEPT_DIGITS
    some = [column for column, any_of_it in enumerate(cells.select(too_long.any()).row(0)) if any_of_it]
    return [column for column in some if cells.to_series(column).str.contains(_LONG).any()]


def rounded(cells: pl.Series, is_number: pl.Series, lines: pl.Series, name: str) -> list[Remark]:
    """Say which cells of a spreadsheet's column lost digits, because they are numbers and too long for one.

    Args:
        cells: The column as text.
        is_number: Which of them are numbers in the file.
        lines: The row of each in the file.
        name: The column's name.
    """
    found = (cells.str.contains(_LONG) & is_number).fill_null(False)
    return _remark(
        cells.filter(found),
        lines.filter(found),
        name,
        f"Excel has rounded this, such as {{}}: a number there keeps {KEPT_DIGITS} digits, the others are "
        "not in this file. Take the column from its source again, as text.",
    )


def shortened(body: pl.DataFrame, names: Mapping[str, str]) -> list[Remark]:
    """Say which cells stand as "4.47E+11", column by column.

    Args:
        body: ``file_line``, then the cells.
        names: The columns' names in the body, and what they are called.
    """
    some = body.select(pl.col(column).str.contains(SHORTENED, literal=True).any() for column in names)
    problems: list[Remark] = []
    for column, any_of_it in some.row(0, named=True).items():
        if any_of_it:
            cells = body.get_column(column)
            found = cells.str.contains(_SHORTENED).fill_null(False)
            problems += _remark(
                cells.filter(found),
                body.get_column("file_line").filter(found),
                names[column],
                "Excel has rounded this, such as {}: the other digits are not in this file. Take the column "
                "from its source again, as text.",
            )
    return problems


def bare_phones(body: pl.DataFrame, names: Mapping[str, str]) -> list[Remark]:
    """Say which phone numbers have neither a plus nor a leading zero: what is left of them as numbers.

    A column of nothing but whole North American numbers is passed over.

    Args:
        body: ``file_line``, then the cells.
        names: The columns' names in the body, and what they are called.
    """
    problems: list[Remark] = []
    for column in (column for column, name in names.items() if meaning_of(name).field == PHONE):
        cells = body.get_column(column)
        begins = ((cells >= "1") & (cells < ":")).arg_true()  # with a digit but zero: most do not
        digits = begins.filter(cells.gather(begins).str.contains(_BARE_PHONE))
        bare = cells.gather(digits)
        if all(some.str.contains(_WHOLE_IN_AMERICA).all() for some in (bare.head(_SAMPLE), bare)):
            continue
        problems += _remark(
            bare,
            body.get_column("file_line").gather(digits),
            names[column],
            "no plus and no leading zero, such as {}; Excel takes them off a phone number. The cells stay as "
            "they are, and phone numbers are not sent.",
        )
    return problems


def _remark(cells: pl.Series, lines: pl.Series, name: str, text: str) -> list[Remark]:
    """Return one remark about a column, at the first of the lines; none where there are none."""
    if lines.is_empty():
        return []
    said = f"Column “{name}”, {_line_words(lines)}: {text.format(cells[0].strip())}"
    return [(int(lines[0]), said)]


def _line_words(lines: pl.Series) -> str:
    """Return "line 2", "lines 2, 3 and 5" or "lines 2, 3, 5, 6, 7 and 1,200 more"."""
    shown = [f"{line:,}" for line in lines.head(_NAMED)]
    if len(lines) > _NAMED:
        return f"lines {', '.join(shown)} and {len(lines) - _NAMED:,} more"
    return f"lines {', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else f"line {shown[0]}"
