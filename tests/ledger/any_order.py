"""Plans, workers, servers and people doing what they do in any order: a machine that rolls the dice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from examples import examples
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledger_kit import (
    EMAIL,
    NAME_ONLY,
    PHONE,
    Clock,
    account_id,
    answer,
    answer_to,
    assert_adds_up,
    claim,
    estimate_of,
    free,
    make_empty,
    new_run,
    plan,
    task_numbers,
)
from sqlalchemy import select

from openmart_lib.api.wire import Kind
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import BatchState, Hold, Ledger, answers, decisions, queries, submissions
from openmart_lib.ledger.limits import set_limit
from openmart_lib.ledger.pausing import pause_what_waits
from openmart_lib.ledger.pilots import send_rest
from openmart_lib.ledger.runs import cancel_run, pause_run, plan_run, resume_run
from openmart_lib.ledger.schema import batch, remote_task, run

DATA = [
    None,
    [],
    [EMAIL],
    [PHONE, EMAIL],
    [NAME_ONLY],
    [{"email": "info@x.invalid", "status": "VALID"}],
    "shopify",
]
STATUSES = ["COMPLETED", "COMPLETED", "ERRORED", "CANCELLED", "PROCESSING"]


class AnyOrder(RuleBasedStateMachine):
    """Plans, workers, servers and people doing what they do, in any order and more than once."""

    def __init__(self, ledger: Ledger, empty: Path) -> None:
        super().__init__()
        self.ledger, self.clock = ledger, Clock()
        make_empty(ledger, empty, self.clock)
        self.ids = 0
        self.first_payloads: dict[tuple[int, str], str] = {}

    def _any_batch(self, data: st.DataObject, *states: BatchState) -> Any:
        with self.ledger.read() as connection:
            rows = connection.execute(
                select(batch, run.c.public_id).join(run, run.c.id == batch.c.run_id)
            ).all()
        wanted = [row for row in rows if not states or row.state in states]
        return data.draw(st.sampled_from(wanted)) if wanted else None

    def _new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"

    @initialize()
    def a_first_run(self) -> None:
        plan(self.ledger, 3, per_batch=2)

    @precondition(lambda self: len(queries.runs(self.ledger)) < 3)
    @rule(
        kind=st.sampled_from(list(Kind)),
        tasks=st.integers(0, 4),
        people=st.integers(1, 3),
        per_batch=st.integers(1, 3),
        extra=st.integers(0, 2),
        limit=st.sampled_from([None, 5.5, 24.0, 1000.0]),
        pilot=st.integers(0, 2),
    )
    def plan(
        self,
        kind: Kind,
        tasks: int,
        people: int,
        per_batch: int,
        extra: int,
        limit: float | None,
        pilot: int,
    ) -> None:
        group = people if kind is Kind.LOOKUP_PEOPLE else 0
        content = self._new_id()
        twins = extra if tasks else 0
        plan_run(
            self.ledger,
            new_run(
                tasks,
                people=group,
                per_batch=per_batch,
                kind=kind,
                rejected=extra,
                skipped=extra,
                duplicates=twins,
                content=content,
                estimate=estimate_of(kind),
                spend_at_most=limit,
                pilot_rows=pilot,
            ),
        )

    @rule(worker=st.sampled_from(["worker-1", "worker-2"]))
    def claim(self, worker: str) -> None:
        if queries.accounts(self.ledger):
            free(self.ledger)
            claimed = claim(self.ledger, worker=worker)
            if claimed is not None:
                self._check_money(claimed.pk)
            pause_what_waits(self.ledger, account_id(self.ledger))
        self.clock.pass_(1.0)

    def _check_money(self, pk: int) -> None:
        """What was just claimed is within its run's limit and, until that is decided, its pilot."""
        with self.ledger.read() as connection:
            mine = select(run, batch.c.batch_no, batch.c.resend_of).join(batch, batch.c.run_id == run.c.id)
            one = connection.execute(mine.where(batch.c.id == pk)).one()
        if one.spend_at_most is not None:
            assert one.credits_out + one.credits_spent <= one.spend_at_most + 1e-6
        if one.pilot_batches is not None and one.pilot_decided_at is None:
            assert one.batch_no <= one.pilot_batches or one.resend_of is not None

    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        one = self._any_batch(
            data, BatchState.SENDING, BatchState.UNKNOWN, BatchState.RESENT, BatchState.DROPPED
        )
        if one:
            submissions.accept(self.ledger, one.id, self._new_id(), None, poll_after=0.0)

    @rule(data=st.data())
    def accept_an_id_that_another_has(self, data: st.DataObject) -> None:
        one, other = self._any_batch(data), self._any_batch(data, BatchState.ACCEPTED)
        if one and other:
            with suppress(LedgerError):
                submissions.accept(self.ledger, one.id, other.batch_id, None, poll_after=0.0)

    @rule(data=st.data())
    def hear_from_the_journal(self, data: st.DataObject) -> None:
        one = self._any_batch(data)
        if one:
            submissions.accept_by_number(self.ledger, one.public_id, one.batch_no, self._new_id())

    @rule(data=st.data(), how=st.sampled_from(["lose", "refuse", "not sent", "429", "402", "late no"]))
    def fail(self, data: st.DataObject, how: str) -> None:
        one = self._any_batch(data, BatchState.SENDING, BatchState.UNKNOWN)
        if not one:
            return
        with suppress(LedgerError):
            match how:
                case "lose":
                    submissions.lose(self.ledger, one.id, seen="timeout")
                case "refuse":
                    submissions.refuse(self.ledger, one.id, status=400, detail="no")
                case "not sent":
                    submissions.release_not_sent(self.ledger, one.id, "refused")
                case "429":
                    submissions.release_rate_limited(self.ledger, one.id, 1.0, "slow")
                case "402":
                    submissions.release_and_hold(
                        self.ledger, one.id, Hold.CREDIT_LIMIT, status=402, detail="no credits"
                    )
                case "late no":
                    submissions.note_late_no(self.ledger, one.id, status=400, detail="no")

    @rule()
    def lose_the_worker(self) -> None:
        submissions.lose_orphans(self.ledger, "worker-1")

    @rule(data=st.data(), what=st.sampled_from(["resend", "drop", "attach", "close"]))
    def decide(self, data: st.DataObject, what: str) -> None:
        one = self._any_batch(data)
        if not one:
            return
        with suppress(LedgerError):
            match what:
                case "resend":
                    decisions.resend_batch(self.ledger, one.id)
                case "drop":
                    decisions.drop_batch(self.ledger, one.id)
                case "attach":
                    decisions.attach_batch(self.ledger, one.id, self._new_id())
                case "close":
                    decisions.close_batch(self.ledger, one.id)

    @rule(
        data=st.data(),
        what=st.sampled_from(["cancel", "pause", "resume", "send the rest", "set a limit"]),
        luck=st.integers(0, 2),
    )
    def handle_a_run(self, data: st.DataObject, what: str, luck: int) -> None:
        run_id = data.draw(st.sampled_from([info.run_id for info in queries.runs(self.ledger)]))
        if what == "send the rest":
            with suppress(LedgerError):
                send_rest(self.ledger, run_id)
        elif what == "set a limit":
            set_limit(self.ledger, run_id, luck * 24.0)
        elif what == "cancel" and luck == 0:
            cancel_run(self.ledger, run_id)
        elif what == "pause":
            pause_run(self.ledger, run_id)
        else:
            resume_run(self.ledger, run_id)

    @rule(data=st.data(), how_many=st.integers(1, 4))
    def bring_answers(self, data: st.DataObject, how_many: int) -> None:
        one = self._any_batch(data, BatchState.ACCEPTED, BatchState.COLLECTED)
        if not one:
            return
        run_ids = [info.run_id for info in queries.runs(self.ledger)]
        own = task_numbers(self.ledger, one.id)
        brought = []
        for _ in range(how_many):
            number = data.draw(st.sampled_from([*own, *own, 1, 2, 99]), label="task")
            run_id = data.draw(st.sampled_from([one.public_id] * 4 + run_ids), label="run")
            status = data.draw(st.sampled_from(STATUSES), label="status")
            twin = data.draw(st.sampled_from(["", "", "", "-again"]), label="second task for it")
            content = data.draw(st.sampled_from(DATA), label="data")
            task_id = f"task-{run_id}-{number}{twin}"
            brought.append(answer(run_id, number, content, status=status, task_id=task_id))
        brought.append(answer_to(None, [EMAIL], status="COMPLETED", task_id="of nobody"))
        answers.store_listing(self.ledger, one.id, [each["task_id"] for each in brought])
        answers.store_answers(self.ledger, one.id, brought)

    @rule(data=st.data(), give_up=st.booleans())
    def finish(self, data: st.DataObject, give_up: bool) -> None:
        one = self._any_batch(data, BatchState.ACCEPTED)
        if one and not answers.finish_if_complete(self.ledger, one.id) and give_up:
            answers.mark_missing(self.ledger, one.id, by_person=False)

    @invariant()
    def everything_adds_up(self) -> None:
        assert_adds_up(self.ledger)

    @invariant()
    def a_payload_never_changes(self) -> None:
        with self.ledger.read() as connection:
            stored = connection.execute(select(remote_task).where(remote_task.c.payload.is_not(None))).all()
        for each in stored:
            assert self.first_payloads.setdefault((each.batch_pk, each.task_id), each.payload) == each.payload

    @invariant()
    def ids_are_kept_and_only_once(self) -> None:
        with self.ledger.read() as connection:
            rows = connection.execute(select(batch)).all()
        for one in rows:
            with_server = one.state in (BatchState.ACCEPTED, BatchState.COLLECTED)
            assert with_server == (one.batch_id is not None)


def run_in_any_order(machine: Callable[[], RuleBasedStateMachine], tries: int, steps: int) -> None:
    """Let a machine try so many random orders of so many events, its invariants checked after each."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            examples(tries),
            stateful_step_count=steps,
            phases=[Phase.generate],  # shrinking takes many minutes: do it by hand when there is a failure
            suppress_health_check=list(HealthCheck),
        ),
    )
