"""The command line: ``openmart run | check | resume | cancel | attach | status | export | restore | ...``.

Exit codes: 0 all rows final, or done as asked (planned, told, paused, cancelled, exported); 3 finished, but
with unknown or stalled rows; 4 held or paused; 2 wrong use, an unusable list, or the same content again;
1 anything else; 128 + the signal's number when interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Final

import typer

from openmart_lib.commands import again, attach, check, controls, files, lance, runs, services, suppress
from openmart_lib.commands.exits import EXIT_CODES, NO_RUN, USAGE
from openmart_lib.console import Console, one_line
from openmart_lib.errors import InputError, OpenmartError, RunExistsError, RunNotFoundError

__all__ = ["EXIT_CODES", "USAGE", "app", "execute", "main"]

# What can be typed, in the order that the help shows; a new command is one line here.
COMMANDS: Final = (
    runs.run,
    again.again,
    check.check,
    runs.status,
    controls.resume,
    controls.pause,
    controls.cancel,
    attach.attach,
    lance.lance,
    files.export,
    files.erase,
    suppress.suppress,
    files.backup,
    files.restore,
    services.worker,
    services.sandbox,
)


class Interrupted(KeyboardInterrupt):
    """A signal asks this program to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def _app() -> typer.Typer:
    made = typer.Typer(
        help="Turn a list of companies or people into contacts that are paid for exactly once.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        add_completion=False,
    )
    for command in COMMANDS:
        made.command()(command)
    return made


app = _app()
_received: list[int] = []  # signals that asked this process to end


def main() -> None:
    """Run the command line as this process: every error is one sentence on standard error."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup: the terminal may go
            signal.signal(number, _interrupt)
    code = execute(sys.argv[1:])
    ended_by_signal = _received and code == 128 + signal.SIGINT  # what typer makes of any interruption
    sys.exit(128 + _received[0] if ended_by_signal else code)


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
    _received.append(number)
    raise Interrupted(number)
