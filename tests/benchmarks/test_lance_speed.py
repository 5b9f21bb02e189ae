"""How fast the states of a hundred thousand triples are known, and what waiting for them costs in rounds.

Prints figures; never fails by a clock. Run it with ``pytest tests/benchmarks/test_lance_speed.py -m slow -s``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from lance_kit import EMAILS, Bench, entity_ids
from quick_server import quick_server

from openmart_lib.api import LanceClient
from openmart_lib.api.lance_states import triples
from openmart_lib.ledger.watching import WatchMode

pytestmark = pytest.mark.slow
CONNECTIONS = 32
LATENCY = 0.5  # seconds


def told(what: str, seconds: float) -> None:
    ideal = 500 * LATENCY / CONNECTIONS
    print(
        f"\n{what}: {seconds:.1f} s, {seconds / ideal:.2f} x (500 calls x {LATENCY} s / {CONNECTIONS} "
        f"connections = {ideal:.1f} s); load {os.getloadavg()[0]:.1f}"
    )


def test_a_hundred_thousand_triples_by_the_client() -> None:
    wanted = triples(entity_ids(100_000), [EMAILS])
    with quick_server(LATENCY) as url, LanceClient("token", base_url=url) as client:
        started = time.perf_counter()
        known = client.query_all(wanted, connections=CONNECTIONS)
        told("query_all", time.perf_counter() - started)

    assert len(known) == 100_000


def test_a_hundred_thousand_triples_of_a_watch_list(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    list_id = bench.watch(entity_ids(100_000))
    with quick_server(LATENCY) as url:
        bench.client = lambda: LanceClient("token", base_url=url)  # type: ignore[method-assign] # not the sandbox
        bench.worker(connections=CONNECTIONS)
        started = time.perf_counter()
        bench.rounds.step()
        told("a round, every state stored", time.perf_counter() - started)

    card = bench.card(list_id)
    bench.close()
    assert card.states == {"found": 100_000}


def test_rounds_and_calls_until_all_is_final(tmp_path: Path) -> None:
    bench = Bench(tmp_path, connections=8)
    list_id = bench.watch(entity_ids(10_000), mode=WatchMode.WAIT)
    bench.rounds.step()
    first, begun = bench.calls(), bench.clock()
    while bench.card(list_id).states.get("still running"):
        if not bench.rounds.step():
            bench.skip_to_next()
    card = bench.card(list_id)
    print(
        f"\n10,000 triples: {first} calls in the first round; nothing pending after "
        f"{(bench.clock() - begun) / 60:.0f} min, {card.rounds} rounds and {bench.calls()} calls in all"
    )
    bench.close()

    assert first == 50
