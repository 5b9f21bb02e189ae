"""Drafts: a reload and a second tab find the same one, and the same token."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import polars as pl
import pytest

from openmart_lib.dashboard import drafts
from openmart_lib.dashboard.drafts import Draft
from tests.pages.conftest import Desk

FRAME = pl.DataFrame({"seq": [1, 2], "file_line": [2, 3], "Website": ["a.example", None]})


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return drafts.create(tmp_path, FRAME, name="list.csv", sha256="0" * 64, file_format={"kind": "csv"})


def test_a_draft_is_found_again_with_its_rows_its_choices_and_its_token(tmp_path: Path, draft: Draft) -> None:
    drafts.choose(tmp_path, draft, {"kind": "find_people", "same": {"title": "Owner"}})

    found = drafts.load(tmp_path, draft.draft_id)

    assert found is not None
    assert found.confirm_token == draft.confirm_token
    assert found.choices["same"] == {"title": "Owner"}
    assert drafts.frame(tmp_path, draft.draft_id).equals(FRAME)


def test_a_copy_is_another_visit_with_a_token_of_its_own(tmp_path: Path, draft: Draft) -> None:
    twin = drafts.copy(tmp_path, drafts.submitted(tmp_path, draft, "run2222222"))

    assert twin.confirm_token != draft.confirm_token
    assert twin.run_id is None
    assert drafts.frame(tmp_path, twin.draft_id).equals(FRAME)


def test_what_a_draft_became_is_remembered(tmp_path: Path, draft: Draft) -> None:
    drafts.submitted(tmp_path, draft, "run2222222")

    found = drafts.load(tmp_path, draft.draft_id)

    assert found is not None
    assert found.run_id == "run2222222"


@pytest.mark.parametrize(
    "draft_id", ["", "..", "../../etc/passwd", "a" * 15, "A" * 16, "a" * 16, "a" * 17, "\0" * 16]
)
def test_an_address_that_names_no_draft_gives_none(tmp_path: Path, draft: Draft, draft_id: str) -> None:
    assert drafts.load(tmp_path, draft_id) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"draft_id": "x"}', '{"unknown": 1}'])
def test_a_damaged_draft_gives_none(tmp_path: Path, draft: Draft, content: str) -> None:
    (tmp_path / draft.draft_id / "draft.json").write_text(content)

    assert drafts.load(tmp_path, draft.draft_id) is None


def test_drafts_are_readable_by_their_owner_only(tmp_path: Path, draft: Draft) -> None:
    folder = tmp_path / draft.draft_id

    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_an_old_draft_goes_when_the_empty_page_is_opened_though_no_list_is_brought(desk: Desk) -> None:
    root = desk.settings.environment_dir / "drafts"
    old = drafts.create(root, FRAME, name="list.csv", sha256="0" * 64, file_format={"kind": "csv"})
    ago = time.time() - drafts.MAX_AGE - 60
    os.utime(root / old.draft_id / "draft.json", (ago, ago))

    desk.open("submit")

    assert drafts.load(root, old.draft_id) is None


def test_drafts_past_their_age_are_removed_and_nothing_else(tmp_path: Path, draft: Draft) -> None:
    (tmp_path / "not-a-draft").mkdir()
    changed = (tmp_path / draft.draft_id / "draft.json").stat().st_mtime

    drafts.remove_old(tmp_path, now=changed + drafts.MAX_AGE - 1)
    assert drafts.load(tmp_path, draft.draft_id) is not None
    drafts.remove_old(tmp_path, now=changed + drafts.MAX_AGE + 1)

    assert drafts.load(tmp_path, draft.draft_id) is None
    assert [path.name for path in tmp_path.iterdir()] == ["not-a-draft"]


def test_choosing_the_same_again_writes_nothing(tmp_path: Path, draft: Draft) -> None:
    note = tmp_path / draft.draft_id / "draft.json"
    changed = drafts.choose(tmp_path, draft, {"name": "x"})
    before = note.stat().st_mtime_ns

    drafts.choose(tmp_path, changed, {"name": "x"})

    assert note.stat().st_mtime_ns == before
    assert json.loads(note.read_text())["choices"] == {"name": "x"}


def test_changing_an_editable_copy_leaves_the_draft_as_it_is(draft: Draft, tmp_path: Path) -> None:
    kept = drafts.choose(tmp_path, draft, {"same": {"title": "Owner"}})

    drafts.editable(kept)["same"]["title"] = "CEO"

    assert kept.choices == {"same": {"title": "Owner"}}
