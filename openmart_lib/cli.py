"""The command line: ``openmart run | resume | status | export | backup | restore | worker | sandbox``.

Exit codes: 0 all rows final (or only planned, told, exported); 3 finished, but with unknown or stalled rows;
4 held or paused; 2 wrong use, an unusable list, or the same content again; 1 anything else; 128 + the
signal's number when interrupted.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer

from openmart_lib import choices, desk, submission
from openmart_lib.console import Console, counted, one_line
from openmart_lib.desk import Desk, Run
from openmart_lib.engine import Supervisor, worker_status
from openmart_lib.errors import InputError, OpenmartError, RunExistsError, RunNotFoundError
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger import Hold, RunState, open_ledger
from openmart_lib.ledger import backup as backups
from openmart_lib.ledger.queries import newest_run_id
from openmart_lib.report import Standing, look_at_all
from openmart_lib.results import export as files
from openmart_lib.sandbox import __main__ as sandbox_process
from openmart_lib.settings import Settings, load_settings
from openmart_lib.submission import Prepared

EXIT_CODES: Final = {Standing.FINAL: 0, Standing.MOVING: 0, Standing.DOUBTFUL: 3, Standing.HELD: 4}
USAGE: Final = 2
LISTED: Final = 20  # runs that `status` lists
NO_RUN: Final[dict[str, Any]] = {
    "run_id": None,
    "state": None,
    "rows": 0,
    "outcomes": {},
    "batches": {},
    "pause_reason": None,
}

app = typer.Typer(
    help="Turn a list of companies or people into contacts that are paid for exactly once.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

Out = Annotated[
    Path | None, typer.Option(help="Write the results here: .csv, .xlsx or .parquet, one line per record.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Send, and wait until every row is final.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
RunId = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Default: the newest run.")]


class Interrupted(KeyboardInterrupt):
    """A signal asks this program to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@app.command()
def run(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The list: CSV, TXT or XLSX.", show_default=False)
    ],
    kind: Annotated[
        str, typer.Option(help="find_people, lookup_people, lookup_business_email or find_tech.")
    ],
    title: Annotated[str | None, typer.Option(help="The role wanted, for find_people.")] = None,
    tech: Annotated[str | None, typer.Option(help="The technology, for find_tech.")] = None,
    max_k: Annotated[int, typer.Option(help="People wanted per company, 1-8, for find_people.")] = 1,
    info: Annotated[str, typer.Option(help="Contact fields to buy: EMAIL, PHONE or EMAIL,PHONE.")] = "EMAIL",
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="What a column means; guessed where not said."),
    ] = None,
    name: Annotated[str, typer.Option(help="The run's name; default: the file's.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Submit content that was submitted before.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show counts, cost and the first task; write nothing.")
    ] = False,
    wait: Wait = False,
    out: Out = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Write the rows that cannot be sent here, with row and reason.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Submit a list. With a key this spends credits; without one it runs on the sandbox."""
    console = Console(as_json)
    _check_file(out, "--out", files.ENDINGS)
    _check_file(rejects, "--rejects", files.ENDINGS)
    if out is not None and not (wait or dry_run):
        raise InputError(
            "--out needs --wait: there are no results before the run is finished. Nothing was sent."
        )
    settings = load_settings()
    upload, wanted = choices.read_list(file), choices.parse_kind(kind)
    options = RunOptions(title=title, max_k=max_k, info_access=choices.parse_info(info), tech_type=tech)
    columns = choices.full_mapping(upload, wanted, choices.parse_mapping(mapping or []))
    prepared = submission.prepare(upload, columns, wanted, options, settings=settings)
    console.say_prepared(prepared, simulated=settings.simulated)
    if rejects is not None and not dry_run:
        _write_rejects(console, prepared, rejects)
    submission.check_sendable(prepared)
    if dry_run:
        console.say_dry_run(prepared)
        return 0
    with desk.open(settings=settings) as opened:
        planned = _confirm(opened, prepared, name, again=again)
        console.say(f"Run {planned.id} ({planned.name}) is planned.")
        return _wait_or_tell(console, planned, settings, wait=wait, out=out)


@app.command()
def resume(run_id: RunId = None, wait: Wait = False, out: Out = None, as_json: Json = False) -> int:
    """Go on with an unfinished run: after a crash, a pause or a hold.

    Two things need the run's name, because they can cost more: going on after five submissions without a
    clear answer, and going on with another key than the run was planned with.
    """
    console = Console(as_json)
    _check_file(out, "--out", files.ENDINGS)
    if out is not None and not wait:
        raise InputError("--out needs --wait. Nothing was sent. To write what there is: `openmart export`.")
    settings = load_settings()
    with desk.open(settings=settings) as opened:
        chosen = opened.run(run_id or newest_run_id(opened.ledger))
        report = chosen.report()
        if report.run.state is RunState.PLANNING:
            raise InputError(f"Run {chosen.id} cannot go on: {report.note}.")
        costly = report.run.other_key or report.run.hold is Hold.UNKNOWNS
        if report.standing is Standing.HELD and (run_id is not None or not costly):
            chosen.resume()
        return _wait_or_tell(console, chosen, settings, wait=wait, out=out)


@app.command()
def status(run_id: RunId = None, as_json: Json = False) -> int:
    """Tell how a run stands; without RUN list the runs, newest first. The object is the newest one's."""
    console = Console(as_json)
    with desk.open() as opened:
        if run_id is not None:
            reports = [opened.run(run_id).report()]
        else:
            reports = look_at_all(opened.ledger, opened.settings)[:LISTED]
    for report in reports:
        console.say(report.sentence())
    if not reports:
        console.say("There is no run yet. Start one with `openmart run`.")
        console.result(NO_RUN)
        return 0
    console.result(reports[0].as_json())
    return EXIT_CODES[reports[0].standing]


@app.command()
def export(
    run_id: Annotated[str, typer.Argument(metavar="RUN", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to write: .csv, .xlsx or .parquet.")],
    shape: Annotated[
        str, typer.Option(help="long: one line per record; rows: one line per uploaded row.")
    ] = "long",
    csv: Annotated[
        str, typer.Option(help="excel: cells cannot become formulas; plain: every cell as it is.")
    ] = "excel",
) -> int:
    """Write a run's results, also of one that is not finished: its open rows are pending."""
    console = Console(as_json=False)
    _check_file(out, "--out", files.ENDINGS)
    wanted = _one_of(shape, "--shape", "rows", "long")
    style = _one_of(csv, "--csv", "excel", "plain")
    with desk.open() as opened:
        chosen = opened.run(run_id)
        chosen.export(out, shape=wanted, csv=style)
    console.say(f"{out} is written.")
    return 0


@app.command()
def backup(file: Annotated[Path, typer.Argument(metavar="FILE.zip", show_default=False)]) -> int:
    """Write the ledger and the uploaded rows to one file; safe while a worker works."""
    ledger = open_ledger(load_settings())
    backups.backup(ledger, file)
    ledger.close()
    Console(as_json=False).say(f"{file} is written. It holds personal data: keep it as safe as the ledger.")
    return 0


@app.command()
def restore(file: Annotated[Path, typer.Argument(metavar="FILE.zip", show_default=False)]) -> int:
    """Go back to a backup without paying anything twice; the present ledger is set aside, not deleted."""
    settings = load_settings()
    done = backups.restore(settings.environment_dir, file, environment=settings.environment)
    Console(as_json=False).say(done.sentence())
    return 0


@app.command()
def worker() -> int:
    """Send and collect in the foreground, until Ctrl-C; for computers without the dashboard."""
    console = Console(as_json=False)
    settings = load_settings()
    open_ledger(settings).close()
    before = worker_status(settings)
    with Supervisor(settings):
        if before.alive:
            console.say(f"A worker already runs here (process {before.pid}); this one stands by.")
        console.say(
            f"Working for {settings.environment}, data in {settings.environment_dir}. Ctrl-C ends it."
        )
        try:
            while True:
                signal.pause()
        except KeyboardInterrupt:
            console.say(STOPPING)
    return 0


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Port; default: the one it had, else a free one.")] = 0,
    speed: Annotated[float | None, typer.Option(help="Divides real durations; 1 is real time.")] = None,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME[,KEY=VALUE...]", help="Switch a fault on.")
    ] = None,
) -> int:
    """Serve both simulated APIs in the foreground, until Ctrl-C; for trying a client of your own."""
    settings = load_settings()
    arguments = ["--dir", str(settings.sandbox_dir), "--port", str(port)]
    arguments += ["--speed", f"{speed or settings.sandbox_speed:g}"]
    for each in fault or []:
        arguments += ["--fault", each]
    return sandbox_process.main(arguments)


STOPPING: Final = (
    "Stopping. Submissions on their way are finished first (up to 3 min); nothing new is sent. "
    "A second Ctrl-C does not wait for them: they may then be shown as unknown."
)


def _confirm(opened: Desk, prepared: Prepared, name: str, *, again: bool) -> Run:
    token = f"cli-{secrets.token_hex(16)}"  # each call is a Confirm of its own; the content key stops repeats
    run_id = submission.confirm(
        opened.ledger, opened.settings, prepared, name=name, confirm_token=token, again=again
    )
    return opened.run(run_id)


def _wait_or_tell(console: Console, chosen: Run, settings: Settings, *, wait: bool, out: Path | None) -> int:
    more: dict[str, Any] = {}
    if wait:
        with _interruption_explained(console, chosen):
            chosen.wait()
    report = chosen.report()
    console.say(report.sentence())
    if wait and out is not None:
        chosen.export(out)
        console.say(f"{out} is written.")
        more = {"out": str(out)}
    if not wait and report.standing is Standing.MOVING:
        alive = worker_status(settings).alive
        console.say(_worker_words(alive, chosen.id))
        more = {"worker_alive": alive}
    console.result(report.as_json() | more)
    return EXIT_CODES[report.standing]


def _worker_words(alive: bool, run_id: str) -> str:
    if alive:
        return "A worker is alive and sends it."
    return (
        "No worker is alive, so nothing is sent yet. "
        f"Open the dashboard, or run `openmart worker` or `openmart resume {run_id} --wait`."
    )


@contextmanager
def _interruption_explained(console: Console, chosen: Run) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        console.warn(
            f"Interrupted. What was not sent stays planned and has cost nothing; go on with "
            f"`openmart resume {chosen.id} --wait`."
        )
        console.warn(STOPPING)
        raise


def _write_rejects(console: Console, prepared: Prepared, path: Path) -> None:
    rejected = prepared.rejects()
    files.write_frame(rejected, path)
    console.say(f"{path} is written: {counted(rejected.height, 'row', 'rows')} that cannot be sent.")


def _check_file(path: Path | None, option: str, endings: tuple[str, ...]) -> None:
    """Refuse a file that could not be written, before anything is sent."""
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise InputError(
            f"{option} must end in {' or '.join(endings)}. Nothing was sent. Choose another name."
        )
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise InputError(f"{option} {path} cannot be written. Nothing was sent. Choose another folder.")


def _one_of(text: str, option: str, *allowed: str) -> Any:
    if text not in allowed:
        raise InputError(f"{option} must be {' or '.join(allowed)}. Nothing was written.")
    return text


def main() -> None:
    """Run the command line as this process: every error is one sentence on standard error."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: list[str]) -> int:
    """Run a command; return its exit code."""
    try:
        code = app(arguments, prog_name="openmart", standalone_mode=False)
        return int(code or 0)
    except (KeyboardInterrupt, typer.Abort) as error:
        cause = error if isinstance(error, KeyboardInterrupt) else error.__cause__ or error.__context__
        return getattr(cause, "exit_code", 128 + signal.SIGINT)
    except typer.TyperException as error:
        return _fail(arguments, f"{error.format_message()} Nothing was sent. See `openmart --help`.", USAGE)
    except RunExistsError as error:
        return _fail(arguments, str(error), USAGE, run_id=error.run_id)
    except (InputError, RunNotFoundError) as error:
        return _fail(arguments, str(error), USAGE)
    except OpenmartError as error:
        return _fail(arguments, str(error), 1)
    except BrokenPipeError:  # the reader of our output has gone: `openmart status | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _fail(arguments, f"A file cannot be used: {error.strerror}{where}. What was sent is kept.", 1)
    except Exception as error:
        return _fail(arguments, _unexpected(error), 1)


def _fail(arguments: list[str], sentence: str, code: int, *, run_id: str | None = None) -> int:
    console = Console("--json" in arguments)
    console.warn(f"openmart: {sentence}")
    console.result(NO_RUN | {"run_id": run_id, "error": one_line(sentence)})
    return code


def _unexpected(error: Exception) -> str:
    """Name the place, not the values: an exception's text can hold a row of the list."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "unknown place"
    return (
        f"Something unexpected happened ({type(error).__name__} in {place}). Whatever was sent is in "
        "the ledger. Look with `openmart status`, and report this line."
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
