"""The fault matrix: after every fault alone, and after five mixtures, the ledger holds exactly the truth.

The fast version plays every fault, several in one run. The long one plays each fault in a run of its own and
each mixture with three seeds, lets a naive client do the same, and prints the table:
``pytest tests/engine -m slow -k matrix -s``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_rig import SUBMIT_SECONDS, TASK_SECONDS, Clock, Rig
from fault_matrix import SINGLES, Case, in_few_runs, mixtures
from fault_player import Result, Size, play, play_mixture, play_naively

from openmart_lib.api.wire import Kind
from openmart_lib.sandbox import FAULTS, Sandbox

FAST = Size(companies=36, per_batch=2, doubles=3, rejected=2)
FAST_FEW = Size(companies=36, per_batch=4, doubles=3, rejected=2)
FAST_MIXTURE = Size(companies=48, per_batch=6, doubles=3, rejected=2)
LONG = Size(companies=250, per_batch=25, doubles=20, rejected=5)
SLOTS = 4
SEEDS = (1, 2, 3)
HEAD = (
    "fault", "rows", "outcomes when nothing moves by itself", "what a person did", "outcomes then",
    "created twice", "lost", "naive: created twice", "naive: lost",
)  # fmt: skip
Line = tuple[Result, int, int]


def _names(cases: Iterator[Case] | tuple[Case, ...]) -> list[object]:
    return [pytest.param(case, id=case.name) for case in cases]


def test_every_fault_of_the_sandbox_is_in_the_matrix_but_the_one_nobody_can_tell_from_a_miss() -> None:
    played = {name for case in SINGLES for name, _ in case.faults}
    fast = {name for case in in_few_runs() for name, _ in case.faults}

    assert played == fast == set(FAULTS) - {"data_null"}


@pytest.mark.parametrize("case", _names(in_few_runs()))
def test_faults_one_after_the_other_end_with_exactly_the_truth(rig: Rig, case: Case) -> None:
    result = play(rig, case, FAST_FEW if case.lasts or case.domains else FAST)

    _check(result, case)


@pytest.mark.parametrize("case", _names(tuple(mixtures((1,)))[-2:]))
def test_a_mixture_of_faults_ends_with_exactly_the_truth(rig: Rig, case: Case) -> None:
    result = play_mixture(rig, case, FAST_MIXTURE, rounds=4)

    _check(result, case)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", _names((*SINGLES, *mixtures(SEEDS))))
def test_the_matrix_long(rig: Rig, tmp_path: Path, table: list[Line], case: Case) -> None:
    size = Size(**vars(LONG) | {"kind": list(Kind)[len(table) % len(Kind)]})
    naively = _naively(tmp_path / "naive", case, size)

    result = play(rig, case, size) if not case.seed else play_mixture(rig, case, size, rounds=15)

    table.append((result, *naively))
    _check(result, case)


def _check(result: Result, case: Case) -> None:
    assert result.twice == 0 and result.lost == 0
    assert sum(result.outcomes.values()) == sum(result.alone.values()) == result.rows
    assert "pending" not in result.outcomes
    closed = result.decisions.get("closed", 0)
    assert result.outcomes.get("missing", 0) <= result.strangers + closed
    assert closed == ("stuck.example" in case.domains)
    assert result.chosen == 0 or case.seed, "only a mixture's person sends again what was created"
    if case.lasts:
        assert result.unknown_batches <= SLOTS + 4


def _naively(folder: Path, case: Case, size: Size) -> tuple[int, int]:
    clock = Clock()
    with Sandbox(
        folder, speed=1, submit_seconds=SUBMIT_SECONDS, task_seconds=TASK_SECONDS, clock=clock
    ) as sandbox:
        return play_naively(sandbox, clock, case, size)


@pytest.fixture(scope="module")
def table() -> Iterator[list[Line]]:
    """The lines of the long version, printed when the last one is played."""
    lines: list[Line] = []
    yield lines
    if not lines:
        return
    rows = [HEAD, ("---",) * len(HEAD), *(_cells(*line) for line in lines)]
    total = [sum(each[0].twice for each in lines), sum(each[0].lost for each in lines)]
    rows.append(("in all", str(sum(each[0].rows for each in lines)), "", "", "", *map(str, total)))
    rows[-1] += tuple(str(sum(each[at] for each in lines)) for at in (1, 2))  # type: ignore[misc]
    sys.stdout.write("\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n")


def _cells(result: Result, naive_twice: int, naive_lost: int) -> tuple[str, ...]:
    chosen = f" (+ {result.chosen} by choice)" if result.chosen else ""
    return (
        result.name,
        str(result.rows),
        _said(result.alone),
        _said(result.decisions),
        "the same" if result.outcomes == result.alone else _said(result.outcomes),
        f"{result.twice}{chosen}",
        str(result.lost),
        str(naive_twice),
        str(naive_lost),
    )


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"
