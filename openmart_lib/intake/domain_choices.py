"""What an analyst decided about cells and classes of problems, made ready to be remembered for the next file.

Storing it is the ledger's work (``ledger/remembered.py``, topic "domain choice"). A cell is known again by a
hash of its text, so that no address of a person is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import polars as pl

from openmart_lib.intake.domains import clean_domains
from openmart_lib.intake.fields import Field
from openmart_lib.intake.overrides import Choice, Overrides

Memories = dict[str, dict[str, Any]]
"""Key -> ``{"choice": "send" | "drop"}`` or ``{"domain": "acme.com"}``, as JSON."""

_CLASS: Final = "class "
_CELL: Final = "cell "


def cell_key(cell: str) -> str:
    """Return the key of a cell: the same for the same text in any case, with any blanks around it."""
    return _CELL + hashlib.sha256(cell.strip().lower().encode()).hexdigest()


def choices_to_remember(cells: pl.DataFrame, overrides: Overrides) -> Memories:
    """Return the decisions about domains that hold for the next file too.

    Edits are remembered by the domain they gave; an edit that is no domain, and a decision about an empty
    cell, are not.

    Args:
        cells: ``Plan.cells``: one row per uploaded row with ``seq`` and ``cell`` (as uploaded).
        overrides: What was decided.
    """
    memories: Memories = {_CLASS + code: {"choice": one.value} for code, one in overrides.classes.items()}
    edits = {seq: texts[Field.DOMAIN] for seq, texts in overrides.edits.items() if Field.DOMAIN in texts}
    filled = pl.col("cell").str.strip_chars() != ""
    wanted = cells.filter(pl.col("seq").is_in([*overrides.rows, *edits]) & filled)
    cleaned = clean_domains(pl.Series(list(edits.values()), dtype=pl.String))
    domains = dict(zip(edits, cleaned["domain"], strict=True))
    for seq, cell in wanted.select("seq", "cell").iter_rows():
        if domains.get(seq):
            memories[cell_key(cell)] = {"domain": domains[seq]}
        elif seq in overrides.rows:
            memories[cell_key(cell)] = {"choice": overrides.rows[seq].value}
    return memories


def with_remembered(cells: pl.DataFrame, memories: Mapping[str, Any], overrides: Overrides) -> Overrides:
    """Return the decisions with those of earlier files about the same cells and classes; own ones win.

    Memories that cannot be read are passed over.

    Args:
        cells: ``Plan.cells`` of the new file.
        memories: As ``recall_all`` gives them.
        overrides: What was decided about this file.
    """
    classes = {
        key.removeprefix(_CLASS): choice
        for key, value in memories.items()
        if key.startswith(_CLASS) and (choice := _choice(value))
    }
    known = {key: value for key, value in memories.items() if key.startswith(_CELL)}
    edits: dict[int, dict[str, str]] = {}
    rows: dict[int, Choice] = {}
    for seqs, memory in _remembered_rows(cells, known):
        domain, choice = (memory.get("domain"), _choice(memory)) if isinstance(memory, dict) else (None, None)
        for seq in seqs:
            if isinstance(domain, str) and domain:
                edits[seq] = {Field.DOMAIN.value: domain}
            elif choice:
                rows[seq] = choice
    own = overrides.edits
    decided = {*overrides.rows, *(seq for seq, texts in own.items() if Field.DOMAIN in texts)}
    edits = {seq: texts for seq, texts in edits.items() if seq not in decided}
    return replace(
        overrides,
        edits=edits | {seq: {**edits.get(seq, {}), **texts} for seq, texts in own.items()},
        rows={seq: one for seq, one in rows.items() if seq not in decided} | dict(overrides.rows),
        classes=classes | dict(overrides.classes),
    )


def _remembered_rows(cells: pl.DataFrame, known: Mapping[str, Any]) -> list[tuple[list[int], Any]]:
    """Return the rows of each known cell; every distinct cell is hashed once."""
    if not known:
        return []
    distinct = cells.select("seq", cell=pl.col("cell").str.strip_chars().str.to_lowercase()).drop_nulls()
    keys = {cell: key for cell in distinct["cell"].unique() if (key := cell_key(cell)) in known}
    found = distinct.filter(pl.col("cell").is_in(list(keys))).group_by("cell", maintain_order=True).agg("seq")
    return [(seqs, known[keys[cell]]) for cell, seqs in found.iter_rows()]


def _choice(value: object) -> Choice | None:
    try:
        return Choice(value["choice"]) if isinstance(value, dict) else None
    except (KeyError, ValueError):
        return None
