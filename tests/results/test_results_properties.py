"""Whatever was planned and whatever came back: no row is missing, no record lost or doubled."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from typing import Any

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from results_story import Story, companies, person

from openmart_lib.api.payload import best_phone, read_records
from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import BEST_FIRST
from openmart_lib.results import assembly, join, quality
from openmart_lib.results.flatten import FOUND_SCHEMA, LINE_SCHEMA, flatten
from openmart_lib.results.records import RECORD_SCHEMA

QUICK = examples(20)


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> RunInfo:
    story = Story(tmp_path_factory.mktemp("ledger"), companies("acme.com"))
    return dataclasses.replace(queries.run_info(story.ledger, story.run_id), run_id="abcdefghij")


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """A plan and its answers: groups of people, resends, answers told twice, strangers, equal records."""
    intakes = draw(st.lists(st.sampled_from(["accepted", "accepted", "duplicate", "rejected"]), max_size=10))
    accepted = [seq for seq, intake in enumerate(intakes, 1) if intake == "accepted"]
    rows, links, lines = [], [], []
    for seq, intake in enumerate(intakes, 1):
        before = [one for one in accepted if one < seq]
        if intake == "duplicate" and not before:
            intake = "rejected"
        source = draw(st.sampled_from(before)) if intake == "duplicate" else None
        rows.append((seq, intake, source))
    groups: list[list[int]] = []
    for seq in accepted:
        if groups and draw(st.booleans()):
            groups[-1].append(seq)
        else:
            groups.append([seq])
    groups += [group for group in groups if draw(st.booleans())]  # resent as new tasks
    for task_no, group in enumerate(groups, 1):
        numbers = [0] if len(group) == 1 else list(range(1, len(group) + 1))
        base = draw(st.sampled_from([0, 1])) if len(group) == 1 else 0
        for person_no, seq in zip(numbers, group, strict=True):
            outcome = draw(st.sampled_from(BEST_FIRST))
            links.append((seq, task_no, person_no + base, str(outcome)))
        for answer in range(draw(st.integers(0, 2))):
            records = draw(st.lists(st.sampled_from("abc"), max_size=3))
            for record_no, raw in enumerate(records, 1):
                owner = draw(st.sampled_from(numbers if numbers == [0] else [*numbers, None]))
                lines.append((task_no, owner, record_no, raw, f"task-{task_no}-{answer}"))
            if not records:
                lines.append((task_no, 0, None, None, f"task-{task_no}-{answer}"))
    strangers = range(draw(st.integers(0, 2)))
    lines += [(None, 0, 1, "stray", f"task-stray-{nth}") for nth in strangers]
    return {"rows": rows, "links": links, "lines": lines}


def parts_of(plan: dict[str, Any], info: RunInfo) -> assembly.Parts:
    rows = [
        (seq, seq + 1, intake, {"accepted": "pending"}.get(intake, intake), source)
        for seq, intake, source in plan["rows"]
    ]
    u32, text = pl.UInt32, pl.String
    states = pl.DataFrame(
        rows,
        schema={"seq": u32, "file_line": u32, "intake": text, "outcome": text, "duplicate_of": u32},
        orient="row",
    ).with_columns(
        pl.lit(None, dtype=text).alias(name)
        for name in ("code", "reason", "domain", "asked_title", "outcome_reason")
    )
    upload = states.select(
        "seq", "file_line", pl.format("cell {}", "seq").alias("name"), pl.lit("old").alias("outcome")
    )
    links = pl.DataFrame(
        plan["links"],
        schema={"seq": u32, "task_no": u32, "person_no": u32, "outcome": text},
        orient="row",
    )
    lines = pl.DataFrame(
        [
            {
                "task_no": task_no,
                "person_no": owner,
                "record_no": record_no,
                "found_raw": raw,
                "task_id": task_id,
                "batch_id": "batch",
                "fetched_at": 1.0,
            }
            for task_no, owner, record_no, raw, task_id in plan["lines"]
        ],
        schema=RECORD_SCHEMA,
    )
    batches = pl.DataFrame(
        {
            "state": ["accepted"],
            "ready_at": [None],
            "batch_id": ["batch"],
            "first_tracking_id": ["abcdefghij-1"],
        },
        schema_overrides={"ready_at": pl.Float64},
    )
    return assembly.Parts(info, upload, states, links, batches, lines)


@QUICK
@given(plan=plans())
def test_every_uploaded_row_is_there_in_order_with_its_own_cells(plan: dict[str, Any], info: RunInfo) -> None:
    parts = parts_of(plan, info)
    rows, long = assembly.assemble(parts, "rows"), assembly.assemble(parts, "long")
    expected = list(range(1, len(plan["rows"]) + 1))

    assert rows["row"].to_list() == expected
    assert long["row"].unique().sort().to_list() == expected
    assert long["row"].is_sorted()
    for frame in (rows, long):
        assert frame["name"].to_list() == [f"cell {row}" for row in frame["row"]]
        assert frame["outcome (uploaded)"].to_list() == ["old"] * frame.height
        assert frame["outcome_reason"].null_count() == 0
        assert frame["result"].null_count() == 0


@QUICK
@given(plan=plans())
def test_no_record_is_lost_or_doubled(plan: dict[str, Any], info: RunInfo) -> None:
    """Of a record given back by several answers for one row, the answer that has it most often counts."""
    parts = parts_of(plan, info)
    long, strays = assembly.assemble(parts, "long"), assembly.strays(parts.links, parts.lines)
    group_size = Counter(task_no for _, task_no, _, _ in plan["links"])
    row_of = {
        (task_no, 0 if group_size[task_no] == 1 else person_no): seq
        for seq, task_no, person_no, _ in plan["links"]
    }
    by_answer: dict[int, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    nobodys: Counter[str] = Counter()
    for task_no, owner, record_no, raw, task_id in plan["lines"]:
        seq = row_of.get((task_no, owner))
        if record_no is not None and seq is None:
            nobodys[raw] += 1
        elif record_no is not None:
            by_answer[seq][task_id][raw] += 1

    assert Counter(strays["found_raw"]) == nobodys
    for seq, _, source in plan["rows"]:
        expected: Counter[str] = Counter()
        for raws in by_answer[source or seq].values():
            expected |= raws
        shown = long.filter(pl.col("row") == seq)
        assert Counter(shown["found_raw"].drop_nulls()) == expected
        assert shown["record_count"].unique().to_list() == [expected.total()]
        if expected:
            assert shown["record_no"].to_list() == list(range(1, expected.total() + 1))


@QUICK
@given(plan=plans())
def test_the_shape_rows_is_a_choice_out_of_the_shape_long(plan: dict[str, Any], info: RunInfo) -> None:
    parts = parts_of(plan, info)
    rows, long = assembly.assemble(parts, "rows"), assembly.assemble(parts, "long")

    known = set(long.select("row", "record_no", "found_raw", "task_id", "outcome", "result").rows())

    assert set(rows.select("row", "record_no", "found_raw", "task_id", "outcome", "result").rows()) <= known


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", " ", "VALID", "x", " a b "]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
texts = st.none() | st.sampled_from(["Ana", " Silva ", "", "  ", "ü€", "\u3000"]) | json_values
phones = st.fixed_dictionaries(
    {},
    optional={
        "phone_number": st.none() | st.sampled_from(["+15550100", " +15550101", "", " "]) | st.integers(1, 9),
        "line_type": st.none() | st.sampled_from(["MOBILE", "mobile", "FIXED"]),
        "valid": st.none() | st.booleans() | st.just("yes"),
    },
)
emails = texts | st.fixed_dictionaries({}, optional={"email": texts, "verified": json_values})
records = json_values | st.fixed_dictionaries(
    {},
    optional={
        "first_name": texts,
        "last_name": texts,
        "title": texts,
        "linkedin_url": texts,
        "email": emails,
        "status": texts,
        "phones": json_values | st.lists(phones | st.sampled_from(["+15550102"]), max_size=3),
        "name": texts,
        "more": json_values,
    },
)


@QUICK
@given(
    kind=st.sampled_from(list(Kind)), data=json_values | st.lists(records, max_size=4), tight=st.booleans()
)
def test_the_fast_reading_and_the_tolerant_one_give_the_same_lines(
    kind: Kind, data: Any, tight: bool
) -> None:
    payload = json.dumps({"task_id": "t", "data": data}, separators=(",", ":") if tight else None)

    lines = flatten([payload, None, payload], kind)

    expected = read_records(kind, data)
    assert lines["answer"].to_list() == [
        position
        for position, count in ((0, len(expected)), (1, 0), (2, len(expected)))
        for _ in range(max(1, count))
    ]
    found = lines.filter((pl.col("answer") == 0) & pl.col("record_no").is_not_null())
    assert found["record_no"].to_list() == list(range(1, len(expected) + 1))
    for line, record in zip(found.iter_rows(named=True), expected, strict=True):
        best = best_phone(record.phones)
        assert json.loads(line["found_raw"]) == record.raw
        assert [line[name] for name in FOUND_SCHEMA if name != "found_raw"] == [
            *(record.first_name, record.last_name, record.title),
            *(record.email, record.email_verified, record.email_status),
            *((best.number, best.line_type) if best else (None, None)),
            "; ".join(phone.number for phone in record.phones) or None,
            *(record.linkedin_url, record.technology),
        ]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    "payload",
    [
        "",
        "not json",
        "[]",
        "null",
        '"text"',
        '{"data": [{"email": "\\ud800 half"}]}',
        '{"data": [' + "[" * 5000,
    ],
)
def test_no_payload_makes_flatten_fail_and_what_cannot_be_read_is_kept_raw(kind: Kind, payload: str) -> None:
    lines = flatten([payload], kind)

    assert lines.schema == pl.Schema(LINE_SCHEMA)
    assert lines.height == 1
    if payload.startswith("not") or payload.count("[") > 100:
        assert lines["found_raw"].to_list() == [payload]


def test_no_answers_give_an_empty_frame_of_the_same_columns() -> None:
    assert flatten([], Kind.FIND_PEOPLE).schema == pl.Schema(LINE_SCHEMA)


answers = st.none() | st.lists(
    st.builds(
        person,
        st.sampled_from(["Ana", "Bo"]),
        email=st.sampled_from([None, "a@acme.invalid"]),
        verified=st.booleans(),
        phone=st.sampled_from([None, "+15550100"]),
    ),
    max_size=3,
)


@examples(4)
@given(
    domains=st.lists(
        st.sampled_from(["acme.com", "beta.com", "gamma.com", "delta.com", "", "none"]), max_size=8
    ),
    data=st.lists(answers, min_size=4, max_size=4),
    answered=st.sets(st.integers(1, 4)),
)
def test_files_agree_with_the_ledger_about_every_row_and_every_count(
    domains: list[str], data: list[Any], answered: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    story = Story(tmp_path_factory.mktemp("ledger"), companies(*domains))
    story.send_all({task_no: data[task_no - 1] for task_no in answered})

    run = queries.run_info(story.ledger, story.run_id)
    rows = join.results(story.ledger, story.run_id, "rows")
    long = join.results(story.ledger, story.run_id, "long")

    states = queries.row_states(story.ledger, story.run_id)
    assert rows["outcome"].to_list() == states["outcome"].to_list()
    assert Counter(rows["outcome"]) == {str(one): n for one, n in run.outcomes.items() if n}
    own = rows.filter(pl.col("outcome") != Outcome.DUPLICATE)
    assert own.select(quality.has_email()).sum().item() == run.found["rows_with_email"]
    assert own.select(quality.is_verified(run.kind)).sum().item() == run.found["rows_with_verified_email"]
    distinct = long.filter(pl.col("outcome") != Outcome.DUPLICATE, pl.col("record_no").is_not_null())
    assert distinct.height == run.found["records"]
