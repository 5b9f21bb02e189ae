"""Watch lists in the engine: each triple asked as often as needed and no oftener, whatever happens to Lance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lance_kit import EMAILS, PHONES, Bench, entity_ids
from sqlalchemy import Connection, event

from openmart_lib.engine.watch_rounds import WatchPacing
from openmart_lib.ledger import Ledger, asking, watched, watching
from openmart_lib.ledger.planning import CHUNK_ROWS
from openmart_lib.ledger.watched import Standing
from openmart_lib.ledger.watching import Ended, WatchMode
from openmart_lib.settings import SANDBOX, Settings

WAIT, EXISTS = WatchMode.WAIT, WatchMode.EXISTS


def open_triples(bench: Bench, list_id: str) -> int:
    return int(watched.watch_items(bench.ledger, list_id)["open"].sum())


def states(bench: Bench, list_id: str) -> dict[tuple[str, str], str]:
    frame = watched.watch_items(bench.ledger, list_id)
    return {(one, field): state for one, field, state in frame.select("entity_id", "field", "state").rows()}


def test_ten_thousand_triples_are_exactly_fifty_calls(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(5_000), EMAILS, PHONES)

    bench.rounds.step()

    card = bench.card(list_id)
    assert bench.calls() == 50
    assert (card.ended_why, card.rounds, sum(card.states.values())) == (Ended.ONE_PASS, 1, 10_000)


def test_one_pass_calls_what_lance_omits_never_requested(bench: Bench) -> None:
    card = bench.until_ended(bench.watch(entity_ids(200)))

    assert bench.calls() == 1
    assert card.states["never requested"] > 20
    assert "not seen yet" not in card.states and "not asked" not in card.states


def test_waiting_asks_only_what_is_not_final_until_all_is(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(400), EMAILS, mode=WAIT)
    bench.rounds.step()
    left = [open_triples(bench, list_id)]

    bench.until_ended(list_id)

    card = bench.card(list_id)
    assert 200 < left[0] < 400
    assert bench.calls() < 2 * card.rounds, "what is final was asked again"
    assert (card.ended_why, open_triples(bench, list_id)) == (Ended.FINAL, 0)
    assert set(card.states) == {"found", "nothing found", "timed out", "failed", "never requested"}


def test_an_omitted_record_is_not_seen_yet_for_half_an_hour_and_then_never_requested(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(200), mode=WAIT)
    bench.rounds.step()
    begun, unseen = bench.clock(), bench.card(list_id).states["not seen yet"]

    bench.until_ended(list_id)

    assert unseen > 20
    assert bench.card(list_id).states["never requested"] == unseen
    assert 1800 <= bench.clock() - begun < 1800 + 300


@pytest.mark.parametrize("seed", range(3))
def test_a_list_that_finishes_after_ten_minutes_takes_at_most_fifteen_rounds(bench: Bench, seed: int) -> None:
    bench.worker(seed=seed)
    known = entity_ids(60)
    list_id = bench.watch(known, mode=WAIT)
    bench.rounds.step()
    unseen = {one for (one, _), state in states(bench, list_id).items() if state == "not seen yet"}
    watching.delete_watch(bench.ledger, list_id)
    list_id = bench.watch([one for one in known if one not in unseen], mode=WAIT)
    begun = bench.clock()

    card = bench.until_ended(list_id)

    assert card.ended_why is Ended.FINAL
    assert bench.clock() - begun > 400, "the sandbox takes up to ten minutes"
    assert card.rounds <= 15


def test_waits_grow_from_five_seconds_to_five_minutes_with_full_jitter() -> None:
    pacing = WatchPacing()

    limits = [pacing.wait(waits, lambda low, high: high) for waits in range(8)]
    least = {pacing.wait(waits, lambda low, high: low) for waits in range(40)}

    assert limits == [10, 20, 40, 80, 160, 300, 300, 300]
    assert least == {5.0}


def test_the_sandboxs_waits_are_shorter_as_its_time_runs_faster() -> None:
    scaled = WatchPacing.of(Settings(sandbox_speed=100))

    assert scaled.max_wait == 3.0 and scaled.patience == 18.0
    assert scaled.min_wait < WatchPacing().min_wait


def test_a_list_without_any_change_stops_after_half_an_hour_and_can_be_refreshed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_id = bench.watch(entity_ids(300), mode=WAIT)
    monkeypatch.setattr("openmart_lib.sandbox.lance_routes.records", _always_pending)
    begun = bench.clock()

    card = bench.until_ended(list_id)

    assert (card.ended_why, card.states) == (Ended.UNCHANGED, {"still running": 300})
    assert 1800 <= bench.clock() - begun < 2400
    watching.refresh_watch(bench.ledger, list_id)
    assert bench.card(list_id).standing is Standing.ASKING


def _always_pending(key: str, *_: object) -> list[dict[str, object]]:
    entity_id, field, kind = key.split("|")
    return [{"id": key, "entityId": entity_id, "field": field, "entityType": kind, "status": "pending"}]


def test_refreshing_asks_again_for_all_but_what_was_found(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(1_000))
    found = bench.until_ended(list_id).states["found"]
    before = bench.calls()
    bench.clock.skipped += 900

    watching.refresh_watch(bench.ledger, list_id)
    card = bench.until_ended(list_id)

    assert bench.calls() - before == -(-(1_000 - found) // 200)
    assert (card.rounds, card.ended_why) == (2, Ended.ONE_PASS)
    assert card.states["found"] > found and "still running" not in card.states


@pytest.mark.parametrize("mode", [EXISTS, WAIT])
def test_a_worker_killed_in_a_round_is_followed_by_one_that_asks_the_rest_only(
    bench: Bench, mode: WatchMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_id = bench.watch(entity_ids(2_000), mode=mode)
    kept = _KilledAfter(calls=6)
    monkeypatch.setattr("openmart_lib.engine.watch_rounds.STORE_AT_MOST", 200)  # each answer by itself
    monkeypatch.setattr("openmart_lib.ledger.asking.store_states", kept)
    with pytest.raises(_Killed):
        bench.rounds.step()
    monkeypatch.undo()
    stored = (
        2_000
        - states(bench, list_id).__len__()
        + sum(state != "not asked" for state in states(bench, list_id).values())
    )
    before = bench.calls()

    bench.worker()
    bench.rounds.step()

    assert stored == 6 * 200
    assert bench.calls() - before == (2_000 - stored) // 200
    assert bench.card(list_id).rounds == 1
    assert "not asked" not in bench.card(list_id).states


class _Killed(BaseException):
    """The process is gone."""


class _KilledAfter:
    """Stores so many parts of a round; then the process is gone."""

    def __init__(self, calls: int) -> None:
        self._left, self._store = calls, asking.store_states

    def __call__(self, *arguments: object) -> int:
        self._left -= 1
        if self._left < 0:
            raise _Killed
        return self._store(*arguments)  # type: ignore[arg-type] # handed on as they came


def test_a_closed_list_is_asked_nothing_more_not_even_in_the_middle_of_a_round(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(200), mode=WAIT)
    bench.rounds.step()
    before = bench.calls()

    watching.close_watch(bench.ledger, list_id)

    assert not bench.rounds.step()
    assert (bench.calls(), bench.card(list_id).ended_why) == (before, Ended.CLOSED)


def test_lists_of_another_lance_are_left_alone(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(10))
    bench.worker(environment="https://api.lance.app")

    assert not bench.rounds.step()
    assert bench.card(list_id).rounds == 0


def test_a_clock_set_back_by_a_day_keeps_no_list_waiting(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(200), mode=WAIT)
    bench.rounds.step()

    bench.clock.skipped -= 86_400

    assert bench.rounds.step()
    assert bench.card(list_id).rounds == 2


def test_a_clock_set_ahead_by_a_day_does_not_call_a_list_unchanged(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(200), mode=WAIT)
    bench.rounds.step()

    with bench.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE watch_list SET changed_at = changed_at - 86400, next_ask_at = 1")
    bench.rounds.step()

    assert bench.card(list_id).ended_why is None


def test_a_large_list_never_holds_the_ledger_for_more_than_a_chunk(bench: Bench) -> None:
    """The money path may write after every 2,000 lines; nothing here waits for a whole list or round."""
    sizes: list[int] = []
    before: dict[int, int] = {}

    def committed(connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        sizes.append(raw.total_changes - before.get(id(raw), 0))
        before[id(raw)] = raw.total_changes

    event.listen(bench.ledger._engine, "commit", committed)
    list_id = bench.watch(entity_ids(10_000), EMAILS)
    bench.rounds.step()

    assert sum(bench.card(list_id).states.values()) == 10_000
    assert sum(sizes) > 30_000, "rows and questions were written, and an answer for each"
    assert max(sizes) <= CHUNK_ROWS + 20  # and the few lines that say how the list stands


def test_the_worker_asks_by_itself_in_a_thread_of_its_own(bench: Bench) -> None:
    rounds = bench.worker().start()
    list_id = bench.watch(entity_ids(300), EMAILS)

    end = time.monotonic() + 90
    while bench.card(list_id).standing is not Standing.ENDED and time.monotonic() < end:
        time.sleep(0.02)
    rounds.stop()

    assert bench.card(list_id).ended_why is Ended.ONE_PASS


def test_a_restart_goes_on_with_the_ledger_it_finds(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(300), EMAILS, mode=WAIT)
    bench.rounds.step()
    bench.ledger.close()

    bench.ledger = Ledger.open(bench.settings.environment_dir, environment=SANDBOX, clock=bench.clock)
    bench.worker()

    assert bench.until_ended(list_id).ended_why is Ended.FINAL


def test_a_killed_worker_process_is_followed_by_one_that_ends_the_round(bench: Bench) -> None:
    """kill -9 while answers are on their way: what was stored is not asked again, nothing is left out."""
    bench.sandbox.faults.add("slow", on="lance", times=None, seconds=0.4)
    list_id = bench.watch(entity_ids(6_000))
    environ = os.environ | bench.settings.to_environ() | {"OPENMART_READ_CONCURRENCY": "8"}

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "openmart_lib.engine"]
        return subprocess.Popen(
            command, cwd=Path(__file__).parents[2], env=environ, stderr=subprocess.DEVNULL
        )

    first = start()
    try:
        wait_for(lambda: states_known(bench, list_id) > 0)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    known, before = states_known(bench, list_id), bench.calls()
    bench.sandbox.faults.clear()
    second = start()
    try:
        wait_for(lambda: bench.card(list_id).standing is Standing.ENDED)
    finally:
        second.kill()
        second.wait()

    assert 0 < known < 6_000
    assert bench.calls() - before == (6_000 - known) // 200
    assert sum(bench.card(list_id).states.values()) == states_known(bench, list_id) == 6_000


def states_known(bench: Bench, list_id: str) -> int:
    return sum(state != "not asked" for state in states(bench, list_id).values())


def wait_for(condition: Callable[[], bool], timeout: float = 90.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
