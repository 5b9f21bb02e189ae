"""How fast finished tasks are read, beside the other ways to do it. Prints figures; never fails by a clock.

Run it with ``pytest tests/benchmarks -m slow -s``; aiohttp is compared where it is installed.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from quick_server import quick_server

from openmart_lib.api import OpenmartClient, RetryPolicy

pytestmark = pytest.mark.slow
CONNECTIONS = 32
ROUNDS = 5


def with_our_client(url: str, ids: list[str]) -> None:
    client = OpenmartClient("benchmark-key", base_url=url, retry=RetryPolicy(max_attempts=1))
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = list(pool.map(client.task, ids))
    client.close()
    assert [answer["task_id"] for answer in answers] == ids


def with_plain_requests(url: str, ids: list[str]) -> None:
    with requests.Session() as session:
        session.mount(url, requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
        session.headers["X-API-Key"] = "benchmark-key"
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            answers = list(pool.map(lambda id_: session.get(f"{url}/api/v1/task/{id_}").json(), ids))
    assert [answer["task_id"] for answer in answers] == ids


def with_aiohttp(url: str, ids: list[str]) -> None:
    aiohttp = pytest.importorskip("aiohttp")

    async def read() -> list[str]:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector, headers={"X-API-Key": "benchmark-key"}) as http:

            async def one(id_: str) -> str:
                async with http.get(f"{url}/api/v1/task/{id_}") as response:
                    return str((await response.json())["task_id"])

            return await asyncio.gather(*(one(id_) for id_ in ids))

    assert asyncio.run(read()) == ids


def rates(url: str, count: int, *ways: Callable[[str, list[str]], None]) -> list[float]:
    """Return each way's reads per second: the median of rounds in which they take turns."""
    ids = [f"task-{number}" for number in range(count)]
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for way, seconds in zip(ways, taken, strict=True):
            started = time.perf_counter()
            way(url, ids)
            seconds.append(time.perf_counter() - started)
    return [count / statistics.median(seconds) for seconds in taken]


def test_reading_without_latency_is_bounded_by_this_computer() -> None:
    with quick_server(0.0) as url:
        ours, plain = rates(url, 2_000, with_our_client, with_plain_requests)

    print(
        f"\n0 ms, {CONNECTIONS} connections: {ours:,.0f} reads/s, plain Session.get().json() in the same pool "
        f"{plain:,.0f}: {ours / plain:.2f} x; load {os.getloadavg()[0]:.1f}"
    )


def test_reading_at_50_ms_is_bounded_by_the_latency() -> None:
    with quick_server(0.05) as url:
        ours, other = rates(url, 2_000, with_our_client, with_aiohttp)

    ideal = CONNECTIONS / 0.05
    print(
        f"\n50 ms, {CONNECTIONS} connections: {ours:,.0f} reads/s, {ours / ideal:.1%} of {ideal:,.0f}; "
        f"aiohttp {other:,.0f}: {ours / other:.1%}; load {os.getloadavg()[0]:.1f}"
    )
