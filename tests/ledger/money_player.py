"""A player of the money path: everything that may happen to money, in any order and cut off anywhere.

Rules are what a worker, the server, people and the weather may do; invariants are what must hold after each
of them, against the books of a server that forgets nothing (``money_world``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledger_kit import estimate_of, new_run, task_numbers
from money_world import Flight, World, one_of, try_to
from sqlalchemy import select

from openmart_lib.api.wire import Kind
from openmart_lib.errors import LedgerError, RunExistsError
from openmart_lib.ledger import BatchState, Hold, Ledger, balances, covering, decisions, queries, submissions
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.ledger.limits import set_limit
from openmart_lib.ledger.pausing import pause_what_waits
from openmart_lib.ledger.pilots import send_rest
from openmart_lib.ledger.runs import cancel_run, pause_run, plan_run, resume_run
from openmart_lib.ledger.schema import batch, run
from openmart_lib.ledger.searching import find_row, stop_search
from openmart_lib.ledger.submissions import Claim

REFUSED_COMPANY = "shop2.example"  # the server refuses bodies that name it, when it looks
RECOUNT_EVERY = 5  # steps: it takes as long as all else that is checked
ANY = st.integers(0, 11)  # which of the batches, runs or backups there are
FATES = [
    "taken",
    "taken",
    "taken",
    "lost",
    "lost before it was read",
    "429",
    "400",
    "400",
    "402",
    "never left",
]
DOUBTED = BatchState.UNKNOWN, BatchState.RESENT, BatchState.DROPPED
DEFINITE_NO = {"429", "400", "402", "never left"}


class EveryRule:
    """Says of each rule that it may be played."""

    def is_enabled(self, name: str) -> bool:
        return True


def there_is(*states: BatchState) -> Callable[[MoneyPlayer], bool]:
    """Let a rule be played only while there is a batch in one of these states."""
    return lambda player: not player.states.isdisjoint(states)


class MoneyPlayer(RuleBasedStateMachine):
    """Money at stake, and everything that may go wrong."""

    def __init__(self, ledger: Ledger, empty: Path) -> None:
        super().__init__()
        # Left to itself, hypothesis plays about half of the rules in each play, chosen at random: with so many
        # that depend on each other, few plays would get anywhere. (An attribute of no public interface.)
        self._rules_strategy.enabled_rules_strategy = st.just(EveryRule())
        self.world = World(ledger, empty)
        self.ledger, self._steps = ledger, 0
        self.states: set[str] = set()

    def teardown(self) -> None:
        try:
            self.world.nothing_delivered_is_lost()
            self._check(recount=True)
        finally:
            self.world.close()

    @invariant()
    def all_holds(self) -> None:
        self._steps += 1
        self.states = self.world.states()
        self._check(recount=self._steps % RECOUNT_EVERY == 0)

    def _check(self, *, recount: bool) -> None:
        self.world.nothing_is_created_twice_without_a_typed_choice()
        self.world.what_was_created_is_here_or_in_doubt()
        self.world.what_was_charged_is_shown()
        self.world.every_row_has_one_outcome(recount=recount)

    # --- runs

    @initialize(rows=st.integers(4, 8), per_batch=st.integers(2, 4))
    def a_first_run(self, rows: int, per_batch: int) -> None:
        self.plan(rows=rows, per_batch=per_batch, people=0, limit=None, pilot=0)

    @precondition(lambda self: len(queries.runs(self.ledger)) < 3)
    @rule(
        rows=st.integers(3, 8),
        per_batch=st.integers(1, 4),
        people=st.sampled_from([0, 0, 2]),
        limit=st.sampled_from([None, None, 48.0, 1000.0]),
        pilot=st.sampled_from([0, 0, 2]),
    )
    def plan(self, rows: int, per_batch: int, people: int, limit: float | None, pilot: int) -> None:
        kind = Kind.LOOKUP_PEOPLE if people else Kind.FIND_PEOPLE
        content = f"content {self.world.number()}"
        new = new_run(
            rows,
            people=people,
            per_batch=per_batch,
            kind=kind,
            content=content,
            estimate=estimate_of(kind),
            spend_at_most=limit,
            pilot_rows=pilot,
        )
        with suppress(RunExistsError):
            plan_run(self.ledger, new)

    @rule(
        which=ANY,
        what=st.sampled_from(["resume"] * 4 + ["pause", "send the rest", "send what is covered", "cancel"]),
    )
    def handle_a_run(self, which: int, what: str) -> None:
        if (info := one_of(queries.runs(self.ledger), which)) is None:
            return
        match what:
            case "resume":
                resume_run(self.ledger, info.run_id)
            case "pause":
                pause_run(self.ledger, info.run_id)
            case "send the rest":
                try_to(send_rest, self.ledger, info.run_id)
            case "send what is covered":
                for account in queries.accounts(self.ledger):
                    balances.note_balance(self.ledger, account.id, 24.0, balances.PERSON)
                try_to(covering.send_covered, self.ledger, info.run_id)
            case "cancel":
                cancel_run(self.ledger, info.run_id)

    @rule(which=ANY, credits=st.sampled_from([12.0, 48.0, 1e6, 1e6, 1e6]))
    def set_a_limit(self, which: int, credits: float) -> None:
        if (info := one_of(queries.runs(self.ledger), which)) is not None:
            set_limit(self.ledger, info.run_id, credits)

    # --- submissions

    @precondition(there_is(BatchState.PLANNED))
    @rule(
        fate=st.sampled_from(FATES),
        dies=st.sampled_from(["", "", "", "", "claimed", "journalled"]),
        slow=st.sampled_from([False, False, True]),
    )
    def send(self, fate: str, dies: str, slow: bool) -> None:
        self.send_one(fate, dies, slow=slow)

    @precondition(there_is(BatchState.PLANNED))
    @precondition(lambda self: not self.world.flights)
    @rule(
        fates=st.lists(st.sampled_from(FATES), min_size=2, max_size=4),
        answered=st.booleans(),
        resumed=st.booleans(),
    )
    def send_several(self, fates: list[str], answered: bool, resumed: bool) -> None:
        """An hour in which nothing in particular happens: waits end, batches leave, answers come."""
        self.world.waits_are_over()
        for info in queries.runs(self.ledger) if resumed else ():
            resume_run(self.ledger, info.run_id)
        for fate in fates:
            self.send_one(fate)
            if answered and self.world.flights:
                self.answer_one(0, dies=False)
                self.world.waits_are_over()

    def send_one(self, fate: str, dies: str = "", *, slow: bool = False) -> None:
        world = self.world
        if (claim := world.claim(of_before=slow)) is None:
            for account in queries.accounts(self.ledger):
                pause_what_waits(self.ledger, account.id)
            return
        self._may_leave(claim)
        if dies != "claimed":
            world.journal.append("sent", **claim.sent_line())
        if dies:
            world.die()
            return
        if fate == "400" and REFUSED_COMPANY.encode() not in claim.body:
            fate = "taken"
        created = world.server.create(claim) if fate in ("taken", "lost") else None
        world.flights.append(Flight(claim, fate, created, world.worker))

    def _may_leave(self, claim: Claim) -> None:
        """What was just claimed is allowed: by its run, its limit, its pilot and the never-contact lists."""
        asked = select(run, batch.c.batch_no, batch.c.resend_of).join(batch, batch.c.run_id == run.c.id)
        with self.ledger.read() as connection:
            one = connection.execute(asked.where(batch.c.id == claim.pk)).one()
        assert one.paused_at is None and one.cancelled_at is None
        if one.spend_at_most is not None:
            assert one.credits_out + one.credits_spent <= one.spend_at_most + 1e-6
        if one.pilot_batches is not None and one.pilot_decided_at is None:
            assert one.batch_no <= one.pilot_batches or one.resend_of is not None
        assert not [domain for domain in self.world.listed if f'"{domain}"'.encode() in claim.body]

    @precondition(lambda self: self.world.flights)
    @rule(which=ANY, dies=st.sampled_from([False] * 6 + [True]))
    def answer(self, which: int, dies: bool) -> None:
        self.answer_one(which, dies=dies)

    def answer_one(self, which: int, *, dies: bool) -> None:
        """An answer comes: into the journal first, then into the ledger, unless the worker dies between."""
        world, flights = self.world, self.world.flights
        flight = flights.pop(which % len(flights))
        if flight.fate == "taken" and flight.created:
            world.journal.append("accepted", **flight.claim.line(), batch_id=flight.created.batch_id)
        elif flight.fate in DEFINITE_NO:
            world.journal.append("released", **flight.claim.line())
        if dies:
            world.die()
        elif flight.worker == world.worker:
            self._write_down(flight)
        else:
            self._write_late(flight)

    def _write_down(self, flight: Flight) -> None:
        ledger, pk = self.ledger, flight.claim.pk
        match flight.fate:
            case "taken":
                assert flight.created
                submissions.accept(ledger, pk, flight.created.batch_id, None, poll_after=0.0)
            case "429":
                submissions.release_rate_limited(ledger, pk, 1.0, "slow down")
            case "400":
                submissions.refuse(ledger, pk, status=400, detail="Domain is required")
            case "402":
                submissions.release_and_hold(ledger, pk, Hold.CREDIT_LIMIT, status=402, detail="no credits")
            case "never left":
                submissions.release_not_sent(ledger, pk, "connection refused")
            case _:
                submissions.lose(ledger, pk, seen="the connection broke")

    def _write_late(self, flight: Flight) -> None:
        """Write what became of a batch that a worker which took over has called unknown."""
        if flight.fate == "taken" and flight.created:
            pk, batch_id = flight.claim.pk, flight.created.batch_id
            submissions.accept(self.ledger, pk, batch_id, None, poll_after=0.0)
        elif flight.fate in DEFINITE_NO:
            with suppress(LedgerError):
                submissions.note_late_no(self.ledger, flight.claim.pk, status=None, detail="a late no")

    @precondition(lambda self: self.world.flights)
    @rule(answers_still_come=st.booleans())
    def the_worker_dies(self, answers_still_come: bool) -> None:
        self.world.die(answers_still_come=answers_still_come)

    @rule()
    def waits_are_over(self) -> None:
        self.world.waits_are_over()

    @precondition(there_is(BatchState.ACCEPTED, BatchState.COLLECTED))
    @rule(which=ANY, only_first=st.sampled_from([False, False, True]))
    def collect(self, which: int, only_first: bool) -> None:
        one = one_of(self.world.batches(BatchState.ACCEPTED, BatchState.COLLECTED), which)
        if one and one.public_id not in self.world.erased:
            self.world.fetch(one, only_first=only_first)

    # --- people's decisions

    @precondition(there_is(BatchState.UNKNOWN))
    @rule(which=ANY)
    def resend(self, which: int) -> None:
        """A person sends an unknown batch again; typed, unless nothing was created for it."""
        world = self.world
        if (one := one_of(world.batches(BatchState.UNKNOWN), which)) is None:
            return
        rows = [(one.public_id, domain) for domain in world.open_domains(one.id)]
        if try_to(decisions.resend_batch, self.ledger, one.id) and not one.nothing_created:
            world.typed.update(rows)

    @precondition(there_is(*DOUBTED))
    @rule(which=ANY)
    def attach(self, which: int) -> None:
        """A person found the id of a batch whose answer was lost."""
        if one := one_of(self.world.batches(*DOUBTED), which):
            made = [each for each in self.world.server.books.values() if each.run_id == one.public_id]
            own = {f"{one.public_id}-{number}" for number in task_numbers(self.ledger, one.id)}
            made = [each for each in made if {each["tracking_id"] for each in each.answers} <= own]
            if found := one_of(made, which):
                try_to(decisions.attach_batch, self.ledger, one.id, found.batch_id)

    @precondition(there_is(BatchState.UNKNOWN, BatchState.ACCEPTED, BatchState.COLLECTED, BatchState.REFUSED))
    @rule(which=ANY, what=st.sampled_from(["drop", "close", "reopen", "stop the search"]))
    def decide(self, which: int, what: str) -> None:
        act, state = {
            "drop": (decisions.drop_batch, BatchState.UNKNOWN),
            "close": (decisions.close_batch, BatchState.ACCEPTED),
            "reopen": (decisions.reopen_batch, BatchState.COLLECTED),
            "stop the search": (stop_search, BatchState.REFUSED),
        }[what]
        if one := one_of(self.world.batches(state), which):
            try_to(act, self.ledger, one.id)

    @precondition(there_is(BatchState.REFUSED))
    @rule(which=ANY)
    def find_the_row(self, which: int) -> None:
        if one := one_of(self.world.batches(BatchState.REFUSED), which):
            try_to(find_row, self.ledger, one.id)

    @precondition(lambda self: len(self.world.listed) < 2)  # an import takes 0.1 s
    @rule(number=st.integers(1, 8))
    def never_contact(self, number: int) -> None:
        self.world.list_company(f"shop{number}.example")

    @rule(which=ANY)
    def erase(self, which: int) -> None:
        info = one_of(queries.runs(self.ledger), which)
        if info and try_to(erase_run, self.ledger, info.run_id):
            self.world.erased.add(info.run_id)

    # --- backups

    @precondition(lambda self: len(self.world.backups) < 4)
    @rule(by_hand=st.sampled_from([False, False, True]))
    def back_up(self, by_hand: bool) -> None:
        self.world.back_up(by_hand=by_hand)

    @precondition(lambda self: self.world.backups)
    @rule(which=ANY, resumed=st.booleans())
    def go_back(self, which: int, resumed: bool) -> None:
        self.world.go_back(one_of(self.world.backups, which))
        for info in queries.runs(self.ledger) if resumed else ():
            resume_run(self.ledger, info.run_id)
