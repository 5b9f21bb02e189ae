"""Records that belong to no uploaded row: in a file of their own, noted, and nobody in it who must not be."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from results_story import Story, companies, person

from openmart_lib import suppression
from openmart_lib.api.wire import Kind
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.options import RunOptions
from openmart_lib.ledger.exports import exports_of
from openmart_lib.results.unmatched_file import UNMATCHED, export_unmatched


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Two people asked for in one task; two that nobody asked for came with them."""
    names = {"first": ["Ana", "Bo"], "last": ["Silva", "Li"]}
    mapping = {"domain": ["website"], "first_name": ["first"], "last_name": ["last"]}
    story = Story(
        tmp_path,
        companies("acme.com", "acme.com", **names),
        Kind.LOOKUP_PEOPLE,
        mapping=mapping,
        options=RunOptions(people_per_task=8),
    )
    strangers = [
        person("Cy", last_name="Young", email="cy@acme.com"),
        person("Di", last_name="Old", title="=1+1", email="di@acme.com"),
    ]
    story.answer(story.send(), 1, [*strangers, person("Ana", last_name="Silva", email="ana@acme.com")])
    return story


def test_the_file_holds_them_all_guarded_and_is_noted(story: Story, tmp_path: Path) -> None:
    written = export_unmatched(story.ledger, story.run_id, tmp_path / "strays.csv")

    frame = pl.read_csv(written.path)
    assert frame.select("asked_for_rows", "found_first_name", "found_title").rows() == [
        ("1, 2", "Cy", "Owner"),
        ("1, 2", "Di", "'=1+1"),
    ]
    (noted,) = exports_of(story.ledger, story.run_id)
    assert (noted.shape, noted.lines, noted.sha256) == (UNMATCHED, 2, written.sha256)


@pytest.mark.parametrize(("entry", "left"), [("di@acme.com", ["Cy"]), ("acme.com", [])])
def test_nobody_on_a_never_contact_list_is_in_it(
    story: Story, tmp_path: Path, entry: str, left: list[str]
) -> None:
    listed = upload_from_frame(pl.DataFrame({"who": [entry]}))
    suppression.add_list(story.ledger, listed, name="opt-outs")

    written = export_unmatched(story.ledger, story.run_id, tmp_path / "strays.csv")

    assert pl.read_csv(written.path, infer_schema=False)["found_first_name"].to_list() == left
    assert written.withheld == 2 - len(left)
