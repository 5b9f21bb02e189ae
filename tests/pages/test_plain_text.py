"""Text from files and servers is shown as text: ``widgets.escape`` and the pages that use it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.dashboard.widgets import escape
from tests.pages.conftest import REPOSITORY, Desk

NAUGHTY = REPOSITORY.parent / "shared" / "testdata" / "strings" / "blns.json"
HOSTILE = [
    "[x](javascript:alert(1))",
    "![x](http://t.invalid/a.png)",
    "<img src=x onerror=alert(1)>",
    "www.evil.example",
    "https://evil.example/a",
    "someone@evil.example",
    ":material/delete:",
    ":tada:",
    ":red[x]",
    ":color[x]{foreground=red}",
    "$x^2$",
    "a -> b",
    "# heading",
    "- item",
    "1. item",
    "    code",
    "`code`",
    "&lt;b&gt;",
    "~~x~~ **x** _x_ | x |",
]
# What Streamlit's front end replaces after the backslashes are gone: addresses, :icons: (12:04:31 is none) and arrows.
REPLACED_LATER = re.compile(
    r"https?://|www\.|[\w.+-]@[\w-]+\.\w|:(?!\d\d:)[\w+/-]+:|->|<-|--|[<>~]=", re.IGNORECASE
)


def read_back(text: str) -> str:
    """What Markdown makes of an escaped text: each backslash before punctuation is taken off."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


def is_inert(text: str) -> bool:
    escaped = escape(text)
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", escaped)
    return not re.search(r"[!-/:-@\[-`{-~]", bare) and not REPLACED_LATER.search(read_back(escaped))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_shown_as_it_is(text: str) -> None:
    assert is_inert(text)
    assert read_back(escape(text)).replace("\u2060", "") == text.strip()


def test_every_naughty_string_is_inert() -> None:
    if not NAUGHTY.exists():
        pytest.skip("the folder shared/testdata is not beside the repository")

    assert [text for text in json.loads(NAUGHTY.read_text(encoding="utf-8")) if not is_inert(text)] == []


@given(st.text(max_size=250))
def test_any_text_is_inert_on_one_line_and_loses_nothing_but_line_breaks(text: str) -> None:
    escaped = escape(text)

    assert is_inert(text)
    assert "\n" not in escaped
    shown = read_back(escaped).replace("\u2060", "")
    assert re.sub(r"\s|[\x00-\x1f\x7f]", "", shown) == re.sub(r"\s|[\x00-\x1f\x7f]|\u2060", "", text)


def test_a_long_text_is_cut() -> None:
    assert escape("x" * 1_000, 40) == "x" * 39 + "…"


def test_hostile_names_reach_no_page_unescaped(desk: Desk) -> None:
    hostile = "![x](http://t.invalid/a.png) <b>B</b> :tada: $x^2$"
    run_id = desk.plan(name=hostile, title=hostile)
    desk.finish(run_id)

    for name in ("monitor", "results"):
        page = desk.open(name, run=run_id, row="1")
        for kind in (
            "title",
            "header",
            "subheader",
            "markdown",
            "caption",
            "info",
            "warning",
            "error",
            "success",
        ):
            for element in getattr(page, kind):
                assert "](http" not in str(element.value), f"{name}: {kind}"
                assert "<b>" not in str(element.value), f"{name}: {kind}"


def test_no_page_asks_for_html() -> None:
    sources = [
        *Path(REPOSITORY, "pages").glob("*.py"),
        *Path(REPOSITORY, "openmart_lib/dashboard").glob("*.py"),
    ]

    assert [
        path.name
        for path in sources
        if re.search(r"unsafe_allow_html|st\.html|st\.iframe|st\.write\(", path.read_text(encoding="utf-8"))
    ] == ["browser.py"], "which gives the browser two files of ours, the same on every page"
