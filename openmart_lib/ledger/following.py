"""Rows that reuse an earlier result follow the row that bought it: its outcome, whenever that changes.

A reusing row is ``reused`` once its source has an answer, waits while that waits, is in doubt while that is,
and ends as badly as that ended, so that it can be tried again. It never has a task of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, text, update

from openmart_lib.ledger.schema import event, reused_row, uploaded_row
from openmart_lib.ledger.states import Outcome
from openmart_lib.wording import utc_day

SERVING: Final = frozenset({Outcome.MATCHED, Outcome.PARTIAL, Outcome.NO_MATCH})  # an answer, good or not
_COLUMNS: Final = (
    "r.run_id, r.seq, mine.outcome AS old, mine.outcome_reason AS old_reason, theirs.outcome, "
    "theirs.outcome_reason AS reason, source.public_id, source.name, "
    "task.final_at, COALESCE(task.final_at, source.planned_at) AS at"
)
# CROSS JOIN keeps the order: without statistics SQLite would begin with a table that has no condition.
_REST: Final = (
    "CROSS JOIN task ON task.run_id = t.run_id AND task.task_no = t.task_no "
    "CROSS JOIN run source ON source.id = t.run_id "
    "CROSS JOIN uploaded_row theirs ON theirs.run_id = t.run_id AND theirs.seq = t.seq "
    "CROSS JOIN uploaded_row mine ON mine.run_id = r.run_id AND mine.seq = r.seq "
)
_SAME_TASK: Final = (
    "r.source_run_id = t.run_id AND r.source_task_no = t.task_no AND r.source_person_no = t.person_no"
)
# Who reuses these rows; the tie by which a row was bought, not one of a later resend, is named there.
_BY_SOURCE: Final = text(
    f"SELECT {_COLUMNS} FROM row_task t INDEXED BY ix_row_task_run_id_seq "
    f"CROSS JOIN reused_row r ON {_SAME_TASK} {_REST} WHERE t.run_id = :run AND t.seq IN :seqs"
).bindparams(bindparam("seqs", expanding=True))
_BY_READER: Final = text(
    f"SELECT {_COLUMNS} FROM reused_row r "
    f"CROSS JOIN row_task t ON {_SAME_TASK} {_REST} WHERE r.run_id = :run AND r.seq BETWEEN :low AND :high"
)
_IS_SOURCE: Final = select(reused_row.c.seq).where(reused_row.c.source_run_id == bindparam("run")).limit(1)
_LATEST: Final = select(event.c.at).order_by(event.c.id.desc()).limit(1)
_WRITE: Final = (
    update(uploaded_row)
    .where(uploaded_row.c.run_id == bindparam("b_run"), uploaded_row.c.seq == bindparam("b_seq"))
    .values(outcome=bindparam("b_outcome"), outcome_reason=bindparam("b_reason"))
)


@dataclass(frozen=True, slots=True)
class Followed:
    """What changed in one reusing run, at ``at`` (UTC s).

    Attributes:
        counters: Changes of its counters, by name.
        final: Rows that became final; negative where rows wait again.
    """

    run_pk: int
    counters: dict[str, int]
    final: int
    at: float


def follow(connection: Connection, run_pk: int, seqs: Sequence[int]) -> list[Followed]:
    """Bring the rows that reuse these rows of a run up to date; return what changed, by reusing run.

    Costs one look into an index where nothing of the run is reused. The caller counts.
    """
    if connection.execute(_IS_SOURCE, {"run": run_pk}).first() is None:
        return []
    return _write(connection, connection.execute(_BY_SOURCE, {"run": run_pk, "seqs": list(seqs)}).all())


def follow_into(connection: Connection, run_pk: int, low: int, high: int) -> list[Followed]:
    """Bring the reusing rows of a run, from one row number to another, up to date; as ``follow``."""
    return _write(connection, connection.execute(_BY_READER, {"run": run_pk, "low": low, "high": high}).all())


def standing(outcome: str, reason: str | None, who: str, at: float) -> tuple[str, str]:
    """Return outcome and reason of a row whose source row has this outcome and reason.

    Args:
        who: The source's run in words.
        at: When it was bought (UTC seconds).
    """
    if outcome in SERVING:
        bought = f"bought in run {who} on {utc_day(at)}"
        return Outcome.REUSED, f"{bought}: {reason}" if reason else bought
    if outcome == Outcome.PENDING:
        return outcome, f"run {who} asked for the same; its answer is waited for, nothing is bought twice"
    if outcome == Outcome.REFUSED:  # the server's words may quote a cell of the other list
        return outcome, f"run {who} asked for the same and was refused; its words are there"
    asked = f"run {who} asked for the same"
    return outcome, f"{asked}: {reason}" if reason else asked


def _write(connection: Connection, found: Sequence[Any]) -> list[Followed]:
    changes: list[dict[str, Any]] = []
    counters: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    final: dict[int, int] = defaultdict(int)
    silent = _erased(connection, {row.run_id for row in found})
    for row in found:
        outcome, reason = standing(row.outcome, row.reason, f"{row.name} ({row.public_id})", row.at)
        told = None if row.run_id in silent else reason
        if (outcome, told) == (row.old, row.old_reason):
            continue
        changes.append({"b_run": row.run_id, "b_seq": row.seq, "b_outcome": str(outcome), "b_reason": told})
        counters[row.run_id][f"outcome:{row.old}"] -= 1
        counters[row.run_id][f"outcome:{outcome}"] += 1
        final[row.run_id] += (outcome != Outcome.PENDING) - (row.old != Outcome.PENDING)
    if not changes:
        return []
    connection.execute(_WRITE, changes)
    answered = [row.final_at for row in found if row.final_at is not None]
    at = max(answered) if answered else connection.execute(_LATEST).scalar() or 0.0
    return [Followed(pk, counters[pk], final[pk], at) for pk in counters]


def _erased(connection: Connection, run_pks: set[int]) -> set[int]:
    """Return which of these runs had their personal data deleted: nothing is written about them any more."""
    gone = select(event.c.run_id).where(event.c.run_id.in_(run_pks), event.c.kind == "run_erased")
    return set(connection.execute(gone).scalars())
