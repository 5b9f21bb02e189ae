"""Submit, step 4: what is asked for. Narrow by default: email only, one person per company."""

from __future__ import annotations

from typing import Any

import streamlit as st

from openmart_lib.api.wire import MAX_K, MAX_PEOPLE_PER_TASK, InfoField, Kind
from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.dashboard.submit_columns import Mapped, one_field
from openmart_lib.intake.columns import Field


def show(mapped: Mapped, choices: dict[str, Any]) -> None:
    """Show the options of the goal; what was chosen goes into ``choices``."""
    if mapped.kind is Kind.FIND_PEOPLE:
        _role(mapped)
        _people_wanted(mapped, choices)
    if mapped.kind in (Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE):
        _contact_fields(mapped, choices)
    if mapped.kind is Kind.LOOKUP_PEOPLE:
        _grouping(mapped, choices)
    if mapped.kind is Kind.LOOKUP_BUSINESS_EMAIL:
        _company_name(mapped, choices)
    if mapped.kind is Kind.FIND_TECH:
        _technology(mapped)
    _which_rows(mapped, choices)
    _advanced(mapped, choices)


def missing(mapped: Mapped, choices: dict[str, Any]) -> str:
    """Return what must still be given before a run can be planned, "" when nothing is."""
    if mapped.kind is Kind.FIND_PEOPLE and not mapped.source(Field.TITLE):
        return "Say which role you look for, for example Owner."
    if mapped.kind is Kind.FIND_TECH and not mapped.source(Field.TECH_TYPE):
        return "Say which technology you look for, for example shopify."
    if mapped.kind in (Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE) and not choices.get("info"):
        return "Choose email, phone or both."
    if (
        mapped.kind is Kind.LOOKUP_BUSINESS_EMAIL
        and not mapped.source(Field.COMPANY_NAME)
        and not choices.get("own_word", True)
    ):
        return "Choose the column with the company's name, or let the domain's own word serve as name."
    return ""


def _key(mapped: Mapped, name: str) -> str:
    return f"{mapped.draft.draft_id}_{name}"


def _role(mapped: Mapped) -> None:
    _typed_or_column(mapped, Field.TITLE, "Role of the people you look for", "Owner")


def _technology(mapped: Mapped) -> None:
    st.caption("Experimental: Openmart does not document what comes back. You get its raw answer.")
    _typed_or_column(mapped, Field.TECH_TYPE, "Technology, as its lower-case product name", "shopify")


def _typed_or_column(mapped: Mapped, field: Field, label: str, example: str) -> None:
    """Ask for a text that every row shares; a column instead is one choice away."""
    key = _key(mapped, f"{field}_by_column")
    start = bool(mapped.columns.get(field))
    if st.session_state.get(key, start):
        one_field(mapped, field, needed=True, label=label)
    else:
        mapped.columns.pop(field.value, None)
        text = st.text_input(
            f"{label} (needed)",
            mapped.same.get(field, ""),
            key=_key(mapped, f"{field}_text"),
            placeholder=f"for example {example}",
        )
        mapped.same[field.value] = (text or "").strip()
    st.toggle("It differs by row: take it from a column", value=start, key=key)


def _people_wanted(mapped: Mapped, choices: dict[str, Any]) -> None:
    choices["max_k"] = st.number_input(
        "People per company",
        min_value=1,
        max_value=MAX_K,
        value=int(choices.get("max_k", 1)),
        step=1,
        key=_key(mapped, "max_k"),
        width=200,
        help="max_k: each one found is paid.",
    )


def _contact_fields(mapped: Mapped, choices: dict[str, Any]) -> None:
    prices = resources.settings().prices
    key = _key(mapped, "info")
    names = {
        InfoField.EMAIL.value: f"Email (about {prices.email:g} credits each)",
        InfoField.PHONE.value: f"Phone (about {prices.phone:g} credits each)",
    }
    chosen = widgets.checks(
        "What to find", names, key=key, start=choices.get("info", [InfoField.EMAIL.value])
    )
    choices["info"] = chosen
    if InfoField.PHONE in chosen:
        st.caption(
            f"A phone costs about {words.count(prices.phone)} credits more per person, and in many countries "
            "may not be called without consent."
        )


def _grouping(mapped: Mapped, choices: dict[str, Any]) -> None:
    choices["people_per_task"] = st.number_input(
        "People per task",
        min_value=1,
        max_value=MAX_PEOPLE_PER_TASK,
        value=int(choices.get("people_per_task", 1)),
        step=1,
        key=_key(mapped, "people_per_task"),
        width=200,
        help=(
            "1: each answer belongs to one row for certain. More: people of a company are sent together. "
            "That saves minutes, not credits; answers are told apart by LinkedIn link or name."
        ),
    )


def _company_name(mapped: Mapped, choices: dict[str, Any]) -> None:
    key = _key(mapped, "own_word")
    one_field(mapped, Field.COMPANY_NAME, needed=False, label="Company name")
    choices["own_word"] = st.checkbox(
        "Where there is no name, use the domain's own word (acme.com: acme)",
        value=bool(choices.get("own_word", True)),
        key=key,
        help="Openmart needs a company name for this goal. Off: rows without a name are rejected.",
    )


def _which_rows(mapped: Mapped, choices: dict[str, Any]) -> None:
    """Let only a part of the rows be sent: the first ones, or those that lack something."""
    first, empty = st.columns(2, vertical_alignment="bottom")
    choices["first_rows"] = first.number_input(
        "Send only the first rows",
        min_value=1,
        value=choices.get("first_rows"),
        step=1,
        key=_key(mapped, "first_rows"),
        placeholder="all rows",
        help="The others count as skipped, and come back in the results as that. 25 make a good trial.",
    )
    key = f"{mapped.scope}_only_where_empty"
    if st.session_state.get(key) not in (None, *range(len(mapped.names))):
        del st.session_state[key]
    chosen = choices.get("only_where_empty")
    number = empty.selectbox(
        "Send only rows where this column is empty",
        range(len(mapped.names)),
        index=mapped.names.index(chosen) if chosen in mapped.names else None,
        format_func=mapped.names.__getitem__,
        key=key,
        placeholder="every row",
        help="For example the column Email: rows that have one already are skipped and not paid.",
    )
    choices["only_where_empty"] = None if number is None else mapped.names[number]


def _advanced(mapped: Mapped, choices: dict[str, Any]) -> None:
    with st.expander("Advanced", icon=":material/tune:"):
        if mapped.kind is Kind.FIND_PEOPLE:
            choices["version"] = st.radio(
                "Pipeline version",
                [0, 1],
                index=int(choices.get("version", 0)),
                horizontal=True,
                key=_key(mapped, "version"),
                help="0 is Openmart's default; 1 is an alternative one.",
            )
        if mapped.kind is not Kind.FIND_TECH:
            choices["notify_url"] = (
                st.text_input(
                    "Notify address (https)",
                    str(choices.get("notify_url", "")),
                    key=_key(mapped, "notify_url"),
                    placeholder="https://…",
                    help="Openmart may call it when a task is done. Results are fetched without it.",
                )
                or ""
            ).strip()
        if mapped.kind is Kind.FIND_TECH:
            st.caption("Nothing more can be set for this goal.")
