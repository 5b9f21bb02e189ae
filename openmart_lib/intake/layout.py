"""Where the lines of a delimited text end, and which of its quotes are out of place: found in its bytes.

The proof of the fast reader rests on this, so nothing here asks the parser. The bytes are looked at in pieces
that stay in the processor's cache; numpy lets other threads work meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from openmart_lib.intake.limits import MAX_ROWS, refuse_long_line, refuse_too_many

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PIECE: Final = 256 * 1024  # bytes looked at at once
_LF, _CR, _QUOTE = b'\n\r"'


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a text, by their place in it.

    Attributes:
        text: The whole text.
        starts: Where each line begins in it (int64).
        ends: Where each line's LF is, for a last line without one the end of the text (int64).
        sizes: Bytes of each line without its end, LF or CR and LF (int64).
        has_cr: Whether the text holds CRs, each before an LF.
    """

    text: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    sizes: NDArray[np.int64]
    has_cr: bool

    def __len__(self) -> int:
        """Return how many lines there are."""
        return len(self.ends)

    def line(self, position: int) -> str:
        """Return one line without its end.

        Raises:
            UnicodeDecodeError: If it is not UTF-8.
        """
        start = int(self.starts[position])
        return self.text[start : start + int(self.sizes[position])].decode()

    def some(self, positions: NDArray[np.int64]) -> pl.Series:
        """Return some lines without their ends (String).

        Raises:
            polars.exceptions.PolarsError: If one is not UTF-8.
        """
        starts, sizes = self.starts[positions], self.sizes[positions]
        places = zip(starts.tolist(), (starts + sizes).tolist(), strict=True)
        texts = [self.text[start:end] for start, end in places]
        return pl.Series("line", texts, dtype=pl.Binary).cast(pl.String)


@dataclass(frozen=True, slots=True)
class QuoteLayout:
    """The quotes of a text's lines.

    Attributes:
        before: How many there are before each line begins (int64); where that is odd, the line begins inside
            a quoted cell, if every quote is in its place.
        counts: How many each line holds (int64).
        unclear: The lines, ascending, that are not simply a row by themselves with quotes around whole cells:
            a quote of theirs stands elsewhere (two in a row do), or is not closed on the line (int64).
    """

    before: NDArray[np.int64]
    counts: NDArray[np.int64]
    unclear: NDArray[np.int64]


def find_lines(text: bytes, first_line: int, width: int, lines_above: int = 0) -> Lines | None:
    """Find the lines of a text below some others; None where a CR alone may end a line.

    Args:
        text: The text.
        first_line: The number of its first line in the file.
        width: How many columns its rows have.
        lines_above: How many lines are passed over.

    Raises:
        InputError: If there are more lines than a list may have, or one is longer than a row can be.
    """
    import numpy as np  # here and below: it takes 0.1 s, which commands that read no text do not have to wait

    begin = 0
    for _ in range(lines_above):
        begin = text.find(b"\n", begin) + 1 or len(text)
    signs = np.frombuffer(text, np.uint8)
    found = [np.empty(0, np.int64)]
    count = 0
    for at in range(begin, len(signs), _PIECE):
        found.append(np.flatnonzero(signs[at : at + _PIECE] == _LF) + at)
        count += len(found[-1])
        if count > MAX_ROWS:  # before they fill the memory
            refuse_too_many(text.count(b"\n", begin), width)
    if begin < len(text) and not text.endswith(b"\n"):
        found.append(np.array([len(text)]))
    ends = np.concatenate(found)
    starts = np.concatenate([[begin], ends[:-1] + 1]) if len(ends) else ends
    sizes = ends - starts
    has_cr = b"\r" in text
    if has_cr:
        closed = (sizes > 0) & (signs[ends - 1] == _CR)
        in_their_place = text.count(b"\r\n", 0, begin) + np.count_nonzero(closed)
        if text.count(b"\r") != in_their_place or text.endswith(b"\r"):
            return None
        sizes -= closed
    refuse_too_many(len(ends), width)
    if len(sizes):
        longest = int(sizes.argmax())
        refuse_long_line(first_line + lines_above + longest, int(sizes[longest]))
    return Lines(text, starts, ends, sizes, has_cr)


def find_quotes(lines: Lines, separator: str) -> QuoteLayout:
    """Find the quotes of all lines.

    Args:
        lines: The lines.
        separator: The character between cells, an ASCII one.
    """
    import numpy as np

    signs = np.frombuffer(lines.text, np.uint8)
    begin = int(lines.starts[0]) if len(lines) else len(signs)
    until = np.zeros(len(lines), np.int64)  # quotes before the end of each line
    misplaced = [np.empty(0, np.int64)]
    count = line = 0
    for at in range(begin, len(signs), _PIECE):
        piece = signs[at : at + _PIECE]
        quotes = np.flatnonzero(piece == _QUOTE) + at
        next_line = int(np.searchsorted(lines.ends, at + len(piece)))
        until[line:next_line] = count + np.searchsorted(quotes, lines.ends[line:next_line])
        # Every other one begins a cell, those between end one.
        opening = quotes[count % 2 :: 2]
        closing = quotes[1 - count % 2 :: 2]
        behind = signs.take(opening - 1, mode="clip")
        misplaced.append(opening[(behind != ord(separator)) & (behind != _LF) & (opening > begin)])
        ahead = signs.take(closing + 1, mode="clip")
        at_end = (ahead == ord(separator)) | (ahead == _LF) | (ahead == _CR) | (closing == len(signs) - 1)
        misplaced.append(closing[~at_end])
        count, line = count + len(quotes), next_line
    until[line:] = count
    counts = np.diff(until, prepend=0)
    several = np.searchsorted(lines.ends, np.concatenate(misplaced))
    return QuoteLayout(until - counts, counts, np.union1d(several, np.flatnonzero(counts % 2)))


def may_begin_with(sign: str, text: bytes, separator: str) -> bool:
    """Return whether a cell of a text may begin with a sign.

    Args:
        sign: An ASCII character.
        text: The text.
        separator: The character between cells, an ASCII one.
    """
    import numpy as np

    if sign.encode() not in text:
        return False
    signs = np.frombuffer(text, np.uint8)
    before_cells = np.frombuffer(f'{separator}\r\n"'.encode(), np.uint8)
    for at in range(0, len(signs), _PIECE):
        places = np.flatnonzero(signs[at : at + _PIECE] == ord(sign)) + at
        if len(places) and (places[0] == 0 or np.isin(signs[places - 1], before_cells).any()):
            return True
    return False
