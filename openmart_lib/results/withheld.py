"""What no file and no notebook gets: whatever was found about somebody on a never-contact list.

Rows in = rows out: a line stays with its uploaded cells, what was found is blank, and its reason says so. A
row that asked for a known person is about that person: it is compared by its uploaded cells and by whom its
task asked for, too.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import RunNotFoundError
from openmart_lib.intake import never
from openmart_lib.ledger import Ledger, queries
from openmart_lib.results.columns import DERIVED_COLUMNS, MAX_CONTACTS, contact_columns
from openmart_lib.results.flatten import FOUND_SCHEMA
from openmart_lib.suppression import Lists, hold_listed, listed_people, listed_tasks, lists_of
from openmart_lib.wording import counted

LEFT_OUT: Final = "left out: on your never-contact list"
SOME_LEFT_OUT: Final = "some contacts are left out: on your never-contact list"
_OF_BEST: Final = (*FOUND_SCHEMA, *DERIVED_COLUMNS, "record_no")  # of the record that a line shows
_MANY: Final = 10_000  # tasks; then all of their run are read, which is quicker than naming them
_NUMBERED: Final = frozenset(contact_columns(Kind, MAX_CONTACTS))


@dataclass(frozen=True, slots=True)
class Withheld:
    """Results without what is on a never-contact list, and from how many uploaded ``rows`` it is gone."""

    frame: pl.DataFrame
    rows: int

    def sentence(self) -> str:
        """Say how many rows are concerned; "" for none."""
        return f"{counted(self.rows, 'row')} {LEFT_OUT}." if self.rows else ""


def withheld_words(rows: int) -> str:
    """Say of how many uploaded rows something is left out of a file; "" for none."""
    if not rows:
        return ""
    return f"{counted(rows, 'row has', 'rows have')} something left out: on your never-contact list."


def withheld_rows(told: pl.DataFrame) -> pl.Series:
    """Return the numbers (``row``) of the uploaded rows of one run that ``withhold`` took something from."""
    gone = pl.col("outcome_reason").is_in([LEFT_OUT, SOME_LEFT_OUT])
    return told.filter(gone)["row"].unique().sort()


def withhold(ledger: Ledger, frame: pl.DataFrame) -> Withheld:
    """Blank what was found about anybody on a never-contact list; every line and uploaded cell stays.

    Args:
        frame: ``join.results`` in any shape, of one or several runs, or a part of its lines.

    Raises:
        LedgerError: If the lists cannot be read: then nothing may be written.
    """
    lists = lists_of(ledger)
    if not lists or frame.is_empty():
        return Withheld(frame, 0)
    found = frame["record_count"] > 0
    whole = lists.has(never.DOMAIN, never.domains(frame["domain"])) | _asked_for(lists, ledger, frame)
    best = (whole | _listed(lists, frame, "found_")) & found
    gone = best
    for number in range(1, MAX_CONTACTS + 1):
        names = [name for name in frame.columns if name in _NUMBERED and name.split("_")[1] == str(number)]
        if not names:
            break
        hit = (whole | _listed(lists, frame, f"contact_{number}_")) & found
        frame, gone = _blank(frame, hit, names), gone | hit
    frame = _blank(frame, best, [name for name in _OF_BEST if name in frame.columns])
    reason = pl.when(best).then(pl.lit(LEFT_OUT)).when(gone).then(pl.lit(SOME_LEFT_OUT))
    told = frame.with_columns(pl.coalesce(reason, "outcome_reason").alias("outcome_reason"))
    return Withheld(told, told.filter(gone).select("row", "run_name").n_unique())


def withhold_lazy(ledger: Ledger, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return ``withhold`` unread. While there is a list all columns of the lines asked for are read.

    Raises:
        LedgerError: As ``withhold``, also when it is read.
    """
    if not lists_of(ledger):
        return frame
    # Filters must not come first: they would tell what is blank.
    return frame.map_batches(lambda lines: withhold(ledger, lines).frame, slice_pushdown=True)


def without_listed(ledger: Ledger, found: pl.DataFrame) -> Withheld:
    """Take out records of nobody's row that are about somebody on a never-contact list; ``rows`` counts them.

    Args:
        found: ``join.unmatched``; such a record's company is the one that its email is of.

    Raises:
        LedgerError: If the lists cannot be read: then nothing may be written.
    """
    lists = lists_of(ledger)
    if not lists or found.is_empty():
        return Withheld(found, 0)
    company = never.hosts(never.emails(found["found_email"])).alias("domain")
    kept = found.filter(~_listed(lists, found.with_columns(company), "found_"))
    return Withheld(kept, found.height - kept.height)


def _asked_for(lists: Lists, ledger: Ledger, frame: pl.DataFrame) -> pl.Series:
    """Return which lines are of a row that asked for a listed person, whatever name came back."""
    known_person = (frame["kind"] == Kind.LOOKUP_PEOPLE).fill_null(False)  # null: no run had the row
    if not known_person.any():
        return known_person
    hit = hold_listed(lists, frame[:, : frame.columns.index("outcome")])
    if never.PERSON in lists.known:
        hit = hit | _named_in_tasks(lists, ledger, frame.filter(known_person), frame)
    return known_person & hit


def _named_in_tasks(lists: Lists, ledger: Ledger, people: pl.DataFrame, frame: pl.DataFrame) -> pl.Series:
    """Return which lines belong to a task, or to a row of a group's task, that named a listed person.

    Args:
        people: The lines that asked for a known person.
    """
    ids = people["tracking_id"].drop_nulls().unique().str.extract_groups(r"^(?<run>[^-]+)-(?<task>[0-9]+)$")
    row = frame.select(pl.coalesce("duplicate_of", "row")).to_series()
    hit = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    for (run_id,), tasks in ids.struct.unnest().drop_nulls().partition_by("run", as_dict=True).items():
        numbers = tasks["task"].cast(pl.UInt32).to_list()
        wanted = numbers if len(numbers) < _MANY else None
        with suppress(RunNotFoundError):  # another tool's tracking ids may look like ours
            asked = queries.requests(ledger, str(run_id), wanted)
            listed = listed_tasks(lists, asked.filter(pl.col("request").str.contains('"people"')))
            if listed.is_empty():
                continue
            ties = queries.links(ledger, str(run_id), task_nos=listed["task_no"].unique().to_list())
            alone = ties.group_by("task_no").len().filter(pl.col("len") == 1)["task_no"]
            whole = asked.filter(pl.col("task_no").is_in(alone.implode()))["tracking_id"]
            rows = ties.join(listed, on=["task_no", "person_no"], how="semi")["seq"].cast(pl.Int64)
            of_run = frame["tracking_id"].str.starts_with(f"{run_id}-")
            hit = hit | frame["tracking_id"].is_in(whole.implode()) | (of_run & row.is_in(rows.implode()))
    return hit.fill_null(False)


def _listed(lists: Lists, frame: pl.DataFrame, prefix: str) -> pl.Series:
    """Return in which lines a person or mailbox is listed: by email, its company, profile or name."""
    hit = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    if f"{prefix}email" in frame.columns:
        addresses = never.emails(frame[f"{prefix}email"])
        hit = lists.has(never.EMAIL, addresses) | lists.has(never.DOMAIN, never.hosts(addresses))
    if f"{prefix}linkedin_url" in frame.columns:
        hit = hit | listed_people(lists, frame, prefix, frame["domain"])
    return hit


def _blank(frame: pl.DataFrame, where: pl.Series, names: list[str]) -> pl.DataFrame:
    return frame.with_columns(pl.when(~where).then(pl.col(name)).alias(name) for name in names)
