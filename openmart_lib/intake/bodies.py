"""The request of each task, as compact JSON text without its tracking id; keys as in ``api/wire.py``."""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.intake.options import RunOptions

_PLACE = ("city", "state", "country")
_PERSON = ("first_name", "last_name", "linkedin_url")


def request_json(kind: Kind, options: RunOptions) -> pl.Expr:
    """Return the requests of a frame with one row per task.

    The frame has ``domain`` and the texts of the kind, null where there is none; for lookup_people also
    ``people`` (the people's JSON objects, joined by commas).
    """
    contact: dict[str, object] = {"info_access": list(options.info_access)}
    notify: dict[str, object] = {"notify_url": options.notify_url} if options.notify_url else {}
    version: dict[str, object] = {"version": options.version} if options.version else {}
    parts = {
        Kind.FIND_PEOPLE: [
            *_members("domain", "title"),
            _constants({"max_k": options.max_k, **contact}),
            *_members("company_name", *_PLACE),
            _constants({**version, **notify}),
        ],
        Kind.LOOKUP_PEOPLE: [
            *_members("domain"),
            pl.concat_str(pl.lit('"people":['), "people", pl.lit("]")),
            _constants(contact),
            *_members("company_name", *_PLACE),
            _constants(notify),
        ],
        Kind.LOOKUP_BUSINESS_EMAIL: [*_members("domain", "company_name", *_PLACE), _constants(notify)],
        Kind.FIND_TECH: _members("domain", "tech_type", "company_name"),
    }
    return _object(parts[kind]).alias("request")


def person_json() -> pl.Expr:
    """Return each row's person as a JSON object."""
    return _object(_members(*_PERSON))


def _object(parts: list[pl.Expr]) -> pl.Expr:
    return pl.concat_str(pl.lit("{"), pl.concat_str(parts, separator=",", ignore_nulls=True), pl.lit("}"))


def _members(*names: str) -> list[pl.Expr]:
    """Return ``"name":"value"`` per name, null where the value is."""
    return [
        pl.when(pl.col(name).is_not_null()).then(
            pl.struct(name).struct.json_encode().str.slice(1).str.head(-1)
        )
        for name in names
    ]


def _constants(values: Mapping[str, object]) -> pl.Expr:
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)[1:-1]
    return pl.lit(text or None, pl.String)
