"""Reading a file that anybody may have sent: outside this process, with bounded memory and time.

A spreadsheet, an archive or a Parquet file can grow a thousandfold when it is opened, and its parser can
crash; then a process ends that holds nothing but the file. Small delimited texts are read here: their reader
takes a few times their size, and a second process would take longer than they do.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

import openmart_lib
from openmart_lib.errors import InputError
from openmart_lib.intake import parsing
from openmart_lib.intake.files import Upload, read_upload, refuse_unusable
from openmart_lib.intake.first_rows import Preview, preview
from openmart_lib.intake.limits import refuse_too_large
from openmart_lib.intake.parquet import PARQUET_MARK
from openmart_lib.intake.workbooks import is_workbook
from openmart_lib.intake.wrapping import GZIP_MARK

_logger = logging.getLogger(__name__)

# Up to here a delimited text is read in this process. It usually takes 0.05 s and at worst, when no quote of
# it is in its place, 2 s; another process takes 0.4 s to start.
QUICK_BYTES: Final = 2 * 1024**2
_PROGRAM: Final = (
    "import sys, pathlib; from openmart_lib.intake.parsing import answer_request; "
    "sys.exit(answer_request(pathlib.Path(sys.argv[1])))"
)
_TURNS: Final = threading.BoundedSemaphore(2)  # files read at the same time, whoever sent them


@dataclass(frozen=True, slots=True)
class Allowance:
    """What reading one file may take.

    Attributes:
        memory: Bytes, beyond those that the libraries take.
        per_byte: Bytes more for each byte of the file.
        seconds: From start to end, on the clock and on the processor.
    """

    memory: int = 1536 * 1024**2
    per_byte: int = 6
    seconds: int = 60


def read_upload_guarded(
    source: bytes | Path,
    name: str,
    *,
    sheet: str | None = None,
    header_row: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    allowance: Allowance | None = None,
) -> Upload:
    """Read an uploaded file as ``read_upload`` does, whatever is in it.

    Args:
        source: The file's bytes, or where it is.
        name: Its name, for display.
        sheet: As for ``read_upload``; so are the next three.
        header_row: See there.
        encoding: See there.
        delimiter: See there.
        allowance: What reading may take; None for the usual.

    Raises:
        InputError: As ``read_upload``; also if reading takes too much memory or time, or breaks the reader.
        OSError: If there is no such file.
    """
    options = {"sheet": sheet, "header_row": header_row, "encoding": encoding, "delimiter": delimiter}
    data = _bytes_of(source)
    if is_quick(data):
        return read_upload(data, name, **options)  # type: ignore[arg-type]  # typed above
    answer, frame = _outside(data, name, options, allowance or Allowance(), preview=False)
    return parsing.upload_of(answer, frame)


def preview_guarded(
    source: bytes | Path,
    name: str,
    *,
    sheet: str | None = None,
    header_row: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    rows: int = 20,
    allowance: Allowance | None = None,
) -> Preview:
    """Show the first rows of a file as ``preview`` does, whatever is in it.

    A plain text is always looked at in this process: only its beginning is parsed.

    Raises:
        InputError: As ``read_upload_guarded``.
        OSError: If there is no such file.
    """
    options: dict[str, Any] = {
        "sheet": sheet,
        "header_row": header_row,
        "encoding": encoding,
        "delimiter": delimiter,
        "rows": rows,
    }
    data = _bytes_of(source)
    if is_plain_text(data):
        return preview(data, name, **options)
    answer, frame = _outside(data, name, options, allowance or Allowance(), preview=True)
    return parsing.preview_of(answer, frame)


def is_quick(data: bytes) -> bool:
    """Return whether a file may be read in this process: a small text that nothing has to be unpacked for."""
    return len(data) <= QUICK_BYTES and is_plain_text(data)


def is_plain_text(data: bytes) -> bool:
    """Return whether a file is no archive, spreadsheet or Parquet file, by its first bytes."""
    return not (is_workbook(data) or data.startswith((GZIP_MARK, PARQUET_MARK)))


def _bytes_of(source: bytes | Path) -> bytes:
    if isinstance(source, Path):
        refuse_too_large(source.stat().st_size)
        source = source.read_bytes()
    refuse_unusable(source)
    return source


def _outside(
    data: bytes, name: str, options: dict[str, Any], allowance: Allowance, *, preview: bool
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Have a file read by another process; return its answer and its frame."""
    request = {
        "name": name,
        "options": options,
        "preview": preview,
        "memory": allowance.memory + allowance.per_byte * len(data),
        "seconds": allowance.seconds,
    }
    # Readable by nobody else, and gone with everything in it whatever happens.
    with _TURNS, tempfile.TemporaryDirectory(prefix="openmart-read-") as place:
        folder = Path(place)
        (folder / parsing.REQUEST).write_text(json.dumps(request), "utf-8")
        (folder / parsing.DATA).write_bytes(data)
        _run(folder, allowance.seconds)
        answer = json.loads((folder / parsing.ANSWER).read_text("utf-8"))
        if "refused" in answer:
            raise InputError(answer["refused"])
        return answer, pl.read_ipc(folder / parsing.FRAME)


def _run(folder: Path, seconds: int) -> None:
    """Run the reader on a folder until it has answered.

    Raises:
        InputError: If it does not.
    """
    command = [sys.executable, "-c", _PROGRAM, str(folder)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # a parser's complaint may hold cells
        cwd=folder,
        env=_environment(),
        start_new_session=True,
    ) as process:
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise _too_slow(seconds) from None
        except BaseException:  # the page was left, or Ctrl-C
            process.kill()
            raise
    if code == 0:
        return
    _logger.warning("reading a file ended with code %d", code)
    raise _too_slow(seconds) if -code in (signal.SIGXCPU, signal.SIGKILL) else _refusal(code)


def _environment() -> dict[str, str]:
    """Return what the reader may know of this process: where the library is; no key and no setting."""
    library = str(Path(openmart_lib.__file__).parents[1])
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",  # not the folder with the file
        "PYTHONDONTWRITEBYTECODE": "1",
        "POLARS_MAX_THREADS": str(min(4, os.cpu_count() or 1)),
        "MALLOC_ARENA_MAX": "2",  # each arena is address space, which is limited
    }


def _too_slow(seconds: int) -> InputError:
    return InputError(
        f"Reading the file took more than {seconds} seconds, and was stopped. Nothing was read. "
        "Save the sheet or the rows with your list as CSV and upload that."
    )


def _refusal(code: int) -> InputError:
    if code in (3, -signal.SIGABRT):  # the allocators of the parsers abort when there is no more
        return InputError(
            "The file needs more memory to be read than a list may take. Nothing was read. Save the sheet or "
            "the rows with your list as CSV, divided if they are many, and upload that."
        )
    return InputError(
        "The file broke the program that reads it; nothing else was touched. Nothing was read. "
        "Open it in your spreadsheet program, save the list as CSV and upload that."
    )
