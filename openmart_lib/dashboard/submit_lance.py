"""Submit, step 3: what Lance already knows of these people, asked for free before they are bought."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib import lance_lists
from openmart_lib.api.wire import Kind, LanceField
from openmart_lib.dashboard import (
    background,
    lance_cards,
    lance_charts,
    lance_form,
    resources,
    submit_draft,
    submit_spared,
    widgets,
    words,
)
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.submit_plan import Look
from openmart_lib.dashboard.submit_spared import Told
from openmart_lib.engine import precheck
from openmart_lib.errors import OpenmartError
from openmart_lib.intake.entities import EntityMapping
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.ledger.watching import WatchMode
from openmart_lib.submission import Prepared

CHOICES: Final = "lance"  # what a draft's choices keep of this: asked, skip, wait, list
_SPARE: Final = {
    precheck.SKIP: ("Skip them", "{} already looked up by Lance: the data is there, or known not to exist"),
    precheck.WAIT: ("Leave them out and wait", "{} that Lance is looking up now: buying may pay twice"),
}
_BUY: Final = "Submit them anyway"


def show(draft: Draft, look: Look, choices: dict[str, Any]) -> Prepared | None:
    """Offer to ask Lance first, and return the list without the rows that are left out for its answer.

    Only people can be compared, and only where a column holds their Lance ids. Returns the list as it was
    checked where nothing is left out; None while there is none.
    """
    if look.checked is None:
        return None
    prepared = look.checked.prepared
    if prepared.kind is not Kind.LOOKUP_PEOPLE or not submit_spared.can_ask(resources.settings()):
        return prepared
    mapping = lance_form.guess(draft.draft_id, draft.revision)
    if mapping is None or not prepared.task_count:
        return prepared
    named = _people(draft.draft_id, draft.revision, mapping)
    if named.is_empty():
        return prepared
    fields = submit_spared.fields_of(prepared.options.info_access)
    path = submit_spared.states_path(_folder(draft), draft.revision, mapping, fields)
    chosen: dict[str, Any] = choices.get(CHOICES) or {}
    with st.container(border=True, key=f"{draft.draft_id}_lance_box"):
        if not chosen.get("asked") or (look.job is not None and not path.exists()):
            _offer(draft, mapping, named["entity_id"].n_unique(), fields, chosen.get("failed"))
            return prepared
        if not _asked(draft, named["entity_id"], fields, path, choices):
            return prepared
        at = path.stat().st_mtime
        said = _told(prepared.content_key, str(path), at, prepared, named, fields)
        _states(draft, _read(str(path), at), fields, at)
        return _decided(draft, prepared, said, mapping, fields, chosen)


def _folder(draft: Draft) -> Path:
    return submit_draft.folder() / draft.draft_id


@st.cache_resource(max_entries=4, show_spinner=False)
def _people(draft_id: str, revision: int, mapping: EntityMapping) -> pl.DataFrame:
    return submit_spared.people(submit_draft.upload_of(draft_id, revision).frame, mapping)


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(path: str, at: float) -> pl.DataFrame:
    return pl.read_parquet(path)


@st.cache_resource(max_entries=4, show_spinner=False)
def _told(
    content: str, path: str, at: float, _prepared: Prepared, _named: pl.DataFrame, _fields: list[LanceField]
) -> Told:
    return submit_spared.told(_prepared, _named, _read(path, at), _fields)


def _change(draft_id: str, **changes: Any) -> None:
    """Change what is kept of this, from a button's callback."""
    draft = submit_draft.present()
    known = (draft.choices.get(CHOICES) or {}) if draft and draft.draft_id == draft_id else {}
    submit_draft.change(draft_id, **{CHOICES: known | changes})


def _offer(
    draft: Draft, mapping: EntityMapping, ids: int, fields: list[LanceField], failed: str | None
) -> None:
    """Offer to ask; say so where that failed, as no row is left out then."""
    if failed:
        _failed(draft, failed)
        return
    people = words.counted(ids, "person", "people")
    st.markdown(
        f"**Does Lance have some of this already?** Your column “{widgets.escape(mapping.id_column, 60)}” "
        f"holds the Lance ids of {people}. See, free, whether their {' and '.join(fields)} exist before "
        "you buy them."
    )
    st.button(
        "Check at Lance first (free)",
        key=f"{draft.draft_id}_lance_ask",
        icon=":material/search:",
        on_click=_change,
        args=(draft.draft_id,),
        kwargs={"asked": True},
    )


def _asked(
    draft: Draft, ids: pl.Series, fields: list[LanceField], path: Path, choices: dict[str, Any]
) -> bool:
    """Ask Lance in the background unless its answer is kept; return whether it is now."""
    key = f"precheck|{path}"
    if path.exists() and background.find(key) is None:
        return True
    settings, wanted = resources.settings(), ids.unique(maintain_order=True)

    def work(progress: background.Progress) -> None:
        submit_spared.keep_states(
            precheck.precheck(settings, wanted.to_list(), fields, progress=progress), path
        )

    try:
        background.run(key, work, f"Asking Lance about {words.counted(len(wanted), 'person', 'people')}")
    except OpenmartError as error:
        # Not asked again at every click; and kept, as it means that all rows are bought.
        failed = {**(choices.get(CHOICES) or {}), "asked": False, "failed": str(error)}
        choices[CHOICES] = failed
        submit_draft.change(draft.draft_id, **{CHOICES: failed})
        _failed(draft, str(error))
        return False
    return True


def _failed(draft: Draft, error: str) -> None:
    st.warning(widgets.escape(error, 2000), icon=":material/warning:")
    st.caption("Without Lance's answer no row is left out. You may submit all of them, or try again.")
    st.button(
        "Try again",
        key=f"{draft.draft_id}_lance_retry",
        icon=":material/refresh:",
        on_click=_change,
        args=(draft.draft_id,),
        kwargs={"asked": True, "failed": None},
    )


def _ask_again(draft_id: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    _change(draft_id, asked=True, list=None)  # other rows may be in doubt by now


def _states(draft: Draft, states: pl.DataFrame, fields: list[LanceField], at: float) -> None:
    """Show how many people are in which state, by field; each field adds up to all."""
    with st.container(horizontal=True, vertical_alignment="center"):
        when = words.clock(at, widgets.zone())
        st.markdown(f"**What Lance knows of these people**, asked {when}", width="stretch")
        st.button(
            "Ask again",
            key=f"{draft.draft_id}_lance_again",
            icon=":material/refresh:",
            type="tertiary",
            on_click=_ask_again,
            args=(
                draft.draft_id,
                submit_spared.states_path(_folder(draft), draft.revision, _mapping(draft), fields),
            ),
        )
    counts = {
        str(field): dict(states.filter(pl.col("field") == field)["state"].value_counts().iter_rows())
        for field in fields
    }
    chart, sentence = lance_charts.field_bars(counts)
    st.altair_chart(chart, alt=sentence, key=f"{draft.draft_id}_lance_states")
    for field, told in counts.items():
        lance_cards.legend(told, f"{field}: ")


def _mapping(draft: Draft) -> EntityMapping:
    mapping = lance_form.guess(draft.draft_id, draft.revision)
    assert mapping is not None, "the box is shown only with a column of ids"
    return mapping


def _decided(
    draft: Draft,
    prepared: Prepared,
    said: Told,
    mapping: EntityMapping,
    fields: list[LanceField],
    chosen: dict[str, Any],
) -> Prepared:
    """Ask what becomes of the rows that need not be bought, and return what is left."""
    leave_out = {advice: _choice(draft, advice, said, chosen) for advice in _SPARE}
    if said.counts[precheck.WAIT]:
        _watch(draft, prepared, said, mapping, fields, chosen)
    if said.partly:
        rows = words.counted(said.partly, "more row", "more rows")
        st.caption(
            f"Of {rows} Lance knows only a part: they are submitted, as a row cannot be bought in parts."
        )
    left = submit_spared.spared(prepared, said, skip=leave_out[precheck.SKIP], wait=leave_out[precheck.WAIT])
    gone = left.intake_counts["skipped"] - prepared.intake_counts["skipped"]
    people = ("person", "people")
    if gone:
        st.markdown(
            f"**{words.counted(left.plan.links['seq'].n_unique(), *people)}** left to look up; "
            f"{words.counted(gone, 'row')} skipped, at no cost, with the reason in your results."
        )
    elif not (said.counts[precheck.SKIP] or said.counts[precheck.WAIT]):
        st.markdown("Lance holds nothing that makes a row needless: all are submitted.")
    return left


def _choice(draft: Draft, advice: str, said: Told, chosen: dict[str, Any]) -> bool:
    """Return whether the rows with this advice are left out; they are unless somebody says otherwise."""
    number = said.counts[advice]
    if not number:
        return False
    spare, label = _SPARE[advice]
    key = f"{draft.draft_id}_lance_{advice}"
    wanted = st.radio(
        label.format(words.counted(number, "row")),
        (spare, _BUY),
        index=0 if chosen.get(advice, True) else 1,
        key=key,
        horizontal=True,
        on_change=_kept(draft.draft_id, advice, key, spare),
    )
    return wanted == spare


def _kept(draft_id: str, advice: str, key: str, spare: str) -> Callable[[], None]:
    return lambda: _change(draft_id, **{advice: st.session_state[key] == spare})


def _watch(
    draft: Draft,
    prepared: Prepared,
    said: Told,
    mapping: EntityMapping,
    fields: list[LanceField],
    chosen: dict[str, Any],
) -> None:
    """Offer a watch list of the rows that Lance works on: it tells when they are final."""
    if list_id := chosen.get("list"):
        st.page_link(
            resources.page("lance"),
            label="Open the watch list of these rows",
            icon=":material/visibility:",
            query_params={"list": list_id},
        )
        return
    rows = words.counted(said.counts[precheck.WAIT], "row")
    st.button(
        f"Watch these {rows} at Lance (free)"
        if said.counts[precheck.WAIT] > 1
        else "Watch it at Lance (free)",
        key=f"{draft.draft_id}_lance_watch",
        icon=":material/visibility:",
        type="tertiary",
        help="Makes a watch list of them: Lance is asked until all is final. Your draft stays here.",
        on_click=partial(_make_list, draft, prepared, said, mapping, fields),
    )


def _make_list(
    draft: Draft, prepared: Prepared, said: Told, mapping: EntityMapping, fields: list[LanceField]
) -> None:
    wanted = said.rows.filter(pl.col("advice") == precheck.WAIT).select("seq")
    frame = wanted.join(prepared.upload.frame, on="seq", maintain_order="left").drop("seq", "file_line")
    upload = upload_from_frame(frame, f"{prepared.upload.name.rsplit('.', 1)[0]}, at Lance now")
    watch = lance_lists.prepare(upload, fields=fields, mode=WatchMode.WAIT, mapping=mapping)
    token = (
        f"{draft.confirm_token}-lance-{upload.sha256[:16]}"  # an impatient second click makes no second list
    )
    try:
        list_id = lance_lists.confirm(resources.ledger(), resources.settings(), watch, confirm_token=token)
    except OpenmartError as error:
        st.toast(widgets.escape(error), icon=":material/warning:")
        return
    _change(draft.draft_id, list=list_id)
