"""Every uploaded row comes out, with its outcome, its reason and everything that was found for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from results_story import Story, companies, person

from openmart_lib import results
from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError, RunNotFoundError
from openmart_lib.intake.options import RunOptions
from openmart_lib.ledger import Outcome, queries
from openmart_lib.ledger.answers import mark_missing, store_counts
from openmart_lib.ledger.decisions import drop_batch, resend_batch
from openmart_lib.ledger.runs import cancel_run
from openmart_lib.ledger.submissions import accept, lose, refuse
from openmart_lib.results import assembly, columns, join
from openmart_lib.results.records import answer_lines

PEOPLE = {"domain": ["website"], "first_name": ["first"], "last_name": ["last"]}


def test_the_uploaded_columns_come_first_unchanged_and_ours_follow_in_the_written_order(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path, companies("Acme.com ", "beta.com", note=["=1+1", None], id=["007", ""]))
    story.send_all({1: [person(email="ana@acme.invalid", verified=True)]})

    frame = join.results(story.ledger, story.run_id)

    assert frame.columns == ["website", "note", "id", *columns.OWN_COLUMNS]
    assert frame.select("website", "note", "id").rows() == [
        ("Acme.com ", "=1+1", "007"),
        ("beta.com", None, ""),
    ]
    assert frame["row"].to_list() == [1, 2]
    assert frame["file_line"].to_list() == [2, 3]
    assert frame["domain"].to_list() == ["acme.com", "beta.com"]
    assert frame["asked_title"].to_list() == ["Owner", "Owner"]
    assert frame["run_name"].unique().to_list() == ["Spring list"]
    assert frame["kind"].unique().to_list() == ["find_people"]


def test_a_found_row_says_where_its_answer_came_from(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    key = story.send("batch-77")
    task_id = story.answer(key, 1, [person(email="ana@acme.invalid", verified=True, phone="+15550100")])

    row = join.results(story.ledger, story.run_id).row(0, named=True)

    assert (row["outcome"], row["result"]) == ("matched", "matched")
    assert row["outcome_reason"] == "1 person, verified email, phone"
    assert (row["found_email"], row["found_email_verified"], row["found_phone"]) == (
        "ana@acme.invalid",
        True,
        "+15550100",
    )
    assert (row["task_id"], row["batch_id"]) == (task_id, "batch-77")
    assert row["tracking_id"] == f"{story.run_id}-1"
    assert row["fetched_at"] == "2025-10-09T08:53:20Z"
    assert (row["record_no"], row["record_count"]) == (1, 1)


def test_the_shape_rows_shows_the_best_record_and_long_shows_them_all(tmp_path: Path) -> None:
    """A verified email first, then any email, then a phone, then the server's order."""
    story = Story(tmp_path, companies("acme.com", "beta.com"))
    found = [
        person("Nobody"),
        person("Phone", phone="+15550100"),
        person("Mail", email="mail@acme.invalid"),
        person("Verified", email="sure@acme.invalid", verified=True),
    ]
    story.send_all({1: found, 2: found[:2]})

    rows = join.results(story.ledger, story.run_id, "rows")
    long = join.results(story.ledger, story.run_id, "long")

    assert rows.select("found_first_name", "record_no", "record_count").rows() == [
        ("Verified", 4, 4),
        ("Phone", 2, 2),
    ]
    assert long.select("row", "record_no", "found_first_name").rows() == [
        (1, 1, "Nobody"),
        (1, 2, "Phone"),
        (1, 3, "Mail"),
        (1, 4, "Verified"),
        (2, 1, "Nobody"),
        (2, 2, "Phone"),
    ]


def test_a_dead_mailbox_never_hides_a_living_one(tmp_path: Path) -> None:
    mapping = {"domain": ["website"], "company_name": ["name"]}
    story = Story(tmp_path, companies("acme.com", name=["Acme"]), Kind.LOOKUP_BUSINESS_EMAIL, mapping=mapping)
    mailboxes = [
        {"email": "dead@acme.invalid", "status": "INVALID"},
        {"email": "info@acme.invalid", "status": "CATCH_ALL"},
        {"email": "sales@acme.invalid", "status": "VALID"},
    ]
    story.send_all({1: mailboxes})

    row = join.results(story.ledger, story.run_id).row(0, named=True)

    assert (row["found_email"], row["found_email_status"], row["record_count"]) == (
        "sales@acme.invalid",
        "VALID",
        3,
    )


def test_duplicates_stay_duplicates_and_carry_the_answer_of_the_row_they_repeat(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com", "www.acme.com"))
    story.send_all({1: [person("Ana", email="ana@acme.invalid"), person("Bo", phone="+15550100")], 2: []})

    rows = join.results(story.ledger, story.run_id, "rows")
    long = join.results(story.ledger, story.run_id, "long")

    assert rows.select("outcome", "result", "duplicate_of", "found_email").rows() == [
        ("matched", "matched", None, "ana@acme.invalid"),
        ("no match", "no match", None, None),
        ("duplicate", "matched", 1, "ana@acme.invalid"),
    ]
    assert rows["outcome_reason"][2] == "same task as row 1: 2 people, email, not verified, phone"
    assert rows["tracking_id"][2] == rows["tracking_id"][0]
    assert long["row"].to_list() == [1, 1, 2, 3, 3]


def test_rows_that_were_never_sent_say_why(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "", "not a domain"))

    frame = join.results(story.ledger, story.run_id)

    assert frame["outcome"].to_list() == ["pending", "rejected", "rejected"]
    assert frame["outcome_reason"][0] == "waiting to be sent"
    states = queries.row_states(story.ledger, story.run_id)
    assert frame["outcome_reason"].to_list()[1:] == states["reason"].to_list()[1:]
    assert frame["tracking_id"].to_list() == [f"{story.run_id}-1", None, None]
    assert frame["record_count"].to_list() == [0, 0, 0]


def test_a_pending_row_says_where_it_is(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("a-1.com", "b-2.com", "c-3.com", "d-4.com"), tasks_per_batch=1)
    ready = story.send("batch-1")
    counts = {"processing": 0, "completed": 1, "errored": 0, "total": 1, "batch_ready": True}
    store_counts(story.ledger, ready, counts, next_poll_at=0.0)  # type: ignore[arg-type]  # a TypedDict
    story.send("batch-2")
    story.claim()

    frame = join.results(story.ledger, story.run_id)

    assert frame["outcome"].to_list() == ["pending"] * 4
    assert frame["outcome_reason"].to_list() == [
        "being fetched from Openmart",
        "with Openmart",
        "being sent",
        "waiting to be sent",
    ]
    assert frame["batch_id"].to_list() == ["batch-1", "batch-2", None, None]


def test_every_ending_that_is_no_answer_has_its_reason(tmp_path: Path) -> None:
    domains = [f"firm-{letter}.com" for letter in "abcdefgh"]
    story = Story(tmp_path, companies(*domains), tasks_per_batch=1)
    story.answer(story.send(), 1, None, status="ERRORED")
    story.answer(story.send(), 2, None, status="CANCELLED")
    refuse(story.ledger, story.claim(), status=400, detail="Domain is required")
    mark_missing(story.ledger, story.send(), by_person=True)
    lost, given_up = story.claim(), story.claim()
    lose(story.ledger, lost, seen="the connection broke after 12 s")
    lose(story.ledger, given_up, seen="the connection broke after 12 s")
    drop_batch(story.ledger, given_up)
    story_answer = [person("Ana", title=None, linkedin_url="https://www.linkedin.com/in/ana")]
    with story.ledger.write() as connection:  # the account is held after an unknown; a person resumes it
        connection.exec_driver_sql("UPDATE account SET hold = NULL, needs_read = 0, cautious = 0")
    story.answer(story.send(), 7, story_answer)
    cancel_run(story.ledger, story.run_id)

    frame = join.results(story.ledger, story.run_id).select("outcome", "result", "outcome_reason")

    assert frame["outcome"].to_list() == [
        *("errored", "cancelled", "refused", "missing", "unknown", "unknown", "partial", "cancelled")
    ]
    assert frame["result"].to_list() == frame["outcome"].to_list()
    reasons = frame["outcome_reason"].to_list()
    assert "reported an error" in reasons[0]
    assert "Openmart cancelled" in reasons[1]
    assert "Domain is required" in reasons[2]
    assert "closed by a person" in reasons[3]
    assert "may have been charged" in reasons[4]
    assert "given up" in reasons[5]
    assert "no contact data" in reasons[6]
    assert "nothing was spent" in reasons[7]


def test_of_a_resent_row_the_best_answer_counts_and_no_record_is_lost_or_doubled(tmp_path: Path) -> None:
    """The first batch's answer turns up after all: both were paid, both are kept."""
    story = Story(tmp_path, companies("acme.com", "beta.com"), tasks_per_batch=2)
    first = story.claim()
    lose(story.ledger, first, seen="the connection broke after 12 s")
    with story.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE account SET hold = NULL, needs_read = 0, cautious = 0")
    resend_batch(story.ledger, first)
    second = story.send("batch-second")
    same = person("Same", email="same@acme.invalid", verified=True)
    story.answer(second, 3, [same])
    story.answer(second, 4, None, status="ERRORED")
    accept(story.ledger, first, "batch-first", None, poll_after=60.0)
    story.answer(first, 1, [same, person("Only first", email="first@acme.invalid")])
    story.answer(first, 2, [person("Late", email="late@beta.invalid")])

    rows = join.results(story.ledger, story.run_id, "rows")
    long = join.results(story.ledger, story.run_id, "long")

    assert rows["outcome"].to_list() == ["matched", "matched"]
    assert long.select("row", "record_no", "record_count", "found_first_name", "batch_id").rows() == [
        (1, 1, 2, "Same", "batch-first"),
        (1, 2, 2, "Only first", "batch-first"),
        (2, 1, 1, "Late", "batch-first"),
    ]
    assert long["tracking_id"].to_list() == [f"{story.run_id}-{no}" for no in (1, 1, 2)]


def test_two_equal_records_of_one_answer_are_two_records(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    story.send_all({1: [person(), person()]})

    assert join.results(story.ledger, story.run_id, "long").height == 2


def test_people_of_a_group_go_to_their_own_rows_and_strangers_are_unassigned(tmp_path: Path) -> None:
    names = {"first": ["Ana", "Bo", "Cy"], "last": ["Silva", "Li", "Young"]}
    story = Story(
        tmp_path,
        companies("acme.com", "acme.com", "acme.com", **names),
        Kind.LOOKUP_PEOPLE,
        mapping=PEOPLE,
        options=RunOptions(people_per_task=8),
    )
    answer = [
        person("Stranger", last_name="Unknown", email="x@acme.invalid"),
        person("Cy", last_name="Young", email="cy@acme.invalid"),
        person("ANA", last_name="Silva", email="ana@acme.invalid"),
    ]
    key = story.send("batch-1")
    story.answer(key, 1, answer)

    rows = join.results(story.ledger, story.run_id)
    stray = join.unmatched(story.ledger, story.run_id)

    assert rows.select("outcome", "found_email", "record_no").rows() == [
        ("matched", "ana@acme.invalid", 1),
        ("no match", None, None),
        ("matched", "cy@acme.invalid", 1),
    ]
    assert stray.select("why", "asked_for_rows", "found_email", "record_no", "batch_id").rows() == [
        (assembly.UNASSIGNED, "1, 2, 3", "x@acme.invalid", 1, "batch-1")
    ]


def test_someone_asked_for_alone_owns_every_record(tmp_path: Path) -> None:
    story = Story(
        tmp_path,
        companies("acme.com", first=["Ana"], last=["Silva"]),
        Kind.LOOKUP_PEOPLE,
        mapping=PEOPLE,
        options=RunOptions(),
    )
    story.send_all({1: [person("Anna Maria", email="am@acme.invalid")]})

    assert join.results(story.ledger, story.run_id)["found_email"].to_list() == ["am@acme.invalid"]
    assert join.unmatched(story.ledger, story.run_id).is_empty()


def test_an_answer_with_a_tracking_id_we_did_not_send_is_kept_as_unmatched(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    key = story.send("batch-1")
    story.answer(key, 0, [person(email="who@else.invalid")], tracking="somebody-elses-1")

    stray = join.unmatched(story.ledger, story.run_id)

    assert stray.select("why", "asked_for_rows", "tracking_id", "found_email").rows() == [
        (assembly.NOT_OURS, None, "somebody-elses-1", "who@else.invalid")
    ]
    assert join.results(story.ledger, story.run_id)["outcome"].to_list() == ["pending"]


def test_an_uploaded_column_that_is_called_like_one_of_ours_steps_aside() -> None:
    uploaded = ["row", "row (uploaded)", "outcome", "found_email", "id"]

    names = columns.uploaded_names(uploaded)

    assert names == {
        "row": "row (uploaded 2)",
        "row (uploaded)": "row (uploaded)",
        "outcome": "outcome (uploaded)",
        "found_email": "found_email (uploaded)",
        "id": "id",
    }


def test_a_file_of_ours_can_be_uploaded_again(tmp_path: Path) -> None:
    story = Story(
        tmp_path,
        companies(
            "acme.com", **{name: ["old"] for name in columns.OWN_COLUMNS if name not in ("file_line",)}
        ),
    )

    frame = join.results(story.ledger, story.run_id)

    assert frame["outcome (uploaded)"].to_list() == ["old"]
    assert frame["outcome"].to_list() == ["pending"]


def test_a_run_without_rows_that_can_be_sent_still_gives_every_row(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("", None))

    for shape in ("rows", "long"):
        frame = join.results(story.ledger, story.run_id, shape)  # type: ignore[arg-type]  # both are shapes
        assert frame["outcome"].to_list() == [Outcome.REJECTED] * 2
    assert join.unmatched(story.ledger, story.run_id).is_empty()


def test_an_unknown_run_or_shape_is_refused_by_name(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))

    with pytest.raises(RunNotFoundError):
        join.results(story.ledger, "nosuchrun1")
    with pytest.raises(InputError, match="'wide'"):
        join.results(story.ledger, story.run_id, "wide")  # type: ignore[arg-type]  # that is the point


def test_types_are_as_promised(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "x"))
    story.send_all({1: [person(email="ana@acme.invalid", verified=True)]})

    schema = join.results(story.ledger, story.run_id).schema

    numbers = {"duplicate_of", "row", "file_line", "record_no", "record_count"}
    yes_no = {"found_email_verified", "email_domain_agrees", "email_free_mail"}
    for name in columns.OWN_COLUMNS:
        expected = pl.Int64 if name in numbers else pl.Boolean if name in yes_no else pl.String
        assert schema[name] == expected, name


def test_the_task_with_the_best_outcome_is_the_one_a_row_points_to(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    first = story.claim()
    lose(story.ledger, first, seen="the connection broke after 12 s")
    with story.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE account SET hold = NULL, needs_read = 0, cautious = 0")
    resend_batch(story.ledger, first)
    story.send("batch-second")

    row = join.results(story.ledger, story.run_id).row(0, named=True)

    assert (row["outcome"], row["outcome_reason"]) == ("pending", "with Openmart")
    assert (row["tracking_id"], row["batch_id"]) == (f"{story.run_id}-2", "batch-second")


def test_a_run_that_is_still_being_written_already_shows_every_row(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com"))
    parts = assembly.Parts(
        info=replace(queries.run_info(story.ledger, story.run_id), planned_at=None),
        upload=queries.upload_rows(story.ledger, story.run_id).collect(),
        states=queries.row_states(story.ledger, story.run_id).head(1),
        links=queries.links(story.ledger, story.run_id).head(0),
        batches=queries.batches(story.ledger, story.run_id).head(0),
        lines=answer_lines(story.ledger, story.run_id),
    )

    frame = assembly.assemble(parts, "rows")

    assert frame["outcome"].to_list() == ["pending", "pending"]
    assert frame["outcome_reason"].to_list() == [assembly.PLANNING] * 2


def test_the_room_gives_away_four_modules() -> None:
    assert results.__all__ == ["export", "join", "records", "summary"]
    assert all(hasattr(results, name) for name in results.__all__)
