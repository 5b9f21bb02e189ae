"""Ask: the free reads that a person waits for. The only way a page reaches an API; 15 s in all."""

from __future__ import annotations

from typing import Final

from openmart_lib.api import RetryPolicy, Timeouts
from openmart_lib.api.wire import BatchCounts, CreditBalance
from openmart_lib.engine.clients import openmart_client
from openmart_lib.settings import Settings

PATIENCE: Final = Timeouts(connect=4.0, read=7.0, total=7.0)  # seconds, for each of two tries
TWICE: Final = RetryPolicy(max_attempts=2, max_wait=1.0)


def balance(settings: Settings) -> CreditBalance:
    """Return the credits of the key's team; also the way to test a key.

    Raises:
        OpenmartError: With what happened and what to do.
    """
    with openmart_client(settings, timeouts=PATIENCE, retry=TWICE) as client:
        return client.credit_balance()


def batch(settings: Settings, batch_id: str) -> BatchCounts:
    """Return a batch's counters as Openmart has them now.

    Raises:
        OpenmartError: With what happened and what to do.
    """
    with openmart_client(settings, timeouts=PATIENCE, retry=TWICE) as client:
        return client.batch_status(batch_id)
