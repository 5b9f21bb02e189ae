"""Submit: send one claimed batch once, and write down what became of it.

Safe at any moment: before the POST the claim and the journal line are on disk; after it exactly one
write of the money path follows, tried until the ledger takes it. If the program dies in between, the
batch stays SENDING and the next worker makes it UNKNOWN.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from openmart_lib.api.wire import BatchReceipt
from openmart_lib.engine.clients import Clients
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.poll import first_wait
from openmart_lib.engine.reading import HOLD_OF
from openmart_lib.engine.right_of_way import RightOfWay
from openmart_lib.errors import (
    AuthError,
    BannedError,
    CreditsError,
    LedgerError,
    NoAnswerError,
    OpenmartError,
    RateLimitedError,
    RefusedError,
    ResponseError,
    SubmissionUnknownError,
    WrongAddressError,
)
from openmart_lib.ledger import Ledger, answers, runs, submissions
from openmart_lib.ledger.journal import Journal
from openmart_lib.ledger.replay import replay
from openmart_lib.ledger.submissions import Claim

log = logging.getLogger(__name__)

# A definite no: nothing was created, whatever becomes of this program in the next moment.
TURNED_AWAY: Final = (
    NoAnswerError,
    RateLimitedError,
    RefusedError,
    AuthError,
    CreditsError,
    BannedError,
    WrongAddressError,
)


def send(
    ledger: Ledger,
    journal: Journal,
    clients: Clients,
    claim: Claim,
    *,
    pacing: Pacing,
    wait: Callable[[float], bool],
    first: RightOfWay,
) -> None:
    """Send a claimed batch once and write down what became of it; the rest as in ``write_down``."""
    write_down(ledger, claim.pk, _post(journal, clients, claim), pacing=pacing, wait=wait, first=first)


def write_down(
    ledger: Ledger,
    pk: int,
    answer: BatchReceipt | OpenmartError,
    *,
    pacing: Pacing,
    wait: Callable[[float], bool],
    first: RightOfWay,
) -> None:
    """Write what became of a claimed batch, again and again until the ledger takes it.

    ``wait(seconds)`` waits between the tries and returns True when it should give up: the program ends,
    and the next worker finds SENDING and, if there was an answer, the journal's line. ``first``: each try
    goes before the reads.
    """
    for attempt in count():
        try:
            with first.taken():
                _write(ledger, pk, answer, pacing)
            return
        except SQLAlchemyError as error:
            log.warning("the ledger cannot be written (%s); trying again", type(error).__name__)
            if wait(min(5.0, 0.2 * 2 ** min(attempt, 10))):
                return
        except Exception as error:
            if isinstance(answer, SubmissionUnknownError):
                raise
            # A batch that stays SENDING would keep its slot until the program ends.
            log.exception("what became of batch %s could not be written", pk)
            seen = f"the program failed while writing down the answer ({type(error).__name__})"
            answer = SubmissionUnknownError("The answer could not be written down.", seen=seen)


def take_over(ledger: Ledger, journal_file: Path, worker_id: str, *, pacing: Pacing) -> None:
    """Settle what a gone worker left behind: ACCEPTED what its journal says, UNKNOWN the rest it was sending.

    A cancel that was cut off half-way is finished, too, and an older copy of the ledger found out.

    Only for the holder of the worker lock, before it claims anything.

    Raises:
        OSError: If the journal cannot be read.
    """
    told = replay(ledger, journal_file)
    runs.finish_cancelling(ledger)
    lost = submissions.lose_orphans(ledger, worker_id, backoff=pacing.outage_backoff)
    if told.accepted or told.unknown or lost:
        unknown = told.unknown + len(lost)
        log.warning("took over: %d accepted from the journal, %d unknown", told.accepted, unknown)


def _post(journal: Journal, clients: Clients, claim: Claim) -> BatchReceipt | OpenmartError:
    """Send the body at most once; return the receipt or what was learned instead."""
    line = claim.line()
    try:
        client = clients.for_submissions()
        journal.append("sent", **claim.sent_line())
    except OSError as error:
        return NoAnswerError(f"The journal could not be written ({error.strerror}), so nothing was sent.")
    except OpenmartError as error:
        return NoAnswerError(str(error))
    except Exception as error:
        log.exception("batch %s could not be sent", claim.pk)
        return NoAnswerError(f"The program failed before sending ({type(error).__name__}).")
    try:
        receipt = client.submit_body(claim.kind, claim.body)
    except OpenmartError as error:
        if isinstance(error, TURNED_AWAY):
            _append(journal, "released", line)
        return error
    except Exception as error:  # whatever broke, the request may have been handed over
        log.exception("submission of batch %s failed", claim.pk)
        seen = f"the program failed while sending ({type(error).__name__})"
        return SubmissionUnknownError("The program failed while sending.", seen=seen)
    _append(journal, "accepted", line | {"batch_id": receipt["batch_id"]})
    return receipt


def _append(journal: Journal, kind: str, line: dict[str, Any]) -> None:
    """Tell the journal what the ledger is told next; one that is full leaves it to the ledger."""
    try:
        journal.append(kind, **line)
    except OSError as error:
        log.warning("the journal could not be written (%s); the ledger will hold what came", error.strerror)


def _write(ledger: Ledger, pk: int, answer: BatchReceipt | OpenmartError, pacing: Pacing) -> None:
    """Write one line of the money path."""
    if not isinstance(answer, OpenmartError):
        poll_after = first_wait(answers.typical_duration(ledger, pk), pacing)
        submissions.accept(ledger, pk, answer["batch_id"], answer["status"], poll_after=poll_after)
        return
    try:
        _write_failure(ledger, pk, answer, pacing)
    except LedgerError:
        # The batch is not SENDING any more: a worker that took over has called it unknown.
        _write_late(ledger, pk, answer)


def _write_late(ledger: Ledger, pk: int, answer: OpenmartError) -> None:
    """Note a definite no that came after the batch was called unknown; anything else tells nothing new."""
    try:
        if isinstance(answer, ResponseError):
            submissions.note_late_no(ledger, pk, status=answer.status, detail=answer.detail)
        elif isinstance(answer, NoAnswerError):
            submissions.note_late_no(ledger, pk, status=None, detail=str(answer))
    except LedgerError as error:
        log.warning("a late answer changed nothing (%s)", error)  # resent, given up or attached meanwhile


def _write_failure(ledger: Ledger, pk: int, error: OpenmartError, pacing: Pacing) -> None:
    match error:
        case NoAnswerError():
            submissions.release_not_sent(ledger, pk, str(error))
        case RateLimitedError():
            words = error.detail or "too many requests"
            submissions.release_rate_limited(ledger, pk, error.retry_after, words)
        case RefusedError():
            words = error.detail or f"no reason given (HTTP {error.status})"
            submissions.refuse(ledger, pk, status=error.status, detail=words)
        case AuthError() | CreditsError() | BannedError() | WrongAddressError():
            words = error.detail or str(error)
            submissions.release_and_hold(ledger, pk, HOLD_OF[type(error)], status=error.status, detail=words)
        case SubmissionUnknownError():
            submissions.lose(ledger, pk, seen=error.seen, status=error.status, backoff=pacing.outage_backoff)
        case _:
            submissions.lose(ledger, pk, seen=str(error), backoff=pacing.outage_backoff)
