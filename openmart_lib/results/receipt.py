"""Run receipts: what was asked, what became of it, what it may have cost, which files left. Nobody's data.

``read`` gathers the facts; ``as_json`` and ``as_html`` are pure. Also for runs whose personal data was
deleted: all of it is kept for this.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.overrides import Choice, Overrides
from openmart_lib.intake.suffixes import psl_date
from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.balances import Balance
from openmart_lib.ledger.erased import erased_at
from openmart_lib.ledger.exports import Taken, exports_of
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.reconciling import SHARED, reconcile
from openmart_lib.ledger.states import ANSWERED
from openmart_lib.results.receipt_page import page
from openmart_lib.settings import SANDBOX, Prices
from openmart_lib.wording import utc_iso

HINT: Final = f"{SHARED} The difference is a hint, not a bill."
ESTIMATE: Final = "By price list: an estimate. Openmart's own bill counts."
# A header is no data, unless the file had none and its first row was taken for one.
_SOMEBODY: Final = re.compile(r"@|(?:\d[\s().+-]*){7}")


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch: Openmart's id (None if it never gave one), our state of it, its tasks and times (ISO)."""

    batch_no: int
    batch_id: str | None
    state: str
    tasks: int
    sent_at: str | None
    collected_at: str | None


@dataclass(frozen=True, slots=True)
class Export:
    """A file that was taken. ``partial``: rows were still pending then.

    ``rows_withheld``: uploaded rows of which something was left out: on a never-contact list. ``best_first``:
    what a company's best record was chosen by. ``other_runs``: whose rows stand in the same file.
    """

    taken_at: str | None
    file: str
    shape: str
    best_first: str
    lines: int
    uploaded_rows: int
    other_runs: list[str]
    partial: bool
    rows_withheld: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """All facts of a receipt, as JSON types; times are ISO 8601 UTC, amounts credits.

    ``outcomes`` add up to ``uploaded_rows``; ``simulated``: nothing of it is real. ``decisions`` counts what
    was decided against the rules of intake: classes of rows by their code, single rows by what was done.
    """

    run_id: str
    name: str
    kind: str
    environment: str
    simulated: bool
    written_at: str | None
    created_at: str | None
    finished_at: str | None
    erased_at: str | None
    pending_rows: int
    uploaded_file: str
    uploaded_sha256: str
    uploaded_rows: int
    mapping: dict[str, list[str]]
    options: dict[str, Any]
    rules: dict[str, str]
    decisions: dict[str, str | int]
    tasks: int
    outcomes: dict[str, int]
    found: dict[str, int]
    credits: dict[str, Any]
    batches: list[Batch]
    exports: list[Export]


def read(ledger: Ledger, run_id: str, *, prices: Prices) -> Receipt:
    """Gather a run's receipt as it is now.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    run = queries.run_info(ledger, run_id)
    batches = queries.batches(ledger, run_id)
    return Receipt(
        run_id=run.run_id,
        name=run.name,
        kind=str(run.kind),
        environment=run.environment,
        simulated=run.environment == SANDBOX,
        written_at=_iso(ledger.now()),
        created_at=_iso(run.created_at),
        finished_at=_iso(run.finished_at),
        erased_at=_iso(erased_at(ledger, run_id)),
        pending_rows=run.row_count - run.final_rows,
        uploaded_file=run.upload_name,
        uploaded_sha256=run.upload_sha256,
        uploaded_rows=run.row_count,
        mapping={name: [_column(run, one) for one in columns] for name, columns in run.mapping.items()},
        options=_options(run),
        rules={"public_suffix_list": psl_date(), "openmart_desk": version("openmart-desk")},
        decisions=_decisions(ledger, run_id),
        tasks=run.task_count,
        outcomes={str(outcome): n for outcome, n in run.outcomes.items() if n},
        found={name: n for name, n in run.found.items() if n},
        credits=_credits(ledger, run, prices),
        batches=[_batch(one) for one in batches.iter_rows(named=True)],
        exports=[_export(one) for one in exports_of(ledger, run_id)],
    )


def as_json(receipt: Receipt) -> str:
    """Return a receipt as JSON text."""
    return json.dumps(asdict(receipt), ensure_ascii=False, indent=2)


def as_html(receipt: Receipt) -> str:
    """Return a receipt as one HTML page to print: all of it escaped, nothing loaded from anywhere."""
    return page(asdict(receipt))


def _decisions(ledger: Ledger, run_id: str) -> dict[str, str | int]:
    try:
        decided = Overrides.from_dict(queries.decisions(ledger, run_id))
    except InputError:  # written by another version
        return {}
    done = {Choice.SEND: "sent anyway", Choice.DROP: "left out"}
    classes = {f"all rows of the class {code}": done[choice] for code, choice in decided.classes.items()}
    return classes | decided.counts()


def _credits(ledger: Ledger, run: RunInfo, prices: Prices) -> dict[str, Any]:
    books = reconcile(ledger, run)
    return {
        "at_most_as_shown": run.worst_credits,
        "for_what_was_found": 0.0 if run.made_elsewhere else _found_credits(run, prices),
        "how": "Another tool submitted it." if run.made_elsewhere else ESTIMATE,
        "balance_before": _balance(books.before),
        "balance_after": _balance(books.after),
        "balance_after_is_of_the_end": books.ended,
        **books.as_json(),
        "about_difference": books.verdict(),
        "about_balances": HINT,
    }


def _found_credits(run: RunInfo, prices: Prices) -> float:
    """Return about how many credits the found values cost, from the counters that outlive the data."""
    found = run.found
    if run.kind is Kind.FIND_TECH:  # paid per check, whatever it finds
        return prices.technology * sum(run.outcomes[one] for one in ANSWERED)
    if run.kind is Kind.LOOKUP_BUSINESS_EMAIL:
        return prices.mailbox * found["mailboxes"]
    return prices.email * found["emails"] + prices.phone * found["phones"]


def _balance(seen: Balance | None) -> dict[str, Any] | None:
    return None if seen is None else {"at": _iso(seen.at), "credits": seen.credits}


def _options(run: RunInfo) -> dict[str, Any]:
    """Return the options that were set; those that quote cells of the list are left out."""
    set_ones = {name: value for name, value in run.options.items() if value not in (None, "", [], False)}
    plain = {name: value for name, value in set_ones.items() if not isinstance(value, dict)}
    if "only_where_empty" in plain:
        plain["only_where_empty"] = _column(run, str(plain["only_where_empty"]))
    return plain


def _column(run: RunInfo, name: str) -> str:
    """Return a column's name, or its place where the name looks like somebody's address or number."""
    if not _SOMEBODY.search(name):
        return name
    place = run.columns.index(name) + 1 if name in run.columns else 0
    return f"column_{place}"


def _batch(one: dict[str, Any]) -> Batch:
    return Batch(
        one["batch_no"],
        one["batch_id"],
        one["state"],
        one["task_count"],
        _iso(one["sent_at"]),
        _iso(one["collected_at"]),
    )


def _export(one: Taken) -> Export:
    return Export(
        taken_at=_iso(one.at),
        file=one.kind,
        shape=one.shape,
        best_first=one.ranking,
        lines=one.lines,
        uploaded_rows=one.rows,
        other_runs=list(one.other_runs),
        partial=one.partial,
        rows_withheld=one.withheld,
        sha256=one.sha256,
    )


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else utc_iso(seconds)
