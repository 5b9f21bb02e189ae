"""Never-contact lists: whoever is on one is neither sent to Openmart nor written into a file.

A list is kept as keyed hashes (HMAC-SHA-256 with a secret of the ledger): it can be compared with, not read.
No reason, event or message names who was left out.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import LedgerError
from openmart_lib.intake import never
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.files import Upload
from openmart_lib.intake.narrowing import take_out
from openmart_lib.intake.tasks import Intake, Plan
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.queries import upload_rows
from openmart_lib.ledger.suppressing import add_entries, all_secrets, hashes, mark_checked, secret
from openmart_lib.ledger.withdrawing import unchecked, unsent, waiting_runs, withdraw
from openmart_lib.wording import counted

CODE: Final = "suppressed"  # intake code of a row that is left out for it
REASON: Final = "On your never-contact list."
WITHDRAWN: Final = (
    "Not sent any more: this row, or one that was asked for together with it, is on your never-contact list."
)
_HASH_BYTES: Final = 16
_BATCHES_AT_ONCE: Final = 1_000  # compared in one go: about 100,000 rows
_PEOPLE: Final = pl.Struct(
    {"people": pl.List(pl.Struct(dict.fromkeys(("first_name", "last_name", "linkedin_url"), pl.String)))}
)


@dataclass(frozen=True, slots=True)
class Added:
    """An import: entries ``read``, those that were ``new``, and the file's lines that are no entry.

    ``column`` is the one that was read of a file with several.
    ``withdrawn`` are rows of earlier lists that waited to be sent and are not any more.
    """

    list_name: str
    read: int
    new: int
    unread: tuple[int, ...]
    withdrawn: int = 0
    column: str | None = None

    def sentence(self) -> str:
        """Say what was taken up and what was not."""
        source = "" if self.column is None else f" from the column {self.column!r}"
        entries = counted(self.read, "entry was", "entries were")
        said = f"{entries} read{source} into {self.list_name!r}, {self.new:,} of them new."
        if self.unread:
            lines = ", ".join(f"{line:,}" for line in self.unread[:5])
            more = "" if len(self.unread) <= 5 else f" and {len(self.unread) - 5:,} more"
            said += f" {len(self.unread):,} could not be read (lines {lines}{more})."
        if self.withdrawn:
            said += f" {counted(self.withdrawn, 'row is', 'rows are')} cancelled that waited to be sent."
        return f"{said} Nothing of them is sent or written into a file from now on."


@dataclass(frozen=True, slots=True)
class Lists:
    """All lists together: the keys, the hashes by kind, and how often the lists had changed then."""

    keys: tuple[bytes, ...]
    known: dict[str, set[str]]
    changes: int

    def __bool__(self) -> bool:
        return bool(self.known)

    def has(self, kind: str, texts: pl.Series) -> pl.Series:
        """Return which texts, in their normal form, are on a list; false for a null."""
        known = self.known.get(kind)
        if not known:
            return pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
        told = texts.drop_nulls().unique().to_list()
        listed = [text for text in told if any(_hash(key, kind, text) in known for key in self.keys)]
        return texts.is_in(listed).fill_null(False)


def one_column(read: Callable[[str | None], Upload]) -> Upload:
    """Read a file with a column of entries; commas inside its lines ("Ana Silva, acme.com") part nothing.

    A table keeps its columns: one of them may hold the entries.

    Args:
        read: Reads the file with this delimiter: None finds out, "" means one column.

    Raises:
        InputError: If it cannot be used.
    """
    upload = read(None)
    crowded = len(uploaded_columns(upload.frame)) > 1 and upload.format.delimiter
    return read("") if crowded and never.are_lines(upload.frame) else upload


def add_list(ledger: Ledger, upload: Upload, *, name: str) -> Added:
    """Take up a never-contact list; entries that are on it already stay.

    Args:
        upload: A file with one column of emails, websites, LinkedIn links, or names with a website
            ("Ana Silva, acme.com"); other columns beside it are not read.
        name: What the list is called: it can be removed by that name.

    Raises:
        InputError: If it is not clear which column is meant, or nothing in it can be read.
        LedgerError: If it could not be stored.
    """
    entries = never.read_entries(upload)
    key = secret(ledger)
    hashed = [(kind, _hash(key, kind, normal)) for kind, normal, _ in entries.known.rows()]
    people = entries.known.filter(pl.col("spaced") != pl.col("normal"))["spaced"]
    older = [(never.PERSON, _hash(key, never.PERSON, spaced)) for spaced in people]
    new = add_entries(ledger, name, hashed, instead_of=older)
    return Added(name, len(hashed), new, entries.unread, withdraw_listed(ledger), entries.column)


def withdraw_listed(ledger: Ledger, *, run_id: str | None = None, batches: int | None = None) -> int:
    """Cancel what waits to be sent and is on a never-contact list; return how many rows that were.

    Of people who are asked for together all are cancelled when one is listed. What is with Openmart cannot
    be recalled. Batches that were compared since the lists last changed are passed over: only those that
    came to wait in another way than by planning cost anything.

    Args:
        run_id: Only of this run.
        batches: Only so many of its batches, the first ones; the worker has other things to do.

    Raises:
        LedgerError: If the lists cannot be read, or something could not be stored.
    """
    lists = lists_of(ledger)
    gone = 0
    for waiting, kind in waiting_runs(ledger):
        if run_id is not None and run_id != waiting:
            continue
        pks = unchecked(ledger, waiting)[:batches]
        for start in range(0, len(pks), _BATCHES_AT_ONCE):
            part = pks[start : start + _BATCHES_AT_ONCE]
            rows = unsent(ledger, part)
            listed = rows.filter(_waiting_listed(lists, ledger, waiting, kind, rows))
            if listed.height:
                tasks = listed.select("batch_pk", "task_no")
                gone += withdraw(ledger, waiting, tasks, WITHDRAWN, checked=lists.changes)
            mark_checked(ledger, part, lists.changes)
    return gone


def _waiting_listed(lists: Lists, ledger: Ledger, run_id: str, kind: Kind, rows: pl.DataFrame) -> pl.Series:
    """Return which of these rows of a run, as ``unsent`` gives them, are not to be sent."""
    listed = lists.has(never.DOMAIN, never.domains(rows["domain"]))
    if never.EMAIL in lists.known:
        listed = listed | rows["seq"].is_in(_mailed_rows(lists, ledger, run_id, rows["seq"]).implode())
    if kind is Kind.LOOKUP_PEOPLE and never.PERSON in lists.known:
        tasks = rows.unique("task_no", maintain_order=True)
        listed = listed | rows["task_no"].is_in(listed_tasks(lists, tasks)["task_no"].implode())
    return listed


def narrow(
    ledger: Ledger, plan: Plan, kind: Kind, frame: pl.DataFrame, *, lists: Lists | None = None
) -> tuple[Plan, int]:
    """Return the plan without rows that are on a never-contact list, and how many they are.

    A row is, when its company or the person it asks for is listed, or any cell of it is a listed email.
    A duplicate of such a row that is not listed itself is sent in its place.

    Args:
        frame: The upload's frame.
        lists: All lists, where they were read already.
    """
    lists = lists_of(ledger) if lists is None else lists
    if not lists:
        return plan, 0
    sent = plan.rows["intake"].is_in([Intake.ACCEPTED.value, Intake.DUPLICATE.value])
    listed = lists.has(never.DOMAIN, never.domains(plan.rows["domain"])) | _mailed(lists, frame)
    if kind is Kind.LOOKUP_PEOPLE:
        listed = listed | _asked_for(lists, plan)
    seqs = plan.rows["seq"].filter(sent & listed)
    told = pl.DataFrame({"seq": seqs}).with_columns(pl.lit(REASON).alias("reason"))
    return take_out(plan, told, intake=Intake.SKIPPED, code=CODE, copies="inherit"), len(seqs)


def _mailed_rows(lists: Lists, ledger: Ledger, run_id: str, seqs: pl.Series) -> pl.Series:
    """Return which of these rows of a run hold a listed email; none where its uploaded rows are gone."""
    if seqs.is_empty():
        return seqs
    among = pl.col("seq").is_between(seqs.min(), seqs.max())
    try:
        frame = upload_rows(ledger, run_id).filter(among).collect()
    except LedgerError:
        return pl.Series(dtype=pl.UInt32)
    return frame["seq"].filter(_mailed(lists, frame))


def lists_of(ledger: Ledger) -> Lists:
    """Return all never-contact lists of a ledger; false while there is none."""
    known, changes = hashes(ledger)
    return Lists(tuple(all_secrets(ledger)), known, changes)


def _hash(key: bytes, kind: str, text: str) -> str:
    return hmac.digest(key, f"{kind}\x1f{text}".encode(), "sha256")[:_HASH_BYTES].hex()


def _mailed(lists: Lists, frame: pl.DataFrame) -> pl.Series:
    """Return which uploaded rows hold a listed email in any cell, alone or in brackets after a name."""
    hit = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    for name in uploaded_columns(frame):
        cells = frame[name]
        holds = cells.str.contains("@", literal=True).fill_null(False)
        if holds.any():
            cell = cells.filter(holds).alias("cell").to_frame()
            mailed = never.emails(cell.select(never.address(pl.col("cell").str.strip_chars())).to_series())
            hit = hit.scatter(holds.arg_true(), hit.filter(holds) | lists.has(never.EMAIL, mailed))
    return hit


def hold_listed(lists: Lists, uploaded: pl.DataFrame) -> pl.Series:
    """Return which uploaded rows hold a listed email, or a listed LinkedIn profile, in any cell.

    Args:
        uploaded: Their uploaded columns, or any others that hold text.
    """
    hit = pl.repeat(False, uploaded.height, dtype=pl.Boolean, eager=True)
    if never.EMAIL in lists.known:
        hit = hit | _mailed(lists, uploaded)
    if never.PERSON in lists.known:
        for cells in uploaded.select(pl.selectors.string()):
            if cells.str.contains("(?i)linkedin").any():
                links = cells.alias("cell").to_frame().select(never.linkedin(pl.col("cell"))).to_series()
                hit = hit | lists.has(never.PERSON, links)
    return hit


def _asked_for(lists: Lists, plan: Plan) -> pl.Series:
    """Return which rows ask for a listed person, by LinkedIn profile or by name and company."""
    listed = listed_tasks(lists, plan.tasks)
    leads = plan.links.join(listed, on=["task_no", "person_no"], how="semi")["seq"]
    return plan.rows.select(pl.coalesce("duplicate_of", "seq").is_in(leads.implode())).to_series()


def listed_tasks(lists: Lists, tasks: pl.DataFrame) -> pl.DataFrame:
    """Return task_no and person_no of the listed people that tasks (task_no, domain, request) ask for."""
    people = tasks.select(
        "task_no", "domain", pl.col("request").str.json_decode(_PEOPLE).struct.field("people")
    ).explode("people")
    people = people.unnest("people").with_columns(
        person_no=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("task_no")
    )
    return people.filter(listed_people(lists, people, "", people["domain"])).select("task_no", "person_no")


def listed_people(lists: Lists, people: pl.DataFrame, prefix: str, sites: pl.Series) -> pl.Series:
    """Return which people are listed, by LinkedIn profile or by name and company.

    Args:
        people: Columns ``first_name``, ``last_name`` and ``linkedin_url``, each after ``prefix``.
        sites: The domain of each one's company.
    """
    if never.PERSON not in lists.known:
        return pl.repeat(False, people.height, dtype=pl.Boolean, eager=True)
    first, last = (pl.col(f"{prefix}{name}").fill_null("") for name in ("first_name", "last_name"))
    link, companies = people.select(never.linkedin(pl.col(f"{prefix}linkedin_url"))), never.domains(sites)
    hit = lists.has(never.PERSON, link.to_series())
    for one, other in ((first, last), (last, first)):  # a list may have the last name in front
        name = people.select(pl.concat_str(one, pl.lit(" "), other).alias("name")).to_series()
        for normal in (never.names, never.spaced_names):  # lists of older versions are kept in the second
            hit = hit | lists.has(never.PERSON, normal(name, companies))
    return hit
