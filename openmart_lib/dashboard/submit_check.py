"""Submit, step 3: what of the list can be sent. Companies, rows that share them, rejected; they add up."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import (
    charts,
    drafts,
    submit_draft,
    submit_fixes,
    submit_rejects,
    submit_remembered,
    submit_rows,
    submit_several,
    submit_table,
    widgets,
    words,
)
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.submit_plan import Look
from openmart_lib.dashboard.submit_rows import Checked, View
from openmart_lib.intake.agreement import disagreement_words
from openmart_lib.intake.domains import psl_date
from openmart_lib.intake.judge import DomainCode
from openmart_lib.intake.overrides import SENDABLE, Choice, Overrides
from openmart_lib.ledger.states import Outcome

_FEW_COUNTRIES: Final = 4  # named one by one
_REASONS: Final = 10  # shown without scrolling
_REJECTED: Final = charts.OUTCOME_COLOURS[Outcome.REJECTED]


def show(draft: Draft, look: Look) -> None:
    """Show the reckoning, what is worth a look, the reasons, and the rows themselves."""
    checked = look.checked
    if checked is None:
        return
    added = sum(one.get("added", 0) for one in draft.corrections)
    st.markdown(reckoning(checked, added=added))
    if look.job is not None:
        st.caption("As it was before your last change; being counted again.")
    if checked.prepared.overrides.only:
        rows = words.counted(len(checked.prepared.overrides.only), "row")
        st.caption(
            f":material/forward: Only the {rows} that you corrected: the others were in the first run."
        )
    _worth_a_look(checked)
    _changes(draft, checked)
    reasons = checked.reasons
    if reasons:
        _reasons(draft, checked, reasons)
    else:
        st.caption("Every row can be used." if not checked.intake["skipped"] else "")
    _rows(draft, checked, look.key, open_first=bool(reasons))
    if reasons or draft.corrections:
        submit_rejects.show(draft, checked)


def apply_remembered(draft: Draft, checked: Checked, choices: dict[str, Any]) -> None:
    """Apply, once per list, what was decided about the same cells and classes of earlier files."""
    choices["memories_applied"] = True
    known = checked.remembered
    if known != checked.prepared.overrides:
        choices["overrides"] = known.to_dict()
        choices["from_memory"] = submit_fixes.number(known) - submit_fixes.number(checked.prepared.overrides)
    drafts.choose(submit_draft.folder(), draft, choices)
    if "from_memory" in choices:
        st.rerun()


def reckoning(checked: Checked, *, added: int = 0) -> str:
    """Return "44 companies to look up + 2 rows that share one + 4 rejected = 50 rows".

    Args:
        added: How many of the rows were added for cells with several websites.
    """
    counts, prepared = checked.intake, checked.prepared
    what = ("person", "people") if prepared.kind is Kind.LOOKUP_PEOPLE else ("company", "companies")
    parts = [f"**{words.counted(counts.get('accepted', 0), *what)}** to look up"]
    shared = counts.get("duplicate", 0)
    if shared:
        share = "shares" if shared == 1 else "share"
        parts.append(f"**{words.counted(shared, 'row')}** that {share} one (same answer, free)")
    if counts.get("skipped"):
        parts.append(f"**{words.count(counts['skipped'])}** skipped")
    parts.append(f"**{words.count(counts.get('rejected', 0))}** rejected")
    total = f" = {words.counted(prepared.row_count, 'row')}"
    if added:
        total += f" ({words.count(prepared.row_count - added)} of yours, {words.count(added)} added)"
    return " + ".join(parts) + total


def _worth_a_look(checked: Checked) -> None:
    """Say where columns disagree and which countries became codes."""
    if text := disagreement_words(checked.disagreements):
        st.caption(f":material/call_split: {widgets.escape(text)}")
    countries = checked.countries
    coded = countries.filter(pl.col("code").is_not_null() & (pl.col("raw") != pl.col("code")))
    kept = countries.filter(pl.col("code").is_null())
    if not coded.is_empty():
        some = ", ".join(
            f"{raw} → {code}" for raw, code in coded.select("raw", "code").head(_FEW_COUNTRIES).iter_rows()
        )
        more = _and_more(coded.height)
        rows = words.counted(int(coded["rows"].sum()), "row")
        text = f"Countries are sent as codes: {some}{more} ({rows}). Your column stays as it is."
        st.caption(f":material/public: {widgets.escape(text)}")
    if not kept.is_empty():
        some = ", ".join(f"“{raw}”" for raw in kept["raw"].head(_FEW_COUNTRIES))
        more = _and_more(kept.height)
        rows = words.counted(int(kept["rows"].sum()), "row")
        text = f"Not turned into a country code, sent as written: {some}{more} ({rows})."
        st.caption(f":material/public_off: {widgets.escape(text)}")


def _and_more(countries: int) -> str:
    return f" and {words.count(countries - _FEW_COUNTRIES)} more" if countries > _FEW_COUNTRIES else ""


def _changes(draft: Draft, checked: Checked) -> None:
    """Show how many changes there are, which, and the ways back."""
    overrides = checked.prepared.overrides
    number = submit_fixes.number(overrides)
    if not number:
        return
    with st.container(horizontal=True, vertical_alignment="center", key=f"{draft.draft_id}_changes"):
        earlier = min(number, int(draft.choices.get("from_memory", 0)))
        st.markdown(
            f":material/edit_note: **{words.counted(number, 'change')}** of yours"
            + (f", {words.count(earlier)} as in earlier files" if earlier else ""),
            width="content",
        )
        with st.popover("See them", type="tertiary"):
            for sentence in submit_fixes.sentences(overrides):
                st.text(sentence)
            st.button(
                "Forget what I chose for earlier files",
                key=f"{draft.draft_id}_forget_choices",
                type="tertiary",
                help="The next file then begins without them; this one stays as it is.",
                on_click=submit_remembered.forget_choices,
            )
        st.button(
            "Undo the last",
            key=f"{draft.draft_id}_undo",
            icon=":material/undo:",
            type="tertiary",
            disabled=draft.choices.get("before") is None,
            on_click=submit_table.undo,
            args=(draft.draft_id,),
        )
        st.button(
            "Undo all",
            key=f"{draft.draft_id}_undo_all",
            icon=":material/restart_alt:",
            type="tertiary",
            on_click=submit_table.change,
            args=(draft.draft_id, lambda before: Overrides(only=before.only)),
        )
        _remember(draft, checked)


def _remember(draft: Draft, checked: Checked) -> None:
    """Offer to keep what was decided for the next file."""
    found = submit_remembered.new_memories(checked.prepared)
    if found:
        several = f"these {words.count(len(found))} choices" if len(found) > 1 else "this choice"
        st.button(
            f"Remember {several}",
            key=f"{draft.draft_id}_remember",
            icon=":material/bookmark_add:",
            type="tertiary",
            help="The same cells and classes in the next files are then treated alike, and shown as changes.",
            on_click=submit_remembered.remember_choices,
            args=(found,),
        )


def _reasons(draft: Draft, checked: Checked, reasons: list[tuple[str, int]]) -> None:
    """Show the classes of rejected rows as bars; a click shows the rows of one below."""
    chosen = submit_table.chosen_reason(draft, checked)
    codes = [code for code, _ in reasons]
    numbers = [rows for _, rows in reasons]
    said = ", ".join(f"{submit_rows.code_words(code)} {words.count(rows)}" for code, rows in reasons)
    # Another list or choice is another table: a selection belongs to one only.
    key = f"{draft.draft_id}_reasons_{'_'.join(codes)}_{chosen}"
    st.dataframe(
        pl.DataFrame({"why": [submit_rows.code_words(code) for code in codes], "rows": numbers}),
        hide_index=True,
        height=38 + 35 * min(len(codes), _REASONS),
        column_config={
            "why": st.column_config.TextColumn("Cannot be used: tick a reason"),
            "rows": st.column_config.ProgressColumn(
                "Rows",
                width=130,  # so that the number is seen on a phone
                format="localized",
                min_value=0,
                max_value=max(numbers),
                color=_REJECTED,
            ),
        },
        key=key,
        on_select=lambda: _ticked(draft.draft_id, key, codes),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [codes.index(chosen)]}} if chosen else None,
        alt=f"Rows that cannot be used, by reason: {said}",
    )
    if chosen is not None:
        _class(draft, checked, chosen, dict(reasons)[chosen])


def _ticked(draft_id: str, key: str, codes: list[str]) -> None:
    rows = st.session_state[key].selection.rows
    submit_table.look_at(draft_id, codes[rows[0]] if rows else None)


def _class(draft: Draft, checked: Checked, code: str, rows: int) -> None:
    """Offer what can be done with all rows of a class at once."""
    all_of_them = f"all {words.count(rows)}" if rows > 1 else "it"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{submit_rows.code_words(code)}**: {words.counted(rows, 'row')}", width="content")
        if code == DomainCode.MULTIPLE:
            _several(draft, checked)
        elif code in SENDABLE:
            st.button(
                f"Send {all_of_them} anyway",
                key=f"{draft.draft_id}_send_class",
                icon=":material/send:",
                help="They are paid like any other row, and rarely match.",
                on_click=submit_table.change,
                args=(draft.draft_id, partial(_with_class, code=code, choice=Choice.SEND)),
            )
        st.button(
            f"Leave {all_of_them} out",
            key=f"{draft.draft_id}_drop_class",
            icon=":material/block:",
            help="They count as skipped, and come back in the results as that.",
            on_click=submit_table.change,
            args=(draft.draft_id, partial(_with_class, code=code, choice=Choice.DROP)),
        )
        if code not in SENDABLE:
            st.caption("These hold nothing that could be sent: correct their cells, or leave them out.")


def _several(draft: Draft, checked: Checked) -> None:
    """Offer what can be done with all cells that name several websites."""
    st.button(
        "Take the first of each",
        key=f"{draft.draft_id}_send_class",
        icon=":material/looks_one:",
        help="The first that can be sent: private mailboxes and social pages are passed over.",
        on_click=submit_table.change,
        args=(draft.draft_id, partial(_with_class, code=DomainCode.MULTIPLE.value, choice=Choice.SEND)),
    )
    if st.button(
        "Look up each of them",
        key=f"{draft.draft_id}_each",
        icon=":material/call_split:",
        help="Each website gets a row of its own at the end of the list, with the number of your row in the "
        "column parent_row. Your rows keep their numbers, and no website is paid twice.",
    ):
        submit_several.divide_all(draft, checked)


def _with_class(before: Overrides, *, code: str, choice: Choice) -> Overrides:
    return before.with_class(code, choice)


def _rows(draft: Draft, checked: Checked, key: str, *, open_first: bool) -> None:
    """Show the table in a fold that is only filled while it is open."""
    problems = checked.counts.get(View.REJECTED, 0)
    label = "Look at the rows and correct them" if problems else "How every row was read"
    fold = st.expander(
        label,
        key=f"{draft.draft_id}_fold",
        expanded=open_first,
        icon=":material/table_rows:",
        on_change="rerun",
    )
    if fold.open:
        with fold:
            submit_table.show(draft, checked, key)
            st.caption(f"Domain endings as of {psl_date()} (Public Suffix List).")
