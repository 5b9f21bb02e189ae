"""The notebook's way in: open the desk, submit a frame, wait, read the results as a frame."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import polars as pl

from openmart_lib import attachment, submission
from openmart_lib.api.wire import Kind
from openmart_lib.choices import full_mapping, parse_info, parse_kind, parse_several, read_list
from openmart_lib.desk_run import Run
from openmart_lib.engine import Supervisor
from openmart_lib.errors import InputError, RunExistsError
from openmart_lib.intake.files import Upload, upload_from_frame
from openmart_lib.intake.several import Several, settled
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger import Ledger, Outcome, open_ledger, queries
from openmart_lib.ledger.runs import find_confirmed
from openmart_lib.report import look, look_at_all
from openmart_lib.results import again as tries
from openmart_lib.results import join
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
        several: Several | str = Several.REJECT,
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
            reuse: Reuse what was bought in the last so many days; 0: buy all.
            several: What becomes of a cell with several websites: ``reject``, take the ``first``, or
                ``each`` as a row of its own.
            more: Further fields of ``RunOptions``, such as ``country`` (the same for all rows) or
                ``first_rows``.

        Raises:
            InputError: If the list or an option cannot be used, or it may cost much and ``max_credits`` is
                not given; nothing was sent.
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
        choice = parse_several(several)
        simulated = self.settings.simulated
        upload, decided = settled(upload, columns, wanted, options, choice, allow_example=simulated)
        prepared = submission.prepare(
            upload, columns, wanted, options, settings=self.settings, overrides=decided
        )
        if reuse:
            prepared, _ = submission.with_reuse(self.ledger, self.settings, prepared, days=reuse)
        token = f"desk-{prepared.content_key}"
        return self._confirm(prepared, name or "", token, again, max_credits, pilot)

    def again(
        self,
        run: Run | str,
        *,
        kind: Kind | str | None = None,
        only: Collection[str] | None = None,
        title: str | None = None,
        name: str | None = None,
        may_pay_twice: bool = False,
        repeat: bool = False,
        max_credits: float | None = None,
    ) -> Run:
        """Try rows of a run again as a new run; **on the real API this spends credits**. Return it at once.

        The same call again gives the same run and spends nothing, also when the first one's rows have been
        answered meanwhile; with ``repeat=True`` each call is a new run.

        Args:
            run: The run, or its id.
            kind: What to ask for; another kind is the next step. Default: the run's own.
            only: Which rows, by reason: errored, no_match, no_contact, ... Default: those it may mend.
            title: Another role than before, for find_people.
            name: The new run's name; default: the first one's and its try.
            may_pay_twice: Needed for rows whose fate is unknown.
            max_credits: As for ``submit``.

        Raises:
            RunNotFoundError: If there is no such run.
            InputError: If no row has such a reason, or as ``submit``; nothing was sent.
        """
        first = queries.run_info(self.ledger, run if isinstance(run, str) else run.id)
        step = parse_kind(kind) if kind else first.kind
        usual = tries.usual_reasons(first.kind, step)
        reasons = usual if only is None else tries.parse_reasons(only)
        token = f"desk-again-{first.run_id}-{step}-{','.join(sorted(reasons))}-{title or ''}"
        if not repeat and (earlier := find_confirmed(self.ledger, token)) is not None:
            return self.run(earlier)
        stand = tries.standing(self.ledger, first.run_id)
        rows = tries.chosen(stand, reasons, may_pay_twice=may_pay_twice)
        listed = tries.make_list(self.ledger, first.run_id, rows, step)
        mapping = listed.mapping
        if not mapping.get("domain"):
            mapping = full_mapping(listed.upload, step, mapping)
        options = replace(listed.options, title=title) if title else listed.options
        prepared = submission.prepare(
            listed.upload, mapping, step, options, settings=self.settings, overrides=listed.overrides
        )
        return self._confirm(prepared, name or listed.name, token, repeat, max_credits, 0)

    def _confirm(
        self,
        prepared: submission.Prepared,
        name: str,
        token: str,
        again: bool,
        max_credits: float | None,
        pilot: int,
    ) -> Run:
        """Plan what was prepared, or find the run that it was planned as, and see that it is sent."""
        submission.check_agreed(prepared, self.settings, max_credits)
        try:
            run_id = submission.confirm(
                self.ledger,
                self.settings,
                prepared,
                name=name,
                confirm_token=f"{token}-{secrets.token_hex(8)}" if again else token,
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


def _upload(data: pl.DataFrame | Path | str, name: str | None) -> Upload:
    if isinstance(data, pl.DataFrame):
        return upload_from_frame(data, name or "notebook")
    if not isinstance(data, str | Path):
        raise InputError(
            f"A {type(data).__name__} is no list that can be read here. Nothing was sent. Give a polars "
            "DataFrame or the path of a file; pl.from_pandas(frame) makes one of a pandas DataFrame, and "
            ".collect() one of a LazyFrame."
        )
    return read_list(Path(data))


_RUNS_SCHEMA: Final[dict[str, Any]] = {
    **dict.fromkeys(("run_id", "name", "kind", "state", "standing"), pl.String),
    **dict.fromkeys(("rows", "final_rows", *Outcome), pl.Int64),
    "credits_at_most": pl.Float64,
    "created_at": pl.Datetime("us", "UTC"),
    "pause_reason": pl.String,
}
