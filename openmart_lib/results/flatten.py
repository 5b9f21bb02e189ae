"""Answers -> columns: a task's ``data`` taken apart, typed and fast, one line per record.

The usual shapes are decoded by msgspec straight into columns; whatever does not fit them goes through
``api.payload``, which reads anything. Both give the same lines, a test proves it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import msgspec
import polars as pl

from openmart_lib.api.payload import Record, best_phone, read_records
from openmart_lib.api.wire import Kind

FOUND_SCHEMA: Final[dict[str, Any]] = {
    "found_first_name": pl.String,
    "found_last_name": pl.String,
    "found_title": pl.String,
    "found_email": pl.String,
    "found_email_verified": pl.Boolean,
    "found_email_status": pl.String,  # mailboxes only
    "found_phone": pl.String,  # first valid mobile, else first valid, else first
    "found_phone_type": pl.String,
    "found_phones": pl.String,  # all of them, joined by "; "
    "found_linkedin_url": pl.String,
    "found_technology": pl.String,
    "found_raw": pl.String,  # the record's own JSON text
}
LINE_SCHEMA: Final[dict[str, Any]] = {"answer": pl.UInt32, "record_no": pl.UInt32} | FOUND_SCHEMA

_CHUNK: Final = 500  # answers decoded at a time: more of them keep the garbage collector busy
_TRIMMED: Final = [name for name, dtype in FOUND_SCHEMA.items() if dtype is pl.String and name != "found_raw"]
_WHITE_SPACE: Final = "".join(map(chr, filter(lambda code: chr(code).isspace(), range(0x3001))))
_NO_PHONE: Final = (None, None, None)
_HALF_PAIR: Final = "\\ud"
_NOTHING: Final = Record(raw=None)


# gc=False: short-lived, never in a cycle; the collector would walk them all and double the time.
class _Email(msgspec.Struct, gc=False):
    email: str | None = None
    verified: bool | None = None


class _Phone(msgspec.Struct, gc=False):
    number: str | None = msgspec.field(name="phone_number", default=None)
    line_type: str | None = None
    valid: bool | None = None


class _Person(msgspec.Struct, gc=False):
    email_verified: ClassVar[None] = None  # inside ``email``
    email_status: ClassVar[None] = None
    technology: ClassVar[None] = None
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = None
    linkedin_url: str | None = None
    email: _Email | str | None = None
    phones: list[_Phone] | None = None


class _Mailbox(msgspec.Struct, gc=False):
    first_name: ClassVar[None] = None
    last_name: ClassVar[None] = None
    title: ClassVar[None] = None
    linkedin_url: ClassVar[None] = None
    email_verified: ClassVar[None] = None
    technology: ClassVar[None] = None
    phones: ClassVar[None] = None
    email: str | None = None
    email_status: str | None = msgspec.field(name="status", default=None)


class _People(msgspec.Struct, gc=False):
    data: list[_Person] | None = None


class _Mailboxes(msgspec.Struct, gc=False):
    data: list[_Mailbox] | None = None


class _Raw(msgspec.Struct, gc=False):
    data: list[msgspec.Raw] | None = None


_Element = _Person | _Mailbox | Record
_DECODE: Final[dict[Kind, Callable[[str], _People | _Mailboxes]]] = {
    Kind.FIND_PEOPLE: msgspec.json.Decoder(_People).decode,
    Kind.LOOKUP_PEOPLE: msgspec.json.Decoder(_People).decode,
    Kind.LOOKUP_BUSINESS_EMAIL: msgspec.json.Decoder(_Mailboxes).decode,
}
_DECODE_RAW: Final = msgspec.json.Decoder(_Raw).decode


def flatten(payloads: Sequence[str | None], kind: Kind) -> pl.DataFrame:
    """Take answers apart.

    Args:
        payloads: JSON texts of whole answers, as the server sent them.
        kind: The route they came from; nothing in an answer names it.

    Returns:
        One row per record, in order; an answer without records keeps one row with a null ``record_no``.
        Columns: answer (UInt32, 0-based position in ``payloads``), record_no (UInt32, 1-based position in
        ``data``), then ``FOUND_SCHEMA``. Texts are trimmed, blank ones are null.
    """
    starts = range(0, max(1, len(payloads)), _CHUNK)
    frames = [_lines(payloads[start : start + _CHUNK], kind, start) for start in starts]
    trimmed = pl.col(_TRIMMED).str.strip_chars(_WHITE_SPACE)
    return pl.concat(frames).with_columns(pl.when(trimmed != "").then(trimmed))


def _lines(payloads: Sequence[str | None], kind: Kind, start: int) -> pl.DataFrame:
    answers: list[int] = []
    numbers: list[int | None] = []
    elements: list[_Element] = []
    raws: list[str | None] = []
    for position, payload in enumerate(payloads, start):
        found, texts = _elements(payload or "null", kind)
        answers += [position] * max(1, len(found))
        numbers += range(1, len(found) + 1) if found else [None]
        elements += found or [_NOTHING]
        raws += texts or [None]
    columns = _found(elements) | {"answer": answers, "record_no": numbers, "found_raw": raws}
    return pl.DataFrame([pl.Series(name, columns[name], dtype=dtype) for name, dtype in LINE_SCHEMA.items()])


def _found(elements: list[_Element]) -> dict[str, list[Any]]:
    """Return the found columns; a list per column costs half of what a tuple per record does."""
    emails = [element.email for element in elements]
    phones = [_phones(element.phones) if element.phones else _NO_PHONE for element in elements]
    return {
        "found_first_name": [element.first_name for element in elements],
        "found_last_name": [element.last_name for element in elements],
        "found_title": [element.title for element in elements],
        "found_email": [email.email if isinstance(email, _Email) else email for email in emails],
        "found_email_verified": [
            email.verified if isinstance(email, _Email) else element.email_verified
            for email, element in zip(emails, elements, strict=True)
        ],
        "found_email_status": [element.email_status for element in elements],
        "found_phone": [number for number, _, _ in phones],
        "found_phone_type": [line_type for _, line_type, _ in phones],
        "found_phones": [numbers for _, _, numbers in phones],
        "found_linkedin_url": [element.linkedin_url for element in elements],
        "found_technology": [element.technology for element in elements],
    }


def _elements(payload: str, kind: Kind) -> tuple[Sequence[_Element], list[str]]:
    """Return the records of one answer and the JSON text of each."""
    try:
        if kind in _DECODE:
            found: Sequence[_Element] | None = _DECODE[kind](payload).data
            if not found:
                return [], []
            return found, [str(raw, "utf-8") for raw in _DECODE_RAW(payload).data or []]
    except (msgspec.MsgspecError, UnicodeError):
        pass  # an unusual shape: the tolerant way reads it
    return _any_elements(payload, kind)


def _any_elements(payload: str, kind: Kind) -> tuple[Sequence[_Element], list[str]]:
    try:
        answer = json.loads(payload)
        if _HALF_PAIR in payload.casefold():  # JSON can escape half a surrogate pair, UTF-8 cannot hold it
            answer = json.loads(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):  # stored as received: what cannot be read is shown raw
        return [_NOTHING], [payload]
    records = read_records(kind, answer.get("data") if isinstance(answer, dict) else None)
    texts = [json.dumps(record.raw, ensure_ascii=False, separators=(",", ":")) for record in records]
    return records, texts


def _phones(phones: Sequence[Any]) -> tuple[str | None, str | None, str | None]:
    """Return the best phone's number and type, and all numbers."""
    if len(phones) == 1:
        only = phones[0]
        return (only.number, only.line_type, only.number) if (only.number or "").strip() else _NO_PHONE
    usable = tuple(phone for phone in phones if (phone.number or "").strip())
    best = best_phone(usable)
    if best is None:
        return _NO_PHONE
    return best.number, best.line_type, "; ".join(phone.number.strip() for phone in usable)
