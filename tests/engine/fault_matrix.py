"""The fault matrix: every fault that the money path and the reads must live through, and five mixtures.

A case is data; ``fault_player`` plays it. In the long version each case hits the middle of a run of its own;
in the fast one the faults of several cases come one after the other in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

Fault = tuple[str, dict[str, Any]]  # its name in the sandbox's table, and what ``Faults.add`` takes
MORE: Final = 13  # faults that the fast version puts into one run


@dataclass(frozen=True)
class Case:
    """One line of the matrix.

    Attributes:
        name: As the table says it.
        faults: Switched on at the start; each says by itself which requests it hits.
        lasts: Seconds of an outage in the middle of the run; without faults nobody listens at all.
        domains: Companies whose tasks end as the sandbox's magic has it.
        hurry: Requests are given up after 0.6 s, so that a silence costs a test little.
        seed: Of a mixture's dice.
    """

    name: str
    faults: tuple[Fault, ...] = ()
    lasts: float = 0.0
    domains: tuple[str, ...] = ()
    hurry: bool = False
    seed: int = 0


def _in_a_minute() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)


UNCLEAR: Final[Mapping[str, Fault]] = {
    "POST: answer lost after the batch was created": ("answer_lost", {}),
    "POST: answer lost, with a reset": ("answer_lost", {"reset": True}),
    "POST: dropped before the body was read": ("drop_before", {"unread": True}),
    "POST: dropped once it was read": ("drop_before", {}),
    "POST: dropped with a reset": ("drop_before", {"reset": True}),
    "POST: reply cut in the status line": ("cut_answer", {"at": 12}),
    "POST: reply cut in the headers": ("cut_answer", {"at": 60}),
    "POST: reply cut in the body": ("cut_answer", {"at": -60}),
    "POST: reply cut before its last byte": ("cut_answer", {"at": -1}),
    "POST: invalid JSON": ("invalid_json", {}),
    "POST: truncated JSON": ("truncated_json", {}),
    "POST: JSON nested 100,000 deep": ("deep_json", {}),
    "POST: empty body": ("empty_body", {}),
    "POST: 2xx without a batch_id": ("no_batch_id", {}),
    "POST: 2xx, a login page": ("wrong_content_type", {"html": True}),
    "POST: 2xx larger than the cap": ("huge", {"bytes": 40 << 20, "gzip": True}),
    "POST: 302": ("redirect", {"status": 302}),
    "POST: 307": ("redirect", {"status": 307}),
    "POST: 408, created": ("status_created", {"status": 408}),
    "POST: 500, created": ("status_created", {"status": 500}),
    "POST: 500, nothing created": ("status", {"status": 500}),
    "POST: 502 HTML, created": ("status_created", {"status": 502, "html": True}),
    "POST: 502 HTML, nothing created": ("status", {"status": 502, "html": True}),
    "POST: 503 with Retry-After, nothing created": ("status", {"status": 503, "retry_after": "1"}),
    "POST: 504 HTML, created": ("status_created", {"status": 504, "html": True}),
}
LATE: Final[Mapping[str, Fault]] = {  # fine, or not before somebody gave up
    "POST: slow": ("slow", {"on": "submit", "seconds": 0.2}),
    "POST: dripping, in time": ("drip", {"on": "submit", "seconds": 0.2}),
    "POST: dripping, too late": ("drip", {"on": "submit", "seconds": 6.0}),
    "POST: hangs": ("hang", {"seconds": 30.0}),
    "POST: answered twice": ("answer_twice", {}),
    "POST: a stranger's content type": ("wrong_content_type", {}),
    "POST: the id of another batch": ("stale_batch_id", {"after": 8, "times": 1}),
}
WAITS: Final[Mapping[str, Fault]] = {
    f"POST: 429, Retry-After {said}": ("status", {"status": 429, "retry_after": asked})
    for said, asked in {
        "absent": "",
        "7": "7",
        "a date": _in_a_minute(),
        "a date gone by": "Wed, 21 Oct 2015 07:28:00 GMT",
        "0": "0",
        "-5": "-5",
        "soon": "soon",
        "1.5": "1.5",
        "a day": "86400",
        "10^40": "9" * 40,
    }.items()
}
NOES: Final[Mapping[str, Fault]] = {
    "POST: 401, then resumed": ("status", {"status": 401}),
    "POST: 402, then resumed": ("status", {"status": 402}),
    "POST: 402 when credits run out": ("credits_limit", {"limit": 0}),
    "POST: 403, then resumed": ("status", {"status": 403}),
    "POST: 404 wrong address, then resumed": ("status", {"status": 404}),
    "POST: 405 HTML, then resumed": ("status", {"status": 405, "html": True}),
    "POST: 400": ("status", {"status": 400, "detail": "Domain is required"}),
    "POST: 413": ("status", {"status": 413, "html": True}),
    "POST: 422": ("status", {"status": 422, "detail": "Domain is invalid"}),
}
READS: Final[Mapping[str, Fault]] = {
    "GET: 500": ("status", {"status": 500}),
    "GET: 502 HTML": ("status", {"status": 502, "html": True}),
    "GET: 503, Retry-After 0": ("status", {"status": 503, "retry_after": "0"}),
    "GET: 429": ("status", {"status": 429}),
    "GET: 524": ("status", {"status": 524, "html": True}),
    "GET: 401, then resumed": ("status", {"status": 401}),
    "GET: reset": ("drop_before", {"reset": True}),
    "GET: answer lost": ("answer_lost", {}),
    "GET: reply cut": ("cut_answer", {"at": 200}),
    "GET: truncated JSON": ("truncated_json", {}),
    "GET: invalid JSON": ("invalid_json", {}),
    "GET: JSON nested 100,000 deep": ("deep_json", {}),
    "GET: empty body": ("empty_body", {}),
    "GET: a login page": ("wrong_content_type", {"html": True}),
    "GET: a stranger's content type": ("wrong_content_type", {}),
    "GET: answered twice": ("answer_twice", {}),
    "GET: redirect": ("redirect", {}),
    "GET: slow": ("slow", {"seconds": 0.1}),
    "GET: trickling": ("drip", {"seconds": 0.3, "times": 4}),
    "GET: trickling, too late": ("drip", {"seconds": 6.0, "times": 2}),
    "GET: hangs": ("hang", {"seconds": 30.0, "times": 2}),
    "GET: 1 MB of blanks": ("huge", {"bytes": 1 << 20}),
    "GET: larger than the cap": ("huge", {"bytes": 40 << 20, "gzip": True, "times": 2}),
}
LISTS: Final[Mapping[str, Fault]] = {
    "404 once on known tasks": ("not_found_once", {"on": "task", "times": 5}),
    "404 once on known batches": ("not_found_once", {"on": "status", "times": 5}),
    "404 once on lists": ("not_found_once", {"on": "task_ids", "times": 5}),
    "batch_ready too early": ("ready_early", {"times": 8}),
    "batch_ready flapping": ("flapping_ready", {"times": 20}),
    "counts going back": ("counts_back", {"times": 8}),
    "task_ids late": ("ids_late", {"times": 12}),
    "task_ids doubled": ("ids_doubled", {"times": None}),
    "task_ids shrinking": ("ids_shrink", {"missing": 7, "times": 12}),
    "task_ids wrapped in an object": ("ids_wrapped", {"times": None}),
    "task_ids null": ("ids_null", {"times": 6}),
    "foreign tracking ids": ("foreign_tracking_id", {"times": 3}),
    "tasks mixed up by a cache": ("other_task", {"times": 5}),
    "tasks stand still, then move": ("stuck", {}),
}
OUTAGES: Final = (
    Case("outage of 10 min: nobody listens", lasts=600.0),
    Case(
        "outage of 10 min: 503 to everything",
        (("status", {"on": "any", "status": 503, "times": None}),),
        lasts=600.0,
    ),
    Case(
        "outage of 10 min: every answer lost", (("answer_lost", {"on": "any", "times": None}),), lasts=600.0
    ),
    Case(
        "outage of 10 min: every connection reset",
        (("drop_before", {"on": "any", "reset": True, "times": None}),),
        lasts=600.0,
    ),
)
STUCK: Final = Case("tasks that never finish, closed by a person", domains=("stuck.example",))
NO_FILTER: Final[tuple[Fault, ...]] = (("ids_shrink", {"missing": 2, "times": 12}), ("filter_refused", {}))
BAD_ROW: Final = Case(
    "POST: 400 for one bad row, found by a search", (("bad_row", {}),), domains=("bad.example",)
)


def _several(faults: Mapping[str, Fault], **usually: Any) -> tuple[Case, ...]:
    return tuple(
        Case(says, ((name, usually | values),), hurry=values.get("seconds", 0.0) > 1.0)
        for says, (name, values) in faults.items()
    )


SINGLES: Final = (
    *_several(UNCLEAR, on="submit", after=2, times=3),
    *_several(LATE, after=2, times=3),
    *_several(WAITS, on="submit", after=2, times=2),
    *_several({says: fault for says, fault in NOES.items() if "resumed" in says}, after=3, times=None),
    *_several({says: fault for says, fault in NOES.items() if "resumed" not in says}, after=3, times=2),
    BAD_ROW,
    *_several(READS, on="reads", after=6, times=40),
    *_several(LISTS),
    Case("task_ids shrinking, and ?status= not supported", NO_FILTER),
    *OUTAGES,
    STUCK,
)

MIXED: Final[Mapping[str, tuple[Fault, ...]]] = {
    "submissions": (*UNCLEAR.values(), *WAITS.values(), *NOES.values()),
    "reads": tuple((name, {"on": "reads"} | values) for name, values in READS.values()),
    "lists": (*LISTS.values(), *NO_FILTER),
    "outages": (
        ("status", {"on": "any", "status": 503, "times": 25}),
        ("drop_before", {"on": "any", "times": 25}),
        ("answer_lost", {"on": "any", "times": 12}),
        ("wrong_content_type", {"on": "any", "html": True, "times": 12}),
        ("status", {"on": "any", "status": 401, "times": 3}),
    ),
}


def mixtures(seeds: tuple[int, ...]) -> tuple[Case, ...]:
    """Return the five mixtures, one case per seed."""
    everything = tuple(fault for faults in MIXED.values() for fault in faults)
    return tuple(
        Case(f"mixture of {name}, seed {seed}", faults, seed=seed)
        for name, faults in (MIXED | {"everything": everything}).items()
        for seed in seeds
    )


def in_few_runs() -> Iterator[Case]:
    """Yield cases that hold every single fault once, several in one run, one after the other."""
    for family, faults in {"unclear": UNCLEAR, "waits": WAITS, "noes": NOES}.items():
        yield from _one_after_the_other(family, faults, on="submit", times=1, step=1)
    late = [
        (name, {"after": 2 * no} | values | {"times": 1}) for no, (name, values) in enumerate(LATE.values())
    ]
    yield Case("late", tuple(late), hurry=True)
    yield from _one_after_the_other("reads", READS, on="reads", times=2, step=4)
    lists = [*(fault for fault in LISTS.values() if fault[0] != "stuck"), *NO_FILTER]
    yield Case("lists", tuple((name, {"after": no} | values) for no, (name, values) in enumerate(lists)))
    still = (("stuck", {"after": 40}),)  # hits what is left when some batches are through
    yield Case("tasks that stand still, and one that never ends", still, domains=STUCK.domains)
    yield BAD_ROW
    for outage in OUTAGES:
        yield replace(outage, name=outage.name.replace("10 min", "2 min"), lasts=120.0)


def _one_after_the_other(
    family: str, faults: Mapping[str, Fault], *, on: str, times: int, step: int
) -> Iterator[Case]:
    names = list(faults)
    for start in range(0, len(names), MORE):
        some = [faults[name] for name in names[start : start + MORE]]
        row = tuple(
            (name, {"on": on, "after": step * no} | values | {"times": times})
            for no, (name, values) in enumerate(some)
        )
        yield Case(f"{family} {start + 1} to {start + len(some)}", row, hurry=on == "reads")
