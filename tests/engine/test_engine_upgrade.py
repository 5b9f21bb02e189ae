"""A ledger of the first version is opened, brought up to date and finished by today's engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from engine_oracle import assert_truth
from engine_rig import Rig

from openmart_lib.ledger.decisions import drop_batch
from openmart_lib.results import join

FORMER = Path(__file__).parents[1] / "ledger" / "ledger_0001.sql"
RUN = "obx5truzjp"  # three batches of two tasks: collected, being sent by a worker that is gone, planned


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig on the data folder of the former version."""
    template = tmp_path / "former" / "ledger.db"
    template.parent.mkdir()
    with closing(sqlite3.connect(template)) as connection:
        connection.executescript(FORMER.read_text(encoding="utf-8"))
    uploads = tmp_path / "data" / "sandbox" / "uploads"
    uploads.mkdir(parents=True)
    rows = pl.DataFrame(
        {
            "seq": range(1, 8),
            "file_line": range(2, 9),
            "Company": [f"shop1-{number}.example" for number in range(1, 7)] + [""],
        },
        schema={"seq": pl.UInt32, "file_line": pl.UInt32, "Company": pl.String},
    )
    rows.write_parquet(uploads / f"{RUN}.parquet")
    bench = Rig(tmp_path / "data", template)
    bench.sandbox.start()
    yield bench
    bench.close()
    bench.sandbox.stop()


def test_what_was_planned_is_sent_and_what_was_being_sent_is_in_doubt(rig: Rig) -> None:
    assert rig.states(RUN) == ["collected", "unknown", "planned"]

    rig.settle()

    assert rig.states(RUN) == ["collected", "unknown", "collected"]
    assert rig.posts() == 1 and rig.outcomes(RUN)["unknown"] == 2
    assert_truth(rig.sandbox, rig.ledger)


def test_its_results_and_its_decisions_are_todays(rig: Rig) -> None:
    rig.settle()
    drop_batch(rig.ledger, rig.batch(RUN, 2)["pk"])

    results = join.results(rig.ledger, RUN, "rows")

    assert results.height == 7
    assert results["outcome"].to_list()[:4] == ["no match", "matched", "unknown", "unknown"]
    assert results["outcome"].to_list()[6] == "rejected"
    assert results["found_email"][1].endswith(".invalid")
