"""The table of faults: what can be made to go wrong, and on which requests.

Faults of different names that are on together act on the same request, and each is used up by it, also
where one leaves another nothing to do (``status`` with ``answer_lost``); ``after=1`` keeps one for the next.
A fault on a submission acts once the submission's usual duration is over. Seconds here are real ones, not
divided by the sandbox's speed, so that they can be set against a client's own timeouts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from openmart_lib.api.wire import Kind

READS: Final = ("status", "task_ids", "task", "balance")
# a kind means its submissions; filtered_task_ids are lists asked for with ?status=
TARGETS: Final = ("any", "submit", *Kind, "reads", *READS, "filtered_task_ids", "lance")


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One fault of the table.

    Attributes:
        says: What it does, in one sentence.
        on: The requests it hits unless told otherwise.
        times: How many requests it hits unless told otherwise; None = until it is removed.
        values: Its own values with their defaults; a value's type is its default's.
        fits: The targets it makes sense on; () = all.
    """

    says: str
    on: str = "submit"
    times: int | None = 1
    values: Mapping[str, Any] = field(default_factory=dict)
    fits: tuple[str, ...] = ()


_SUBMITS: Final = ("submit", *Kind)

SPECS: Final[Mapping[str, FaultSpec]] = {
    # the connection
    "answer_lost": FaultSpec(
        "done as asked (a batch is created), then the connection ends without a byte "
        "(reset=true: with a reset)",
        values={"reset": False},
    ),
    "drop_before": FaultSpec(
        "nothing is done; the connection ends once the request was read (reset=true: with a reset; "
        "unread=true: at once, a submission's body is not read)",
        values={"reset": False, "unread": False},
    ),
    "cut_answer": FaultSpec(
        "done as asked, the connection ends after `at` bytes of the whole answer, headers included "
        "(negative: that many before its end)",
        values={"at": 0},
    ),
    "hang": FaultSpec(
        "done as asked, then `seconds` of silence and the connection ends without a byte",
        values={"seconds": 600.0},
    ),
    "slow": FaultSpec("the answer comes `seconds` later than usual", values={"seconds": 1.0}),
    "drip": FaultSpec(
        "done as asked, the answer comes byte by byte, spread over `seconds`", values={"seconds": 5.0}
    ),
    "answer_twice": FaultSpec(
        "done as asked, the answer comes twice in a row on a connection that promises to stay open"
    ),
    # the status
    "status_created": FaultSpec(
        "done as asked (a batch is created), but the answer is this status (html=true: a gateway's page)",
        values={"status": 500, "detail": "", "html": False},
    ),
    "status": FaultSpec(
        "nothing is done; the answer is this status and detail, with Retry-After as given, word for word "
        "(html=true: a gateway's page)",
        values={"status": 503, "detail": "", "retry_after": "", "html": False},
    ),
    "redirect": FaultSpec(
        "nothing is done; the answer sends the client to `location`",
        values={"location": "http://127.0.0.2:9/", "status": 307},
    ),
    "credits_limit": FaultSpec(
        "402 and nothing created, once the credits of all batches ever created would pass `limit`",
        times=None,
        values={"limit": 0},
        fits=_SUBMITS,
    ),
    "bad_row": FaultSpec(
        "400 with `detail` and nothing created, whenever one of the tasks is about `domain` or one under it",
        times=None,
        values={"domain": "bad.example", "detail": "Domain is required"},
        fits=_SUBMITS,
    ),
    "not_found_once": FaultSpec("404 for an id that exists", on="task", fits=("any", "reads", *READS)),
    # the body of an answer to something that was done as asked
    "no_batch_id": FaultSpec("created, but the answer holds no batch_id", fits=_SUBMITS),
    "stale_batch_id": FaultSpec(
        "created, but the answer holds the batch_id of the first batch, as a cache would give it",
        fits=_SUBMITS,
    ),
    "invalid_json": FaultSpec("done as asked, the answer is text that is not JSON"),
    "truncated_json": FaultSpec(
        "done as asked, the answer is complete HTTP around the first half of the JSON"
    ),
    "empty_body": FaultSpec("done as asked, the answer has no body"),
    "wrong_content_type": FaultSpec(
        "done as asked, the JSON is called text/html (html=true: and is a page, as a login portal sends)",
        values={"html": False},
    ),
    "huge": FaultSpec(
        "done as asked, the answer is followed by `bytes` blanks (gzip=true: compressed, a bomb)",
        values={"bytes": 64 << 20, "gzip": False},
    ),
    "deep_json": FaultSpec(
        "done as asked, the answer is `depth` arrays inside each other", values={"depth": 100_000}
    ),
    # what reads say
    "ready_early": FaultSpec("batch_ready is true although tasks still run", on="status", fits=("status",)),
    "flapping_ready": FaultSpec(
        "batch_ready is true, false, true, false ... whatever the counters say",
        on="status",
        times=4,
        fits=("status",),
    ),
    "counts_back": FaultSpec(
        "the counters say that every task is processing again", on="status", fits=("status",)
    ),
    "ids_late": FaultSpec("the list of ids is empty", on="task_ids", fits=("task_ids", "filtered_task_ids")),
    "ids_doubled": FaultSpec(
        "every id is listed twice", on="task_ids", fits=("task_ids", "filtered_task_ids")
    ),
    "ids_shrink": FaultSpec(
        "the last `missing` ids are left out",
        on="task_ids",
        values={"missing": 1},
        fits=("task_ids", "filtered_task_ids"),
    ),
    "ids_wrapped": FaultSpec(
        'the list comes as {"task_ids": [...]}', on="task_ids", fits=("task_ids", "filtered_task_ids")
    ),
    "ids_null": FaultSpec("null instead of the list", on="task_ids", fits=("task_ids", "filtered_task_ids")),
    "filter_refused": FaultSpec(
        "400 when ?status= is given", on="filtered_task_ids", times=None, fits=("filtered_task_ids",)
    ),
    "stuck": FaultSpec(
        "for reads the clock stands still from the moment this is added: no further task ends",
        on="reads",
        times=None,
        fits=("any", "reads", *READS),
    ),
    "foreign_tracking_id": FaultSpec(
        "the task comes with a tracking_id nobody sent", on="task", fits=("task",)
    ),
    "other_task": FaultSpec(
        "the answer is that of the batch's first task, as a cache would mix them up",
        on="task",
        fits=("task",),
    ),
    "data_null": FaultSpec("a COMPLETED task has data null", on="task", fits=("task",)),
}

FAULTS: Final[Mapping[str, str]] = MappingProxyType({name: spec.says for name, spec in SPECS.items()})
