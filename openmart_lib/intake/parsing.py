"""What a process does that was started to read one file and nothing else.

``guarded`` starts it. It takes ``request.json`` and ``upload.bin`` from the folder, limits itself, and leaves
``frame.arrow`` and ``answer.json`` there. It needs no network, no key and no settings.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
from pathlib import Path
from typing import Any, Final

from openmart_lib.errors import InputError
from openmart_lib.intake.files import FileFormat, FileProblem, Upload, read_upload
from openmart_lib.intake.first_rows import DelimiterChoice, EncodingChoice, Preview, preview

REQUEST: Final = "request.json"
DATA: Final = "upload.bin"
ANSWER: Final = "answer.json"
FRAME: Final = "frame.arrow"
_NICENESS: Final = 5


def answer_request(folder: Path) -> int:
    """Read the file of a folder; return 0 with an answer or a refusal in it, 3 when memory ran out."""
    request = json.loads((folder / REQUEST).read_text("utf-8"))
    limit_myself(memory=request["memory"], seconds=request["seconds"])
    read = preview if request["preview"] else read_upload
    try:
        result = read((folder / DATA).read_bytes(), request["name"], **request["options"])
        result.frame.write_ipc(folder / FRAME, compression="uncompressed")
        answer: dict[str, Any] = dataclasses.asdict(dataclasses.replace(result, frame=result.frame.clear(0)))
        answer.pop("frame")
    except InputError as error:
        answer = {"refused": str(error)}
    except MemoryError:
        return 3
    (folder / ANSWER).write_text(json.dumps(answer), "utf-8")
    return 0


def limit_myself(*, memory: int, seconds: int) -> None:
    """Bound what this process may take from here on.

    Args:
        memory: Bytes of address space, beyond those that the libraries have already.
        seconds: Time on the processor.
    """
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    statm = Path("/proc/self/statm")
    if statm.exists():  # elsewhere the system does not keep to the limit
        taken = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))


def upload_of(answer: dict[str, Any], frame: Any) -> Upload:
    """Return the upload that an answer and its frame describe."""
    return Upload(answer["name"], answer["sha256"], frame, _format(answer), _problems(answer))


def preview_of(answer: dict[str, Any], frame: Any) -> Preview:
    """Return the preview that an answer and its frame describe."""
    return Preview(
        frame,
        tuple((number, text) for number, text in answer["lines"]),
        _format(answer),
        _problems(answer),
        answer["whole"],
        tuple(EncodingChoice(**one) for one in answer["encodings"]),
        tuple(DelimiterChoice(**one) for one in answer["delimiters"]),
    )


def _format(answer: dict[str, Any]) -> FileFormat:
    return FileFormat(**(answer["format"] | {"sheets": tuple(answer["format"]["sheets"])}))


def _problems(answer: dict[str, Any]) -> tuple[FileProblem, ...]:
    return tuple(FileProblem(**one) for one in answer["problems"])
