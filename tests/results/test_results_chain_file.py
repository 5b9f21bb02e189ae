"""The best of a chain as a file: noted with each run, explained, and without anybody who opted out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest
from results_story import Story, companies, person

from openmart_lib import suppression
from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.ledger.exports import exports_of
from openmart_lib.results import again
from openmart_lib.results.chain import chain
from openmart_lib.results.chain_file import export_best, found_by


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Story, Story]:
    """A run that found two of three people, and one for the mailbox of the third."""
    first = Story(tmp_path, companies("a-1.com", "b-2.com", "c-3.com"), name="one")
    first.send_all({1: [person(email="a@a-1.com", verified=True)], 2: [person("Bo")], 3: []})
    found = again.make_list(
        first.ledger, first.run_id, pl.Series([3], dtype=pl.Int64), Kind.LOOKUP_BUSINESS_EMAIL
    )
    second = Story(
        tmp_path,
        found.upload.frame.drop("seq", "file_line"),
        found.kind,
        mapping=found.mapping,
        options=found.options,
        name="two",
        content="two",
        upload_format=asdict(found.upload.format),
    )
    second.send_all({1: [{"email": "info@c-3.com", "status": "VALID"}]})
    return first, second


def test_the_file_holds_the_best_of_every_row_and_each_run_notes_it(
    runs: tuple[Story, Story], tmp_path: Path
) -> None:
    first, second = runs
    ids = [first.run_id, second.run_id]

    info = export_best(first.ledger, ids, tmp_path / "best.parquet")

    assert (info.lines, info.rows, info.noted) == (3, 3, True)
    assert pl.read_parquet(info.path).equals(chain(first.ledger, ids))
    for run_id in ids:
        assert [one.sha256 for one in exports_of(first.ledger, run_id)] == [info.sha256]


def test_only_chosen_rows_are_written(runs: tuple[Story, Story], tmp_path: Path) -> None:
    first, second = runs
    chosen = pl.Series([3], dtype=pl.Int64)

    info = export_best(first.ledger, [first.run_id, second.run_id], tmp_path / "best.jsonl", rows=chosen)

    assert pl.read_ndjson(info.path)["found_email"].to_list() == ["info@c-3.com"]


def test_the_second_sheet_names_the_runs_and_adds_up(runs: tuple[Story, Story], tmp_path: Path) -> None:
    first, second = runs

    info = export_best(first.ledger, [first.run_id, second.run_id], tmp_path / "best.xlsx")

    sheet = pl.read_excel(info.path, sheet_name="summary", engine="calamine")
    facts = sheet.select("what", "value").rows()
    assert [value for what, value in facts if what == "run"] == [first.run_id, second.run_id]
    counts = dict(facts[facts.index(("result of all runs", "rows")) + 1 :])
    assert counts == {"matched": "2", "partial": "1"}


def test_nobody_on_a_never_contact_list_is_in_the_file_nor_tried_by_name(
    runs: tuple[Story, Story], tmp_path: Path
) -> None:
    first, second = runs
    never = pl.DataFrame({"who": ["a@a-1.com", "Bo Silva, b-2.com"]})
    suppression.add_list(first.ledger, upload_from_frame(never), name="opt-outs")

    info = export_best(first.ledger, [first.run_id, second.run_id], tmp_path / "best.csv")
    with pytest.raises(InputError, match="None of the 1 chosen rows can be tried as lookup_people"):
        again.make_list(first.ledger, first.run_id, pl.Series([2]), Kind.LOOKUP_PEOPLE)

    text = info.path.read_text(encoding="utf-8-sig")
    assert "a@a-1.com" not in text and "Silva" not in text
    assert "info@c-3.com" in text and "b-2.com" in text
    assert info.withheld == 2


def test_the_runs_that_found_something_add_up_to_the_list(runs: tuple[Story, Story]) -> None:
    first, second = runs

    told = found_by(chain(first.ledger, [first.run_id, second.run_id]))

    assert told.rows() == [("one", "find_people", 2, 1, 1), ("two", "lookup_business_email", 1, 1, 1)]
