"""Two overlapping lists on the sandbox: the overlap is bought once, by the sandbox's own journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from small_runs import companies, sandbox_settings

import openmart_lib
from openmart_lib import Desk
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.sandbox import read_journal
from openmart_lib.suppression import add_list

PATIENCE = 60.0  # seconds; a run takes about one
pytestmark = pytest.mark.usefixtures("forked_children")
FIRST = [f"people{n}.example" for n in range(1, 5)]
SECOND = [*FIRST[2:], "nobody.example", "everything.example"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with openmart_lib.open(settings=sandbox_settings(tmp_path)) as opened:
        yield opened


def bought(desk: Desk) -> list[str]:
    """The domains that the sandbox was asked for, by its own journal."""
    batches = read_journal(desk.settings.sandbox_dir)
    return sorted(str(task["domain"]) for batch in batches for task in batch.tasks)


def test_the_overlap_of_two_lists_is_bought_once(desk: Desk) -> None:
    first = desk.submit(companies(*FIRST), title="Owner", max_k=2)
    second = desk.submit(
        companies(*SECOND), title="Owner", max_k=2, reuse=90
    )  # the first is still on its way
    first.wait(PATIENCE, progress=False)
    second.wait(PATIENCE, progress=False)

    rows = second.results("rows")
    theirs = first.results("rows")
    assert bought(desk) == sorted({*FIRST, *SECOND})
    assert rows["outcome"].to_list() == ["reused", "reused", "no match", "matched"]
    assert rows["found_email"][:2].to_list() == theirs["found_email"][2:].to_list()
    assert rows["tracking_id"][0] == f"{first.id}-3"
    assert second.status()["state"] == "done"


def test_a_list_that_was_bought_whole_costs_nothing_again(desk: Desk) -> None:
    desk.submit(companies(*FIRST), title="Owner").wait(PATIENCE, progress=False)

    again = desk.submit(companies(*FIRST[:2]), title="Owner", reuse=90).wait(PATIENCE, progress=False)

    assert bought(desk) == sorted(FIRST)
    assert again.results("rows")["outcome"].to_list() == ["reused", "reused"]
    assert json.loads(json.dumps(again.status()))["state"] == "done"


def test_without_being_asked_to_nothing_is_reused(desk: Desk) -> None:
    desk.submit(companies(*FIRST), title="Owner").wait(PATIENCE, progress=False)

    desk.submit(companies(*FIRST[:2]), title="Owner").wait(PATIENCE, progress=False)

    assert bought(desk) == sorted([*FIRST, *FIRST[:2]])


def test_nobody_on_a_never_contact_list_is_sent_whichever_way_in(desk: Desk) -> None:
    add_list(desk.ledger, upload_from_frame(companies("people2.example").select("Website")), name="opt-outs")

    run = desk.submit(companies(*FIRST), title="Owner").wait(PATIENCE, progress=False)

    assert "people2.example" not in bought(desk)
    skipped = run.results("rows").filter(pl.col("outcome") == "skipped")
    assert skipped["Website"].to_list() == ["people2.example"]
