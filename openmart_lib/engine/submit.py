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

from sqlalchemy.exc import DBAPIError

from openmart_lib.api.wire import BatchReceipt
from openmart_lib.engine.clients import Clients
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.poll import first_wait
from openmart_lib.engine.reading import HOLD_OF
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
from openmart_lib.ledger import Ledger, answers, submissions
from openmart_lib.ledger.journal import Journal, read_journal
from openmart_lib.ledger.submissions import Claim

log = logging.getLogger(__name__)


def send(
    ledger: Ledger,
    journal: Journal,
    clients: Clients,
    claim: Claim,
    *,
    pacing: Pacing,
    wait: Callable[[float], bool],
) -> None:
    """Send a claimed batch and write down what became of it.

    ``wait(seconds)`` waits between the tries of that write and returns True when it should give up: the
    program ends, and the next worker finds SENDING and, if there was an answer, the journal's line.
    """
    answer = _post(journal, clients, claim)
    for attempt in count():
        try:
            _write(ledger, claim.pk, answer, pacing)
            return
        except DBAPIError as error:
            log.warning("the ledger cannot be written (%s); trying again", type(error.orig).__name__)
            if wait(min(5.0, 0.2 * 2 ** min(attempt, 10))):
                return


def replay(ledger: Ledger, journal_file: Path) -> int:
    """Bring into the ledger what the journal says was accepted and the ledger missed; return how many."""
    return sum(
        submissions.accept_by_number(
            ledger, str(entry["run_id"]), int(entry["batch_no"]), str(entry["batch_id"])
        )
        for entry in read_journal(journal_file)
        if entry.get("kind") == "accepted"
    )


def _post(journal: Journal, clients: Clients, claim: Claim) -> BatchReceipt | OpenmartError:
    """Send the body at most once; return the receipt or what was learned instead."""
    try:
        client = clients.openmart()
        journal.append("sent", run_id=claim.run_id, batch_no=claim.batch_no, sha256=claim.body_sha256)
    except OSError as error:
        return NoAnswerError(f"The journal could not be written ({error.strerror}), so nothing was sent.")
    except OpenmartError as error:
        return NoAnswerError(str(error))
    try:
        receipt = client.submit_body(claim.kind, claim.body)
    except OpenmartError as error:
        return error
    except Exception as error:  # whatever broke, the request may have been handed over
        log.exception("submission of batch %s failed", claim.pk)
        seen = f"the program failed while sending ({type(error).__name__})"
        return SubmissionUnknownError("The program failed while sending.", seen=seen)
    try:
        journal.append("accepted", run_id=claim.run_id, batch_no=claim.batch_no, batch_id=receipt["batch_id"])
    except OSError as error:
        log.warning("the journal could not be written (%s); the ledger will hold the id", error.strerror)
    return receipt


def _write(ledger: Ledger, pk: int, answer: BatchReceipt | OpenmartError, pacing: Pacing) -> None:
    """Write what became of a submission: one line of the money path."""
    if not isinstance(answer, OpenmartError):
        poll_after = first_wait(answers.typical_duration(ledger, pk), pacing)
        submissions.accept(ledger, pk, answer["batch_id"], answer["status"], poll_after=poll_after)
        return
    try:
        _write_failure(ledger, pk, answer, pacing)
    except LedgerError:
        # The batch is not SENDING any more: a worker that took over has called it unknown.
        if isinstance(answer, ResponseError):
            submissions.note_late_no(ledger, pk, status=answer.status, detail=answer.detail)


def _write_failure(ledger: Ledger, pk: int, error: OpenmartError, pacing: Pacing) -> None:
    match error:
        case NoAnswerError():
            submissions.release_not_sent(ledger, pk, str(error))
        case RateLimitedError():
            words = error.detail or "too many requests"
            submissions.release_rate_limited(ledger, pk, error.retry_after, words)
        case RefusedError():
            submissions.refuse(ledger, pk, status=error.status, detail=error.detail)
        case AuthError() | CreditsError() | BannedError() | WrongAddressError():
            words = error.detail or str(error)
            submissions.release_and_hold(ledger, pk, HOLD_OF[type(error)], status=error.status, detail=words)
        case SubmissionUnknownError():
            submissions.lose(ledger, pk, seen=error.seen, status=error.status, backoff=pacing.outage_backoff)
        case _:
            submissions.lose(ledger, pk, seen=str(error), backoff=pacing.outage_backoff)
