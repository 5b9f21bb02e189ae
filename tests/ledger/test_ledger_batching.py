"""Batching: every task in one batch, a pilot's first, the worst case adding up."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.ledger.batching import Batching, batching, pilot_sample
from openmart_lib.ledger.tariff import Tariff
from openmart_lib.settings import Prices

TARIFF = Tariff(each=3.0, per_person=False, prices=Prices())
PER_PERSON = Tariff(each=3.0, per_person=True, prices=Prices())


def tasks(number: int) -> pl.DataFrame:
    return pl.DataFrame({"task_no": range(1, number + 1)}, schema={"task_no": pl.UInt32})


def links(groups: list[int]) -> pl.DataFrame:
    """Return ties of tasks that answer for so many rows (people) each."""
    rows, seq = [], 0
    for task_no, people in enumerate(groups, 1):
        for person_no in range(1, people + 1):
            seq += 1
            rows.append((seq, task_no, person_no))
    return pl.DataFrame(rows, schema=["seq", "task_no", "person_no"], orient="row").cast(pl.UInt32)


def divided(groups: list[int], *, size: int, pilot: int = 0, tariff: Tariff | None = TARIFF) -> Batching:
    return batching(
        tasks(len(groups)), links(groups), size=size, tariff=tariff, pilot_rows=pilot, seed="a list"
    )


@given(
    groups=st.lists(st.integers(1, 4), min_size=1, max_size=60),
    size=st.integers(1, 9),
    pilot=st.integers(0, 80),
)
def test_every_task_is_in_one_batch_and_nothing_is_counted_twice(
    groups: list[int], size: int, pilot: int
) -> None:
    made = divided(groups, size=size, pilot=pilot, tariff=PER_PERSON)

    assert sorted(made.tasks["task_no"]) == list(range(1, len(groups) + 1))
    assert made.batches["batch_no"].to_list() == list(range(1, made.batches.height + 1))
    assert made.batches["tasks"].max() <= size
    assert made.batches["tasks"].sum() == len(groups)
    assert made.batches["rows"].sum() == sum(groups)
    assert made.batches["worst"].sum() == pytest.approx(3.0 * sum(groups))


@given(
    groups=st.lists(st.integers(1, 4), min_size=2, max_size=60),
    size=st.integers(1, 9),
    pilot=st.integers(1, 20),
)
def test_a_pilots_rows_make_up_the_first_batches_and_nothing_else_is_in_them(
    groups: list[int], size: int, pilot: int
) -> None:
    made = divided(groups, size=size, pilot=pilot)
    if made.pilot_batches is None:  # all tasks would be in it
        assert sum(groups) - max(groups) < pilot
        return

    first = made.tasks.filter(pl.col("batch_no") <= made.pilot_batches)["task_no"].to_list()

    rows = sum(groups[number - 1] for number in first)
    assert pilot <= rows < pilot + max(groups), "as many rows as wanted, or the rest of a group more"
    assert first == sorted(first) and len(first) < len(groups)


def test_the_sample_is_random_over_the_list_and_the_same_for_the_same_list() -> None:
    ties = links([1] * 1_000)

    one, again, other = (pilot_sample(ties, rows=25, seed=seed) for seed in ("a", "a", "b"))

    assert one == again != other
    assert len(set(one)) == 25
    assert one[0] < 300 and one[-1] > 700, "from all over the list"


def test_a_pilot_that_would_hold_the_whole_list_is_none() -> None:
    assert divided([1] * 5, size=2, pilot=5).pilot_batches is None
    assert divided([1] * 5, size=2, pilot=4).pilot_batches == 2
    assert divided([1] * 5, size=2, pilot=0).pilot_batches is None


def test_without_prices_nothing_is_counted() -> None:
    assert divided([1, 2], size=2, tariff=None).batches["worst"].to_list() == [0.0]
