"""From choices to a prepared run, and from a confirmed one to the ledger, in the background."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from openmart_lib import submission
from openmart_lib.api.wire import InfoField, Kind
from openmart_lib.dashboard import background, drafts, resources, submit_draft
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.submit_columns import Mapped
from openmart_lib.intake.columns import FIELDS_BY_KIND, Field
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.submission import Prepared

# What stands in the boxes as an example of what can be typed.
EXAMPLES: Final = {Field.TITLE: "Owner", Field.TECH_TYPE: "shopify"}


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
    return RunOptions(
        info_access=tuple(choices.get("info") or [InfoField.EMAIL]) if people else (InfoField.EMAIL,),
        max_k=int(choices.get("max_k", 1)) if kind is Kind.FIND_PEOPLE else 1,
        version=int(choices.get("version") or 0) if kind is Kind.FIND_PEOPLE else 0,
        notify_url=choices.get("notify_url") or None,
        people_per_task=int(choices.get("people_per_task", 1)) if kind is Kind.LOOKUP_PEOPLE else 1,
        company_name_from_domain=kind is Kind.LOOKUP_BUSINESS_EMAIL and bool(choices.get("own_word", True)),
        **same,
    )


def prepare(mapped: Mapped, options: RunOptions) -> Prepared:
    """Return the draft's rows as tasks with their cost; kept while nothing changes.

    Raises:
        InputError: If the mapping or the options do not fit.
    """
    columns = {field: names for field, names in mapped.columns.items() if names}
    spec = json.dumps([mapped.kind, columns, options.to_dict()], sort_keys=True)
    return _prepare(mapped.draft.draft_id, spec, mapped.kind, columns, options)


@st.cache_resource(max_entries=4, show_spinner="Cleaning and checking your list…")
def _prepare(
    draft_id: str, spec: str, kind: Kind, _mapping: dict[str, list[str]], _options: RunOptions
) -> Prepared:
    upload = submit_draft.upload_of(draft_id)
    return submission.prepare(upload, _mapping, kind, _options, settings=resources.settings())


def job_key(draft: Draft) -> str:
    """Return the name of a draft's planning job: its token, so that every tab finds the same one."""
    return f"plan|{draft.confirm_token}"


def start(draft: Draft, prepared: Prepared, *, name: str, again: bool) -> background.Job[str]:
    """Write the run into the ledger in the background; asked again, return the same job."""
    return background.start(job_key(draft), _work(draft, prepared, name, again))


def _work(draft: Draft, prepared: Prepared, name: str, again: bool) -> Callable[[background.Progress], str]:
    ledger, settings, root = resources.ledger(), resources.settings(), submit_draft.folder()

    def work(progress: background.Progress) -> str:
        token = draft.confirm_token
        run_id = submission.confirm(
            ledger, settings, prepared, name=name, confirm_token=token, again=again, progress=progress
        )
        drafts.submitted(root, draft, run_id)
        return run_id

    return work
