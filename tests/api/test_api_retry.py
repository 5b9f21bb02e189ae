"""When to try again: the policy, the Retry-After header, the breaker."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api import Breaker, RetryPolicy, is_transient, parse_retry_after
from openmart_lib.api.retry import MAX_RETRY_AFTER
from openmart_lib.errors import (
    AuthError,
    InvalidAnswerError,
    NoAnswerError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    SubmissionUnknownError,
)

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
TEN_YEARS = MAX_RETRY_AFTER


def longest(_: float, high: float) -> float:
    return high


def shortest(low: float, _: float) -> float:
    return low


def test_waits_double_up_to_a_limit() -> None:
    policy = RetryPolicy(max_attempts=10, base_wait=0.5, max_backoff=20.0)

    waits = [policy.wait(attempt, uniform=longest) for attempt in range(1, 10)]

    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0]


def test_jitter_is_full() -> None:
    """Many clients that failed together must not come back together."""
    assert RetryPolicy().wait(1, uniform=shortest) == 0.0


@pytest.mark.parametrize(("attempts", "repeats"), [(1, 0), (2, 1), (4, 3)])
def test_the_first_try_counts(attempts: int, repeats: int) -> None:
    policy = RetryPolicy(max_attempts=attempts)

    waits = [policy.wait(attempt) for attempt in range(1, 6)]

    assert sum(wait is not None for wait in waits) == repeats
    assert all(wait is None for wait in waits[repeats:])


@given(retry_after=st.floats(0, 300), attempt=st.integers(1, 3))
def test_retry_after_is_never_shortened(retry_after: float, attempt: int) -> None:
    wait = RetryPolicy().wait(attempt, retry_after=retry_after)

    assert wait is not None and retry_after <= wait <= retry_after + 20.0


def test_a_retry_after_longer_than_the_policy_waits_ends_the_tries() -> None:
    policy = RetryPolicy(max_wait=30.0)

    assert policy.wait(1, retry_after=30.0, uniform=shortest) == 30.0
    assert policy.wait(1, retry_after=30.1) is None


def test_a_very_late_attempt_does_not_overflow() -> None:
    assert RetryPolicy(max_attempts=10_000).wait(5_000, uniform=longest) == 20.0


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (NoAnswerError("x"), True),
        (RateLimitedError("x"), True),
        (InvalidAnswerError("x", status=200), True),
        *[(ServerError("x", status=status), True) for status in (408, 500, 502, 503, 504)],
        (ServerError("x", status=501), False),
        (NotFoundError("x", status=404), False),
        (AuthError("x", status=401), False),
        (SubmissionUnknownError("x", seen="y"), False),
    ],
)
def test_only_what_may_pass_is_transient(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("007", 7.0),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("abc", None),
        ("5 seconds", None),
        ("5, 10", None),
        ("٣", None),
        ("9" * 20, TEN_YEARS),
        ("9" * 5000, TEN_YEARS),
        ("Sun, 22 Nov 2026 12:01:30 GMT", 90.0),
        ("Sunday, 22-Nov-26 12:01:30 GMT", 90.0),
        ("Sun Nov 22 12:01:30 2026", 90.0),
        ("Sun, 22 Nov 2026 14:01:30 +0200", 90.0),
        ("Sun, 22 Nov 2026 11:59:59 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", TEN_YEARS),
        ("Sun, 99 Nov 2026 12:00:00 GMT", None),
        ("Sun, 22 Nov 2026", None),
        ("Sun", None),
        ("Sun, ", None),
        ("22 Nov 2026 12:01:30 GMT", None),
        ("2026-11-22T12:01:30Z", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
    ],
)
def test_retry_after_table(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, now=NOW) == seconds


def test_now_may_be_in_any_zone() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=-8)))

    assert parse_retry_after("Sun, 22 Nov 2026 12:01:30 GMT", now=local) == 90.0
    assert parse_retry_after("Sun, 22 Nov 2026 12:01:30 GMT", now=NOW.replace(tzinfo=None)) == 90.0


@given(
    text=st.text()
    | st.integers().map(str)
    | st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    | st.text("MonTueSatGMT0123456789 ,:+-").map("Sun, ".__add__)
)
def test_no_header_crashes_the_parser(text: str) -> None:
    seconds = parse_retry_after(text, now=NOW)

    assert seconds is None or 0.0 <= seconds <= TEN_YEARS


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(clock=clock)
    for _ in range(5):
        breaker.failure()
    return breaker


def test_five_failures_in_a_row_open_the_breaker(clock: Clock) -> None:
    breaker = Breaker(clock=clock)
    for _ in range(4):
        breaker.failure()
        assert breaker.allow() and not breaker.is_open

    breaker.failure()

    assert breaker.is_open and not breaker.allow()


def test_a_success_in_between_starts_the_count_again(clock: Clock) -> None:
    breaker = Breaker(clock=clock)

    for _ in range(10):
        breaker.failure()
        breaker.failure()
        breaker.failure()
        breaker.failure()
        assert not breaker.success()

    assert not breaker.is_open and breaker.allow()


def test_open_it_allows_one_probe_every_five_seconds(clock: Clock) -> None:
    breaker = opened(clock)
    allowed = []

    for tick in range(200):  # a try every 0.1 s
        clock.now = 1000.0 + tick / 10
        if breaker.allow():
            allowed.append(clock.now)
            breaker.failure()

    assert allowed == [1005.0, 1010.0, 1015.0]


def test_the_first_success_closes_it_and_says_so_once(clock: Clock) -> None:
    breaker = opened(clock)

    assert [breaker.success(), breaker.success()] == [True, False]

    assert not breaker.is_open and breaker.allow() and breaker.allow()


def test_it_opens_again_after_five_new_failures(clock: Clock) -> None:
    breaker = opened(clock)
    breaker.success()

    for _ in range(5):
        assert breaker.allow()
        breaker.failure()

    assert breaker.is_open


def test_of_many_threads_one_gets_the_probe(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += 5.0
    start = threading.Barrier(16)
    allowed: list[bool] = []

    def ask() -> None:
        start.wait()
        allowed.append(breaker.allow())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(allowed) == 1 and len(allowed) == 16
