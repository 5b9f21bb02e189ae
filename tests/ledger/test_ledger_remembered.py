"""What an analyst decided once is there for the next file, and never more than is worth keeping."""

from __future__ import annotations

import pytest
from ledger_kit import Clock

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.remembered import (
    DOMAIN_CHOICE,
    MAPPING,
    forget,
    recall,
    recall_all,
    remember,
    remember_all,
)


def test_what_is_remembered_comes_back_as_it_was(ledger: Ledger) -> None:
    value = {"mapping": {"domain": ["Wébsite", "E-Mail"]}, "header_row": 3, "sheet": None}

    remember(ledger, MAPPING, "abc", value)

    assert recall(ledger, MAPPING, "abc") == value


def test_nothing_is_known_of_another_key_or_topic(ledger: Ledger) -> None:
    remember(ledger, MAPPING, "abc", 1)

    assert recall(ledger, MAPPING, "abd") is None
    assert recall(ledger, DOMAIN_CHOICE, "abc") is None


def test_a_later_decision_takes_the_place_of_the_earlier(ledger: Ledger, clock: Clock) -> None:
    for value in ("first", "second"):
        clock.pass_(1)
        remember(ledger, MAPPING, "abc", value)

    assert recall_all(ledger, MAPPING) == {"abc": "second"}


def test_all_of_a_topic_come_newest_first(ledger: Ledger, clock: Clock) -> None:
    for key in ("b", "a", "c"):
        clock.pass_(1)
        remember(ledger, MAPPING, key, key.upper())
    remember(ledger, DOMAIN_CHOICE, "z", 0)

    assert list(recall_all(ledger, MAPPING).items()) == [("c", "C"), ("a", "A"), ("b", "B")]


def test_only_the_newest_are_kept_and_other_topics_are_not_touched(ledger: Ledger, clock: Clock) -> None:
    remember(ledger, DOMAIN_CHOICE, "old", 0)
    for number in range(5):
        clock.pass_(1)
        remember(ledger, MAPPING, str(number), number, kept=3)

    assert recall_all(ledger, MAPPING) == {"4": 4, "3": 3, "2": 2}
    assert recall(ledger, DOMAIN_CHOICE, "old") == 0


def test_the_last_decision_is_kept_even_when_the_clock_was_set_back(ledger: Ledger, clock: Clock) -> None:
    remember(ledger, MAPPING, "a", 1, kept=1)
    clock.pass_(-3_600)

    remember(ledger, MAPPING, "b", 2, kept=1)

    assert recall_all(ledger, MAPPING) == {"b": 2}


def test_thousands_are_kept_at_once_the_last_ones_when_there_are_too_many(ledger: Ledger) -> None:
    choices = {f"cell {number}": number for number in range(5_000)}

    remember_all(ledger, DOMAIN_CHOICE, choices, kept=4_500)

    assert recall_all(ledger, DOMAIN_CHOICE) == dict(list(choices.items())[500:])


def test_one_value_or_a_whole_topic_can_be_forgotten(ledger: Ledger) -> None:
    remember_all(ledger, MAPPING, {"a": 1, "b": 2, "c": 3})
    remember(ledger, DOMAIN_CHOICE, "a", 0)

    assert forget(ledger, MAPPING, "a") == 1
    assert recall_all(ledger, MAPPING) == {"b": 2, "c": 3}
    assert forget(ledger, MAPPING) == 2
    assert forget(ledger, MAPPING) == 0
    assert recall(ledger, DOMAIN_CHOICE, "a") == 0


def test_what_cannot_be_kept_fails_in_plain_words(ledger: Ledger) -> None:
    with ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE remembered RENAME TO elsewhere")

    with pytest.raises(LedgerError, match="not done"):
        remember(ledger, MAPPING, "a", 1)
