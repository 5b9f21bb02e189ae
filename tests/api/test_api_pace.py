"""The pace of reads: evenly spaced, over all threads, first come first served."""

from __future__ import annotations

import threading
import time

import pytest

from openmart_lib.api import TokenBucket


class FakeTime:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 50.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def test_tokens_come_evenly_at_the_rate() -> None:
    fake = FakeTime()
    bucket = TokenBucket(4.0, clock=fake.clock, sleep=fake.sleep)
    times = []

    for _ in range(5):
        bucket.take()
        times.append(fake.now)

    assert times == [50.0, 50.25, 50.5, 50.75, 51.0]


def test_no_tokens_are_saved_up_over_a_pause() -> None:
    """A burst after a pause would break a limit per second."""
    fake = FakeTime()
    bucket = TokenBucket(2.0, clock=fake.clock, sleep=fake.sleep)
    bucket.take()
    fake.now += 60.0
    times = []

    for _ in range(3):
        bucket.take()
        times.append(fake.now)

    assert times == [110.0, 110.5, 111.0]


def test_a_slow_taker_does_not_slow_the_schedule() -> None:
    """Work between two tokens uses up the wait, it does not come on top."""
    fake = FakeTime()
    bucket = TokenBucket(1.0, clock=fake.clock, sleep=fake.sleep)

    for _ in range(10):
        bucket.take()
        fake.now += 0.9

    assert fake.now == pytest.approx(59.9)


def test_rate_zero_is_no_limit() -> None:
    def never(_: float) -> None:
        raise AssertionError("slept")

    bucket = TokenBucket(0.0, sleep=never)

    for _ in range(1000):
        bucket.take()


@pytest.mark.parametrize("rate", [-1.0, float("nan")])
def test_a_negative_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="0 \\(no limit\\) or more"):
        TokenBucket(rate)


def test_32_threads_share_one_pace() -> None:
    """No two get the same token, and nobody waits longer than the line is."""
    taken: list[float] = []
    lock = threading.Lock()

    def note(seconds: float) -> None:
        with lock:
            taken.append(seconds)

    bucket = TokenBucket(10.0, clock=lambda: 0.0, sleep=note)
    threads = [threading.Thread(target=bucket.take) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == pytest.approx([number / 10 for number in range(1, 32)])


def test_real_time_keeps_the_pace() -> None:
    bucket = TokenBucket(200.0)
    started = time.monotonic()

    for _ in range(21):
        bucket.take()

    assert time.monotonic() - started >= 0.1
