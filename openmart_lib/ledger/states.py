"""The states of a batch, the states of a run, and the outcomes of an uploaded row.

The money path (which event moves a batch from which state to which) is the table ``TRANSITIONS``; each
write of the ledger names its event, and ``moved`` refuses a move the table does not hold.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class BatchState(StrEnum):
    """Where a batch is between the plan and its last word."""

    PLANNED = "planned"  # in the ledger, not sent
    SENDING = "sending"  # claimed by a worker; what the server made of it is not known yet
    ACCEPTED = "accepted"  # the server's batch_id is stored; credits may be spent
    COLLECTED = "collected"  # every task's last word is stored, or it was closed without some of them
    REFUSED = "refused"  # a definite no to this body, nothing spent (final)
    UNKNOWN = "unknown"  # sent, no clear answer; only a person or a late answer moves it on
    RESENT = "resent"  # a person sent its tasks again as a new batch
    DROPPED = "dropped"  # a person gave it up; it may have been charged
    CANCELLED = "cancelled"  # its run was cancelled before it was sent, nothing spent (final)


class Event(StrEnum):
    """What can happen to a batch."""

    CLAIM = "claim"  # a worker takes it; committed before the first byte leaves
    ACCEPT = "accept"  # a 2xx with a batch_id
    NOT_SENT = "not_sent"  # nothing of the request was handed to the connection
    RATE_LIMIT = "rate_limit"  # 429
    REFUSE = "refuse"  # 400, 413, 422
    HOLD = "hold"  # 401, 402, 403 and wrong addresses: a definite no that holds for the account
    LOSE = "lose"  # anything else once a byte was handed over; a dead worker
    LATE_NO = "late_no"  # a definite no for a batch already given up as unknown
    RESEND = "resend"  # a person's choice
    DROP = "drop"  # a person's choice
    FINISH = "finish"  # the last word of every task is stored, or a person closed the batch
    REOPEN = "reopen"  # a person looks again for rows that a closed batch never gave back
    CANCEL = "cancel"  # the run was cancelled, or the batch that this one repeats turned up after all


TRANSITIONS: Final[dict[tuple[BatchState, Event], BatchState]] = {
    (BatchState.PLANNED, Event.CLAIM): BatchState.SENDING,
    (BatchState.PLANNED, Event.CANCEL): BatchState.CANCELLED,
    (BatchState.SENDING, Event.ACCEPT): BatchState.ACCEPTED,
    (BatchState.SENDING, Event.NOT_SENT): BatchState.PLANNED,
    (BatchState.SENDING, Event.RATE_LIMIT): BatchState.PLANNED,
    (BatchState.SENDING, Event.REFUSE): BatchState.REFUSED,
    (BatchState.SENDING, Event.HOLD): BatchState.PLANNED,
    (BatchState.SENDING, Event.LOSE): BatchState.UNKNOWN,
    (BatchState.UNKNOWN, Event.ACCEPT): BatchState.ACCEPTED,
    (BatchState.UNKNOWN, Event.LATE_NO): BatchState.UNKNOWN,
    (BatchState.UNKNOWN, Event.RESEND): BatchState.RESENT,
    (BatchState.UNKNOWN, Event.DROP): BatchState.DROPPED,
    (BatchState.RESENT, Event.ACCEPT): BatchState.ACCEPTED,
    (BatchState.DROPPED, Event.ACCEPT): BatchState.ACCEPTED,
    (BatchState.ACCEPTED, Event.FINISH): BatchState.COLLECTED,
    (BatchState.COLLECTED, Event.REOPEN): BatchState.ACCEPTED,
}


def moved(state: BatchState, event: Event) -> BatchState | None:
    """Return the state after ``event``, or None where the money path has no such move."""
    return TRANSITIONS.get((state, event))


OPEN_STATES: Final = (BatchState.PLANNED, BatchState.SENDING, BatchState.ACCEPTED)  # something still happens
WITH_OPENMART: Final = (BatchState.SENDING, BatchState.ACCEPTED)  # cannot be recalled
NEVER_SENT: Final = (BatchState.PLANNED, BatchState.REFUSED, BatchState.CANCELLED)
# What a batch in one of these states held may be at Openmart, unless it was told that nothing was created.
MAYBE_CREATED: Final = (
    BatchState.SENDING,
    BatchState.UNKNOWN,
    BatchState.RESENT,
    BatchState.DROPPED,
    BatchState.ACCEPTED,
    BatchState.COLLECTED,
)


class RunState(StrEnum):
    """How far a run is; derived from its batches and its account, stored nowhere."""

    PLANNING = "planning"  # its rows are still being written; no worker sees it
    ACTIVE = "active"
    PAUSED = "paused"  # a person paused it, or its account is held; the reason says which
    CANCELLED = "cancelled"  # what was not sent never will be; what is with Openmart is collected
    DONE = "done"  # nothing left to send, fetch or wait for


class Hold(StrEnum):
    """Why an account may not submit. The first four and UNKNOWNS wait for a person."""

    UNAUTHORIZED = "unauthorized"  # 401
    CREDIT_LIMIT = "credit_limit"  # 402
    BANNED = "banned"  # 403
    WRONG_ADDRESS = "wrong_address"  # 404, 405, 411, 414, 415, 431
    UNKNOWNS = "unknowns"  # five submissions in a row without a clear answer
    RATE_LIMITED = "rate_limited"  # 429, until the wait asked for is over
    OUTAGE = "outage"  # after an unknown: until a free read succeeds and a backoff has passed


class Pause(StrEnum):
    """Why the program paused a run by itself: how the pause's reason begins. A person decides what then."""

    LIMIT = "its limit is reached"
    RESERVE = "what is kept for the team is reached"
    PILOT_OVER = "its first rows are back, and the rest waits for your word"
    NOT_OURS = "its first rows did not come back under our tracking ids"

    @classmethod
    def of(cls, reason: str | None) -> Pause | None:
        """Return which one a run's pause reason says, None when a person paused it or it is not paused."""
        return next((each for each in cls if (reason or "").startswith(each)), None)


PERSON_HOLDS: Final = frozenset(
    {Hold.UNAUTHORIZED, Hold.CREDIT_LIMIT, Hold.BANNED, Hold.WRONG_ADDRESS, Hold.UNKNOWNS}
)


class Outcome(StrEnum):
    """The last word on an uploaded row, in the order every list and chart shows them."""

    MATCHED = "matched"
    PARTIAL = "partial"
    NO_MATCH = "no match"
    PENDING = "pending"
    ERRORED = "errored"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    MISSING = "missing"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    REUSED = "reused"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


ANSWERED: Final = (Outcome.MATCHED, Outcome.PARTIAL, Outcome.NO_MATCH)  # Openmart finished the task

# Of several tasks sent for one row (a resend, halves of a refused batch) the best one counts.
# UNKNOWN stands above CANCELLED and REFUSED: money that may be gone must stay in sight.
BEST_FIRST: Final = (
    Outcome.MATCHED,
    Outcome.PARTIAL,
    Outcome.NO_MATCH,
    Outcome.PENDING,
    Outcome.ERRORED,
    Outcome.MISSING,
    Outcome.UNKNOWN,
    Outcome.CANCELLED,
    Outcome.REFUSED,
)

SENTENCES: Final[dict[Outcome, str]] = {
    Outcome.MATCHED: "Something you asked for was found. Paid. Use it.",
    Outcome.PARTIAL: (
        "A person was found, but none of the contact fields you asked for. "
        "May have been paid. Try another field or a mailbox."
    ),
    Outcome.NO_MATCH: (
        "Openmart finished and found nothing for this row. May have been paid. "
        "Try another role or check the domain."
    ),
    Outcome.PENDING: "Not finished yet: waiting, being sent, at Openmart or being fetched. Nothing to do.",
    Outcome.ERRORED: "Openmart reported an error for this row. Usually not paid. Try these rows again.",
    Outcome.REFUSED: (
        "Openmart refused the batch this row was in, with the words shown. Not paid. "
        "Correct the input and submit it again."
    ),
    Outcome.UNKNOWN: (
        "We don't know whether Openmart took the batch this row was in. May have been paid. "
        "Open the run in Monitor and decide there."
    ),
    Outcome.MISSING: (
        "Openmart took the batch but never gave this row back. May have been paid. "
        "Look again later, or ask Openmart."
    ),
    Outcome.REJECTED: (
        "Not sent: the row cannot be used, for the reason shown. Not paid. Correct it and upload again."
    ),
    Outcome.DUPLICATE: "The same task as an earlier row: it gets that row's answer and is paid only once.",
    Outcome.REUSED: "An earlier result serves this row. Not paid again.",
    Outcome.SKIPPED: "Not sent by your choice, or because the answer is known elsewhere. Not paid.",
    Outcome.CANCELLED: (
        "Cancelled before it was sent (not paid), or by Openmart (the reason says which). "
        "Submit it again if needed."
    ),
}
