"""Watch lists while something is wrong with Lance: held, refused or waited for, and every triple gets its state."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lance_kit import EMAILS, PHONES, Bench, entity_ids

from openmart_lib.api import LanceClient
from openmart_lib.ledger import watching
from openmart_lib.ledger.watched import Standing
from openmart_lib.ledger.watching import Ended, WatchMode

WAIT = WatchMode.WAIT


def test_a_token_without_organisation_holds_all_lists_until_a_person_acts(bench: Bench) -> None:
    bench.token = "token-no-org-1"
    lists = [bench.watch(entity_ids(200)), bench.watch(entity_ids(200, 500))]

    bench.rounds.step()
    assert not bench.rounds.step(), "a second list asked with the same token"

    cards = [bench.card(one) for one in lists]
    assert bench.calls() == 1
    assert [card.standing for card in cards] == [Standing.HELD] * 2
    assert all("belongs to no organisation" in str(card.error) for card in cards)
    bench.token = "good-token"
    watching.refresh_watch(bench.ledger, lists[0])
    bench.until(lambda: all(bench.card(one).standing is Standing.ENDED for one in lists))
    assert [bench.card(one).error for one in lists] == [None, None]


def test_a_token_that_is_not_accepted_is_said_and_a_restart_tries_again(bench: Bench) -> None:
    bench.token = "bad-token"
    list_id = bench.watch(entity_ids(10))
    bench.rounds.step()
    card = bench.card(list_id)
    assert card.standing is Standing.HELD
    assert "does not accept this key" in str(card.error) and "Check LANCE_TOKEN" in str(card.error)

    bench.token = "good-token"
    bench.worker()
    bench.rounds.step()

    assert bench.card(list_id).ended_why is Ended.ONE_PASS


def test_questions_that_lance_does_not_take_end_their_list_alone(bench: Bench) -> None:
    bench.sandbox.faults.add("status", on="lance", status=400, detail="VALIDATION_ERROR")
    lists = [bench.watch(entity_ids(10)), bench.watch(entity_ids(10, 50))]

    bench.until(lambda: all(bench.card(one).standing is Standing.ENDED for one in lists))

    assert [bench.card(one).ended_why for one in lists] == [Ended.REFUSED, Ended.ONE_PASS]
    assert "VALIDATION_ERROR" in str(bench.card(lists[0]).error)


def test_while_lance_is_down_lists_say_so_and_are_asked_ever_more_rarely(bench: Bench) -> None:
    bench.sandbox.faults.add("status", on="lance", status=500, times=None)
    list_id = bench.watch(entity_ids(2_000), mode=WAIT)
    begun = bench.clock()

    bench.until(lambda: bench.clock() - begun > 3600)

    card = bench.card(list_id)
    assert bench.calls() < 60, "an hour of outage"
    assert (card.rounds, card.ended_why) == (0, None) and card.standing is not Standing.HELD
    assert "Lance failed to answer (HTTP 500" in str(card.error)
    bench.sandbox.faults.clear()
    bench.until(lambda: bench.card(list_id).rounds == 1)
    assert bench.card(list_id).error is None


def test_a_connection_that_is_refused_is_an_outage_for_all_lists(bench: Bench) -> None:
    lists = [bench.watch(entity_ids(10)), bench.watch(entity_ids(10, 50))]
    bench.sandbox.stop()
    bench.client = _client_to_nowhere(bench)  # type: ignore[method-assign] # where nobody listens
    bench.worker()

    bench.rounds.step()

    assert not bench.rounds.step(), "the other list asked too"
    assert all("goes on by itself" in str(bench.card(one).error) for one in lists)
    bench.sandbox.start()


def _client_to_nowhere(bench: Bench) -> Callable[[], LanceClient]:
    return lambda: LanceClient("t", base_url="http://127.0.0.1:9", retry=bench.retry)


def test_a_wait_that_lance_asks_for_holds_for_all_lists(bench: Bench) -> None:
    bench.sandbox.faults.add("status", on="lance", status=429, retry_after="120")
    lists = [bench.watch(entity_ids(10)), bench.watch(entity_ids(10, 50))]
    begun = bench.clock()

    bench.rounds.step()

    assert bench.calls() == 1
    assert all((bench.card(one).next_ask_at or 0) >= begun + 120 for one in lists)


def test_a_wait_of_hours_is_not_shortened_but_shown_to_a_person(bench: Bench) -> None:
    bench.sandbox.faults.add("status", on="lance", status=429, retry_after="7200")
    list_id = bench.watch(entity_ids(10))

    bench.rounds.step()

    card = bench.card(list_id)
    assert card.standing is Standing.HELD and "Resume in 7200 s" in str(card.error)


def test_an_outage_after_the_clock_was_set_back_is_not_asked_without_pause(bench: Bench) -> None:
    list_id = bench.watch(entity_ids(10), mode=WAIT)
    bench.rounds.step()
    bench.sandbox.faults.add("status", on="lance", status=500, times=None)
    bench.clock.skipped -= 86_400

    assert bench.rounds.step()

    assert not bench.rounds.step()
    assert 0 < (bench.card(list_id).next_ask_at or 0) - bench.clock() <= 300


def test_a_query_that_always_fails_keeps_neither_its_list_nor_others_back(bench: Bench) -> None:
    bench.sandbox.faults.add("status", on="lance", status=500)
    lists = [bench.watch(entity_ids(1_000)), bench.watch(entity_ids(10, 5_000))]

    bench.rounds.step()
    known = bench.card(lists[0]).states
    bench.rounds.step()

    assert 1_000 - known["not asked"] == 800, "what came is counted at once"
    assert bench.card(lists[1]).ended_why is Ended.ONE_PASS
    assert bench.until_ended(lists[0]).rounds == 1
    assert bench.calls() == 5 + 1 + 1


@pytest.mark.parametrize(
    "fault", ["answer_lost", "drop_before", "cut_answer", "invalid_json", "truncated_json", "empty_body"]
)
def test_whatever_breaks_on_the_way_every_triple_gets_its_state(bench: Bench, fault: str) -> None:
    bench.sandbox.faults.add(fault, on="lance", times=4)
    list_id = bench.watch(entity_ids(1_000), EMAILS, PHONES)

    card = bench.until_ended(list_id)

    assert card.ended_why is Ended.ONE_PASS and sum(card.states.values()) == 2_000
    assert "not asked" not in card.states
