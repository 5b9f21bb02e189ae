"""Searches for bad rows, whatever rows are bad and in whatever order things happen."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import count

from any_order import AnyOrder, run_in_any_order
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from ledger_kit import Clock, assert_adds_up, claim, free, make_empty, outcomes, plan
from search_kit import has_any_of, play, refused, rows_in, states, the_search

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import BatchState, queries, submissions
from openmart_lib.ledger.searches import searches
from openmart_lib.ledger.searching import find_row, stop_search

numbers = count(1)


@examples(5)
@given(data=st.data(), tasks=st.integers(2, 32), lanes=st.integers(1, 4))
def test_whatever_rows_are_bad_every_good_one_is_accepted_once_and_every_bad_one_refused(
    ledger, data, tasks, lanes
):
    bad = data.draw(st.sets(st.integers(1, tasks), min_size=1, max_size=tasks))
    run_id = plan(ledger, tasks, content=f"content {next(numbers)}")

    find_row(ledger, refused(ledger))
    taken = Counter(row for rows in play(ledger, has_any_of(bad), lanes=lanes) for row in rows)

    left = {row for part in the_search(ledger, run_id).left_over for row in rows_in(ledger, part.pk)}
    assert left == set() or the_search(ledger, run_id).hopeless
    assert taken == {row: 1 for row in range(1, tasks + 1) if row not in bad | left}
    assert outcomes(ledger, run_id).get("refused", 0) == len(bad | left)
    found = {row.seq for row in the_search(ledger, run_id).guilty}
    assert found == bad - left
    assert len(states(ledger, run_id)) <= 2 * tasks
    assert_adds_up(ledger)


class AnyOrderWithSearches(AnyOrder):
    """Everything that can happen, and people who look for bad rows in between."""

    @initialize()
    def a_second_run_with_a_search(self) -> None:
        plan(self.ledger, 8, content=self._new_id(), token="second")
        pks = [one.pk for _ in range(4) if (one := claim(self.ledger))]
        for pk in pks:
            submissions.refuse(self.ledger, pk, status=400, detail="no")
            with suppress(LedgerError):
                find_row(self.ledger, pk)

    @rule(how_many=st.integers(1, 3))
    def send_to_a_server_that_refuses(self, how_many: int) -> None:
        free(self.ledger)
        for one in [claimed for _ in range(how_many) if (claimed := claim(self.ledger))]:
            submissions.refuse(self.ledger, one.pk, status=400, detail="no")

    @rule(data=st.data())
    def search(self, data: st.DataObject) -> None:
        one = self._any_batch(data, BatchState.REFUSED)
        if one:
            with suppress(LedgerError):
                find_row(self.ledger, one.id)

    @rule(luck=st.booleans())
    def stop(self, luck: bool) -> None:
        for run in queries.runs(self.ledger):
            for search in searches(self.ledger, run.run_id):
                if luck and search.going:
                    stop_search(self.ledger, search.pk)


def test_in_any_order_of_events_searches_add_up_after_every_step(kept_ledger, empty_ledger):
    run_in_any_order(lambda: AnyOrderWithSearches(kept_ledger, empty_ledger), tries=4, steps=25)
    make_empty(kept_ledger, empty_ledger, Clock())
