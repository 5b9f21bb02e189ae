"""Watch lists as frames and files: every uploaded row with what Lance said, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from lance_kit import uploaded

from openmart_lib import lance_lists
from openmart_lib.api.lance_states import STATES, EnrichmentState
from openmart_lib.api.wire import LanceField
from openmart_lib.intake.files import read_upload
from openmart_lib.ledger import Ledger, asking, watched, watching
from openmart_lib.results.export import write_frame
from openmart_lib.results.lance_files import (
    ADVICE_OF,
    ADVICE_SENTENCES,
    Advice,
    advice_counts,
    file_name,
    joined,
    selection,
)
from openmart_lib.settings import SANDBOX, Settings

EMAILS, PHONES = LanceField.EMAILS, LanceField.PHONES


def entity(number: int) -> str:
    return f"3f2b8c1e-5a77-4d1c-9e55-{number:012x}"


SAID = {  # per entity and field, what Lance answers
    (1, "emails"): EnrichmentState(
        "found", True, "finished", True, None, "2026-01-13", "2026-01-14", "e1", "c1"
    ),
    (1, "phones"): EnrichmentState("never requested", True),
    (2, "emails"): EnrichmentState("nothing found", True, "finished", False),
    (2, "phones"): EnrichmentState("still running", False, "pending"),
    (3, "emails"): EnrichmentState("failed", True, "failed", None, "=no provider"),
    (3, "phones"): EnrichmentState("timed out", True, "timeout"),
    (4, "emails"): EnrichmentState("unclear", False, "queued"),
    (4, "phones"): EnrichmentState("not seen yet"),
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger", environment=SANDBOX)
    yield opened
    opened.close()


@pytest.fixture
def list_id(ledger: Ledger) -> str:
    """Four entities, one of them again, and a row without an id; Lance has answered once."""
    ids = [entity(1), entity(2), entity(3).upper(), "x", entity(1), entity(4)]
    names = ["Ann", "Bo", "=Cy", "Di", "Ann again", "Ed"]
    upload = uploaded(ids, Name=names, row=["a", "b", "c", "d", "e", "f"])
    prepared = lance_lists.prepare(upload, fields=(EMAILS, PHONES), mode=watching.WatchMode.WAIT)
    made = lance_lists.confirm(ledger, Settings(), prepared, confirm_token="t")
    due = asking.due_watch(ledger, SANDBOX)
    assert due is not None
    triples = list(asking.open_triples(ledger, due))
    asking.store_states(ledger, due, [(one, SAID[int(one.entity_id[-2:], 16), one.field]) for one in triples])
    asking.end_round(ledger, due, changed=True, wait=60.0, unchanged_after=1800.0)
    return made


def cells(frame: pl.DataFrame, row: int) -> dict[str, Any]:
    return frame.row(by_predicate=pl.col("row") == row, named=True)


def test_every_uploaded_row_stands_there_with_its_columns_first(ledger: Ledger, list_id: str) -> None:
    frame = joined(ledger, list_id)

    assert frame.columns[:9] == [
        *("Lance ID", "Name", "row (uploaded)"),
        *("row", "file_line", "intake", "intake_reason", "entity_id", "entity_type"),
    ]
    assert frame["row"].to_list() == [1, 2, 3, 4, 5, 6]
    assert frame["Name"].to_list() == ["Ann", "Bo", "=Cy", "Di", "Ann again", "Ed"]
    assert frame["row (uploaded)"].to_list() == list("abcdef")


def test_per_field_stands_what_lance_said(ledger: Ledger, list_id: str) -> None:
    ann = cells(joined(ledger, list_id), 1)

    assert {name[7:]: ann[name] for name in ann if name.startswith("emails_")} == {
        "state": "found",
        "data_found": True,
        "error": None,
        "created_at": "2026-01-13",
        "updated_at": "2026-01-14",
        "enrichment_id": "e1",
        "credit_transaction_id": "c1",
    }
    assert ann["phones_state"] == "never requested" and ann["phones_enrichment_id"] is None


def test_a_duplicate_carries_the_states_of_the_row_it_repeats_and_a_rejected_row_its_reason(
    ledger: Ledger, list_id: str
) -> None:
    frame = joined(ledger, list_id)

    assert cells(frame, 5)["emails_state"] == "found"
    assert cells(frame, 5)["intake_reason"] == "same entity as row 1"
    assert cells(frame, 4)["emails_state"] is None
    assert cells(frame, 4)["intake_reason"] == 'column "Lance ID": not a UUID: it has 1 character'


def test_a_state_without_a_word_of_ours_is_shown_as_lance_says_it(ledger: Ledger, list_id: str) -> None:
    assert cells(joined(ledger, list_id), 6)["emails_state"] == "queued"


def test_each_row_says_which_fields_to_enrich_wait_for_not_pay_for_or_look_at(
    ledger: Ledger, list_id: str
) -> None:
    frame = joined(ledger, list_id)
    columns = ["enrich_now", "wait_for", "do_not_pay", "look_first"]

    assert frame.select(columns).rows() == [
        ("phones", None, "emails", None),
        (None, "phones", "emails", None),
        ("phones", None, None, "emails"),
        (None, None, None, None),
        ("phones", None, "emails", None),
        (None, "phones", None, "emails"),
    ]


def test_the_paid_calls_avoided_are_counted_once_per_entity_and_field(ledger: Ledger, list_id: str) -> None:
    counts = advice_counts(joined(ledger, list_id))

    assert counts.triples == {Advice.ENRICH: 2, Advice.WAIT: 2, Advice.DO_NOT_PAY: 2, Advice.LOOK: 2}
    assert counts.calls_avoided == 2
    assert sum(counts.triples.values()) == watched.watch_card(ledger, list_id).item_count


def test_a_selection_holds_each_entity_once_so_that_nothing_is_bought_twice(
    ledger: Ledger, list_id: str
) -> None:
    frame = joined(ledger, list_id)

    assert selection(frame, Advice.ENRICH)["row"].to_list() == [1, 3]
    assert selection(frame, Advice.ENRICH, ["emails"])["row"].to_list() == []
    assert selection(frame, Advice.LOOK, ["emails", "phones"])["row"].to_list() == [3, 6]


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet"])
def test_a_file_comes_back_as_it_was_written(
    ledger: Ledger, list_id: str, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"states{ending}"

    write_frame(joined(ledger, list_id), path)

    back = read_upload(path.read_bytes(), path.name).frame
    assert back.height == 6
    assert back["Name"].to_list() == ["Ann", "Bo", "=Cy", "Di", "Ann again", "Ed"]
    assert back["emails_state"].to_list()[:3] == ["found", "nothing found", "failed"]


def test_cells_that_look_like_formulas_are_guarded_in_a_csv(
    ledger: Ledger, list_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "look.csv"

    write_frame(selection(joined(ledger, list_id), Advice.LOOK), path)

    assert '"=Cy"' not in path.read_text("utf-8-sig") and '"=no provider"' not in path.read_text("utf-8-sig")


def test_files_are_named_after_list_and_content_and_say_sandbox_and_partial(
    ledger: Ledger, list_id: str
) -> None:
    card = watched.watch_card(ledger, list_id)

    assert file_name(card, ext="csv", now=0) == "SANDBOX-people_lance_states_partial_19700101-0000Z.csv"
    watching.close_watch(ledger, list_id)
    card = watched.watch_card(ledger, list_id)
    named = file_name(card, ext=".xlsx", advice=Advice.ENRICH, now=0)
    assert named == "SANDBOX-people_lance_enrich-now_19700101-0000Z.xlsx"


def test_every_state_has_an_advice_and_every_advice_its_sentence() -> None:
    assert set(ADVICE_OF) == set(STATES)
    assert set(ADVICE_SENTENCES) == set(Advice)
