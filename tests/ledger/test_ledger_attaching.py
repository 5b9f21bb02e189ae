"""A batch made by another tool: in the ledger once, collected by the server's task ids, never sent."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from ledger_kit import (
    EMAIL,
    ROW_SCHEMA,
    Clock,
    accepted,
    account_id,
    answer_to,
    assert_adds_up,
    claim,
    counts,
    new_run,
    outcomes,
    plan,
    row_of,
    sending,
    state_of,
)
from sqlalchemy import select, update

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import BatchState, Ledger, RunState, answers, attaching, planning, queries
from openmart_lib.ledger.attaching import (
    NOT_ASKED,
    OPTIONS,
    ForeignBatch,
    ForeignTask,
    attach_run,
    place_of_id,
    place_of_task,
    tasks_of,
)
from openmart_lib.ledger.runs import NewRun, cancel_run
from openmart_lib.ledger.schema import batch, remote_task, run, task
from openmart_lib.ledger.tracking import tracking_id

TWO_PEOPLE = [{"first_name": "Ada", "last_name": "Roe"}, {"first_name": "Bo", "title": "Owner"}]


def foreign(*tracking_ids: str | None, batch_id: str = "made-elsewhere") -> ForeignBatch:
    """A finished batch of another tool, with one task for each of these tracking ids."""
    tasks = tuple(ForeignTask(f"{batch_id}-{n}", text, "COMPLETED") for n, text in enumerate(tracking_ids, 1))
    return ForeignBatch(batch_id, counts(0, len(tasks), ready=True), tasks)


def new(
    found: ForeignBatch,
    *,
    content: str = "attached",
    rows: int | None = None,
    kind: Kind = Kind.FIND_PEOPLE,
) -> NewRun:
    """A run with a row for each task, or for the first so many of them."""
    numbers = range(1, (len(found.tasks) if rows is None else rows) + 1)
    return replace(
        new_run(len(numbers), content=content, kind=kind),
        tasks=tasks_of(found),
        rows=pl.DataFrame(
            [(n, n + 1, "accepted", None, None, None, None, None) for n in numbers],
            schema=ROW_SCHEMA,
            orient="row",
        ),
        links=pl.DataFrame(
            [(n, n, 0) for n in numbers],
            schema=dict.fromkeys(("seq", "task_no", "person_no"), pl.UInt32),
            orient="row",
        ),
        options=dict(OPTIONS),
        worst_credits=0.0,
        tasks_per_batch=len(found.tasks),
    )


def attach(ledger: Ledger, *tracking_ids: str | None, **options: Any) -> tuple[str, int]:
    """Attach a batch with a row per task; return the run's id and the batch's key."""
    found = foreign(*tracking_ids)
    run_id = attach_run(ledger, new(found, **options), found)
    place = place_of_id(ledger, found.batch_id)
    assert place is not None
    return run_id, place.pk


def give(ledger: Ledger, pk: int, number: int, data: Any, *, tracking: str | None = None) -> None:
    """Store the answer of one task of the foreign batch."""
    told = answer_to(tracking, data, status="COMPLETED", task_id=f"made-elsewhere-{number}")
    answers.store_answers(ledger, pk, [told])


def to_fetch(ledger: Ledger, pk: int) -> list[str]:
    """The ids of the tasks that are listed and not fetched."""
    query = select(remote_task.c.task_id).where(
        remote_task.c.batch_pk == pk, remote_task.c.fetched_at.is_(None)
    )
    with ledger.read() as connection:
        return list(connection.execute(query.order_by(remote_task.c.id)).scalars())


def test_an_attached_batch_is_accepted_due_at_once_and_never_sent(ledger: Ledger) -> None:
    run_id, pk = attach(ledger, "a-1", "a-2")

    row = row_of(ledger, pk)
    assert (row.state, row.batch_id, row.made_elsewhere, row.total) == ("accepted", "made-elsewhere", True, 2)
    assert (row.sent_at, row.attempts, row.open_tasks, row.open_rows) == (None, 0, 2, 2)
    assert claim(ledger) is None
    assert [due.pk for due in answers.due_batches(ledger, account_id(ledger), limit=9)] == [pk]
    assert to_fetch(ledger, pk) == ["made-elsewhere-1", "made-elsewhere-2"]
    info = queries.run_info(ledger, run_id)
    assert info.made_elsewhere and info.worst_credits == 0.0 and info.state is RunState.ACTIVE
    assert queries.requests(ledger, run_id).select("request", "tracking_id", "task_id").rows() == [
        (NOT_ASKED, "a-1", "made-elsewhere-1"),
        (NOT_ASKED, "a-2", "made-elsewhere-2"),
    ]
    assert_adds_up(ledger)


def test_its_answers_are_known_by_the_servers_task_id_whatever_their_tracking_ids(ledger: Ledger) -> None:
    """None, the same twice, and one that looks like a task number of the run itself."""
    run_id, pk = attach(ledger, None, "twice", "twice", "ours?")

    give(ledger, pk, 1, [EMAIL])
    give(ledger, pk, 3, [])
    give(ledger, pk, 2, [EMAIL], tracking="twice")
    give(ledger, pk, 4, [EMAIL], tracking=tracking_id(run_id, 1))

    assert queries.row_states(ledger, run_id)["outcome"].to_list() == [
        *("matched", "matched", "no match", "matched")
    ]
    assert queries.answers(ledger, run_id)["task_no"].to_list() == [1, 2, 3, 4]
    assert answers.finish_if_complete(ledger, pk) and state_of(ledger, pk) is BatchState.COLLECTED
    assert queries.run_info(ledger, run_id).state is RunState.DONE
    assert_adds_up(ledger)


def test_an_answer_is_stored_once_however_often_it_comes(ledger: Ledger) -> None:
    run_id, pk = attach(ledger, "a-1")

    give(ledger, pk, 1, [EMAIL])
    give(ledger, pk, 1, [])

    assert outcomes(ledger, run_id) == {"matched": 1}
    assert queries.answers(ledger, run_id).height == 1
    assert_adds_up(ledger)


def test_a_task_that_no_row_names_is_kept_and_belongs_to_nobody(ledger: Ledger) -> None:
    found = foreign("a-1", "a-2")
    run_id = attach_run(ledger, new(found, rows=1), found)
    place = place_of_id(ledger, found.batch_id)
    assert place is not None

    give(ledger, place.pk, 2, [EMAIL])
    give(ledger, place.pk, 1, [])

    assert outcomes(ledger, run_id) == {"no match": 1}
    assert queries.answers(ledger, run_id)["task_no"].to_list() == [1, 2]
    assert answers.finish_if_complete(ledger, place.pk)
    assert_adds_up(ledger)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_judged_although_nobody_knows_what_was_asked(ledger: Ledger, kind: Kind) -> None:
    run_id, pk = attach(ledger, "a-1", "a-2", kind=kind)
    found: Any = {
        Kind.LOOKUP_BUSINESS_EMAIL: [{"email": "info@one.invalid", "status": "VALID"}],
        Kind.FIND_TECH: [{"name": "shopify"}],
    }.get(kind, [*TWO_PEOPLE, EMAIL])

    give(ledger, pk, 1, found)
    give(ledger, pk, 2, None)

    assert outcomes(ledger, run_id) == {"matched": 1, "no match": 1}
    assert_adds_up(ledger)


def test_a_looked_up_person_of_whom_only_the_name_came_back_was_not_found(ledger: Ledger) -> None:
    """The server answers a miss with the name it was asked for."""
    run_id, pk = attach(ledger, "a-1", "a-2", kind=Kind.LOOKUP_PEOPLE)

    give(ledger, pk, 1, TWO_PEOPLE[:1])
    give(ledger, pk, 2, TWO_PEOPLE)

    assert outcomes(ledger, run_id) == {"no match": 1, "partial": 1}


def test_the_same_batch_is_attached_once_however_it_is_asked_for_again(ledger: Ledger) -> None:
    run_id, _ = attach(ledger, "a-1", "a-2")

    found = foreign("a-1", "a-2")
    again = {
        attach_run(ledger, new(found), found),
        attach_run(ledger, new(found, content="another list", rows=1), found),
        attach_run(ledger, new(found, kind=Kind.FIND_TECH, content="another kind"), found),
    }

    assert again == {run_id}
    assert len(queries.runs(ledger)) == 1


def test_two_that_attach_the_same_batch_at_once_get_the_same_run(ledger: Ledger) -> None:
    found = foreign("a-1", "a-2")
    got: list[str] = []
    names = itertools.count()

    def work(content: Callable[[], str]) -> None:
        got.append(attach_run(ledger, new(found, content=content()), found))

    same = [threading.Thread(target=work, args=(lambda: "the same list",)) for _ in range(3)]
    others = [threading.Thread(target=work, args=(lambda: f"list {next(names)}",)) for _ in range(3)]
    for thread in (*same, *others):
        thread.start()
    for thread in (*same, *others):
        thread.join()

    assert len(got) == 6 and len(set(got)) == 1
    with ledger.read() as connection:
        with_id = connection.execute(select(batch.c.id).where(batch.c.batch_id == found.batch_id)).all()
    assert len(with_id) == 1
    others_left = [info for info in queries.runs(ledger) if info.run_id != got[0]]
    assert all(info.state is RunState.CANCELLED for info in others_left)
    assert claim(ledger) is None


def test_a_batch_that_is_taken_while_its_rows_are_written_is_found_where_it_is(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look and the last row somebody attaches the same id elsewhere."""
    plan(ledger, tasks=1, content="ours")
    pk = sending(ledger)
    found = foreign("a-1")
    write = planning.write_rows

    def slowly(*arguments: Any, **options: Any) -> None:
        with ledger.write() as connection:
            values = {"state": BatchState.ACCEPTED, "batch_id": found.batch_id}
            connection.execute(update(batch).where(batch.c.id == pk).values(values))
        write(*arguments, **options)

    monkeypatch.setattr(attaching, "write_rows", slowly)

    run_id = attach_run(ledger, new(found), found)

    place = place_of_id(ledger, found.batch_id)
    assert place is not None and (place.pk, place.run_id, place.made_elsewhere) == (pk, run_id, False)
    newest = queries.runs(ledger)[0]
    assert newest.state is RunState.CANCELLED and newest.run_id != run_id


def test_nothing_of_it_can_be_collected_or_sent_before_its_last_row_is_written(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off anywhere, nothing has happened; done again, it goes on."""
    found = foreign("a-1", "a-2")
    finish = planning._finish_planning

    def cut_off(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "_finish_planning", cut_off)
    with pytest.raises(KeyboardInterrupt):
        attach_run(ledger, new(found), found)

    assert claim(ledger) is None and place_of_id(ledger, found.batch_id) is None
    answers.make_all_due(ledger, account_id(ledger))
    assert answers.due_batches(ledger, account_id(ledger), limit=9) == []
    cut = queries.runs(ledger)[0]
    assert cut.state is RunState.PLANNING

    monkeypatch.setattr(planning, "_finish_planning", finish)
    assert attach_run(ledger, new(found), found) == cut.run_id
    assert_adds_up(ledger)


def test_cancelling_such_a_run_recalls_nothing(ledger: Ledger) -> None:
    run_id, pk = attach(ledger, "a-1")

    count = cancel_run(ledger, run_id)

    assert (count.cancelled_batches, count.with_openmart_batches) == (0, 1)
    give(ledger, pk, 1, [EMAIL])
    assert outcomes(ledger, run_id) == {"matched": 1}


def test_tracking_ids_of_ours_tell_their_batch_and_others_tell_nothing(ledger: Ledger) -> None:
    ours = plan(ledger, tasks=3, per_batch=2, content="ours")
    pk = accepted(ledger, "batch-of-ours")

    place = place_of_task(ledger, tracking_id(ours, 2))

    assert place is not None and place.pk == pk
    assert (place.run_id, place.batch_no, place.batch_id, place.in_doubt) == (ours, 1, "batch-of-ours", False)
    assert place.words == f"batch 1 of run {ours} (Shops)"
    for strange in (None, "", "row-1", tracking_id(ours, 4), tracking_id("aaaaaaaaaa", 1)):
        assert place_of_task(ledger, strange) is None


def test_the_numbers_of_an_attached_run_are_no_tracking_ids(ledger: Ledger) -> None:
    """Nothing was ever sent under them, so a batch that shows one was not made here."""
    run_id, _ = attach(ledger, "a-1")

    assert place_of_task(ledger, tracking_id(run_id, 1)) is None


def test_an_id_of_another_environment_is_no_obstacle(ledger: Ledger) -> None:
    run_id, pk = attach(ledger, "a-1")
    with ledger.write() as connection:
        connection.execute(update(batch).where(batch.c.id == pk).values(environment="elsewhere"))
        connection.execute(update(run).where(run.c.public_id == run_id).values(environment="elsewhere"))

    assert place_of_id(ledger, "made-elsewhere") is None


def test_a_late_task_that_was_not_listed_at_first_is_kept_as_nobodys(ledger: Ledger, clock: Clock) -> None:
    run_id, pk = attach(ledger, "a-1")
    clock.pass_(60)
    answers.store_listing(ledger, pk, ["made-elsewhere-1", "made-elsewhere-7"])

    give(ledger, pk, 7, [EMAIL])
    give(ledger, pk, 1, [EMAIL])

    assert queries.answers(ledger, run_id)["task_no"].to_list() == [None, 1]
    with ledger.read() as connection:
        assert len(connection.execute(select(task)).all()) == 1
    assert_adds_up(ledger)
