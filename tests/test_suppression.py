"""Never-contact lists: nobody on one is sent, and only keyed hashes of them are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from reuse_kit import OWNERS, WEBSITE, claim, numbered, second_run
from sqlalchemy import select

from openmart_lib import suppression
from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.files import read_upload, upload_from_frame
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.tasks import Plan, plan_tasks
from openmart_lib.ledger import Ledger, queries, submissions
from openmart_lib.ledger.schema import event, suppressed
from openmart_lib.ledger.suppressing import add_entries, never_lists, remove_list, secret

PEOPLE = {
    "domain": ["website"],
    "first_name": ["first"],
    "last_name": ["last"],
    "linkedin_url": ["profile"],
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path, environment="sandbox", clock=lambda: 1_760_000_000.0)
    yield opened
    opened.close()


def never(ledger: Ledger, *cells: str, name: str = "opt-outs") -> suppression.Added:
    """Take up a list of these cells."""
    return suppression.add_list(ledger, upload_from_frame(pl.DataFrame({"who": cells})), name=name)


def narrowed(ledger: Ledger, frame: pl.DataFrame, kind: Kind = Kind.FIND_PEOPLE) -> tuple[Plan, int]:
    upload = numbered(frame)
    if kind is Kind.LOOKUP_PEOPLE:
        plan = plan_tasks(upload, PEOPLE, kind, RunOptions(people_per_task=4))
    else:
        plan = plan_tasks(upload, WEBSITE, kind, OWNERS)
    return suppression.narrow(ledger, plan, kind, upload)


def test_a_listed_company_is_not_asked_about_however_it_is_written(ledger: Ledger) -> None:
    never(ledger, "https://www.Acme.com/contact")

    plan, count = narrowed(
        ledger, pl.DataFrame({"website": ["beta.com", "acme.com", "ACME.com", "gamma.com"]})
    )

    assert plan.rows["intake"].to_list() == ["accepted", "skipped", "skipped", "accepted"]
    assert plan.tasks["domain"].to_list() == ["beta.com", "gamma.com"] and count == 2
    assert plan.links.rows() == [(1, 1, 0), (4, 2, 0)]


def test_the_reason_names_nobody(ledger: Ledger) -> None:
    never(ledger, "acme.com")

    plan, _ = narrowed(ledger, pl.DataFrame({"website": ["acme.com"]}))

    assert plan.rows.select("code", "reason").rows() == [("suppressed", "On your never-contact list.")]
    assert plan.reckoning.codes == {"suppressed": 1} and plan.reckoning.adds_up


def test_a_row_with_a_listed_email_in_any_column_is_left_out(ledger: Ledger) -> None:
    never(ledger, "Ana@Acme.com")
    frame = pl.DataFrame(
        {
            "website": ["one.com", "two.com", "three.com", "bo@acme.com"],
            "contact": ["ana@acme.com", "Ana S. <ANA@acme.com>", "bo@acme.com", None],
        }
    )

    plan, count = narrowed(ledger, frame)

    assert plan.rows["intake"].to_list() == ["skipped", "skipped", "accepted", "accepted"] and count == 2


def test_of_two_equal_rows_the_one_that_is_not_listed_is_sent(ledger: Ledger) -> None:
    never(ledger, "ana@acme.com")
    frame = pl.DataFrame(
        {"website": ["acme.com"] * 4, "contact": ["ana@acme.com", "bo@acme.com", "ana@acme.com", None]}
    )

    plan, _ = narrowed(ledger, frame)

    assert plan.rows.select("intake", "duplicate_of").rows() == [
        ("skipped", None),
        ("accepted", None),
        ("skipped", None),
        ("duplicate", 2),
    ]
    assert plan.links.rows() == [(2, 1, 0)] and plan.rows["reason"][3].startswith("Same task as row 2")


def test_a_listed_person_is_taken_out_of_the_group_and_the_others_stay(ledger: Ledger) -> None:
    never(ledger, "Zoë Roe, acme.com", "https://linkedin.com/in/Bo-Lee/")
    frame = pl.DataFrame(
        {
            "website": ["acme.com"] * 4 + ["beta.com"],
            "first": ["Ana", "ZOE", "Bo", "Cy", "Zoe"],
            "last": ["Silva", "Roe", "Lee", "Day", "Roe"],
            "profile": [None, None, "linkedin.com/in/bo-lee", None, None],
        }
    )

    plan, _ = narrowed(ledger, frame, Kind.LOOKUP_PEOPLE)

    assert plan.rows["intake"].to_list() == ["accepted", "skipped", "skipped", "accepted", "accepted"]
    assert plan.links.rows() == [(1, 1, 1), (4, 1, 2), (5, 2, 1)]
    first = plan.tasks["request"][0]
    assert "Ana" in first and "Cy" in first and "Lee" not in first and "ZOE" not in first


@pytest.mark.parametrize(
    "entry",
    ["ANA-MARÍA O’BRIEN, acme.com", "O'Brien, Ana Maria; acme.com", "Ana  Maria  O.Brien acme.com"],
    ids=["case, accents and hyphens", "last name in front", "blanks and dots"],
)
@pytest.mark.parametrize(
    "first, last", [("Ana María", "O'Brien"), ("Anamaria", "Obrien"), ("O'Brien", "Ana Maria")]
)
def test_a_listed_name_is_known_however_it_is_written(
    ledger: Ledger, entry: str, first: str, last: str
) -> None:
    never(ledger, entry)
    frame = pl.DataFrame({"website": ["acme.com"] * 2, "first": [first, "Ana"], "last": [last, "Brien"]})

    plan, _ = narrowed(ledger, frame.with_columns(profile=pl.lit(None, pl.String)), Kind.LOOKUP_PEOPLE)

    assert plan.rows["intake"].to_list() == ["skipped", "accepted"], "another name is another person"


def of_an_older_version(ledger: Ledger, name: str) -> None:
    """Put a name on the list as it was kept before: its words apart."""
    entry = suppression._hash(secret(ledger), "person", name)
    add_entries(ledger, "opt-outs", [("person", entry)])


def test_a_name_that_an_older_version_took_up_still_counts(ledger: Ledger) -> None:
    of_an_older_version(ledger, "ana silva@acme.com")
    frame = pl.DataFrame({"website": ["acme.com"] * 2, "first": ["Ana", "SILVA"], "last": ["Silva", "Ána"]})

    plan, count = narrowed(ledger, frame.with_columns(profile=pl.lit(None, pl.String)), Kind.LOOKUP_PEOPLE)

    assert count == 2 and plan.tasks.is_empty()


def test_a_list_that_is_taken_up_again_has_nobody_twice(ledger: Ledger) -> None:
    of_an_older_version(ledger, "ana silva@acme.com")

    added = never(ledger, "Ana Silva, acme.com", "Bo, beta.com")

    assert (added.read, added.new) == (2, 1)
    assert [(one.people, one.entries) for one in never_lists(ledger)] == [(2, 2)]


def test_without_a_list_the_plan_is_not_touched(ledger: Ledger) -> None:
    plan, count = narrowed(ledger, pl.DataFrame({"website": ["acme.com"]}))

    assert plan.rows["intake"].to_list() == ["accepted"] and count == 0


def test_nothing_that_could_be_read_is_kept(ledger: Ledger) -> None:
    never(ledger, "ana@acme.com", "beta.com", "Ana Silva, acme.com")

    with ledger.read() as connection:
        stored = str(connection.execute(select(suppressed.c.kind, suppressed.c.hash)).all())
        events = str(connection.execute(select(event.c.detail)).all())
    files = b"".join(path.read_bytes() for path in ledger.folder.rglob("*") if path.is_file())
    assert stored.count("email") == stored.count("domain") == stored.count("person") == 1
    assert not any(word in stored + events for word in ("acme", "ana", "beta", "Silva"))
    assert b"ana@acme" not in files and b"beta.com" not in files


def test_two_ledgers_hash_the_same_entry_differently(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger.open(tmp_path / "other", environment="sandbox")
    never(ledger, "acme.com")
    never(other, "acme.com")

    found = []
    for one in (ledger, other):
        with one.read() as connection:
            found.append(connection.execute(select(suppressed.c.hash)).scalar_one())
    other.close()

    assert found[0] != found[1]


def test_an_import_says_what_was_read_and_which_lines_were_not(ledger: Ledger) -> None:
    data = b"who\nana@acme.com\nnonsense\nbeta.com\nana@acme.com\n"
    upload = suppression.one_column(lambda delimiter: read_upload(data, "opt-outs.csv", delimiter=delimiter))

    added = suppression.add_list(ledger, upload, name="opt-outs")
    again = suppression.add_list(ledger, upload, name="opt-outs")

    assert (added.read, added.new, added.unread) == (2, 2, (3,))
    assert again.new == 0
    assert "lines 3" in added.sentence()


def test_a_file_without_a_heading_loses_no_line(ledger: Ledger) -> None:
    data = b"ana@acme.com\nbeta.com\n"

    upload = suppression.one_column(lambda delimiter: read_upload(data, "list.txt", delimiter=delimiter))

    assert suppression.add_list(ledger, upload, name="opt-outs").read == 2


def test_commas_inside_a_line_part_nothing(ledger: Ledger) -> None:
    data = b"who\nAna Silva, acme.com\nBo Lee, beta.com\n"

    upload = suppression.one_column(lambda delimiter: read_upload(data, "people.csv", delimiter=delimiter))

    assert suppression.add_list(ledger, upload, name="people").read == 2
    assert [(one.people, one.entries) for one in never_lists(ledger)] == [(2, 2)]


def taken_up(ledger: Ledger, text: str) -> suppression.Added:
    """Take up a list that was exported as CSV."""
    data = text.encode()
    upload = suppression.one_column(lambda delimiter: read_upload(data, "opt-outs.csv", delimiter=delimiter))
    return suppression.add_list(ledger, upload, name="opt-outs")


@pytest.mark.parametrize(
    ("text", "column", "kinds"),
    [
        ("Email,Name\nana@acme.com,Ana Silva\nbo@beta.com,Bo Lee\n", "Email", (2, 0, 0)),
        ("Name;E-Mail\nAna Silva;ana@acme.com\nBo Lee;bo@beta.com\n", "E-Mail", (2, 0, 0)),
        ("First,Last,Mail,Reason\nAna,Silva,ana@acme.com,asked\n", "Mail", (1, 0, 0)),
        ("ana@acme.com,Ana Silva\nbo@beta.com,Bo Lee\n", "column_1", (2, 0, 0)),
        ("Company,Website\nAcme Inc,acme.com\nBeta,beta.com\n", "Website", (0, 2, 0)),
        ("Name,Profile\nAna,linkedin.com/in/ana\nBo,linkedin.com/in/bo\n", "Profile", (0, 0, 2)),
        ("Name,Website\nAna Silva,acme.com\nBo Lee,beta.com\n", None, (0, 0, 2)),
        ("First,Last,Website\nAna,Silva,acme.com\nBo,Lee,beta.com\n", None, (0, 0, 2)),
        ("who\nana@acme.com\nbeta.com\ngamma.com\nBo Lee, beta.com\n", None, (1, 2, 1)),
    ],
)
def test_the_one_column_that_holds_the_entries_is_read_and_named(
    ledger: Ledger, text: str, column: str | None, kinds: tuple[int, int, int]
) -> None:
    added = taken_up(ledger, text)

    assert added.column == column
    assert (f"from the column '{column}'" in added.sentence()) == (column is not None)
    assert [(one.emails, one.domains, one.people) for one in never_lists(ledger)] == [kinds]


@pytest.mark.parametrize(
    "text",
    [
        "Email,Website\nana@acme.com,beta.com\n",
        "Name,Company,Website\nAna Silva,Acme,acme.com\n",
        "Website,Name\nacme.com,Ana Silva\n",
        "Name,Company\nAna Silva,Acme\n",
    ],
    ids=["two can be meant", "people or companies", "website first", "none"],
)
def test_where_the_column_is_not_clear_a_file_with_one_is_asked_for(ledger: Ledger, text: str) -> None:
    columns = text.splitlines()[0].replace(",", ", ")

    with pytest.raises(InputError, match=rf"columns \({columns}\).*Give a file with one column"):
        taken_up(ledger, text)

    assert never_lists(ledger) == []


def test_a_row_without_an_entry_among_several_columns_is_said(ledger: Ledger) -> None:
    added = taken_up(ledger, "Email,Name\nana@acme.com,Ana Silva\n,Bo Lee\n")

    assert (added.read, added.unread) == (1, (3,))


@pytest.mark.parametrize("cell", ["Ana Silva, ana@acme.com", "Ana Silva ana@acme.com"])
def test_a_name_with_an_email_behind_it_is_that_email(ledger: Ledger, cell: str) -> None:
    never(ledger, cell)

    assert [(one.emails, one.people) for one in never_lists(ledger)] == [(1, 0)]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pl.DataFrame({"a": ["x.com"], "b": ["y.com"]}), "2 columns"),
        (pl.DataFrame({"a": ["nonsense", "Acme Inc"]}), "No line"),
    ],
    ids=["two columns", "nothing to read"],
)
def test_what_cannot_be_a_list_is_refused_and_changes_nothing(
    ledger: Ledger, frame: pl.DataFrame, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        suppression.add_list(ledger, upload_from_frame(frame), name="x")

    assert never_lists(ledger) == []


def test_what_is_on_two_lists_stays_when_one_is_removed(ledger: Ledger) -> None:
    never(ledger, "acme.com", "beta.com", name="first")
    never(ledger, "acme.com", name="second")

    gone = remove_list(ledger, "first")
    plan, _ = narrowed(ledger, pl.DataFrame({"website": ["acme.com", "beta.com"]}))

    assert gone == 2 and [one.name for one in never_lists(ledger)] == ["second"]
    assert plan.rows["intake"].to_list() == ["skipped", "accepted"]


def test_rows_that_wait_to_be_sent_are_withdrawn_and_the_others_of_their_batch_go(ledger: Ledger) -> None:
    sites = pl.DataFrame({"website": ["acme.com", "beta.com", "gamma.com"]})
    run_id = second_run(ledger, sites, tasks_per_batch=3)

    told = never(ledger, "beta.com")

    assert told.withdrawn == 1 and "1 row is cancelled that waited to be sent" in told.sentence()
    candidate = submissions.next_candidate(ledger, 1)
    assert candidate is not None
    assert [one["domain"] for one in json.loads(candidate.body)] == ["acme.com", "gamma.com"]
    rows = queries.row_states(ledger, run_id)
    assert rows["outcome"].to_list() == ["pending", "cancelled", "pending"]
    assert rows["outcome_reason"][1] == suppression.WITHDRAWN
    assert queries.run_info(ledger, run_id).pending.waiting == 2


def test_a_batch_of_listed_companies_only_is_cancelled_and_one_on_its_way_is_not(ledger: Ledger) -> None:
    sites = pl.DataFrame({"website": ["acme.com", "beta.com", "gamma.com"]})
    run_id = second_run(ledger, sites, tasks_per_batch=1)
    sent = claim(ledger)

    told = never(ledger, "acme.com", "ana@beta.com", "gamma.com")

    assert told.withdrawn == 1
    assert queries.row_states(ledger, run_id)["outcome"].to_list() == ["pending", "pending", "cancelled"]
    submissions.accept(ledger, sent, "server-batch", None, poll_after=1.0)
    assert queries.batches(ledger, run_id)["state"].to_list() == ["accepted", "planned", "cancelled"]


def test_people_who_are_asked_for_together_are_withdrawn_together(ledger: Ledger) -> None:
    people = pl.DataFrame(
        {
            "website": ["acme.com", "acme.com", "beta.com"],
            "first": ["Ana", "Bo", "Cy"],
            "last": ["Silva", "Roe", "Doe"],
            "profile": [None, None, None],
        },
        schema_overrides={"profile": pl.String},
    )
    options = RunOptions(people_per_task=4)
    run_id = second_run(ledger, people, kind=Kind.LOOKUP_PEOPLE, mapping=PEOPLE, options=options)

    told = never(ledger, "Bo Roe, acme.com")

    assert told.withdrawn == 2
    assert queries.row_states(ledger, run_id)["outcome"].to_list() == ["cancelled", "cancelled", "pending"]
