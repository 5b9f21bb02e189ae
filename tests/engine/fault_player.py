"""Plays a case of the fault matrix: lets it settle, does what a person would, and checks the truth after each.

The person mends the cause of a hold before resuming, looks again at what stands still before closing it,
looks for the row that made Openmart refuse a batch, attaches an unknown batch whose id is found at Openmart,
sends again what was not created, and gives up every third.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl
from engine_oracle import (
    assert_credits_shown,
    assert_plain_words,
    assert_stored_as_served,
    assert_truth,
    created_twice,
    lost,
)
from engine_rig import Clock, Rig, a_request, new_run
from fault_matrix import Case
from naive_client import enrich
from sqlalchemy import func, select

from openmart_lib.api import Timeouts
from openmart_lib.api.wire import Kind
from openmart_lib.engine.clients import Clients
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import BatchState, Hold, Outcome, RunState, queries
from openmart_lib.ledger.answers import make_all_due
from openmart_lib.ledger.decisions import attach_batch, close_batch, drop_batch, resend_batch
from openmart_lib.ledger.runs import pause_run, plan_run, resume_run
from openmart_lib.ledger.schema import batch
from openmart_lib.ledger.searching import find_row
from openmart_lib.sandbox import Fault, Sandbox

HURRY: Final = Timeouts(connect=0.6, read=0.6, total=0.6)
ROUNDS: Final = 40  # decisions after which a case does not end at all
BEFORE_OUTAGE: Final = 3  # submissions
A_FEW: Final = 4  # faults of a mixture that come in one round
MANY: Final = 12  # faults of a mixture that the naive client meets, in its only one
GIVE_UP_EVERY: Final = 3  # every third unknown batch is given up
ANSWERED: Final = (Outcome.MATCHED, Outcome.PARTIAL, Outcome.NO_MATCH, Outcome.ERRORED, Outcome.CANCELLED)
MAGIC: Final = ("people3.example", "nobody.example", "null.example", "absent.example", "nocontact.example")


@dataclass(frozen=True)
class Size:
    """How much is uploaded: companies, those among them named twice, and rows that cannot be sent."""

    companies: int
    per_batch: int
    doubles: int
    rejected: int
    kind: Kind = Kind.FIND_PEOPLE

    @property
    def rows(self) -> int:
        """Uploaded rows."""
        return self.companies + self.doubles + self.rejected


@dataclass(frozen=True)
class Result:
    """What a case came to; counts are tasks for ``twice``, ``chosen`` and ``lost``, else rows."""

    name: str
    rows: int
    alone: dict[str, int]  # outcomes when nothing moves any more by itself
    decisions: dict[str, int]
    outcomes: dict[str, int]  # at the end
    unknown_batches: int  # when nothing moved any more by itself
    twice: int
    chosen: int
    lost: int
    strangers: int  # answers stored under a tracking id that nobody sent


class Weather:
    """The faults of a case: there from the start, or an outage that comes with the third submission and passes."""

    def __init__(self, sandbox: Sandbox, clock: Clock, case: Case) -> None:
        self._sandbox, self._clock, self._case = sandbox, clock, case
        self._ends: float | None = None
        self._added: list[Fault] = []
        self.over = not case.lasts
        if not case.lasts:
            self._switch_on()

    def look(self) -> None:
        """Let an outage begin, or end, if it is time."""
        if self.over:
            return
        if self._ends is None:
            if self._sandbox.requests("submit") >= BEFORE_OUTAGE:
                self._ends = self._clock() + self._case.lasts
                self._switch_on()
                if not self._case.faults:
                    self._sandbox.stop()
        elif self._clock() >= self._ends:
            self.over = True
            self._sandbox.faults.clear()
            if not self._case.faults:
                self._sandbox.start()

    def _switch_on(self) -> None:
        if self._case.seed:
            deal_out(self._sandbox, random.Random(self._case.name), self._case, MANY)
            return
        self._added = [self._sandbox.faults.add(name, **values) for name, values in self._case.faults]

    def unmet(self) -> list[str]:
        """Return the faults that no request has met."""
        return [f"{fault.name} {fault.values}" for fault in self._added if not fault.used]


def deal_out(sandbox: Sandbox, dice: random.Random, case: Case, number: int) -> None:
    """Switch on so many of a mixture's faults, for a few requests each."""
    for name, values in dice.sample(case.faults, k=min(number, len(case.faults))):
        times = values.get("times") or dice.randint(1, 3)
        sandbox.faults.add(name, **values | {"times": times, "after": dice.randrange(8)})


def play(rig: Rig, case: Case, size: Size) -> Result:
    """Play a case of single faults and return what it came to; the truth is checked at every rest."""
    _hurry(rig, case)
    weather = Weather(rig.sandbox, rig.clock, case)
    run_id = plan_run(rig.ledger, a_list(rig, case, size))
    while not weather.over:
        rig.until(lambda: rig.posts() >= BEFORE_OUTAGE, skip=False)
        weather.look()
        rig.pass_time(case.lasts)
        weather.look()
    _rest(rig)
    result = _with_a_person(rig, case, [run_id], Counter())
    assert not weather.unmet(), f"never met: {weather.unmet()}"
    return result


def play_mixture(rig: Rig, case: Case, size: Size, *, rounds: int) -> Result:
    """Run two lists through rounds of bad luck, of restarts and of a person's whims; then be kind."""
    _hurry(rig, case)
    dice = random.Random(case.name)
    small = replace(size, companies=max(6, size.companies // 10), per_batch=3, kind=Kind.LOOKUP_PEOPLE)
    run_ids = [plan_run(rig.ledger, a_list(rig, case, each)) for each in (size, small)]
    done: Counter[str] = Counter()
    for _ in range(rounds):
        deal_out(rig.sandbox, dice, case, A_FEW)
        rig.pass_time(dice.choice((5, 20, 60, 200)))
        assert_all_true(rig)
        if dice.random() < 0.4:  # the old worker's threads go on, as those of a killed one do at the server
            rig.start_worker()
        done += _whims(rig, dice, run_ids[0])
    rig.sandbox.faults.clear()
    for each in run_ids:
        resume_run(rig.ledger, each)
    rig.pass_time(2 * rig.pacing.max_poll)  # what seemed to stand still is asked about once more
    _rest(rig)
    return _with_a_person(rig, case, run_ids, done)


def play_naively(sandbox: Sandbox, clock: Clock, case: Case, size: Size) -> tuple[int, int]:
    """Let the naive client do the same; return its tasks created twice, and rows it has no last word on."""
    weather = Weather(sandbox, clock, case)
    tasks = [
        {"tracking_id": f"row-{no}"} | a_request(size.kind, domain)
        for no, domain in enumerate(companies(case, size), 1)
    ]
    batches = [tasks[start : start + size.per_batch] for start in range(0, len(tasks), size.per_batch)]

    def wait(seconds: float) -> None:
        clock.skip(seconds)
        weather.look()

    got = enrich(sandbox.url, size.kind, batches, wait)
    created = sandbox.created_tracking_ids()
    return len(created) - len(set(created)), len(tasks) - len(got)


def companies(case: Case, size: Size) -> list[str]:
    """Return the companies of a case's list, those with fixed endings first."""
    fixed = [*case.domains, *MAGIC]
    return fixed + [f"shop{number}.example" for number in range(1, size.companies + 1 - len(fixed))]


def a_list(rig: Rig, case: Case, size: Size) -> Any:
    """Return what Confirm would write for a list of companies, some named twice, some rows of no use."""
    new = new_run(rig, size.companies, companies(case, size), size.per_batch, size.kind, size.rejected)
    first = new.rows.height + 1
    again = new.rows.head(size.doubles).with_columns(
        pl.col("seq").alias("duplicate_of"),
        pl.lit("duplicate").alias("intake"),
        pl.int_range(first, first + size.doubles, dtype=pl.UInt32).alias("seq"),
        pl.int_range(first + 1, first + 1 + size.doubles, dtype=pl.UInt32).alias("file_line"),
    )
    cells = again.select("seq", "file_line", pl.col("domain").alias("Company"))
    return replace(new, rows=pl.concat([new.rows, again]), frame=pl.concat([new.frame, cells]))


def assert_all_true(rig: Rig) -> None:
    """Check everything that must hold at any moment."""
    assert_truth(rig.sandbox, rig.ledger)
    assert_stored_as_served(rig.sandbox, rig.ledger)
    assert_credits_shown(rig.sandbox, rig.ledger)
    assert_plain_words(rig.ledger)


def _hurry(rig: Rig, case: Case) -> None:
    """Spare the test real seconds: of silence, and between the probes of an outage."""
    if case.hurry:
        rig.clients = Clients(rig.settings, submitting=HURRY, reading=HURRY)
    rig.pacing = replace(rig.pacing, probe_every=0.01)
    rig.restart_worker()


def _with_a_person(rig: Rig, case: Case, run_ids: Sequence[str], done: Counter[str]) -> Result:
    """Decide and settle until nothing needs a person any more; return what it came to."""
    assert_all_true(rig)
    alone, unknown = _outcomes(rig, run_ids), sum(rig.states(each).count("unknown") for each in run_ids)
    for _ in range(ROUNDS):
        decided = _decide(rig, run_ids)
        if not decided:
            break
        done += decided
        _rest(rig)
        assert_all_true(rig)
    infos = [rig.info(each) for each in run_ids]
    assert not any(info.needs_person or info.moving for info in infos), f"not over: {infos}"
    twice, chosen = created_twice(rig.sandbox, rig.ledger)
    return Result(
        name=case.name,
        rows=sum(info.row_count for info in infos),
        alone=alone,
        decisions=dict(done),
        outcomes=_outcomes(rig, run_ids),
        unknown_batches=unknown,
        twice=twice,
        chosen=chosen,
        lost=len(lost(rig.sandbox, rig.ledger)),
        strangers=sum(queries.answers(rig.ledger, each)["task_no"].null_count() for each in run_ids),
    )


def _rest(rig: Rig) -> None:
    """Step until nothing moves any more but by a person's hand, waiting out whatever the server asks for."""
    rig.until(lambda: _at_rest(rig) or _far_wait(rig) > 0)
    while (wait := _far_wait(rig)) > 0:
        rig.pass_time(wait + 1.0)
        rig.until(lambda: _at_rest(rig) or _far_wait(rig) > 0)


def _at_rest(rig: Rig) -> bool:
    if not rig.idle or _going(rig):
        return False
    runs = queries.runs(rig.ledger, stall_after=rig.pacing.stall_after)
    return not any(info.batches[BatchState.PLANNED] for info in runs if info.state is RunState.ACTIVE)


def _going(rig: Rig) -> bool:
    """Whether a batch is being sent, or is with Openmart and not stalled."""
    quiet = func.coalesce(batch.c.asked_at - batch.c.changed_at, 0.0) > rig.pacing.stall_after
    going = (batch.c.state == BatchState.SENDING) | ((batch.c.state == BatchState.ACCEPTED) & ~quiet)
    with rig.ledger.read() as connection:
        return connection.execute(select(batch.c.id).where(going).limit(1)).first() is not None


def _far_wait(rig: Rig) -> float:
    """Return the seconds of a wait so long that the rig would call it no settling, 0 if there is none."""
    mine = rig.account()
    far = (mine.hold_until or 0.0) - rig.clock()
    return far if rig.idle and mine.hold is Hold.RATE_LIMITED and far > 3600.0 else 0.0


def _decide(rig: Rig, run_ids: Sequence[str]) -> Counter[str]:
    """Do what waits for a person; return what was done."""
    done: Counter[str] = Counter()
    batches = pl.concat([queries.batches(rig.ledger, each) for each in run_ids])
    quiet = pl.col("asked_at") - pl.col("changed_at") > rig.pacing.stall_after
    stalled = batches.filter((pl.col("state") == BatchState.ACCEPTED) & quiet)["pk"].to_list()
    mended = _mend(rig) if rig.account().waits_for_person or stalled else False
    if rig.account().waits_for_person:
        resume_run(rig.ledger, run_ids[0])
        done["resumed"] += 1
    if stalled and mended:
        make_all_due(rig.ledger, rig.account_id)
        rig.pass_time(60.0)
        done["looked again"] += 1
    for pk in [] if mended else stalled:
        close_batch(rig.ledger, pk)
        done["closed"] += 1
    if not done:
        refused = (pl.col("state") == BatchState.REFUSED) & (pl.col("task_count") > 1)
        done["searched"] += sum(_search(rig, pk) for pk in batches.filter(refused)["pk"])
        unknown = batches.filter(pl.col("state") == BatchState.UNKNOWN)
        for number, row in enumerate(unknown.iter_rows(named=True), 1):
            done[_solve(rig, row, give_up=number % GIVE_UP_EVERY == 0)] += 1
    return +done


def _search(rig: Rig, pk: int) -> bool:
    """Find the row that made Openmart refuse a batch; return whether there was something to search."""
    try:
        return bool(find_row(rig.ledger, pk))
    except LedgerError:
        return False  # searched before, or a part of a search


def _mend(rig: Rig) -> bool:
    """Take away what is wrong until somebody mends it; return whether there was anything."""
    endless = [each for each in rig.sandbox.faults.active() if each.times is None and each.name != "bad_row"]
    for each in endless:
        rig.sandbox.faults.remove(each.number)
    return bool(endless)


def _solve(rig: Rig, row: dict[str, Any], *, give_up: bool) -> str:
    """Decide about an unknown batch as somebody who looks it up at Openmart; return what was done."""
    created = _created(rig)
    if give_up:
        drop_batch(rig.ledger, row["pk"])
        return "given up"
    if row["first_tracking_id"] in created:
        attach_batch(rig.ledger, row["pk"], created[row["first_tracking_id"]])
        return "attached"
    resend_batch(rig.ledger, row["pk"])
    return "sent again"


def _created(rig: Rig) -> dict[str, str]:
    """Return the batch ids of what the server created, by first tracking id."""
    return {str(each.tracking_ids[0]): each.batch_id for each in rig.sandbox.journal()}


def _whims(rig: Rig, dice: random.Random, run_id: str) -> Counter[str]:
    """Do what people do at any moment: resume, pause, resend, give up, attach an id; return what was done."""
    done: Counter[str] = Counter()
    if rig.account().waits_for_person or dice.random() < 0.2:
        _mend(rig)
        resume_run(rig.ledger, run_id)
        done["resumed"] += 1
    elif dice.random() < 0.1:
        pause_run(rig.ledger, run_id)
        done["paused"] += 1
    frame, created = queries.batches(rig.ledger, run_id), _created(rig)
    for row in frame.filter(frame["state"] == BatchState.UNKNOWN).iter_rows(named=True):
        choice = dice.random()
        if choice < 0.2:
            resend_batch(rig.ledger, row["pk"])  # whether it was created or not
            done["sent again"] += 1
        elif choice < 0.3:
            drop_batch(rig.ledger, row["pk"])
            done["given up"] += 1
        elif choice < 0.6 and row["first_tracking_id"] in created:
            attach_batch(rig.ledger, row["pk"], created[row["first_tracking_id"]])
            done["attached"] += 1
    return done


def _outcomes(rig: Rig, run_ids: Sequence[str]) -> dict[str, int]:
    """Return rows per outcome of several runs, all that Openmart gave its word on as "answered"."""
    rows: Counter[str] = Counter()
    for run_id in run_ids:
        for outcome, number in rig.info(run_id).outcomes.items():
            rows["answered" if outcome in ANSWERED else str(outcome)] += number
    return {outcome: number for outcome, number in rows.items() if number}
