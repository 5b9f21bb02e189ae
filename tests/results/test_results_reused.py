"""Reused rows show what the run that bought them found, with its date; counted and paid there only."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from results_story import Story, companies, person
from reuse_kit import second_run

from openmart_lib.api.wire import Kind
from openmart_lib.intake.options import RunOptions
from openmart_lib.ledger import queries
from openmart_lib.ledger.answers import finish_if_complete
from openmart_lib.ledger.decisions import resend_batch
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.ledger.submissions import lose
from openmart_lib.results import export, join
from openmart_lib.results.receipt import read as receipt
from openmart_lib.settings import Prices

PEOPLE = {"domain": ["website"], "first_name": ["first"], "last_name": ["last"]}
GROUPS = RunOptions(info_access=("PHONE",), people_per_task=4)
ANA = person(email="ana@acme.invalid", verified=True)
BO = person("Bo", last_name="Lee", phone="+15550100")


def answered(tmp_path: Path) -> Story:
    """A list whose first company has two contacts and whose second has none."""
    story = Story(tmp_path, companies("acme.com", "beta.com"))
    pk = story.send_all({1: [ANA, BO], 2: []})[0]
    finish_if_complete(story.ledger, pk)
    return story


def test_a_reused_row_carries_the_records_their_date_and_where_they_came_from(tmp_path: Path) -> None:
    story = answered(tmp_path)
    story.time += 9 * 86_400

    run_id = second_run(story.ledger, companies("new.com", "acme.com", "beta.com"))

    rows = join.results(story.ledger, run_id)
    origin = ("outcome", "result", "found_email", "record_count", "tracking_id", "batch_id", "fetched_at")
    assert rows.select(origin).rows() == [
        ("pending", "pending", None, 0, f"{run_id}-1", None, None),
        *(
            ("reused", result, email, count, f"{story.run_id}-{no}", "server-batch-1", "2025-10-09T08:53:20Z")
            for result, email, count, no in (("matched", "ana@acme.invalid", 2, 1), ("no match", None, 0, 2))
        ),
    ]
    assert rows["outcome_reason"][1] == (
        f"bought in run Spring list ({story.run_id}) on 9 Oct 2025: 2 people, verified email, phone"
    )
    assert rows["contact_2_phone"].to_list() == [None, "+15550100", None]
    assert rows["run_name"].unique().to_list() == ["Second list"]


def test_in_the_long_shape_it_has_all_records_and_its_duplicates_too(tmp_path: Path) -> None:
    story = answered(tmp_path)

    run_id = second_run(story.ledger, companies("acme.com", "www.acme.com"))

    long = join.results(story.ledger, run_id, "long")
    assert long.select("row", "outcome", "result", "record_no", "found_first_name").rows() == [
        (1, "reused", "matched", 1, "Ana"),
        (1, "reused", "matched", 2, "Bo"),
        (2, "duplicate", "matched", 1, "Ana"),
        (2, "duplicate", "matched", 2, "Bo"),
    ]
    assert join.unmatched(story.ledger, run_id).is_empty()


def test_of_a_group_only_the_records_of_the_person_asked_for_are_shown(tmp_path: Path) -> None:
    group = companies("acme.com", "acme.com", first=["Ana", "Bo"], last=["Silva", "Lee"])
    story = Story(tmp_path, group, Kind.LOOKUP_PEOPLE, mapping=PEOPLE, options=GROUPS)
    story.send_all({1: [person(phone="+15550199"), BO]})

    wanted = companies("acme.com", first=["Bo"], last=["Lee"])
    run_id = second_run(
        story.ledger, wanted, kind=Kind.LOOKUP_PEOPLE, mapping=PEOPLE, options=GROUPS, name="One of them"
    )

    long = join.results(story.ledger, run_id, "long")
    assert long.select("row", "record_no", "found_first_name", "found_phone").rows() == [
        (1, 1, "Bo", "+15550100")
    ]


def test_an_answer_to_the_resend_of_its_source_is_shown(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com"))
    run_id = second_run(story.ledger, companies("acme.com"))
    lost = story.claim()
    lose(story.ledger, lost, seen="the connection broke")
    resend_batch(story.ledger, lost)
    with story.ledger.write() as connection:  # what a person does after unclear answers
        connection.exec_driver_sql("UPDATE account SET hold = NULL, needs_read = 0, cautious = 0")

    story.answer(story.send(), 3, [ANA])

    rows = join.results(story.ledger, run_id)
    assert rows.select("outcome", "found_email", "tracking_id").rows() == [
        ("reused", "ana@acme.invalid", f"{story.run_id}-3")
    ]


def test_when_the_source_is_deleted_the_row_says_so_and_shows_nothing(tmp_path: Path) -> None:
    story = answered(tmp_path)
    run_id = second_run(story.ledger, companies("acme.com"))
    assert join.results(story.ledger, run_id)["found_email"].to_list() == ["ana@acme.invalid"]

    erase_run(story.ledger, story.run_id)

    rows = join.results(story.ledger, run_id)
    assert rows["found_email"].to_list() == [None]
    assert rows["outcome_reason"].to_list() == [
        f"bought in run Spring list ({story.run_id}), whose personal data was deleted on 9 Oct 2025"
    ]
    kept = [*story.ledger.results_dir.iterdir(), *story.ledger.uploads_dir.iterdir()]
    assert not any(b"ana@acme" in path.read_bytes() for path in kept)


def test_a_large_reusing_run_keeps_no_copy_of_what_another_run_found(tmp_path: Path) -> None:
    """It would outlive its being deleted there."""
    story = answered(tmp_path)
    run_id = second_run(story.ledger, companies("acme.com"))

    frame = join.results_lazy(story.ledger, run_id, keep_from=1).collect()

    assert frame["found_email"].to_list() == ["ana@acme.invalid"]
    assert not (story.ledger.results_dir / f"{run_id}.wide.parquet").exists()


def test_a_reused_row_is_counted_and_paid_where_it_was_bought_only(tmp_path: Path) -> None:
    story = answered(tmp_path)
    run_id = second_run(story.ledger, companies("acme.com", "beta.com"))

    told = receipt(story.ledger, run_id, prices=Prices())

    assert told.outcomes == {"reused": 2}
    assert told.credits["for_what_was_found"] == 0.0 and told.tasks == 0
    assert receipt(story.ledger, story.run_id, prices=Prices()).credits["for_what_was_found"] > 0
    assert queries.run_info(story.ledger, run_id).found["rows_with_email"] == 0


@pytest.mark.parametrize("preset", ["hubspot", "instantly"])
def test_reused_contacts_are_in_import_files_like_any_other(tmp_path: Path, preset: str) -> None:
    story = answered(tmp_path)
    run_id = second_run(story.ledger, companies("acme.com"))

    path = tmp_path / "import.csv"
    export.export_preset(story.ledger, run_id, path, preset)

    assert "ana@acme.invalid" in path.read_text(encoding="utf-8-sig")


def test_every_row_of_both_runs_together_stands_once(tmp_path: Path) -> None:
    story = answered(tmp_path)
    run_id = second_run(story.ledger, companies("acme.com", "new.com"))

    rows = join.results(story.ledger, [story.run_id, run_id])

    assert rows.select("run_name", "row", "outcome").rows() == [
        ("Spring list", 1, "matched"),
        ("Spring list", 2, "no match"),
        ("Second list", 1, "reused"),
        ("Second list", 2, "pending"),
    ]
    assert json.loads(rows["found_raw"][2])["first_name"] == "Ana"
    assert rows.schema["row"] == pl.Int64
