"""How fast results are with a million rows, beside pandas and duckdb doing the same work in the same run.

Run with ``pytest -m slow -s tests/benchmarks/test_results_speed.py`` after ``pip install -e '.[bench]'``;
``OPENMART_BENCHMARK_ROWS`` sets the size. Each contestant's best of three counts: others use the machine too.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import polars as pl
import pytest
from million_results import RUN_ID, a_large_run

from openmart_lib.api.wire import Kind
from openmart_lib.results import pictures, summary
from openmart_lib.results.assembly import Parts, assemble
from openmart_lib.results.explore import Explorer, Query
from openmart_lib.results.facets import facet_frame
from openmart_lib.results.flatten import flatten
from openmart_lib.results.records import flatten_answers

ROWS = int(os.environ.get("OPENMART_BENCHMARK_ROWS", "1000000"))
TIMES = 3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def parts() -> Parts:
    return a_large_run(ROWS)


@pytest.fixture(scope="module")
def rows(parts: Parts) -> pl.DataFrame:
    return assemble(parts, "rows")


def say(what: str, figure: str) -> None:
    sys.stdout.write(f"  {what:<64}{figure:>18}\n")


def best(what: str, action: Callable[[], object], times: int = TIMES) -> float:
    """Print and return the seconds of the quickest of some tries."""
    taken = []
    for _ in range(times):
        gc.collect()
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    say(what, f"{min(taken):.2f} s")
    return min(taken)


def test_the_join_beside_pandas_and_duckdb(parts: Parts) -> None:
    pandas, duckdb = pytest.importorskip("pandas"), pytest.importorskip("duckdb")
    say(f"{ROWS:,} rows, {parts.lines['record_no'].count():,} records", "")
    long = assemble(parts, "long")
    theirs = by_pandas(pandas, parts)()
    assert len(theirs) == long.height and by_duckdb(duckdb, parts)().height == long.height
    assert theirs["found_email"].notna().sum() == long["found_email"].count()
    del theirs, long

    ours = best("join, with all our columns", lambda: assemble(parts, "long"))
    pandas_took = best("join, pandas", by_pandas(pandas, parts))
    duckdb_took = best("join, duckdb", by_duckdb(duckdb, parts))
    best("one line per uploaded row", lambda: assemble(parts, "rows"))
    best("one line per uploaded row, its contacts numbered", lambda: assemble(parts, "wide"))

    say("join / pandas (goal 0.5)", f"{ours / pandas_took:.2f}")
    say("join / duckdb (goal 1.0)", f"{ours / duckdb_took:.2f}")


def by_pandas(pandas: Any, parts: Parts) -> Callable[[], Any]:
    """Return the same join in pandas: same lines, same uploaded, found and id columns, no derived ones."""
    upload, states, links, lines = (
        frame.to_pandas() for frame in (parts.upload, parts.states, parts.links, parts.lines)
    )

    def work() -> Any:
        table = upload.merge(states.drop(columns=["file_line"]), on="seq", how="left")
        table["source"] = table["duplicate_of"].fillna(table["seq"]).astype("uint32")
        own = table[["seq", "outcome", "outcome_reason"]]
        own = own.rename(columns={"seq": "source", "outcome": "result", "outcome_reason": "own"})
        table = table.merge(own, on="source", how="left")
        tasks = links.sort_values(["seq", "task_no"]).drop_duplicates("seq")
        tasks = tasks[["seq", "task_no"]].rename(columns={"seq": "source", "task_no": "row_task_no"})
        table = table.merge(tasks, on="source", how="left")
        ties = links[["task_no", "person_no", "seq"]].rename(columns={"seq": "source"})
        found = lines[lines["record_no"].notna()].merge(ties, on=["task_no", "person_no"])
        found["record_no"] = found.groupby("source").cumcount() + 1
        found["record_count"] = found.groupby("source")["source"].transform("size")
        joined = table.merge(found, on="source", how="left")
        task = joined["task_no"].fillna(joined["row_task_no"]).astype("int64").astype("str")
        joined["tracking_id"] = RUN_ID + "-" + task
        joined["fetched_at"] = pandas.to_datetime(joined["fetched_at"], unit="s").dt.strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
        return joined

    return work


def by_duckdb(duckdb: Any, parts: Parts) -> Callable[[], pl.DataFrame]:
    """Return the same join in duckdb."""
    connection = duckdb.connect()
    for name in ("upload", "states", "links", "lines"):
        connection.register(name, getattr(parts, name).to_arrow())
    query = f"""
    WITH records AS (
        SELECT l.* EXCLUDE (tracking_id, record_no), t.seq AS source,
               row_number() OVER (PARTITION BY t.seq ORDER BY l.task_no, l.record_no) AS record_no,
               count(*) OVER (PARTITION BY t.seq) AS record_count
          FROM lines l JOIN links t ON t.task_no = l.task_no AND t.person_no = l.person_no
         WHERE l.record_no IS NOT NULL),
    tasks AS (SELECT seq AS source, min(task_no) AS row_task_no FROM links GROUP BY seq)
    SELECT u.*, s.* EXCLUDE (seq, file_line), o.outcome AS result, o.outcome_reason AS own, r.*,
           '{RUN_ID}-' || coalesce(r.task_no, t.row_task_no) AS tracking_id,
           strftime(to_timestamp(r.fetched_at), '%Y-%m-%dT%H:%M:%SZ') AS fetched
      FROM upload u
      JOIN states s ON s.seq = u.seq
      JOIN states o ON o.seq = coalesce(s.duplicate_of, s.seq)
      LEFT JOIN tasks t ON t.source = o.seq
      LEFT JOIN records r ON r.source = o.seq
     ORDER BY u.seq, r.record_no
    """
    return lambda: pl.DataFrame(connection.sql(query).to_arrow_table())


def test_all_pictures_together_beside_pandas(parts: Parts, rows: pl.DataFrame) -> None:
    pandas = pytest.importorskip("pandas")
    lines = parts.lines.select("found_title")

    def ours() -> None:
        summary.funnel(rows, Kind.FIND_PEOPLE)
        summary.match_rate(rows, "country")
        pictures.outcomes_over_time(rows)
        pictures.records_per_company(rows)
        pictures.top_titles(lines)

    names = ["row", "outcome", "result", "batch_id", "country", "fetched_at", "domain", "record_count"]
    table = rows.select(*names, "found_email", "found_email_verified").to_pandas()
    titles = lines.to_pandas()

    def theirs() -> None:
        ok = ~table["result"].isin(["rejected", "skipped"])
        sent = ok & (table["batch_id"].notna() | (table["result"] == "unknown"))
        done = sent & table["result"].isin(["matched", "partial", "no match"])
        matched = done & (table["result"] == "matched")
        sure = (
            matched & table["found_email"].notna() & table["found_email_verified"].fillna(False).astype(bool)
        )
        repeats = table["outcome"] == "duplicate"
        [(step.sum(), (step & repeats).sum()) for step in (ok, sent, done, matched, sure)]
        table.assign(done=done, matched=matched).groupby("country", dropna=False)[["done", "matched"]].sum()
        told = table[table["fetched_at"].notna()]
        told.groupby(["fetched_at", "result"]).size().unstack(fill_value=0).cumsum()
        told[~repeats].groupby("domain")["record_count"].sum().clip(upper=10).value_counts()
        titles["found_title"].dropna().str.lower().value_counts().head(15)

    took = best("all pictures", ours)
    pandas_took = best("all pictures, pandas", theirs)

    say("pictures / pandas (goal 0.35)", f"{took / pandas_took:.2f}")
    assert pandas.__version__


def test_a_filter_change_and_a_page_change(rows: pl.DataFrame) -> None:
    told = facet_frame(rows, Kind.FIND_PEOPLE, {"domain": ["website"], "country": ["country"]})
    best("what can be filtered by", lambda: facet_frame(rows, Kind.FIND_PEOPLE, {}))
    best("all facets", lambda: [Explorer(rows, told).facet(name) for name in told.columns])
    explorer = Explorer(rows, told)
    best("the first search puts its text together", lambda: explorer.matching(Query(text="firm-1")), times=1)
    filters = {
        "outcome": Query(values={"outcome": ["matched"]}),
        "two facets": Query(values={"outcome": ["matched"], "is.country": ["land 7", "land 8"]}),
        "text": Query(text="firm-123"),
        "text and facet": Query(text="first77 last1", values={"outcome": ["matched", "partial"]}),
        "sorted by an uploaded column": Query(sort="company", descending=True),
        "sorted by title, filtered": Query(values={"outcome": ["matched"]}, sort="found_title"),
    }
    for column in ("company", "found_title", "found_email"):
        best(f"the first sort by {column}", lambda by=column: explorer.matching(Query(sort=by)), times=1)
    for name, query in filters.items():
        taken = []
        for turn in range(7):
            # Something else each time: an answer that is remembered would tell nothing.
            fresh = replace(query, values={**query.values, "size": [f"{turn} people", "0 people"]})
            began = time.perf_counter()
            explorer.page(explorer.matching(fresh), 1)
            for facet in told.columns:
                explorer.facet(facet, fresh)
            taken.append(time.perf_counter() - began)
        say(f"filter change with all facets, {name} (goal 300 ms)", f"{1000 * median(taken):.0f} ms")
    places = explorer.matching(filters["outcome"])
    taken = []
    for number in range(1, 200, 13):
        began = time.perf_counter()
        page = explorer.page(places, number)
        taken.append(time.perf_counter() - began)
    say("page change (goal 100 ms)", f"{1000 * median(taken):.1f} ms")
    assert page.height == min(100, max(0, len(places) - 100 * (number - 1)))


def test_flattening() -> None:
    """As the server answers: 2.5 people a task with an email each and a phone now and then."""
    tasks = min(ROWS, 100_000)
    payloads = [_payload(no) for no in range(tasks)]

    took = best(f"flatten {tasks:,} tasks", lambda: flatten(payloads, Kind.FIND_PEOPLE))
    naive = best("json.loads and a dict per record", lambda: _naive(payloads))
    answers = pl.DataFrame(
        {
            "task_no": range(tasks),
            "tracking_id": ["x"] * tasks,
            "task_id": ["y"] * tasks,
            "batch_id": ["z"] * tasks,
            "payload": payloads,
            "fetched_at": [1.0] * tasks,
        },
        schema_overrides={"task_no": pl.UInt32},
    )
    whole = best(
        "flatten, with what is worked out", lambda: flatten_answers(answers, Kind.FIND_PEOPLE), times=1
    )

    say("flattening (goal 90,000 tasks/s)", f"{tasks / took:,.0f} tasks/s")
    say("flattening, with what is worked out", f"{tasks / whole:,.0f} tasks/s")
    say("flattening / json.loads and dicts", f"{took / naive:.2f}")


def _payload(no: int) -> str:
    people = [
        {
            "first_name": f"First{no}",
            "last_name": f"Last{nth}",
            "title": "Head of Sales",
            "linkedin_url": f"https://www.linkedin.com/in/p-{no}-{nth}",
            "email": {"email": f"p{nth}@firm-{no}.com", "verified": no % 2 == 0},
            "phones": [{"phone_number": f"+1212555{no % 9000 + 1000}", "line_type": "MOBILE", "valid": True}]
            if nth == 0
            else [],
        }
        for nth in range(2 + no % 2)
    ]
    told = {
        "task_id": f"0c4e1f9a-{no}",
        "status": "COMPLETED",
        "tracking_id": f"{RUN_ID}-{no}",
        "data": people,
    }
    return json.dumps(told, separators=(",", ":"))


def _naive(payloads: list[str]) -> pl.DataFrame:
    lines = []
    for payload in payloads:
        for record in json.loads(payload)["data"]:
            email, phones = record["email"] or {}, record["phones"]
            told = {name: record[name] for name in ("first_name", "last_name", "title", "linkedin_url")}
            told |= {
                "email": email.get("email"),
                "verified": email.get("verified"),
                "raw": json.dumps(record),
            }
            lines.append(told | {"phone": phones[0]["phone_number"] if phones else None})
    return pl.DataFrame(lines)
