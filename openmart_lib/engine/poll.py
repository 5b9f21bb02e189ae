"""Poll: ask one batch for its counters and decide when to ask again."""

from __future__ import annotations

from openmart_lib.api.wire import BatchCounts
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.reading import Reader
from openmart_lib.ledger import Ledger, answers
from openmart_lib.ledger.answers import DueBatch


def poll_batch(
    ledger: Ledger, read: Reader, due: DueBatch, *, pacing: Pacing, probe: bool = False
) -> BatchCounts:
    """Ask for a batch's counters and store them; ``probe`` as in ``Reader``.

    Raises:
        OpenmartError: If the read failed.
    """
    counts = read(lambda client: client.batch_status(due.batch_id), probe=probe)
    now = ledger.now()
    typical = answers.typical_duration(ledger, due.pk)
    answers.store_counts(ledger, due.pk, counts, next_poll_at=now + wait(due, typical, pacing, now))
    return counts


def first_wait(typical: float | None, pacing: Pacing) -> float:
    """Return the seconds from acceptance to the first question: a little before the typical duration."""
    return pacing.first_poll if typical is None else max(pacing.min_poll, 0.8 * typical)


def wait(due: DueBatch, typical: float | None, pacing: Pacing, now: float) -> float:
    """Return the seconds until a batch is asked again: often around the typical duration, then ever less."""
    age = max(0.0, now - due.accepted_at)
    if typical is not None and age < typical:
        return min(pacing.max_poll, max(pacing.min_poll, typical - age))
    quiet = max(0.0, now - max(due.changed_at, due.accepted_at))
    return min(pacing.max_poll, max(pacing.min_poll, quiet / 4))


def is_stalled(due: DueBatch, pacing: Pacing, now: float) -> bool:
    """Return whether nothing about this batch has changed for so long that a person should look."""
    return now - due.changed_at > pacing.stall_after
