"""From choices to a checked list, and from a confirmed one to the ledger, in the background."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from openmart_lib import submission
from openmart_lib.api.wire import InfoField, Kind
from openmart_lib.dashboard import background, drafts, resources, submit_draft, submit_remembered, words
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.submit_columns import Mapped
from openmart_lib.dashboard.submit_rows import Checked
from openmart_lib.errors import LedgerError
from openmart_lib.intake.agreement import disagreements
from openmart_lib.intake.columns import FIELDS_BY_KIND, Field, Mapping
from openmart_lib.intake.countries import review_countries
from openmart_lib.intake.domain_choices import Memories, with_remembered
from openmart_lib.intake.overrides import Overrides
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.submission import Prepared

# What stands in the boxes as an example of what can be typed.
EXAMPLES: Final = {Field.TITLE: "Owner", Field.TECH_TYPE: "shopify"}
_MOST_ROWS: Final = 2_500_000  # rows of all checked lists kept in memory; the newest is kept in any case
_SOON: Final = 0.5  # seconds within which a list is checked without a word about it
_PREPARING: Final = 85  # per cent of a check, before columns are compared: measured, November 2026
_STEP: Final = 0.3  # seconds between two looks at a job
_FORESEEABLE: Final = 0.2  # share of a check after which the rest of it can be foretold


@dataclass(frozen=True, slots=True)
class Look:
    """How far the check of the present choices is.

    Attributes:
        checked: The newest that is known of this draft; None while the first one is under way.
        job: The check under way, None when ``checked`` is that of the present choices.
        rows: How many rows are being checked.
    """

    checked: Checked | None
    job: background.Job[None] | None
    key: str
    rows: int


class _Shelf:
    """The lists checked last, by their choices, within a bound of rows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Checked] = OrderedDict()
        self._newest: dict[str, str] = {}  # of a draft, the choices checked last
        self.wanted: dict[str, str] = {}  # of a draft, the choices a page asked for last

    def get(self, key: str) -> Checked | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def newest(self, draft_id: str) -> Checked | None:
        return self.get(self._newest.get(draft_id, ""))

    def put(self, draft_id: str, key: str, checked: Checked) -> None:
        with self._lock:
            self._kept[key] = checked
            self._newest[draft_id] = key
            while len(self._kept) > 1 and self._rows() > _MOST_ROWS:
                self._kept.popitem(last=False)

    def _rows(self) -> int:
        return sum(one.prepared.row_count for one in self._kept.values())


@st.cache_resource(show_spinner=False)
def _shelf() -> _Shelf:
    return _Shelf()


def run_options(mapped: Mapped, choices: dict[str, Any]) -> RunOptions:
    """Return what was chosen as the options of a run.

    Raises:
        InputError: If an option cannot be used, such as an address that is not https.
    """
    kind = mapped.kind
    fields = FIELDS_BY_KIND[kind]
    same: dict[str, Any] = {
        field: text for field, text in mapped.same.items() if field in fields.all and text
    }
    # Only to check the rows: Confirm waits until it is given.
    same |= {
        field: example
        for field, example in EXAMPLES.items()
        if field in fields.column_or_option and not mapped.source(field)
    }
    people = kind in (Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE)
    first = choices.get("first_rows")
    return RunOptions(
        info_access=tuple(choices.get("info") or [InfoField.EMAIL]) if people else (InfoField.EMAIL,),
        max_k=int(choices.get("max_k", 1)) if kind is Kind.FIND_PEOPLE else 1,
        version=int(choices.get("version") or 0) if kind is Kind.FIND_PEOPLE else 0,
        notify_url=choices.get("notify_url") or None,
        people_per_task=int(choices.get("people_per_task", 1)) if kind is Kind.LOOKUP_PEOPLE else 1,
        company_name_from_domain=kind is Kind.LOOKUP_BUSINESS_EMAIL and bool(choices.get("own_word", True)),
        first_rows=int(first) if first else None,
        only_where_empty=choices.get("only_where_empty") or None,
        **same,
    )


def choices_of(kind: Kind, mapping: Mapping, options: RunOptions, overrides: Overrides) -> dict[str, Any]:
    """Return the choices that stand for a run's mapping, options and decisions; ``run_options`` leads back.

    Which of the rows were sent (the first ones, those that lacked something) is left out.
    """
    texts = {one.value for one in FIELDS_BY_KIND[kind].all}
    same = {name: value for name, value in options.to_dict().items() if name in texts and value}
    return {
        "kind": kind.value,
        "mapping": {kind.value: {name: list(columns) for name, columns in mapping.items()}},
        "recalled": {kind.value: {}},  # known, so it is not asked about
        "same": same,
        "info": list(options.info_access),
        "max_k": options.max_k,
        "version": options.version,
        "people_per_task": options.people_per_task,
        "own_word": options.company_name_from_domain,
        "notify_url": options.notify_url or "",
        "overrides": overrides.to_dict(),
    }


def look(
    mapped: Mapped, options: RunOptions, overrides: Overrides, *, memories: Memories | None = None
) -> Look:
    """Return the list as it is with these choices; what takes longer than a moment goes on in the background.

    Args:
        memories: What was decided about earlier files, where this one was not checked before.

    Raises:
        InputError: If the mapping or the options do not fit.
    """
    draft, shelf = mapped.draft, _shelf()
    columns = {field: list(names) for field, names in mapped.columns.items() if names}
    spec = [mapped.kind, columns, options.to_dict(), overrides.to_dict()]
    key = f"check|{draft.draft_id}|{draft.revision}|{json.dumps(spec, sort_keys=True)}"
    rows = submit_draft.upload(draft).frame.height
    shelf.wanted[draft.draft_id] = key
    if (known := shelf.get(key)) is not None:
        return Look(known, None, key, rows)
    job = background.start(key, _check(mapped, columns, options, overrides, memories or {}, key))
    if not job.wait(_SOON):
        return Look(_of_same_rows(shelf.newest(draft.draft_id), draft), job, key, rows)
    try:
        job.result()
    finally:
        background.forget(key)
    done = shelf.get(key)
    return Look(done, None, key, rows) if done else look(mapped, options, overrides, memories=memories)


def _of_same_rows(checked: Checked | None, draft: Draft) -> Checked | None:
    """Return what was checked last when it is about the rows as they are read now."""
    same = checked is not None and checked.prepared.upload is submit_draft.upload(draft)
    return checked if same else None


def wait(look: Look) -> None:
    """Show how far the check is until it is done, then run the page again with its result."""
    if look.job is None:
        return
    bar, begun = st.empty(), time.monotonic()
    while not look.job.wait(_STEP):
        so_far = time.monotonic() - begun
        share = look.job.share
        left = f", about {words.duration(so_far / share - so_far)} to go" if share > _FORESEEABLE else ""
        bar.progress(
            share,
            text=f"Cleaning and checking {words.counted(look.rows, 'row')}: {words.duration(so_far)} so far"
            f"{left}. You can go on choosing.",
        )
    if look.job.future.exception() is None:
        background.forget(look.key)
    st.rerun()


def _check(
    mapped: Mapped,
    columns: Mapping,
    options: RunOptions,
    overrides: Overrides,
    memories: Memories,
    key: str,
) -> Callable[[background.Progress], None]:
    draft, shelf, settings = mapped.draft, _shelf(), resources.settings()
    upload = submit_draft.upload(draft)

    def work(progress: background.Progress) -> None:
        if shelf.wanted.get(draft.draft_id) != key:
            return  # the choices have changed since; those are being checked
        prepared = submission.prepare(
            upload,
            columns,
            mapped.kind,
            options,
            settings=settings,
            overrides=overrides,
            progress=lambda done, of: progress(done * _PREPARING // 100, of),
        )
        checked = Checked.of(
            prepared,
            disagreements(upload.frame, columns, allow_example=settings.simulated),
            review_countries(upload.frame, columns),
            with_remembered(prepared.plan.cells, memories, overrides) if memories else overrides,
        )
        shelf.put(draft.draft_id, key, checked)

    return work


def job_key(draft: Draft) -> str:
    """Return the name of a draft's planning job: its token, so that every tab finds the same one."""
    return f"plan|{draft.confirm_token}"


def start(
    draft: Draft,
    prepared: Prepared,
    *,
    name: str,
    again: bool,
    spend_at_most: float | None = None,
    pilot_rows: int = 0,
) -> background.Job[str]:
    """Write the run into the ledger in the background; asked again, return the same job."""
    ledger, settings, root = resources.ledger(), resources.settings(), submit_draft.folder()

    def work(progress: background.Progress) -> str:
        token = draft.confirm_token
        run_id = submission.confirm(
            ledger,
            settings,
            prepared,
            name=name,
            confirm_token=token,
            again=again,
            spend_at_most=spend_at_most,
            pilot_rows=pilot_rows,
            progress=progress,
        )
        drafts.submitted(root, draft, run_id)
        with contextlib.suppress(LedgerError):  # a comfort of next time; the run is in the ledger
            submit_remembered.remember_mapping(ledger, prepared.upload, prepared.kind, prepared.mapping)
        return run_id

    return background.start(job_key(draft), work)
