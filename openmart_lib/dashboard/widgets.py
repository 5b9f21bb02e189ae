"""Small pieces every page uses: text shown as text, messages in three parts, numbers, downloads of frames.

Text that comes from a file, a person or a server goes on screen only through ``escape`` (where Streamlit
reads Markdown) or through elements that show text as it is (``st.text``, ``st.code``, ``st.dataframe``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import Any, Final, Literal

import polars as pl
import streamlit as st

from openmart_lib.dashboard import words
from openmart_lib.errors import OpenmartError
from openmart_lib.results import export

Level = Literal["info", "warning", "error", "success"]

# Streamlit replaces addresses, :emoji: and arrows after it has taken backslashes off, so a backslash alone
# does not protect them; a word joiner (no width, no break) inside the pattern does.
_JOINER: Final = "\u2060"
_JOINTS: Final = re.compile(
    r"(?<=:)(?=[\w+/-])(?!(?<=\d:)\d\d(?!\d))"  # after a colon that begins something; not in 12:04
    r"|(?<=@)|(?<=www)(?=\.)|(?<=[<>~-])(?=[=>-])",
    re.IGNORECASE,
)
_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")

MIME: Final = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}


def escape(text: object, limit: int = 300) -> str:
    """Return a text that Streamlit's Markdown shows as it is: no markup, link, image, icon or formula.

    Line breaks and control characters become one space; more than ``limit`` characters are cut with "…".
    """
    plain = _CONTROL.sub(" ", str(text)).strip()
    if len(plain) > limit:
        plain = plain[: limit - 1] + "…"
    return _PUNCTUATION.sub(r"\\\1", _JOINTS.sub(_JOINER, plain))


def message(level: Level, happened: str, meaning: str, todo: str = "") -> None:
    """Show a message in its three parts: what happened, what it means for credits and rows, what to do."""
    show = {"info": st.info, "warning": st.warning, "error": st.error, "success": st.success}[level]
    icon = {
        "info": ":material/info:",
        "warning": ":material/warning:",
        "error": ":material/error:",
        "success": ":material/check_circle:",
    }[level]
    show(escape(f"{meaning} {todo}", 2000), icon=icon, title=escape(happened))


def error_message(error: Exception, *, level: Level = "error") -> None:
    """Show one of our errors: its own text already says what happened and what to do next."""
    show = {"info": st.info, "warning": st.warning, "error": st.error, "success": st.success}[level]
    show(escape(error, 2000), icon=":material/error:" if level == "error" else ":material/warning:")


@contextmanager
def errors_shown() -> Iterator[None]:
    """Run a part of a page; one of our errors becomes a message and ends the page, never a traceback."""
    try:
        yield
    except OpenmartError as error:
        error_message(error)
        st.stop()


def _frame_bytes(frame: Callable[[], pl.DataFrame], fmt: str) -> bytes:
    return export.frame_bytes(frame(), fmt)


@dataclass(frozen=True, slots=True)
class Figure:
    """A headline number: ``of`` is what it is a part of, in small letters; ``note`` explains it on hover."""

    label: str
    value: str
    of: str | None = None
    note: str | None = None


def numbers(figures: Sequence[Figure]) -> None:
    """Show headline numbers side by side, wrapping on a narrow screen."""
    with st.grid(len(figures), min_column_width=150, gap="small"):
        for one in figures:
            st.metric(
                one.label,
                one.value,
                one.of,
                delta_color="off",
                delta_arrow="off",
                help=one.note,
                border=True,
                height="stretch",
            )


def table(
    frame: pl.DataFrame,
    alt: str,
    *,
    height: int | Literal["auto"] = "auto",
    config: dict[str, Any] | None = None,
    key: str | None = None,
) -> None:
    """Show a small frame as a table without an index; ``alt`` is its name for screen readers."""
    st.dataframe(
        frame, hide_index=True, alt=alt, height=height, column_config=config, key=key, placeholder=""
    )


def frame_download(
    label: str,
    frame: Callable[[], pl.DataFrame],
    file_stem: str,
    key: str,
    *,
    formats: tuple[str, ...] = ("csv",),
) -> None:
    """Offer a small frame as a file, built only when the button is clicked."""
    with st.container(horizontal=True):
        for fmt in formats:
            st.download_button(
                label if len(formats) == 1 else f"{label} ({fmt.upper()})",
                data=partial(_frame_bytes, frame, fmt),
                file_name=f"{file_stem}.{fmt}",
                mime=MIME[fmt],
                key=f"{key}_{fmt}",
                on_click="ignore",
                icon=":material/download:",
            )


def legend(parts: Sequence[tuple[str, int, str]], whole: int) -> None:
    """Show a bar's parts in words: (word, rows, colour) each; they add up to all rows."""
    shown = []
    for word, number, colour in parts:
        square = f':color[■]{{foreground="{colour}"}}'
        shown.append(
            "\u00a0".join([square, *word.split(), f"**{words.count(number)}**"])
        )  # wraps between parts
    st.markdown(" &nbsp; ".join(shown) + f" &nbsp; =\u00a0{words.counted(whole, 'row')}")


def checks(
    label: str,
    options: Mapping[str, str],
    *,
    key: str,
    start: Collection[str] = (),
    horizontal: bool = True,
    help_text: str | None = None,
    on_change: Callable[[], None] | None = None,
) -> list[str]:
    """Show a choice of several as tick boxes (value to text shown); return the ticked values, in order.

    Each box keeps its own state under ``<key>_<value>``.
    """
    with st.container(gap="xsmall"):
        st.markdown(f":small[{label}]", help=help_text)
        with st.container(horizontal=horizontal, gap="small" if horizontal else "xxsmall"):
            ticked = []
            for value, text in options.items():
                box = f"{key}_{value}"
                if st.checkbox(text, value=value in start, key=box, on_change=on_change):
                    ticked.append(value)
    return ticked


def zone() -> tzinfo:
    """Return the reader's time zone as the browser gave it."""
    return words.zone(st.context.timezone)
