"""Rows that reuse an earlier result follow the row that bought it, whatever becomes of that."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from ledger_kit import Clock
from reuse_kit import ANA, answer, claim, second_run, send
from sqlalchemy import select

from openmart_lib.ledger import Ledger, decisions, queries
from openmart_lib.ledger.answers import finish_if_complete, mark_missing
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.ledger.reused import reused_from
from openmart_lib.ledger.runs import cancel_run, run_pk
from openmart_lib.ledger.schema import counter
from openmart_lib.ledger.settling import follow_sources
from openmart_lib.ledger.submissions import lose, refuse
from openmart_lib.reuse import Choice

BOTH = pl.DataFrame({"website": ["acme.com", "beta.com"]})
DAY = 86_400.0


def bought(ledger: Ledger) -> str:
    """A first list, planned and not sent."""
    return second_run(ledger, BOTH, Choice.BUY, name="First list")


def reusing(ledger: Ledger, name: str = "Second list") -> str:
    """A list of the same companies, which reuses what the first one buys."""
    return second_run(ledger, BOTH, name=name)


def outcomes(ledger: Ledger, run_id: str) -> list[str]:
    return queries.row_states(ledger, run_id)["outcome"].to_list()


def reasons(ledger: Ledger, run_id: str) -> list[str | None]:
    return queries.row_states(ledger, run_id)["outcome_reason"].to_list()


def assert_counts(ledger: Ledger, run_id: str) -> None:
    """The counters say what the rows say, and so do the events."""
    info = queries.run_info(ledger, run_id)
    rows = outcomes(ledger, run_id)
    assert {str(one): n for one, n in info.outcomes.items() if n} == {one: rows.count(one) for one in rows}
    assert sum(info.outcomes.values()) == info.row_count
    assert queries.progress(ledger, run_id)["final_rows"][-1] == info.final_rows


def test_a_waiting_row_gets_its_answer_in_the_transaction_that_stores_it(
    ledger: Ledger, clock: Clock
) -> None:
    first = bought(ledger)
    second = reusing(ledger)
    assert outcomes(ledger, second) == ["pending", "pending"]
    assert "nothing is bought twice" in (reasons(ledger, second)[0] or "")
    assert_counts(ledger, second)

    clock.pass_(DAY)
    pk = send(ledger)
    answer(ledger, first, pk, 1, [ANA])

    assert outcomes(ledger, second) == ["reused", "pending"]
    assert reasons(ledger, second)[0] == (
        f"bought in run First list ({first}) on 15 Nov 2023: 1 person, verified email"
    )
    assert_counts(ledger, second)
    assert_counts(ledger, first)


def test_a_source_that_ends_badly_ends_its_readers_so_with_the_reason(ledger: Ledger) -> None:
    first = bought(ledger)
    second = reusing(ledger)
    pk = send(ledger)

    answer(ledger, first, pk, 1, None, status="ERRORED")
    mark_missing(ledger, pk, by_person=True)

    assert outcomes(ledger, second) == ["errored", "missing"]
    assert reasons(ledger, second)[0] == (
        f"run First list ({first}) asked for the same: Openmart reported an error for this task"
    )
    assert_counts(ledger, second)


def test_of_a_refusal_the_servers_words_stay_in_the_run_that_was_refused(ledger: Ledger) -> None:
    """They may quote a cell of the other list."""
    bought(ledger)
    second = reusing(ledger)

    refuse(ledger, claim(ledger), status=400, detail="Ana Silva is no domain")

    assert outcomes(ledger, second) == ["refused", "refused"]
    assert "Ana" not in str(reasons(ledger, second))


def test_what_is_cancelled_before_it_was_sent_can_be_bought_by_the_next_list(ledger: Ledger) -> None:
    first = bought(ledger)
    second = reusing(ledger)

    cancel_run(ledger, first)
    third = reusing(ledger, "Third list")

    assert outcomes(ledger, second) == ["cancelled", "cancelled"]
    assert outcomes(ledger, third) == ["pending", "pending"]
    assert reused_from(ledger, third) == {} and queries.run_info(ledger, third).task_count == 2
    assert_counts(ledger, second)


@pytest.mark.parametrize("way", ["attached", "sent again"])
def test_a_source_in_doubt_leaves_its_readers_in_doubt_until_it_turns_up(ledger: Ledger, way: str) -> None:
    first = bought(ledger)
    second = reusing(ledger)
    pk = claim(ledger)
    lose(ledger, pk, seen="the connection broke")
    assert outcomes(ledger, second) == ["unknown", "unknown"]
    assert_counts(ledger, second)

    if way == "attached":
        decisions.attach_batch(ledger, pk, "found-it")
        answer(ledger, first, pk, 1, [ANA])
    else:
        decisions.resend_batch(ledger, pk)
        assert outcomes(ledger, second) == ["pending", "pending"]
        with ledger.write() as connection:  # what a person does after five unclear answers
            connection.exec_driver_sql("UPDATE account SET hold = NULL, needs_read = 0, cautious = 0")
        answer(ledger, first, send(ledger), 3, [ANA])

    assert outcomes(ledger, second) == ["reused", "pending"]
    assert_counts(ledger, second)


def test_planned_after_the_answer_came_the_rows_are_reused_from_the_start(ledger: Ledger) -> None:
    first = bought(ledger)
    pk = send(ledger)
    answer(ledger, first, pk, 1, [ANA])
    answer(ledger, first, pk, 2, [])

    second = reusing(ledger)

    assert outcomes(ledger, second) == ["reused", "reused"]
    assert_counts(ledger, second)


def test_told_to_follow_again_nothing_changes(ledger: Ledger) -> None:
    bought(ledger)
    second = reusing(ledger)
    with ledger.read() as connection:
        pk = run_pk(connection, second)
        before = connection.execute(select(counter)).all()
        events = queries.events(ledger, second).height

    follow_sources(ledger, pk)

    with ledger.read() as connection:
        assert connection.execute(select(counter)).all() == before
    assert queries.events(ledger, second).height == events


def test_two_lists_follow_one_source_and_each_counts_its_own_rows(ledger: Ledger) -> None:
    first = bought(ledger)
    readers = [reusing(ledger, name) for name in ("Second list", "Third list")]

    pk = send(ledger)
    answer(ledger, first, pk, 1, [ANA])
    answer(ledger, first, pk, 2, [])

    for run_id in readers:
        assert outcomes(ledger, run_id) == ["reused", "reused"]
        assert queries.run_info(ledger, run_id).found["records"] == 0  # counted where it was bought
        assert_counts(ledger, run_id)


def test_nothing_is_written_about_rows_whose_data_was_deleted(ledger: Ledger) -> None:
    first = bought(ledger)
    second = reusing(ledger)
    erase_run(ledger, second)

    answer(ledger, first, send(ledger), 1, [ANA])

    assert outcomes(ledger, second) == ["reused", "pending"]
    assert reasons(ledger, second) == [None, None]


def test_a_run_that_nobody_reuses_pays_one_look_into_an_index(ledger: Ledger, tmp_path: Path) -> None:
    bought(ledger)
    with ledger.read() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT seq FROM reused_row WHERE source_run_id = 1 LIMIT 1"
        ).all()

    assert "ix_reused_row_source_run_id_source_task_no" in str(plan)


def test_what_was_prepared_of_a_reusing_run_goes_with_the_data_it_shows(ledger: Ledger) -> None:
    first = bought(ledger)
    second = reusing(ledger)
    stranger = second_run(ledger, pl.DataFrame({"website": ["other.com"]}), name="Another list")
    pk = send(ledger)
    answer(ledger, first, pk, 1, [ANA])
    answer(ledger, first, pk, 2, [])
    finish_if_complete(ledger, pk)
    ledger.exports_dir.mkdir(exist_ok=True)
    for run_id in (first, second, stranger):
        (ledger.exports_dir / f"{run_id}-0123.csv").write_text("ana@acme.invalid")

    erase_run(ledger, first)

    assert [path.name for path in ledger.exports_dir.iterdir()] == [f"{stranger}-0123.csv"]
