"""The columns of the results table: which, in which order, under which names, and how each is shown."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import charts, url_state
from openmart_lib.ledger.states import Outcome
from openmart_lib.results.columns import COMPANY_ROWS
from openmart_lib.results.together import Runs

_EMAIL: Final = r"^[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
_LINKEDIN: Final = r"^https://([a-z]+\.)?linkedin\.com/[A-Za-z0-9%_/.-]*$"
_NONE: Final = "none"
FOUND: Final = {
    "found_email": "Found email",
    "found_email_verified": "Verified",
    "found_email_status": "Mailbox status",
    "found_first_name": "Found first name",
    "found_last_name": "Found last name",
    "found_title": "Found title",
    "found_phone": "Found phone",
    "found_linkedin_url": "Found LinkedIn",
    "found_technology": "Found technology",
}
# What can be shown beside it, and what each is; the first ones are unless somebody chose otherwise.
EXTRA: Final = {
    "title_fit": "Title fits",
    "phone_international": "Phone, to dial",
    "phone_type": "Phone line",
    "email_domain_agrees": "Email is the company's",
    "email_free_mail": "Free mail",
    "found_phones": "All phones",
    "record_count": "Contacts found",
    "domain": "Clean domain",
    "asked_title": "Title asked for",
    "fetched_at": "Fetched (UTC)",
    "tracking_id": "tracking_id",
    "task_id": "task_id",
    "batch_id": "batch_id",
}
SHOWN_FIRST: Final = ("title_fit", "phone_international", "phone_type")
_AFTER: Final = {  # extra columns that stand right after a found one; the others follow all of them
    "found_title": ("title_fit",),
    "found_email_verified": ("email_domain_agrees", "email_free_mail"),
    "found_phone": ("phone_international", "phone_type", "found_phones"),
}
_OURS: Final = {
    "row": "Row",
    "run_name": "Run",
    COMPANY_ROWS: "Rows in your list",
    "outcome": "Outcome",
    "outcome_reason": "Why",
    **FOUND,
    **EXTRA,
}


def title(name: str) -> str:
    """Return what a column is called; an uploaded one as it is."""
    return _OURS.get(name, name)


def uploaded_names(frame: pl.DataFrame) -> list[str]:
    """Return the uploaded columns of a result frame: all that stand before ``outcome``."""
    return frame.columns[: frame.columns.index("outcome")]


def sortable(runs: Runs, frame: pl.DataFrame) -> list[str]:
    """Return the columns that the table can be sorted by, uploaded ones first."""
    same = {"row"} if runs.alone is None else {"row", "run_name"}
    return [*uploaded_names(frame), *(name for name in _OURS if name in frame.columns and name not in same)]


def choice(runs: Runs, frame: pl.DataFrame) -> None:
    """Let the reader choose which further columns the table has."""
    on = extra()
    with st.popover("Columns", icon=":material/view_column:", key=f"columns_{runs.run_id}"):
        st.caption("Your columns and what was found are always shown. Beside them:")
        for name in (one for one in EXTRA if one in frame.columns):
            box = f"show_{runs.run_id}_{name}"
            st.session_state[box] = name in on
            st.checkbox(EXTRA[name], key=box, on_change=_switch, args=(name,))


def extra() -> list[str]:
    """Return the further columns that the address asks for."""
    if "show" not in st.query_params:
        return list(SHOWN_FIRST)
    return url_state.several("show", list(EXTRA))


def _switch(name: str) -> None:
    wanted = set(extra()) ^ {name}
    names = [one for one in EXTRA if one in wanted]
    url_state.keep("show", None if set(SHOWN_FIRST) == wanted else names or _NONE)


def for_reading(frame: pl.DataFrame, further: list[str], *, several: bool = False) -> pl.DataFrame:
    """Return the columns a reader wants: row, outcome, uploaded ones, what was found, and why.

    Args:
        frame: A page of ``join.results`` in the shape ``rows`` or ``companies``.
        further: Columns of ``EXTRA`` to be shown too.
        several: Whether it is of several runs: then each row's stands beside it.
    """
    mine = uploaded_names(frame)
    return frame.select(
        pl.col("row"),
        *(pl.col(name) for name in mine[:1]),
        *(["run_name"] if several else []),
        *(name for name in frame.columns if name == COMPANY_ROWS),
        pl.concat_list("outcome").alias("outcome"),
        *(pl.col(name) for name in mine[1:]),
        *(linked(name) for name in _found(frame, further)),
        "outcome_reason",
    )


def _found(frame: pl.DataFrame, further: list[str]) -> list[str]:
    """Return the found columns that hold something on this page, each followed by what belongs to it."""
    order = [one for name in FOUND for one in (name, *_AFTER.get(name, ()))]
    order += [name for name in EXTRA if name not in order]
    wanted = [name for name in order if name in frame.columns and (name in FOUND or name in further)]
    return [name for name in wanted if frame[name].null_count() < frame.height]


def linked(name: str) -> pl.Expr:
    """Return a column as the table takes it: an email as a link, which ``browser.js`` copies plain."""
    if name != "found_email":
        return pl.col(name)
    email = pl.col(name)
    return pl.when(email.str.contains(_EMAIL)).then("mailto:" + email).otherwise(email).alias(name)


def config(frame: pl.DataFrame) -> dict[str, Any]:
    """Return how each column is shown; a link only where every value on the page earned it."""
    mine = uploaded_names(frame)
    told: dict[str, Any] = {
        "row": st.column_config.NumberColumn("Row", width=64, pinned=True, format="%d"),
        "outcome": st.column_config.MultiselectColumn(
            "Outcome",
            options=[str(one) for one in Outcome],
            color=[charts.OUTCOME_COLOURS[one] for one in Outcome],
            width=110,
        ),
    }
    for position, name in enumerate(mine):
        # No label of ours: the name is shown as it is. Cut cells show whole on hover.
        told[name] = st.column_config.TextColumn(pinned=position == 0, width=200 if position == 0 else 115)
    return told | found_config(frame.drop(*mine, *told, strict=False))


def found_config(frame: pl.DataFrame) -> dict[str, Any]:
    """Return how columns of ours are shown, by name; an email or link is one only where all are."""
    told: dict[str, Any] = {
        name: st.column_config.Column(_OURS[name]) for name in frame.columns if name in _OURS
    }
    if _all(frame, "found_email", _EMAIL):
        told["found_email"] = st.column_config.LinkColumn(
            _OURS["found_email"], display_text=r"^mailto:(.*)$", width="medium"
        )
    if _all(frame, "found_linkedin_url", _LINKEDIN):
        told["found_linkedin_url"] = st.column_config.LinkColumn("Found LinkedIn", display_text="profile")
    return told


def _all(frame: pl.DataFrame, name: str, pattern: str) -> bool:
    return name in frame.columns and bool(frame[name].drop_nulls().str.contains(pattern).all())
