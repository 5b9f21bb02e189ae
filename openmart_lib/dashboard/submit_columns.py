"""Submit, step 2: which column feeds which field; guessed, shown with samples, changeable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import submit_draft, widgets
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.intake.columns import FIELD_WORDS, FIELDS_BY_KIND, STRONG, Field, Guess, Mapping

# Choices of a field that are no column; numbers, because a column may be called anything.
NOT_USED: Final = -2
SAME_FOR_ALL: Final = -1


@dataclass(frozen=True, slots=True)
class Mapped:
    """What feeds the fields of a goal: columns, or one text for all rows."""

    draft: Draft
    kind: Kind
    guess: Guess
    columns: Mapping
    same: dict[str, str]

    @property
    def names(self) -> list[str]:
        """The uploaded columns, in order."""
        return list(self.guess.samples)

    def source(self, field: Field) -> str:
        """Return what feeds a field in words, "" when nothing does."""
        if self.columns.get(field):
            return ", then ".join(self.columns[field])
        return f"“{self.same[field]}” for all" if self.same.get(field) else ""


def begin(draft: Draft, kind: Kind, choices: dict[str, Any]) -> Mapped:
    """Return the mapping as it was chosen before, else as it is guessed; kept in ``choices``."""
    guess = submit_draft.guess(draft.draft_id, kind)
    chosen: dict[str, Mapping] = choices.setdefault("mapping", {})
    mapping = chosen.setdefault(kind.value, {field: list(names) for field, names in guess.mapping.items()})
    return Mapped(draft, kind, guess, mapping, choices.setdefault("same", {}))


def show(mapped: Mapped) -> None:
    """Show the fields that only describe the rows; open when something needed is missing or doubtful."""
    fields = FIELDS_BY_KIND[mapped.kind]
    doubtful = any(
        not mapped.columns.get(one) or mapped.guess.confidence.get(one, 1.0) < STRONG
        for one in fields.required
    )
    shown = [*fields.required, *fields.optional]
    line = " · ".join(f"{FIELD_WORDS[one]}: {mapped.source(one)}" for one in shown if mapped.source(one))
    with st.expander(
        widgets.escape(line) or "Choose the columns", expanded=doubtful, icon=":material/view_column:"
    ):
        st.caption("Guessed from your file. Beside each choice: the first values of that column.")
        for field in shown:
            if field is Field.DOMAIN:
                _domain(mapped)
            else:
                one_field(mapped, field, needed=field in fields.required)


def _domain(mapped: Mapped) -> None:
    key = f"{mapped.draft.draft_id}_{mapped.kind}_{Field.DOMAIN}"
    st.session_state.setdefault(
        key, [one for one in mapped.columns.get(Field.DOMAIN, []) if one in mapped.names]
    )
    ask, example = st.columns([3, 2], vertical_alignment="bottom")
    chosen = ask.multiselect(
        "Website or domain (needed)",
        mapped.names,
        key=key,
        help="Several columns: the first that is not empty counts.",
    )
    mapped.columns[Field.DOMAIN.value] = list(chosen)
    _samples(mapped, chosen[0] if chosen else None, example)


def one_field(mapped: Mapped, field: Field, *, needed: bool, label: str | None = None) -> None:
    """Let a field be fed by one column, or, where it need not differ by row, by one text for all."""
    only_columns = field in FIELDS_BY_KIND[mapped.kind].required
    options = [*([] if only_columns else [NOT_USED, SAME_FOR_ALL]), *range(len(mapped.names))]
    key = f"{mapped.draft.draft_id}_{mapped.kind}_{field}"
    if st.session_state.get(key) not in options:
        st.session_state[key] = _start(mapped, field, only_columns=only_columns)
    name = label or FIELD_WORDS[field][0].upper() + FIELD_WORDS[field][1:]
    ask, example = st.columns([3, 2], vertical_alignment="bottom")
    chosen = ask.selectbox(
        f"{name} ({'needed' if needed else 'improves matching'})",
        options,
        index=None,
        format_func=lambda one: (
            {NOT_USED: "not used", SAME_FOR_ALL: "the same for all rows…"}.get(one) or mapped.names[one]
        ),
        key=key,
        placeholder="Choose a column",
    )
    mapped.columns.pop(field.value, None)
    if chosen == SAME_FOR_ALL:
        _same_for_all(mapped, field, name, example)
        return
    mapped.same.pop(field.value, None)
    if chosen is not None and chosen >= 0:
        mapped.columns[field.value] = [mapped.names[chosen]]
        _samples(mapped, mapped.names[chosen], example)


def _start(mapped: Mapped, field: Field, *, only_columns: bool) -> int | None:
    given = mapped.columns.get(field) or []
    if given and given[0] in mapped.names:
        return mapped.names.index(given[0])
    if mapped.same.get(field):
        return SAME_FOR_ALL
    return None if only_columns else NOT_USED


def _same_for_all(mapped: Mapped, field: Field, name: str, place: Any) -> None:
    key = f"{mapped.draft.draft_id}_{mapped.kind}_{field}_same"
    st.session_state.setdefault(key, mapped.same.get(field, ""))
    mapped.same[field.value] = (place.text_input(f"{name} of every row", key=key) or "").strip()


def _samples(mapped: Mapped, column: str | None, place: Any) -> None:
    values = mapped.guess.samples.get(column, []) if column is not None else []
    if values:
        place.caption(" · ".join(widgets.escape(one, 42) for one in values))
