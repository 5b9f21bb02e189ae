"""Before anything is bought: what Lance already holds, and why a row need not be bought."""

from __future__ import annotations

import polars as pl
import pytest
from lance_kit import EMAILS, PHONES, Bench, entity_ids

from openmart_lib.engine.precheck import precheck, skip_reasons
from openmart_lib.errors import InputError, ServerError

STATES = pl.DataFrame(
    [
        ("a", "emails", "found", "2020-01-14T09:00:00Z"),
        ("a", "phones", "never requested", None),
        ("b", "emails", "nothing found", "2020-03-02T09:00:00Z"),
        ("b", "phones", "found", "2020-03-02T09:00:00+02:00"),
        ("c", "emails", "still running", "soon"),
        ("c", "phones", "timed out", None),
        ("d", "emails", "failed", None),
        ("d", "phones", "never requested", None),
    ],
    schema=["entity_id", "field", "state", "updated_at"],
    orient="row",
)
ROWS = pl.DataFrame({"seq": [1, 2, 3, 4, 5, 6], "entity_id": ["a", "b", None, "c", "d", "a"]})


def test_every_id_and_field_is_known_for_a_free_call_per_200(bench: Bench) -> None:
    told: list[tuple[int, int]] = []

    frame = precheck(
        bench.settings, entity_ids(300), [EMAILS, PHONES], progress=lambda *done: told.append(done)
    )

    assert frame.columns == ["entity_id", "field", "state", "updated_at"]
    assert frame.height == 600 and frame["state"].null_count() == 0
    assert (bench.calls(), bench.sandbox.credits_spent(), told[-1]) == (3, 0, (600, 600))
    never = frame.filter(pl.col("state") == "never requested")
    assert never["updated_at"].null_count() == never.height > 0


def test_an_id_that_is_no_uuid_is_an_error_before_anything_is_sent(bench: Bench) -> None:
    with pytest.raises(InputError):
        precheck(bench.settings, ["x"], [EMAILS])

    assert bench.calls() == 0


def test_a_lance_that_fails_is_an_error_that_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmart_lib.engine.precheck.RETRY", bench.retry)
    bench.sandbox.faults.add("status", on="lance", status=500, times=None)

    with pytest.raises(ServerError, match="Reading is free"):
        precheck(bench.settings, entity_ids(3), [EMAILS])


def test_a_row_of_which_lance_finished_all_that_would_be_bought_is_to_be_skipped() -> None:
    told = skip_reasons(ROWS, STATES, [EMAILS])

    assert told.select("seq", "advice", "skipped_fields").rows() == [
        *((1, "skip", 1), (2, "skip", 1), (3, "buy", 0)),
        *((4, "wait", 0), (5, "buy", 0), (6, "skip", 1)),
    ]
    assert told["reason"].to_list() == [
        "Lance already holds emails (14 Jan 2020); read them in Lance",
        "Lance looked for emails (2 Mar 2020) and found nothing",
        None,
        "Lance is looking for emails now; wait for it",
        None,
        "Lance already holds emails (14 Jan 2020); read them in Lance",
    ]


def test_a_row_of_which_lance_finished_only_a_part_is_bought_and_told_about() -> None:
    told = skip_reasons(ROWS, STATES, [EMAILS, PHONES])

    assert told["advice"].to_list() == ["buy", "skip", "buy", "wait", "buy", "buy"]
    assert told["reason"][0] == "Lance already holds emails (14 Jan 2020); read them in Lance"
    assert told["reason"][1] == (
        "Lance already holds phones (2 Mar 2020); read them in Lance; "
        "Lance looked for emails (2 Mar 2020) and found nothing"
    )
    assert told["skipped_fields"].to_list() == [0, 2, 0, 0, 0, 0]


def test_without_a_field_nothing_is_skipped() -> None:
    assert set(skip_reasons(ROWS, STATES, [])["advice"]) == {"buy"}
