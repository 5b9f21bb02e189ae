"""The notebook's way in: open the desk, submit a frame, wait, read the results as a frame."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import polars as pl

from openmart_lib import attachment, submission, watch
from openmart_lib.api.wire import Kind
from openmart_lib.choices import full_mapping, parse_info, parse_kind, read_list
from openmart_lib.engine import Supervisor
from openmart_lib.engine.clients import key_fingerprint, key_last4
from openmart_lib.errors import RunExistsError
from openmart_lib.intake.files import Upload, upload_from_frame
from openmart_lib.intake.overrides import Overrides
from openmart_lib.intake.reading import rejected_cells
from openmart_lib.intake.tasks import RunOptions, rejects_frame
from openmart_lib.ledger import Ledger, Outcome, open_ledger, queries
from openmart_lib.ledger.limits import set_limit
from openmart_lib.ledger.pilots import send_rest
from openmart_lib.ledger.runs import CancelCount, adopt_run, cancel_run, pause_run, resume_run
from openmart_lib.report import Report, look, look_at_all
from openmart_lib.results import export, join
from openmart_lib.results.chain import chain, runs_of_chain
from openmart_lib.results.join import Shape
from openmart_lib.results.quality import RANKING, parse_ranking
from openmart_lib.settings import Settings, load_settings

SANDBOX_PATIENCE: Final = 20.0  # seconds that a sandbox may take to start


def open(*, data_dir: Path | str | None = None, settings: Settings | None = None) -> Desk:
    """Open the desk: settings, ledger and, once something is to be sent, the worker.

    Without a key everything runs on the built-in sandbox and costs nothing.

    Args:
        data_dir: Folder to keep everything in, instead of ``OPENMART_DATA_DIR``.
        settings: Settings to use instead of environment variables and ``secrets.toml``.

    Raises:
        ConfigError: If a setting cannot be used.
        LedgerError: If the ledger cannot be opened.
    """
    chosen = settings or load_settings()
    if data_dir is not None:
        chosen = replace(chosen, data_dir=Path(data_dir).expanduser().absolute())
    return Desk(chosen, open_ledger(chosen))


class Desk:
    """Runs of one environment. Use ``open()`` to make one; a context manager, or ``close()`` it.

    The worker is a process of its own. It starts with the first ``submit`` or ``wait`` and ends with the
    desk, after the submissions on their way have come back. If another program (the dashboard, say) already
    works on the same data folder, that one does the work.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.settings: Final = settings
        self.ledger: Final = ledger
        self._lock = threading.Lock()
        self._supervisor: Supervisor | None = None

    def submit(
        self,
        data: pl.DataFrame | Path | str,
        *,
        kind: Kind | str = Kind.FIND_PEOPLE,
        title: str | None = None,
        max_k: int = 1,
        info: Collection[str] = ("EMAIL",),
        tech: str | None = None,
        mapping: Mapping[str, str | Sequence[str]] | None = None,
        name: str | None = None,
        again: bool = False,
        company_name_from_domain: bool = False,
        people_per_task: int = 1,
        max_credits: float | None = None,
        pilot: int = 0,
        reuse: int = 0,
        **more: Any,
    ) -> Run:
        """Submit a list; **on the real API this spends credits**. Return its run at once.

        The same content again (same rows, columns and options) gives the same run and spends nothing, so a
        notebook cell may be run twice; with ``again=True`` each call is a new run.

        Args:
            data: One row per company or person, all columns kept; or the path of a CSV, TXT or XLSX file.
            kind: find_people, lookup_people, lookup_business_email or find_tech.
            title: The role wanted, for find_people ("Owner").
            max_k: People wanted per company, 1-8, for find_people.
            info: Contact fields to buy: EMAIL, PHONE or both.
            tech: The technology's name in lower case, for find_tech ("shopify").
            mapping: Task field to uploaded column, or columns: the first that is not empty counts.
                Fields that are not named are guessed from the columns' names.
            name: The run's name; default: the file's.
            company_name_from_domain: Where lookup_business_email has no company name, use the domain's word.
            people_per_task: People of one company per lookup_people task, 1-8. 1 is safest.
            max_credits: Spend at most so many; default: the most that the list can cost.
            pilot: Send so many random rows first; ``Run.resume`` sends the rest. 0: all at once.
            more: Further fields of ``RunOptions``, such as ``country`` (the same for all rows) or
                ``first_rows``.

        Raises:
            InputError: If the list or an option cannot be used; nothing was sent.
        """
        upload, wanted = _upload(data, name), parse_kind(kind)
        given = {
            "title": title,
            "max_k": max_k,
            "info_access": parse_info(",".join(info)),
            "tech_type": tech,
            "company_name_from_domain": company_name_from_domain,
            "people_per_task": people_per_task,
        }
        options = RunOptions.from_dict(given | more)
        columns = full_mapping(upload, wanted, mapping or {})
        prepared = submission.prepare(upload, columns, wanted, options, settings=self.settings)
        if reuse:
            prepared, _ = submission.with_reuse(self.ledger, self.settings, prepared, days=reuse)
        token = f"desk-{prepared.content_key}"
        if again:
            token += f"-{secrets.token_hex(8)}"
        try:
            run_id = submission.confirm(
                self.ledger,
                self.settings,
                prepared,
                name=name or "",
                confirm_token=token,
                again=again,
                spend_at_most=max_credits,
                pilot_rows=pilot,
            )
        except RunExistsError as earlier:
            run_id = earlier.run_id
        self.start_engine()
        return self.run(run_id)

    def attach(
        self,
        batch_id: str,
        kind: Kind | str,
        frame: pl.DataFrame | Path | str | None = None,
        column: str | None = None,
    ) -> Run:
        """Collect a batch that another tool submitted (curl, n8n, MCP, a script); return its run at once.

        Free: nothing is submitted, its credits were spent where it was made. Attached again, the same run is
        returned; a lost batch of our own is attached to the run it belongs to, and that run is returned.

        Args:
            batch_id: The id that Openmart gave that tool.
            kind: What it was submitted as: find_people, lookup_people, lookup_business_email or find_tech.
            frame: A list to join it to, as for ``submit``; all its rows and columns are kept. Without one
                each task of the batch is a row.
            column: The list's column of the tasks' tracking ids; default: the one that fits best.

        Raises:
            InputError: If Openmart does not know the id, or no row of the list names a task of the batch.
            OpenmartError: If it cannot be verified yet (nothing was changed, try again later), or is a batch
                of ours that needs no id.
        """
        wanted = parse_kind(kind)
        upload = None if frame is None else _upload(frame, None)
        self.start_engine()
        done = attachment.attach(
            self.ledger,
            self.settings,
            batch_id,
            wanted,
            upload=upload,
            column=column,
            patience=SANDBOX_PATIENCE,
        )
        return self.run(done.run_id)

    def run(self, run_id: str) -> Run:
        """Return a run of this environment.

        Raises:
            RunNotFoundError: If there is no such run.
        """
        return Run(self, run_id, look(self.ledger, self.settings, run_id).run.name)

    def runs(self) -> pl.DataFrame:
        """Return one row per run, newest first.

        Columns: run_id, name, kind, state, standing (String); rows, final_rows and one column per outcome
        (Int64, rows); credits_at_most (Float64); created_at (Datetime, UTC); pause_reason (String).
        """
        lines = [report.as_line() for report in look_at_all(self.ledger, self.settings)]
        return pl.DataFrame(lines, schema=_RUNS_SCHEMA, orient="row")

    def results(
        self, runs: Sequence[Run | str], shape: Shape = "long", *, ranking: Sequence[str] = RANKING
    ) -> pl.DataFrame:
        """Return the results of several runs together, one run after the other; ``run_name`` tells which.

        Args:
            runs: Runs or their ids.
            shape: As for ``Run.results``; ``companies`` gives each company once, whichever run found it.
            ranking: As for ``Run.results``.

        Raises:
            RunNotFoundError: If there is no such run.
            InputError: If no run is named, or the shape or the ranking cannot be used.
        """
        run_ids = [run if isinstance(run, str) else run.id for run in runs]
        return join.results(self.ledger, run_ids, shape, ranking=parse_ranking(ranking))

    def start_engine(self) -> None:
        """Start the worker (and the sandbox, where something is simulated) unless this desk has done so."""
        with self._lock:
            if self._supervisor is None:
                supervisor = Supervisor(self.settings)
                supervisor.start()
                self._supervisor = supervisor

    def close(self) -> None:
        """End the worker, after its submissions on their way (up to 3 min), and close the ledger."""
        with self._lock:
            supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.stop()
        self.ledger.close()

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "sandbox, costs nothing" if self.settings.simulated else self.settings.environment
        return f"Desk({where}; data in {self.settings.environment_dir})"


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

        Args:
            shape: ``long``: one row per found record, and one for each uploaded row without any.
                ``rows``: one row per uploaded row, in upload order, with all its contacts numbered where
                one has several (``contact_1_email``). ``companies``: one row per company, its best record.
            ranking: What makes a company's best record, the weightiest first: of "verified email", "email",
                "title fit" and "phone".

        Raises:
            InputError: If the shape or the ranking cannot be used.
        """
        return join.results(self._desk.ledger, self.id, shape, ranking=parse_ranking(ranking))

    def lazy(self, shape: Shape = "long") -> pl.LazyFrame:
        """Return ``results`` unread: of a large finished run only what is used of it is read from disk."""
        return join.results_lazy(self._desk.ledger, self.id, shape)

    def best(self) -> pl.DataFrame:
        """Return the best that this run and those started from its rows found, one row per uploaded row.

        The first run's columns and order, whichever run of the chain this is; ``run_name`` and ``kind`` tell
        which run found it, ``tries`` how many had the row.
        """
        return chain(self._desk.ledger, runs_of_chain(self._desk.ledger, self.id))

    def unmatched(self) -> pl.DataFrame:
        """Return one row per record that belongs to no uploaded row; kept, because it may have been paid."""
        return join.unmatched(self._desk.ledger, self.id)

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

        Raises:
            InputError: If the ending, shape or ranking cannot be used, or the file cannot be written.
        """
        target = Path(path)
        best, ledger = parse_ranking(ranking), self._desk.ledger
        export.export_run(ledger, self.id, target, shape=shape, outcomes=outcomes, ranking=best, csv=csv)
        return target

    def pause(self) -> None:
        """Send no further batches; what is with Openmart goes on and is collected."""
        pause_run(self._desk.ledger, self.id)

    def resume(self, *, max_credits: float | None = None) -> None:
        """Go on: end a pause or a hold, and send what is left with the present key, also after a pilot.

        The worker sends it: of this desk once ``wait`` is called, or of the dashboard. ``max_credits`` is
        what the run may cost at most from now on.
        """
        report = self.report()
        if max_credits is not None:
            set_limit(self._desk.ledger, self.id, max_credits)
        if report.run.other_key:
            adopt_run(
                self._desk.ledger,
                self.id,
                key_fingerprint=key_fingerprint(self._desk.ledger, self._desk.settings),
                key_last4=key_last4(self._desk.settings),
            )
        resume_run(self._desk.ledger, self.id)
        if report.pilot is not None and report.pilot.over:
            send_rest(self._desk.ledger, self.id)

    def cancel(self) -> CancelCount:
        """Cancel what was not sent; what is with Openmart cannot be recalled and will be collected."""
        return cancel_run(self._desk.ledger, self.id)

    def __repr__(self) -> str:
        return self.report().sentence()


def _upload(data: pl.DataFrame | Path | str, name: str | None) -> Upload:
    if isinstance(data, pl.DataFrame):
        return upload_from_frame(data, name or "notebook")
    return read_list(Path(data))


_RUNS_SCHEMA: Final[dict[str, Any]] = {
    **dict.fromkeys(("run_id", "name", "kind", "state", "standing"), pl.String),
    **dict.fromkeys(("rows", "final_rows", *Outcome), pl.Int64),
    "credits_at_most": pl.Float64,
    "created_at": pl.Datetime("us", "UTC"),
    "pause_reason": pl.String,
}
