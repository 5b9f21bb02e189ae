"""One run in a notebook: how it stands, its results, and the person's word on it.

A notebook is a way out of the house, as a file is: what was found about somebody on a never-contact list is
in none of the frames. ``Run.withheld`` tells of which rows that is.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from openmart_lib import watch
from openmart_lib.engine.clients import key_fingerprint, key_last4
from openmart_lib.errors import InputError
from openmart_lib.intake.overrides import Overrides
from openmart_lib.intake.reading import rejected_cells
from openmart_lib.intake.tasks import rejects_frame
from openmart_lib.ledger import Outcome, queries
from openmart_lib.ledger.limits import set_limit
from openmart_lib.ledger.pilots import send_rest
from openmart_lib.ledger.runs import CancelCount, adopt_run, cancel_run, pause_run, resume_run
from openmart_lib.ledger.states import PERSON_HOLDS
from openmart_lib.report import Report, look
from openmart_lib.results import export, join
from openmart_lib.results.chain import chain, runs_of_chain
from openmart_lib.results.export import ExportInfo
from openmart_lib.results.join import Shape
from openmart_lib.results.quality import RANKING, parse_ranking
from openmart_lib.results.withheld import (
    LEFT_OUT,
    SOME_LEFT_OUT,
    Withheld,
    withheld_words,
    withhold,
    withhold_lazy,
    without_listed,
)
from openmart_lib.settings import Settings
from openmart_lib.wording import counted

if TYPE_CHECKING:
    from openmart_lib.desk import Desk


class Run:
    """One run: its state, its results, and the person's word on it."""

    def __init__(self, desk: Desk, run_id: str, name: str) -> None:
        self._desk = desk
        self.id: Final = run_id
        self.name: Final = name

    def report(self) -> Report:
        """Return how the run stands now."""
        return look(self._desk.ledger, self._desk.settings, self.id)

    def status(self) -> dict[str, Any]:
        """Return the object that ``openmart status --json`` prints."""
        return self.report().as_json()

    def wait(self, timeout: float | None = None, *, progress: bool = True) -> Run:
        """Wait until nothing of the run moves by itself any more; return the run itself.

        That is: every row final, or a person is needed. Look at ``status()`` to see which, or at the run
        itself: it says so in words.

        Args:
            timeout: Seconds after which it returns anyway; the run goes on.
            progress: Draw a bar, on a terminal or in a notebook.
        """
        self._desk.start_engine()
        with watch.display(wanted=progress) as show:
            watch.follow(self._desk.ledger, self.report, show=show, timeout=timeout)
        return self

    def results(self, shape: Shape = "long", *, ranking: Sequence[str] = RANKING) -> pl.DataFrame:
        """Return the results joined to the uploaded rows; all uploaded columns first.

        What was found about anybody on a never-contact list is left out, as in files: the row stays with its
        outcome, its found columns are empty, and ``outcome_reason`` says so.

        Args:
            shape: ``long``: one row per found record, and one for each uploaded row without any.
                ``rows``: one row per uploaded row, in upload order, with all its contacts numbered where
                one has several (``contact_1_email``). ``companies``: one row per company, its best record.
            ranking: What makes a company's best record, the weightiest first: of "verified email", "email",
                "title fit" and "phone".

        Warns:
            UserWarning: Of how many rows something is left out, as it is on a never-contact list.

        Raises:
            InputError: If the shape or the ranking cannot be used.
        """
        ledger = self._desk.ledger
        return _told(withhold(ledger, join.results(ledger, self.id, shape, ranking=parse_ranking(ranking))))

    def lazy(self, shape: Shape = "long") -> pl.LazyFrame:
        """Return ``results`` unread: of a large finished run only what is used of it is read from disk.

        While there is a never-contact list, all columns are read: of how many rows something is left out
        ``withheld`` tells, no warning does.
        """
        return withhold_lazy(self._desk.ledger, join.results_lazy(self._desk.ledger, self.id, shape))

    def withheld(self) -> pl.DataFrame:
        """Return one row per uploaded row that something is left out of, as it is on a never-contact list.

        Columns: row, file_line (Int64), outcome, outcome_reason (String): whether all that was found is left
        out or some of several contacts. Its height is what warnings and ``write`` count. Who is listed is
        kept as keyed hashes only, so nothing here names anybody.
        """
        ledger = self._desk.ledger
        lines = withhold(ledger, join.results(ledger, self.id, "rows")).frame
        gone = pl.col("outcome_reason").is_in([LEFT_OUT, SOME_LEFT_OUT])
        return lines.filter(gone).select("row", "file_line", "outcome", "outcome_reason")

    def best(self) -> pl.DataFrame:
        """Return the best that this run and those started from its rows found, one row per uploaded row.

        The first run's columns and order, whichever run of the chain this is; ``run_name`` and ``kind`` tell
        which run found it, ``tries`` how many had the row. Left out and warned of as in ``results``.
        """
        ledger = self._desk.ledger
        return _told(withhold(ledger, chain(ledger, runs_of_chain(ledger, self.id))))

    def unmatched(self) -> pl.DataFrame:
        """Return one row per record that belongs to no uploaded row; kept, because it may have been paid.

        Warns:
            UserWarning: How many are left out, as they are about somebody on a never-contact list.
        """
        kept = without_listed(self._desk.ledger, join.unmatched(self._desk.ledger, self.id))
        if kept.rows:
            warnings.warn(f"{counted(kept.rows, 'record is', 'records are')} {LEFT_OUT}.", stacklevel=2)
        return kept.frame

    def rejects(self) -> pl.DataFrame:
        """Return one row per uploaded row that could not be sent: its columns, then where it is and why.

        Our columns: row, file_line (UInt32), intake_code, intake_reason, intake_suggestion, intake_list
        (String): the same file as Submit gives and ``openmart run --rejects`` writes. Corrected, it can be
        dropped on Submit: its rows find this list again.
        """
        ledger, run = self._desk.ledger, queries.run_info(self._desk.ledger, self.id)
        upload, rows = queries.upload_rows(ledger, self.id).collect(), queries.row_states(ledger, self.id)
        decided = Overrides.from_dict(queries.decisions(ledger, self.id))
        cells = None if run.made_elsewhere else rejected_cells(upload, rows, run.mapping, run.kind, decided)
        return rejects_frame(upload, rows, cells=cells, sha256=run.upload_sha256)

    def export(
        self,
        path: Path | str,
        *,
        shape: Shape = "long",
        outcomes: Collection[Outcome] | None = None,
        ranking: Sequence[str] = RANKING,
        csv: Literal["excel", "plain"] = "excel",
    ) -> Path:
        """Write the results to a .csv, .xlsx or .parquet file; return its path.

        Args:
            shape, ranking: As for ``results``.
            outcomes: Only rows with one of these; None = all.
            csv: ``excel`` keeps cells from becoming formulas; ``plain`` writes every cell as it is.

        Warns:
            UserWarning: Of how many rows something is left out, as it is on a never-contact list.

        Raises:
            InputError: If the ending, shape or ranking cannot be used, or the file cannot be written.
        """
        written = self.write(path, shape=shape, outcomes=outcomes, ranking=ranking, csv=csv)
        if written.withheld:
            warnings.warn(withheld_words(written.withheld), stacklevel=2)
        return written.path

    def write(
        self,
        path: Path | str,
        *,
        shape: Shape = "long",
        outcomes: Collection[Outcome] | None = None,
        ranking: Sequence[str] = RANKING,
        csv: Literal["excel", "plain"] = "excel",
    ) -> ExportInfo:
        """Write the results to a file as ``export`` does; return what is in it.

        That is ``path``, ``lines``, ``rows``, ``sha256``, and ``withheld``: uploaded rows of which something
        is left out, as it is on a never-contact list.

        Raises:
            InputError: As ``export``.
        """
        best, ledger, target = parse_ranking(ranking), self._desk.ledger, Path(path)
        return export.export_run(
            ledger, self.id, target, shape=shape, outcomes=outcomes, ranking=best, csv=csv
        )

    def pause(self) -> None:
        """Send no further batches; what is with Openmart goes on and is collected."""
        pause_run(self._desk.ledger, self.id)

    def resume(self, *, max_credits: float | None = None) -> None:
        """Go on: end a pause or a hold, and send what is left with the present key, also after a pilot.

        The worker sends it: of this desk once ``wait`` is called, or of the dashboard.

        Args:
            max_credits: What the run may cost at most from now on, with all that it has cost.

        Raises:
            InputError: If the rest of a pilot may cost much and ``max_credits`` is not given.
        """
        report = self.report()
        rest_goes = report.pilot is not None and report.pilot.over
        if rest_goes and max_credits is None:
            _check_agreed(report, self._desk.settings)
        if max_credits is not None:
            set_limit(self._desk.ledger, self.id, max_credits)
        if report.run.other_key:
            adopt_run(
                self._desk.ledger,
                self.id,
                key_fingerprint=key_fingerprint(self._desk.ledger, self._desk.settings),
                key_last4=key_last4(self._desk.settings),
            )
            if self.report().run.hold in PERSON_HOLDS:
                return  # it keeps other runs of this key, too: a word of its own, as on the page
        resume_run(self._desk.ledger, self.id)
        if rest_goes:
            send_rest(self._desk.ledger, self.id)

    def cancel(self) -> CancelCount:
        """Cancel what was not sent; what is with Openmart cannot be recalled and will be collected."""
        return cancel_run(self._desk.ledger, self.id)

    def __repr__(self) -> str:
        return self.report().sentence()


def _check_agreed(report: Report, settings: Settings) -> None:
    """Refuse to send the rest of a pilot that may cost much and for which nobody named a number."""
    if report.pilot is None or report.to_name is None:
        return
    raise InputError(
        f"The other {report.pilot.rest_rows:,} rows may cost {report.pilot.at_stake:,.0f} credits, more than "
        f"{settings.confirm_above:,.0f} (OPENMART_CONFIRM_ABOVE), and no limit was given. Nothing was sent. "
        f"Say --max-credits {report.to_name:.0f}, or less, if that is what the whole run may cost, with what "
        "it has cost (in a notebook: max_credits)."
    )


def _told(kept: Withheld) -> pl.DataFrame:
    """Return the frame; warn where something is left out of it."""
    if kept.rows:
        warnings.warn(withheld_words(kept.rows), stacklevel=3)
    return kept.frame
