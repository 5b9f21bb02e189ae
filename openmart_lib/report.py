"""How a run stands, in plain values: one object for scripts, one sentence for people, one exit code.

The command line and the notebook both read it here, so they never disagree.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from openmart_lib.engine.clients import key_fingerprint
from openmart_lib.engine.reading import LONGEST_QUIET_WAIT
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.accounts import AccountInfo
from openmart_lib.ledger.money import Money, money, moneys
from openmart_lib.ledger.overview import HOLD_WORDS, RunInfo, run_info, runs
from openmart_lib.ledger.pilots import Pilot, pilot
from openmart_lib.ledger.queries import accounts
from openmart_lib.ledger.reused import waited_for
from openmart_lib.ledger.states import PERSON_HOLDS, BatchState, Hold, Outcome, RunState
from openmart_lib.settings import Settings
from openmart_lib.wording import counted, utc_iso


class Standing(StrEnum):
    """What somebody who waits for a run should do: go on waiting, or stop, and why."""

    MOVING = "moving"  # it goes on by itself
    FINAL = "final"  # every row has its last word
    DOUBTFUL = "doubtful"  # nothing moves any more, but rows are unknown or stalled
    HELD = "held"  # rows wait to be sent, and something or somebody keeps them


@dataclass(frozen=True, slots=True)
class Report:
    """A run at one moment.

    Attributes:
        note: What holds it up, "" when nothing does.
        money: What it may cost and what came back, where that is known.
        pilot: What its pilot shows, while the rest of its rows waits for a decision about it.
        waits_for: The run (id) that has to go on before this one's reused rows can get their answers.
        to_name: Credits in all, as ``max_credits``, that a person must name before the rest of a pilot goes,
            because it may cost more than ``OPENMART_CONFIRM_ABOVE``; None: no number is needed.
    """

    run: RunInfo
    standing: Standing
    note: str
    money: Money | None = None
    pilot: Pilot | None = None
    waits_for: str | None = None
    to_name: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``openmart status --json`` prints; times are ISO 8601 UTC."""
        run = self.run
        return {
            "run_id": run.run_id,
            "name": run.name,
            "kind": str(run.kind),
            "environment": run.environment,
            "state": str(run.state),
            "standing": str(self.standing),
            "pause_reason": run.pause_reason,
            "note": self.note,
            "rows": run.row_count,
            "final_rows": run.final_rows,
            "tasks": run.task_count,
            "outcomes": {str(outcome): n for outcome, n in run.outcomes.items()},
            "pending": {
                "waiting": run.pending.waiting,
                "sending": run.pending.sending,
                "at_openmart": run.pending.at_openmart,
                "fetching": run.pending.fetching,
                "elsewhere": run.pending.elsewhere,
            },
            "batches": {str(state): n for state, n in run.batches.items()},
            "stalled_batches": run.stalled_batches,
            "found": dict(run.found),
            "credits_at_most": run.worst_credits,
            "credits": self.money.as_json() if self.money else None,
            "pilot": asdict(self.pilot) if self.pilot else None,
            "created_at": _iso(run.created_at),
            "finished_at": _iso(run.finished_at),
        }

    def as_line(self) -> dict[str, Any]:
        """Return the row of ``Desk.runs``; the time is a UTC datetime."""
        run = self.run
        return {
            "run_id": run.run_id,
            "name": run.name,
            "kind": str(run.kind),
            "state": str(run.state),
            "standing": str(self.standing),
            "rows": run.row_count,
            "final_rows": run.final_rows,
            **{str(outcome): n for outcome, n in run.outcomes.items()},
            "credits_at_most": run.worst_credits,
            "created_at": datetime.fromtimestamp(run.created_at, UTC),
            "pause_reason": run.pause_reason,
        }

    def sentence(self) -> str:
        """Return what happened, what it means and what to do next, in plain words."""
        run = self.run
        counts = ", ".join(f"{n:,} {outcome}" for outcome, n in run.outcomes.items() if n)
        final = run.final_rows - run.rows_in_doubt
        said = f"Run {run.run_id} ({run.name}): {final:,} of {run.row_count:,} rows final; {counts}."
        parts = [said]
        if self.standing is Standing.HELD:
            parts.append(f"Held: {self.note}. {_held_meaning(run)}")
        elif run.state is RunState.PAUSED:
            parts.append(f"Nothing more is sent: {self.note}. {_held_meaning(run)} {_collected_words(run)}")
        elif self.note:
            parts.append(f"{self.note[:1].upper()}{self.note[1:]}.")
        parts += _doubts(run)
        if self.standing is Standing.HELD or run.state is RunState.PAUSED:
            parts.append(self._way_on())
        return " ".join(parts)

    def _way_on(self) -> str:
        """Say how a run that waits for a person goes on."""
        name = self.run.run_id
        if self.waits_for is not None:
            return f"See to that run: `openmart status {self.waits_for}` says what it needs."
        if self.pilot is not None and self.pilot.over:
            agreed = "" if self.to_name is None else f" --max-credits {self.to_name:.0f}"
            return (
                f"{pilot_words(self.pilot)} Send the other {self.pilot.rest_rows:,} rows with "
                f"`openmart resume {name}{agreed}`, or stop here with `openmart cancel {name}`."
            )
        if self.money is not None and self.money.full:
            return (
                f"Raise the limit with `openmart resume {name} --max-credits N`, or stop here with "
                f"`openmart cancel {name}`."
            )
        return f"When that is settled, go on with `openmart resume {name}`."


def look(ledger: Ledger, settings: Settings, run_id: str) -> Report:
    """Return how a run stands now.

    Raises:
        RunNotFoundError: If there is no such run in this environment.
    """
    fingerprint = key_fingerprint(ledger, settings)
    run = run_info(ledger, run_id, key_fingerprint=fingerprint, stall_after=settings.effective_stall_after)
    cash = money(ledger, run_id)
    tried = pilot(ledger, run_id) if cash.pilot_waits else None
    report = replace(_report(run, accounts(ledger)), money=cash, pilot=tried)
    if tried is not None and tried.at_stake > settings.confirm_above:
        report = replace(report, to_name=float(math.ceil(cash.spent + cash.out + tried.at_stake)))
    return _with_sources(ledger, settings, report)


def look_at_all(ledger: Ledger, settings: Settings) -> list[Report]:
    """Return how the runs of this environment stand now, newest first."""
    fingerprint = key_fingerprint(ledger, settings)
    known = accounts(ledger)
    cash = moneys(ledger)
    found = runs(ledger, key_fingerprint=fingerprint, stall_after=settings.effective_stall_after)
    reports = [replace(_report(run, known), money=cash.get(run.run_id)) for run in found]
    return [_with_sources(ledger, settings, report) for report in reports]


def _with_sources(ledger: Ledger, settings: Settings, report: Report) -> Report:
    """Return the report of a run that only waits for other runs, whose answers it reuses, as those stand."""
    run = report.run
    if report.standing in (Standing.MOVING, Standing.HELD) or not run.outcomes[Outcome.PENDING]:
        return report
    sources = [look(ledger, settings, each) for each in waited_for(ledger, run.run_id)]
    if not sources:
        return report
    if any(each.standing is Standing.MOVING for each in sources):
        return replace(report, standing=Standing.MOVING)
    still = sources[0]
    rows = counted(run.outcomes[Outcome.PENDING], "row waits", "rows wait")
    note = f"{rows} for run {still.run.run_id} ({still.run.name}), which asked for the same and stands still"
    return replace(report, standing=Standing.HELD, note=note, waits_for=still.run.run_id)


def pilot_words(pilot: Pilot) -> str:
    """Return what a pilot shows, in a sentence or two: its match rate and what the rest may cost."""
    if not pilot.came_back:
        strangers = counted(pilot.strangers, "answer carries", "answers carry")
        return (
            f"Of {counted(pilot.rows, 'row', 'rows')} tried, {pilot.missing:,} did not come back, and "
            f"{strangers} none of our tracking ids; they may have been charged."
        )
    if pilot.rate is None:
        return f"None of the {pilot.rows:,} rows tried was answered."
    return (
        f"Of {counted(pilot.answered, 'row', 'rows')} answered, {pilot.matched:,} matched "
        f"({pilot.rate:.0%}; of all rows likely {pilot.low:.0%} to {pilot.high:.0%}), for about "
        f"{pilot.spent:,.0f} credits. The rest may cost about {pilot.rest_expected or 0.0:,.0f}, "
        f"at most {pilot.rest_at_most:,.0f}."
    )


def held_with(run: RunInfo, others: Iterable[RunInfo]) -> list[RunInfo]:
    """Return the other runs that the same hold of their account keeps, and nothing else."""
    if run.hold not in PERSON_HOLDS:
        return []
    return [
        other
        for other in others
        if other.run_id != run.run_id
        and other.account_id == run.account_id
        and other.state is RunState.PAUSED
        and other.pause_reason == HOLD_WORDS[run.hold]
    ]


def standing_of(run: RunInfo, *, hold_until: float | None = None, now: float) -> Standing:
    """Return whether a run goes on by itself, and if not, why. Times in UTC seconds."""
    going = run.batches[BatchState.SENDING] + run.batches[BatchState.ACCEPTED] - run.stalled_batches
    if run.state is RunState.PLANNING or going > 0:
        return Standing.MOVING
    if run.batches[BatchState.PLANNED] and run.state is not RunState.CANCELLED:
        long_wait = run.hold is Hold.RATE_LIMITED and (hold_until or 0.0) - now > LONGEST_QUIET_WAIT
        return Standing.HELD if run.state is RunState.PAUSED or long_wait else Standing.MOVING
    if run.outcomes[Outcome.UNKNOWN] or run.stalled_batches:
        return Standing.DOUBTFUL
    return Standing.FINAL


def _report(run: RunInfo, known: list[AccountInfo]) -> Report:
    account = next((each for each in known if each.id == run.account_id), None)
    until = account.hold_until if account else None
    standing = standing_of(run, hold_until=until, now=time.time())
    return Report(run, standing, _note(run, account))


def _note(run: RunInfo, account: AccountInfo | None) -> str:
    if run.state is RunState.PLANNING:
        return (
            "its rows are still being written, or that was cut off; nothing was sent, and submitting the "
            "same list again finishes it"
        )
    if run.pause_reason:
        return run.pause_reason
    if account is None or account.hold is None or not run.batches[BatchState.PLANNED]:
        return ""
    words = HOLD_WORDS[account.hold]
    if account.hold is Hold.RATE_LIMITED and account.hold_until:
        return f"{words} until {_iso(account.hold_until)}"
    return words


def _held_meaning(run: RunInfo) -> str:
    whose = "All runs of this key wait. " if run.hold in PERSON_HOLDS and not run.other_key else ""
    return f"{whose}What was not sent has cost nothing."


def _collected_words(run: RunInfo) -> str:
    many = counted(run.batches[BatchState.SENDING] + run.batches[BatchState.ACCEPTED], "batch", "batches")
    return f"{many} with Openmart cannot be recalled and will be collected."


def _doubts(run: RunInfo) -> list[str]:
    """Say what is not known about money and rows, and where a person decides."""
    said = []
    unknown = counted(run.outcomes[Outcome.UNKNOWN], "row", "rows")
    if run.batches[BatchState.UNKNOWN]:
        said.append(
            f"For {unknown} we do not know whether Openmart took their batch: "
            "they may have been charged, and nothing sends them again by itself."
        )
    elif run.outcomes[Outcome.UNKNOWN]:
        said.append(f"{unknown} given up by you may have been charged.")
    if stalled := run.stalled_batches:
        many = counted(stalled, "batch at Openmart has", "batches at Openmart have")
        said.append(f"{many} not changed for a long time.")
    if run.batches[BatchState.UNKNOWN] or run.stalled_batches:
        said.append("Open the run in Monitor and decide there.")
    return said


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else utc_iso(seconds)
