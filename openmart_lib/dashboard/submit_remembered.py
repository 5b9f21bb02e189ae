"""What was chosen for an earlier file and serves this one: the columns, by the header of the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources, submit_draft
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.errors import InputError
from openmart_lib.intake.anyway import PARENT
from openmart_lib.intake.columns import Guess, Mapping, uploaded_columns
from openmart_lib.intake.domain_choices import Memories, choices_to_remember
from openmart_lib.intake.files import Upload
from openmart_lib.intake.mappings import KnownMapping, fits, header_key, know_mapping
from openmart_lib.ledger import Ledger, remembered
from openmart_lib.submission import Prepared


@dataclass(frozen=True, slots=True)
class Recalled:
    """A mapping of last time: what of it holds, completed by the guess, and per field why it does not."""

    mapping: Mapping
    misfits: dict[str, str] = field(default_factory=dict)


def recall_mapping(draft: Draft, kind: Kind, guess: Guess) -> Recalled | None:
    """Return what was chosen last time for a file with these columns, None when nothing was."""
    frame = submit_draft.upload(draft).frame
    stored = remembered.recall(resources.ledger(), remembered.MAPPING, _header(uploaded_columns(frame), kind))
    if stored is None:
        return None
    try:
        fit = fits(frame, KnownMapping.from_dict(stored), kind)
    except InputError:
        return None  # not readable: as good as forgotten
    instead = {name: guess.mapping[name] for name in fit.misfits if name in guess.mapping}
    return Recalled({**instead, **fit.mapping}, fit.misfits)


def remember_mapping(ledger: Ledger, upload: Upload, kind: Kind, mapping: Mapping) -> None:
    """Keep a confirmed mapping for the next file with these columns."""
    known = know_mapping(upload.frame, mapping)
    remembered.remember(
        ledger, remembered.MAPPING, _header(uploaded_columns(upload.frame), kind), known.to_dict()
    )


def forget_mapping(draft_id: str, kind: Kind, columns: list[str], choices: dict[str, Any]) -> None:
    """Forget what was chosen last time and go back to the guess; a button's callback."""
    remembered.forget(resources.ledger(), remembered.MAPPING, _header(columns, kind))
    submit_draft.change(
        draft_id,
        mapping={name: one for name, one in choices.get("mapping", {}).items() if name != kind},
        recalled={name: one for name, one in choices.get("recalled", {}).items() if name != kind},
        round=int(choices.get("round", 0)) + 1,
    )


def _header(columns: list[str], kind: Kind) -> str:
    """Return the identity of a file's header, without the column that a divided list has beside it."""
    return header_key([name for name in columns if name != PARENT], kind)


def memories(choices: dict[str, Any]) -> Memories | None:
    """Return what was decided about earlier files, None where this list has had it already."""
    if choices.get("memories_applied"):
        return None
    return remembered.recall_all(resources.ledger(), remembered.DOMAIN_CHOICE)


def new_memories(prepared: Prepared) -> Memories:
    """Return the decisions about this list that are worth remembering and are not remembered yet."""
    found = choices_to_remember(prepared.plan.cells, prepared.overrides)
    if not found:
        return {}
    kept = remembered.recall_all(resources.ledger(), remembered.DOMAIN_CHOICE)
    return {key: value for key, value in found.items() if kept.get(key) != value}


def remember_choices(found: Memories) -> None:
    """Keep decisions for the next files; a button's callback."""
    remembered.remember_all(resources.ledger(), remembered.DOMAIN_CHOICE, found)


def forget_choices() -> None:
    """Forget all decisions kept for the next files; a button's callback."""
    remembered.forget(resources.ledger(), remembered.DOMAIN_CHOICE)
