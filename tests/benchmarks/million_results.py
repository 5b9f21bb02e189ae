"""A large run's parts, made up: uploaded rows, outcomes, links and about 2.5 records a row. No ledger, no API."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.ledger.overview import FOUND, Pending, RunInfo
from openmart_lib.ledger.states import BatchState, Outcome, RunState
from openmart_lib.results.assembly import Parts
from openmart_lib.results.records import RECORD_SCHEMA

RUN_ID: Final = "abcdefghij"
LEVELS: Final = ("Head of", "VP", "Director of", "Manager", "Senior", "Junior", "Lead", "Chief")
FIELDS: Final = ("Sales", "Marketing", "Operations", "Finance", "IT", "Growth", "People", "Legal")
TITLES: Final = [f"{level} {area}" for level in LEVELS for area in FIELDS] + ["Owner", "CEO", "Founder & CEO"]


def a_large_run(rows: int) -> Parts:
    """Return a finished find_people run of so many companies, two in a hundred of them duplicates."""
    chance = np.random.default_rng(7)
    upload = _upload(rows)
    states = _states(upload, chance)
    links = states.filter(pl.col("duplicate_of").is_null()).select(
        "seq",
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("task_no"),
        pl.lit(0, dtype=pl.UInt32).alias("person_no"),
        "outcome",
        pl.lit(None, dtype=pl.String).alias("reason"),
    )
    batches = -(-links.height // 100)
    return Parts(
        info=_info(rows, states),
        upload=upload,
        states=states,
        links=links,
        batches=pl.DataFrame(
            {
                "state": ["collected"] * batches,
                "ready_at": [1.0] * batches,
                "batch_id": [f"batch-{no}" for no in range(batches)],
                "first_tracking_id": [f"{RUN_ID}-{100 * no + 1}" for no in range(batches)],
            }
        ),
        lines=_lines(links, chance),
    )


def _upload(rows: int) -> pl.DataFrame:
    seq = pl.DataFrame({"seq": np.arange(1, rows + 1, dtype=np.uint32)})
    return seq.with_columns(
        (pl.col("seq") + 1).alias("file_line"),
        pl.format("Company {} Ltd", "seq").alias("company"),
        pl.format("https://www.firm-{}.com/", "seq").alias("website"),
        pl.format("land {}", pl.col("seq") % 40).alias("country"),
        pl.format("{} people", pl.col("seq") % 7).alias("size"),
        pl.format("CRM-{}", "seq").alias("crm id"),
    )


def _states(upload: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    outcomes = chance.choice(
        ["matched", "partial", "no match", "errored"], upload.height, p=[0.7, 0.1, 0.15, 0.05]
    )
    repeats = (pl.col("seq") % 50 == 0) & (pl.col("seq") > 1)
    none = pl.lit(None, dtype=pl.String)
    return upload.select(
        "seq",
        "file_line",
        pl.when(repeats).then(pl.lit("duplicate")).otherwise(pl.lit("accepted")).alias("intake"),
        none.alias("code"),
        none.alias("reason"),
        pl.format("firm-{}.com", pl.col("seq") - repeats.cast(pl.UInt32)).alias("domain"),
        pl.lit("Owner").alias("asked_title"),
        pl.when(repeats).then(pl.col("seq") - 1).alias("duplicate_of"),
        pl.when(repeats).then(pl.lit("duplicate")).otherwise(pl.Series(outcomes)).alias("outcome"),
        pl.when(~repeats).then(pl.lit("2 people, verified email")).alias("outcome_reason"),
    )


def _lines(links: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    found = links["outcome"].is_in(["matched", "partial"]).to_numpy()
    counts = np.where(found, chance.integers(1, 6, links.height), 0)
    counts = np.where(found, np.clip(np.round(counts * 2.55 * links.height / counts.sum()), 1, 8), 0).astype(
        int
    )
    lines = np.maximum(counts, 1)
    task_no = np.repeat(links["task_no"].to_numpy(), lines)
    seq = np.repeat(links["seq"].to_numpy(), lines)
    record_no = np.arange(len(task_no)) - np.repeat(np.cumsum(lines) - lines, lines) + 1
    luck = pl.Series(chance.random(len(task_no)))
    title = pl.Series(np.array(TITLES)[chance.integers(0, len(TITLES), len(task_no))])
    record = pl.Series(np.repeat(counts > 0, lines))
    email, phone = record & (luck < 0.7), record & (luck < 0.3)
    number = pl.format("+1212555{}", pl.col("task_no") % 9000 + 1000)
    email_text = pl.format("p{}@firm-{}.com", "no", "seq")
    frame = pl.DataFrame({"task_no": task_no, "no": record_no, "seq": seq}).with_columns(
        pl.lit(0).alias("person_no"),
        pl.when(record).then("no").alias("record_no"),
        pl.when(record).then(pl.format("First{}", "task_no")).alias("found_first_name"),
        pl.when(record).then(pl.format("Last{}", "no")).alias("found_last_name"),
        pl.when(record).then(title).alias("found_title"),
        pl.when(email).then(email_text).alias("found_email"),
        pl.when(email).then(luck < 0.5).alias("found_email_verified"),
        pl.lit(None).alias("found_email_status"),
        pl.when(phone).then(number).alias("found_phone"),
        pl.when(phone).then(pl.lit("MOBILE")).alias("found_phone_type"),
        pl.when(phone).then(number).alias("found_phones"),
        pl.when(record)
        .then(pl.format("https://www.linkedin.com/in/p-{}-{}", "task_no", "no"))
        .alias("found_linkedin_url"),
        pl.lit(None).alias("found_technology"),
        pl.when(record)
        .then(
            pl.format(
                '["First{}", "Last{}", "and about a hundred letters more of the record\'s own text, as the server gave it"]',
                "task_no",
                "no",
            )
        )
        .alias("found_raw"),
        pl.when(email & (luck > 0.1))
        .then(pl.format("firm-{}.com", "seq"))
        .when(email)
        .then(pl.lit("parent.com"))
        .alias("email_company"),
        pl.when(email).then(pl.lit(False)).alias("email_free_mail"),
        pl.when(phone).then(number).alias("phone_international"),
        pl.when(phone).then(pl.lit("fixed line or mobile")).alias("phone_type"),
        pl.format("{}-{}", pl.lit(RUN_ID), "task_no").alias("tracking_id"),
        pl.format("0c4e1f9a-7a55-4c0f-9d6e-{}", "task_no").alias("task_id"),
        pl.format("batch-{}", (pl.col("task_no") - 1) // 100).alias("batch_id"),
        (1.76e9 + pl.col("task_no") / 50).floor().alias("fetched_at"),
    )
    return frame.select(RECORD_SCHEMA.keys()).cast(RECORD_SCHEMA)


def _info(rows: int, states: pl.DataFrame) -> RunInfo:
    counts = dict(states["outcome"].value_counts().iter_rows())
    return RunInfo(
        run_id=RUN_ID,
        account_id=1,
        name="A large list",
        kind=Kind.FIND_PEOPLE,
        state=RunState.DONE,
        pause_reason=None,
        environment="sandbox",
        upload_name="large.csv",
        upload_sha256="0" * 64,
        upload_format={},
        columns=["company", "website", "country", "size", "crm id"],
        row_count=rows,
        task_count=rows,
        created_at=1.76e9,
        planned_at=1.76e9,
        cancelled_at=None,
        finished_at=1.76e9,
        mapping={"domain": ["website"]},
        options={},
        outcomes={one: counts.get(str(one), 0) for one in Outcome},
        pending=Pending(),
        batches=dict.fromkeys(BatchState, 0),
        found=dict.fromkeys(FOUND, 0),
        worst_credits=0.0,
        key_last4="abcd",
        other_key=False,
        hold=None,
        stalled_batches=0,
    )
