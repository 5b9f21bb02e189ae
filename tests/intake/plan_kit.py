"""Small lists and their plans, as the tests of planning need them."""

from __future__ import annotations

import json

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.tasks import Plan, RunOptions, plan_tasks

Row = dict[str, str | None]
OWNER = RunOptions(title="Owner")


def frame(*rows: Row) -> pl.DataFrame:
    names = list(dict.fromkeys(name for row in rows for name in row))
    data = {name: [row.get(name) for row in rows] for name in names}
    return upload_from_frame(pl.DataFrame(data, schema=dict.fromkeys(names, pl.String))).frame


def plan(kind: Kind, *rows: Row, options: RunOptions = OWNER) -> Plan:
    """Plan rows whose columns are called like the fields they feed."""
    upload = frame(*rows)
    return plan_tasks(upload, {name: [name] for name in uploaded_columns(upload)}, kind, options)


def outcomes(plan: Plan) -> list[str]:
    return plan.rows["intake"].to_list()


def requests(plan: Plan) -> list[dict[str, object]]:
    return [json.loads(text) for text in plan.tasks["request"]]


def person(first: str, last: str, domain: str = "acme.com", **more: str) -> Row:
    return {"domain": domain, "first_name": first, "last_name": last, **more}
