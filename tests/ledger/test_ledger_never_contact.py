"""Whatever happens to batches, and in whatever order: nobody on a never-contact list leaves after being listed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ledger_kit import Clock, make_empty
from reuse_kit import second_run
from sqlalchemy import update

from openmart_lib import suppression
from openmart_lib.errors import LedgerError
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.ledger import Ledger, decisions, queries, searching, submissions
from openmart_lib.ledger.runs import cancel_run
from openmart_lib.ledger.schema import account, batch
from openmart_lib.ledger.suppressing import CHANGES, add_entries, remove_list
from openmart_lib.reuse import Choice

SITES = tuple(f"shop{number}.com" for number in range(1, 7))
MAILS = tuple(f"ana@mail{number}.com" for number in range(1, 7))


class Desk:
    """A ledger and its worker, played step by step; ``left`` is every body that left, as domains."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.listed: set[str] = set()  # domains of rows that are on a list
        self.flying: list[int] = []
        self.runs: list[str] = []
        self._numbers = itertools.count()

    def plan(self) -> None:
        """Plan the list with a batch size that gives three batches."""
        frame = pl.DataFrame({"website": SITES, "contact": MAILS})
        name = f"list {next(self._numbers)}"
        self.runs.append(second_run(self.ledger, frame, Choice.BUY, name=name))

    def list_(self, entry: str, *, killed: bool) -> None:
        """Take up an entry; ``killed``: the program dies when it is stored and nothing was withdrawn yet."""
        frame = upload_from_frame(pl.DataFrame({"who": [entry]}))
        if killed:
            key = suppression.secret(self.ledger)
            kind = "email" if "@" in entry else "domain"
            add_entries(self.ledger, "killed", [(kind, suppression._hash(key, kind, entry))])
        else:
            suppression.add_list(self.ledger, frame, name="list")
        self.listed.add(SITES[(SITES if entry in SITES else MAILS).index(entry)])

    def claim(self) -> None:
        """Claim as the dispatcher does, and look at what leaves."""
        for _ in range(len(self.runs) + 1):  # each run is compared at most once, and may be withdrawn whole
            candidate = submissions.next_candidate(self.ledger, 1)
            if candidate is None:
                return
            if candidate.checked:
                break
            suppression.withdraw_listed(self.ledger, run_id=candidate.run_id)
        else:
            raise AssertionError("a run that was compared with the lists is to be compared again")
        claimed = submissions.claim(self.ledger, candidate, account_id=1, worker_id="w", slots=99)
        assert claimed is not None
        leaving = {task["domain"] for task in json.loads(claimed.body)}
        assert not leaving & self.listed
        self.flying.append(claimed.pk)

    def end(self, how: str) -> None:
        """Let the oldest submission that is out come back in this way."""
        if not self.flying:
            return
        pk = self.flying.pop(0)
        match how:
            case "429":
                submissions.release_rate_limited(self.ledger, pk, 1.0, "slow down")
            case "not sent":
                submissions.release_not_sent(self.ledger, pk, "no connection")
            case "refused":
                submissions.refuse(self.ledger, pk, status=400, detail="no")
            case "lost":
                submissions.lose(self.ledger, pk, seen="timeout")
        with self.ledger.write() as connection:  # as if every wait had passed
            free = {"hold": None, "hold_until": None, "needs_read": False, "cautious": False}
            connection.execute(update(account).values(free | {"unknown_streak": 0}))
            connection.execute(update(batch).values(not_before=0.0))

    def decide(self, what: str) -> None:
        """Have a person send again, or look for the bad row of, whatever can be."""
        for pk in [pk for run_id in self.runs for pk in queries.batches(self.ledger, run_id)["pk"]]:
            try:
                (decisions.resend_batch if what == "resend" else searching.find_row)(self.ledger, pk)
            except LedgerError:
                continue
            return


STEPS = st.one_of(
    st.tuples(st.just("claim")),
    st.tuples(st.just("end"), st.sampled_from(["429", "not sent", "refused", "lost"])),
    st.tuples(st.just("decide"), st.sampled_from(["resend", "find the row"])),
    st.tuples(st.just("list"), st.sampled_from(SITES + MAILS), st.booleans()),
    st.tuples(st.just("plan")),
)


def play(desk: Desk, steps: list[tuple[object, ...]]) -> None:
    for step in steps:
        match step:
            case ("claim",):
                desk.claim()
            case ("end", str(how)):
                desk.end(how)
            case ("decide", str(what)):
                desk.decide(what)
            case ("list", str(entry), bool(killed)):
                desk.list_(entry, killed=killed)
            case ("plan",):
                desk.plan()


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, min_size=6, max_size=15))
def test_in_any_order_of_events_nobody_who_is_listed_leaves(
    steps: list[tuple[object, ...]], kept_ledger: Ledger, empty_ledger: Path
) -> None:
    nobody_leaves(steps, kept_ledger, empty_ledger)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, min_size=6, max_size=25))
@example(steps=[*[("plan",)] * 12, *[("list", site, True) for site in SITES], ("claim",)])  # all is withdrawn
def test_in_many_more_orders_of_events_nobody_who_is_listed_leaves(
    steps: list[tuple[object, ...]], kept_ledger: Ledger, empty_ledger: Path
) -> None:
    nobody_leaves(steps, kept_ledger, empty_ledger)


def nobody_leaves(steps: list[tuple[object, ...]], kept_ledger: Ledger, empty_ledger: Path) -> None:
    make_empty(kept_ledger, empty_ledger, Clock())
    desk = Desk(kept_ledger)
    desk.plan()
    play(desk, steps)
    for _ in range(12):  # whatever still waits goes now
        desk.claim()
    kept_ledger.close()


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    made = Desk(ledger)
    made.plan()
    return made


@pytest.mark.parametrize(
    "comes_back",
    [
        [("end", "429")],
        [("end", "not sent")],
        [("end", "lost"), ("decide", "resend")],
        [("end", "refused"), ("decide", "find the row")],
    ],
    ids=["429", "not sent", "sent again by a person", "search for the bad row"],
)
@pytest.mark.parametrize("entry", [SITES[0], MAILS[0]], ids=["company", "email"])
def test_a_row_listed_while_its_batch_was_out_does_not_leave_again(
    desk: Desk, comes_back: list[tuple[object, ...]], entry: str
) -> None:
    play(desk, [("claim",), ("list", entry, False), *comes_back])
    play(desk, [("claim",)] * 6)

    (first, *others) = queries.row_states(desk.ledger, desk.runs[0])["outcome"].to_list()
    in_doubt = ("decide", "resend") in comes_back  # the first try may have been taken
    assert first == ("unknown" if in_doubt else "cancelled") and others == ["pending"] * 5


def test_a_program_killed_between_listing_and_withdrawing_lets_nobody_through(desk: Desk) -> None:
    play(desk, [("list", SITES[0], True), ("list", SITES[5], True), *[("claim",)] * 4])

    assert queries.row_states(desk.ledger, desk.runs[0])["outcome"].to_list() == [
        "cancelled",
        *["pending"] * 4,
        "cancelled",
    ]


def test_a_batch_chosen_before_somebody_was_listed_is_not_claimed(desk: Desk) -> None:
    chosen = submissions.next_candidate(desk.ledger, 1)
    assert chosen is not None and chosen.checked
    desk.list_(SITES[5], killed=True)

    assert submissions.claim(desk.ledger, chosen, account_id=1, worker_id="w", slots=9) is None


def test_a_list_that_was_removed_withholds_nothing_more(desk: Desk) -> None:
    play(desk, [("claim",), ("list", SITES[0], False)])
    remove_list(desk.ledger, "list")
    desk.listed.clear()

    play(desk, [("end", "429"), *[("claim",)] * 4])

    assert queries.row_states(desk.ledger, desk.runs[0])["outcome"].to_list() == ["pending"] * 6


def test_what_was_compared_when_it_was_planned_is_not_compared_again(desk: Desk) -> None:
    """A million rows planned under the lists as they are cost the worker nothing."""
    desk.list_(SITES[0], killed=False)
    changes = suppression.lists_of(desk.ledger).changes
    frame = pl.DataFrame({"website": ["new.com"], "contact": ["x@new.com"]})
    cancel_run(desk.ledger, desk.runs[0])

    second_run(desk.ledger, frame, Choice.BUY, name="new", never_checked=changes)

    assert desk.ledger.meta(CHANGES) == "1" == str(changes)
    candidate = submissions.next_candidate(desk.ledger, 1)
    assert candidate is not None and candidate.checked
