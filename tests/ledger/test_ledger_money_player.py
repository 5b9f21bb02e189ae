"""The money path as a whole: whatever happens, in any order, the ledger agrees with the server's books.

The long version plays new orders each time, and shortens what it finds to the few steps that matter:

    .venv/bin/pytest tests/ledger/test_ledger_money_player.py -m slow --hypothesis-profile=explore

``--hypothesis-seed=N`` plays the same ones again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from ledger_kit import Clock, make_empty
from money_player import MoneyPlayer


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Replays say on the console what a restored ledger does not know, thousands of times."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def play(kept_ledger, empty_ledger, *, plays: int, steps: int, phases: list[Phase]) -> None:
    chosen = settings(
        max_examples=plays,
        stateful_step_count=steps,
        phases=phases,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: MoneyPlayer(kept_ledger, empty_ledger), settings=chosen)
    make_empty(kept_ledger, empty_ledger, Clock())


def test_whatever_happens_the_ledger_agrees_with_the_books_of_the_server(kept_ledger, empty_ledger):
    play(kept_ledger, empty_ledger, plays=5, steps=50, phases=[Phase.generate])


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_in_many_more_plays_the_ledger_agrees_with_the_books_of_the_server(kept_ledger, empty_ledger):
    play(kept_ledger, empty_ledger, plays=500, steps=100, phases=[Phase.generate, Phase.shrink])
