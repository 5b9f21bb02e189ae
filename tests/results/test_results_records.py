"""Records: read once, kept in a file that may vanish, break or grow old without anybody noticing."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import polars as pl
import pytest
from results_story import Story, companies, person

from openmart_lib.api.wire import Kind
from openmart_lib.errors import RunNotFoundError
from openmart_lib.ledger import Outcome
from openmart_lib.ledger.verdicts import Flag, judge
from openmart_lib.results import quality, records
from openmart_lib.results.flatten import flatten


def test_one_row_per_record_with_the_best_phone_and_the_servers_own_text(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    phones = [
        {"phone_number": "+15550100", "line_type": "MOBILE", "valid": False},
        {"phone_number": "+15550101", "line_type": "FIXED_LINE", "valid": True},
        {"phone_number": "+15550102", "line_type": "MOBILE", "valid": True},
    ]
    key = story.send("batch-1")
    task_id = story.answer(key, 1, [person("Zoë", phones=phones, extra={"kept": [1, 2.50]}), person("Bo")])

    frame = records.records(story.ledger, story.run_id)

    assert frame.schema == pl.Schema(records.RECORD_SCHEMA)
    assert frame.select("task_no", "person_no", "record_no", "task_id", "batch_id").rows() == [
        (1, 0, 1, task_id, "batch-1"),
        (1, 0, 2, task_id, "batch-1"),
    ]
    first = frame.row(0, named=True)
    assert (first["found_phone"], first["found_phone_type"]) == ("+15550102", "MOBILE")
    assert first["found_phones"] == "+15550100; +15550101; +15550102"
    assert '"extra": {"kept": [1, 2.5]}' in first["found_raw"]
    assert first["found_first_name"] == "Zoë"


@pytest.mark.parametrize(
    ("phones", "number"),
    [
        ([("+1", "FIXED", None), ("+2", "MOBILE", None)], "+1"),
        ([("+1", None, False), ("+2", "FIXED", True)], "+2"),
        ([("+1", "FIXED", True), ("+2", "mobile", True)], "+2"),
        ([], None),
    ],
)
def test_the_first_valid_mobile_else_the_first_valid_else_the_first_phone(
    phones: list[tuple[str, str | None, bool | None]], number: str | None
) -> None:
    told = [{"phone_number": one, "line_type": kind, "valid": valid} for one, kind, valid in phones]

    frame = flatten([_payload([person(phones=told)])], Kind.FIND_PEOPLE)

    assert frame["found_phone"].to_list() == [number]


def test_a_mailbox_keeps_its_status_and_a_technology_its_raw_text() -> None:
    mailboxes = flatten(
        [_payload([{"email": "info@acme.invalid", "status": "VALID"}])], Kind.LOOKUP_BUSINESS_EMAIL
    )
    technologies = flatten([_payload([{"technology": "shopify", "confidence": 0.9}])], Kind.FIND_TECH)

    assert mailboxes.select("found_email", "found_email_status").rows() == [("info@acme.invalid", "VALID")]
    assert technologies.select("found_technology", "found_raw").rows() == [
        ("shopify", '{"technology":"shopify","confidence":0.9}')
    ]


def test_the_file_is_used_while_it_is_fresh_and_private(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    story.send_all({1: [person()]})
    first = records.records(story.ledger, story.run_id)
    path = story.ledger.results_dir / f"{story.run_id}-0.parquet"
    written = path.stat()

    again = records.records(story.ledger, story.run_id)

    assert again.equals(first)
    assert path.stat().st_ino == written.st_ino
    assert stat.S_IMODE(written.st_mode) == 0o600
    assert [one.name for one in story.ledger.results_dir.iterdir()] == [path.name]


def test_the_file_is_rebuilt_when_an_answer_lands(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com"))
    (key,) = story.send_all({1: [person("Ana")]})
    before = records.records(story.ledger, story.run_id)

    story.answer(key, 2, [person("Bo")])

    assert before["found_first_name"].to_list() == ["Ana"]
    assert records.records(story.ledger, story.run_id)["found_first_name"].to_list() == ["Ana", "Bo"]


def test_the_file_is_rebuilt_when_answers_were_erased(tmp_path: Path) -> None:
    """A derived file must not remember what the ledger was told to forget."""
    story = Story(tmp_path, companies("acme.com"))
    story.send_all({1: [person()]})
    assert records.records(story.ledger, story.run_id).height == 1

    with story.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM remote_task")

    assert records.records(story.ledger, story.run_id).is_empty()


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "another layout"])
def test_a_damaged_file_is_rebuilt(tmp_path: Path, damage: str) -> None:
    story = Story(tmp_path, companies("acme.com"))
    story.send_all({1: [person()]})
    expected = records.records(story.ledger, story.run_id)
    path = story.ledger.results_dir / f"{story.run_id}-0.parquet"
    if damage == "absent":
        path.unlink()
    elif damage == "another layout":
        pl.DataFrame({"x": [1]}).write_parquet(path, metadata={"openmart-desk": "0:1:1"})
    else:
        path.write_bytes(b"" if damage == "empty" else path.read_bytes()[:-40])

    assert records.records(story.ledger, story.run_id).equals(expected)


def test_a_folder_that_cannot_be_written_does_not_hide_the_results(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    story.send_all({1: [person()]})
    story.ledger.results_dir.rmdir()

    assert records.records(story.ledger, story.run_id).height == 1


def test_an_answer_without_records_still_tells_when_it_came(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    story.send_all({1: []})

    lines = records.answer_lines(story.ledger, story.run_id)

    assert lines.select("task_no", "record_no", "fetched_at").rows() == [(1, None, story.time)]
    assert records.records(story.ledger, story.run_id).is_empty()


def test_an_unknown_run_has_no_records(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))

    with pytest.raises(RunNotFoundError):
        records.records(story.ledger, "nosuchrun1")


@pytest.mark.parametrize("status", ["VALID", "valid", "INVALID", "NOT_FOUND", "none", "CATCH_ALL", "", None])
def test_files_and_outcomes_agree_about_which_mailbox_is_usable_and_which_is_verified(
    status: str | None,
) -> None:
    data = [{"email": "info@acme.invalid", "status": status}]

    (verdict,) = judge(Kind.LOOKUP_BUSINESS_EMAIL, {}, "COMPLETED", data)
    line = flatten([_payload(data)], Kind.LOOKUP_BUSINESS_EMAIL)

    assert line.select(quality.has_email()).item() == bool(verdict.flags & Flag.EMAIL)
    assert line.select(quality.has_email()).item() == (verdict.outcome is Outcome.MATCHED)
    verified = line.select(quality.is_verified(Kind.LOOKUP_BUSINESS_EMAIL)).item()
    assert verified == bool(verdict.flags & Flag.VERIFIED_EMAIL)


def _payload(data: object) -> str:
    return json.dumps({"task_id": "t", "status": "COMPLETED", "data": data})
