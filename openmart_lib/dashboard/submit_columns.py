"""Submit, step 2: which column feeds which field; sure ones are applied, doubtful ones asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import submit_draft, submit_remembered, widgets
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.intake.columns import FIELD_WORDS, FIELDS_BY_KIND, Field, Guess, Mapping, with_only_column

# Choices of a field that are no column; numbers, because a column may be called anything.
NOT_USED: Final = -2
SAME_FOR_ALL: Final = -1
DIFFERS_BY_ROW: Final = frozenset({Field.FULL_NAME, Field.LINKEDIN_URL})  # never the same for all
_NAMES: Final = (Field.FIRST_NAME, Field.LAST_NAME)


@dataclass(frozen=True, slots=True)
class Mapped:
    """What feeds the fields of a goal: columns, or one text for all rows.

    Attributes:
        scope: Begins the key of every widget about columns; another one when the columns are others.
        recalled: Whether the columns are those of last time.
        misfits: Per field, why its columns of last time do not serve any more.
    """

    draft: Draft
    kind: Kind
    guess: Guess
    columns: Mapping
    same: dict[str, str]
    scope: str
    recalled: bool = False
    misfits: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The uploaded columns, in order."""
        return list(self.guess.samples)

    def source(self, field: Field) -> str:
        """Return what feeds a field in words, "" when nothing does."""
        if self.columns.get(field):
            return ", then ".join(self.columns[field])
        return f"“{self.same[field]}” for all" if self.same.get(field) else ""

    def needs(self, field: Field) -> bool:
        """Whether a field must be fed; a full name serves for first and last name."""
        required = field in FIELDS_BY_KIND[self.kind].required
        return required and not (field in _NAMES and self.columns.get(Field.FULL_NAME))


def begin(draft: Draft, kind: Kind, choices: dict[str, Any]) -> Mapped:
    """Return the mapping as it was chosen before, else as last time, else as guessed; kept in ``choices``."""
    guess = submit_draft.guess(draft.draft_id, draft.revision, kind)
    chosen: dict[str, Mapping] = choices.setdefault("mapping", {})
    recalled: dict[str, dict[str, str]] = choices.setdefault("recalled", {})
    if kind.value not in chosen:
        known = submit_remembered.recall_mapping(draft, kind, guess)
        chosen[kind.value] = _copy(with_only_column(guess) if known is None else known.mapping)
        if known is not None:
            recalled[kind.value] = known.misfits
    return Mapped(
        draft,
        kind,
        guess,
        chosen[kind.value],
        choices.setdefault("same", {}),
        f"{draft.draft_id}_{choices.get('round', 0)}",
        kind.value in recalled,
        recalled.get(kind.value, {}),
    )


def _copy(mapping: Mapping) -> Mapping:
    return {name: list(columns) for name, columns in mapping.items()}


def show(mapped: Mapped, choices: dict[str, Any]) -> None:
    """Ask about what is missing or doubtful; the other fields that describe rows are in a fold below."""
    fields = FIELDS_BY_KIND[mapped.kind]
    shown = [*fields.required, *fields.optional]
    asked = [one for one in shown if _is_open(mapped, one)]
    if mapped.recalled:
        _last_time(mapped, choices)
    if asked:
        st.caption("Please look at these. Beside each choice: the first values of that column.")
    for one in asked:
        _field(mapped, one)
        why = mapped.misfits.get(one) or mapped.guess.reasons.get(one)
        if why:
            st.caption(f":material/help: {widgets.escape(why)}")
    rest = [one for one in shown if one not in asked]
    line = " · ".join(f"{FIELD_WORDS[one]}: {mapped.source(one)}" for one in rest if mapped.source(one))
    with st.expander(
        widgets.escape(line) or ("More fields, which improve matching" if asked else "Choose the columns"),
        icon=":material/view_column:",
    ):
        st.caption("Recognised in your file. Beside each choice: the first values of that column.")
        for one in rest:
            _field(mapped, one)
            if one in mapped.guess.reasons and not mapped.columns.get(one):
                st.caption(f"Not taken: {widgets.escape(mapped.guess.reasons[one])}")


def _is_open(mapped: Mapped, one: Field) -> bool:
    """Whether a field is asked about. What was chosen since counts for nothing, or questions would jump."""
    if one in mapped.misfits:
        return True
    if mapped.recalled:
        return False
    given = mapped.guess.mapping
    missing = one in FIELDS_BY_KIND[mapped.kind].required and one not in given
    if one in _NAMES and Field.FULL_NAME in given:
        missing = False
    if one is Field.FULL_NAME and not all(name in given for name in _NAMES) and one not in given:
        missing = True
    return missing or one in mapped.guess.doubtful


def _last_time(mapped: Mapped, choices: dict[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Columns as you chose last time for files with these columns.", width="stretch")
        st.button(
            "Forget",
            key=f"{mapped.scope}_{mapped.kind}_forget",
            icon=":material/history_toggle_off:",
            type="tertiary",
            help="Forget the choice of last time and go by what the file says.",
            on_click=submit_remembered.forget_mapping,
            args=(mapped.draft.draft_id, mapped.kind, mapped.names, choices),
        )


def _field(mapped: Mapped, one: Field) -> None:
    if one is Field.DOMAIN:
        _domain(mapped)
    else:
        one_field(mapped, one, needed=mapped.needs(one))


def _domain(mapped: Mapped) -> None:
    # What is chosen at the start is the widget's default: a value set by way of the session is lost when the
    # page is run again, after a check, before the browser has drawn it.
    ask, example = st.columns([3, 2], vertical_alignment="bottom")
    chosen = ask.multiselect(
        "Website or domain (needed)",
        mapped.names,
        default=[one for one in mapped.columns.get(Field.DOMAIN, []) if one in mapped.names],
        key=f"{mapped.scope}_{mapped.kind}_{Field.DOMAIN}",
        help="Several columns: the first that is not empty counts. Where two name different companies, "
        "Check says so.",
    )
    mapped.columns[Field.DOMAIN.value] = list(chosen)
    _samples(mapped, chosen, example)


def one_field(mapped: Mapped, field: Field, *, needed: bool, label: str | None = None) -> None:
    """Let a field be fed by one column, or, where it need not differ by row, by one text for all."""
    only_columns = field in FIELDS_BY_KIND[mapped.kind].required
    others = [] if only_columns else [NOT_USED, SAME_FOR_ALL]
    if field in DIFFERS_BY_ROW or field in _NAMES:
        others = [NOT_USED]
    options = [*others, *range(len(mapped.names))]
    key = f"{mapped.scope}_{mapped.kind}_{field}"
    start = _start(mapped, field, options)
    if key in st.session_state and st.session_state[key] not in options:
        st.session_state[key], start = start, None
    name = label or FIELD_WORDS[field][0].upper() + FIELD_WORDS[field][1:]
    ask, example = st.columns([3, 2], vertical_alignment="bottom")
    chosen = ask.selectbox(
        f"{name} ({_use(mapped, field, needed)})",
        options,
        index=None if start is None else options.index(start),
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
        _samples(mapped, [mapped.names[chosen]], example)


def _use(mapped: Mapped, field: Field, needed: bool) -> str:
    """Return what a field is good for, as it stands in brackets behind its name."""
    if needed:
        return "needed"
    if field is Field.FULL_NAME:
        return "instead of first and last name"
    if field in _NAMES and mapped.kind is Kind.LOOKUP_PEOPLE:
        return "taken from the full name"
    return "improves matching"


def _start(mapped: Mapped, field: Field, options: list[int]) -> int | None:
    given = mapped.columns.get(field) or []
    if given and given[0] in mapped.names:
        return mapped.names.index(given[0])
    if mapped.same.get(field) and SAME_FOR_ALL in options:
        return SAME_FOR_ALL
    return NOT_USED if NOT_USED in options and not mapped.needs(field) else None


def _same_for_all(mapped: Mapped, field: Field, name: str, place: Any) -> None:
    start, key = mapped.same.get(field, ""), f"{mapped.scope}_{mapped.kind}_{field}_same"
    mapped.same[field.value] = (place.text_input(f"{name} of every row", start, key=key) or "").strip()


def _samples(mapped: Mapped, columns: list[str], place: Any) -> None:
    values = [" · ".join(widgets.escape(one, 42) for one in mapped.guess.samples[name]) for name in columns]
    told = [value for value in values if value]
    if told:
        place.caption("  \nthen ".join(told))
