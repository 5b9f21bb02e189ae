"""Choices kept in the page's address, so that a reload or a shared link shows the same thing.

What an address says is input from outside: everything is checked against what may be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import streamlit as st

from openmart_lib.dashboard import resources


def leave_for(name: str, **query: str) -> NoReturn:
    """Open another page with these choices, and keep the present ones beside them.

    Streamlit writes the new choices behind the path of the present page before it leaves, as an entry of the
    browser's history: Back would come to this page without its run, filters or draft.
    """
    st.switch_page(resources.page(name), query_params=st.query_params.to_dict() | query)


def several(name: str, allowed: Sequence[str]) -> list[str]:
    """Return the values of ``?name=a,b`` that may be chosen, in the order of ``allowed``."""
    given = set(st.query_params.get(name, "").split(","))
    return [one for one in allowed if one in given]


def one(name: str, allowed: Sequence[str]) -> str | None:
    """Return the value of ``?name=`` when it may be chosen."""
    given = st.query_params.get(name)
    return given if given in allowed else None


def number(name: str, *, low: int, high: int) -> int | None:
    """Return the whole number of ``?name=`` when it lies between ``low`` and ``high``."""
    given = st.query_params.get(name, "")
    if not given.isdecimal() or len(given) > 12 or not low <= int(given) <= high:
        return None
    return int(given)


def keep(name: str, value: str | int | Sequence[str] | None) -> None:
    """Write a choice into the address; nothing chosen leaves the address clean."""
    text = ",".join(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    if text in (None, ""):
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != str(text):
        st.query_params[name] = str(text)
