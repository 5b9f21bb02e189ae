"""A batch that another tool made, and an id found for a lost batch of ours: looked at over a real socket."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
import requests
from engine_rig import Rig

from openmart_lib.api.wire import TASK_BATCH_PATH, Kind
from openmart_lib.attachment import Attached, attach
from openmart_lib.engine import attach as looking
from openmart_lib.engine.attach import NotYetError, look_at, verify
from openmart_lib.engine.clients import SANDBOX_KEY, sandbox_url
from openmart_lib.errors import AuthError, InputError, LedgerError, NoAnswerError, OpenmartError
from openmart_lib.intake.files import read_upload
from openmart_lib.ledger import BatchState, queries
from openmart_lib.ledger.attaching import place_of_id
from openmart_lib.ledger.decisions import attach_batch, drop_batch, resend_batch
from openmart_lib.ledger.tracking import tracking_id
from openmart_lib.results import assembly, join
from openmart_lib.settings import Secret

LONG_ENOUGH = 40.0  # seconds after which every task of the sandbox has ended


def submit(rig: Rig, kind: Kind, tasks: list[dict[str, Any]]) -> str:
    """Submit a batch as any other tool would; return its id."""
    answer = requests.post(
        f"{sandbox_url(rig.settings)}{TASK_BATCH_PATH}/{kind}",
        json=tasks,
        headers={"X-API-Key": SANDBOX_KEY.reveal()},
        timeout=60,
    )
    return str(answer.json()["batch_id"])


def companies(*tracking_ids: str | None, domain: str = "everything.example") -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = [
        {"domain": domain, "title": "Owner", "max_k": 1} | ({"tracking_id": text} if text else {})
        for text in tracking_ids
    ]
    return tasks


def collect(rig: Rig, batch_id: str, kind: Kind = Kind.FIND_PEOPLE, **more: Any) -> Attached:
    return attach(rig.ledger, rig.settings, batch_id, kind, **more)


def lost(rig: Rig, rows: int = 2) -> tuple[str, int, str]:
    """A run whose answer was lost: its id, its batch's key, and the batch's id at the server."""
    rig.sandbox.faults.add("answer_lost", on="submit", times=1)
    run_id = rig.plan(rows)
    rig.until(lambda: rig.states(run_id) == ["unknown"])
    return run_id, int(rig.batch(run_id)["pk"]), rig.sandbox.journal()[-1].batch_id


def test_a_batch_of_another_tool_is_read_whole_and_in_an_order_that_stays(rig: Rig) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies("row-10", "row-2", None, "row-1"))
    rig.clock.skip(LONG_ENOUGH)
    told: list[tuple[int, int]] = []

    found = look_at(rig.settings, f" {batch_id}\n", progress=lambda done, of: told.append((done, of)))

    assert found.batch_id == batch_id and found.counts["total"] == 4
    assert [each.tracking_id for each in found.tasks] == ["row-1", "row-2", "row-10", None]
    assert len(set(found.task_ids)) == 4
    assert {each.status for each in found.tasks} == {"COMPLETED"}
    assert told[-1] == (4, 4)


def test_attached_with_a_list_every_row_comes_out_with_an_outcome_and_nothing_is_sent(rig: Rig) -> None:
    tasks = companies("a-1", "twice", "twice", "of no row") + companies("a-5", domain="nobody.example")
    batch_id = submit(rig, Kind.FIND_PEOPLE, tasks)
    posts = rig.posts()
    text = b"Shop,Ref\nOne,a-1\nTwo,twice\nThree,a-9\nFour,\nFive,a-5\nSix,a-1\n"

    done = collect(rig, batch_id, upload=read_upload(text, "shops.csv"))
    rig.settle()

    assert done.new and rig.posts() == posts and rig.states(done.run_id) == ["collected"]
    frame = join.results(rig.ledger, done.run_id, "rows")
    assert frame.select("Shop", "outcome", "tracking_id", "duplicate_of").rows() == [
        ("One", "matched", "a-1", None),
        ("Two", "matched", "twice", None),
        ("Three", "skipped", None, None),
        ("Four", "skipped", None, None),
        ("Five", "no match", "a-5", None),
        ("Six", "duplicate", "a-1", 1),
    ]
    assert frame["batch_id"].drop_nulls().unique().to_list() == [batch_id]
    info = rig.info(done.run_id)
    assert sum(info.outcomes.values()) == info.row_count == 6 and info.worst_credits == 0.0
    stray = join.unmatched(rig.ledger, done.run_id)
    assert stray.select("why", "tracking_id").unique().rows() == [(assembly.NO_ROW, "of no row")]


def test_attached_without_a_list_its_tasks_are_its_rows(rig: Rig) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies("a-1", None, "a-1"))
    rig.clock.skip(LONG_ENOUGH)

    run_id = collect(rig, batch_id).run_id
    rig.settle()

    frame = join.results(rig.ledger, run_id, "rows")
    assert frame["Tracking id"].to_list() == frame["tracking_id"].to_list() == ["a-1", "a-1", None]
    assert frame["Task id"].to_list() == frame["task_id"].to_list()
    assert rig.outcomes(run_id) == {"matched": 3}
    assert join.unmatched(rig.ledger, run_id).is_empty()


@pytest.mark.parametrize(
    "kind",
    [Kind.LOOKUP_PEOPLE, *(pytest.param(one, marks=pytest.mark.slow) for one in list(Kind)[2:])],
)
def test_every_kind_is_collected(rig: Rig, kind: Kind) -> None:
    people = [{"first_name": "Ada", "last_name": "Roe"}, {"first_name": "Bo", "last_name": "Ek"}]
    more: dict[Kind, dict[str, Any]] = {
        Kind.LOOKUP_PEOPLE: {"people": people, "company_name": "Everything"},
        Kind.LOOKUP_BUSINESS_EMAIL: {"company_name": "Everything"},
        Kind.FIND_TECH: {"tech_type": "shopify"},
    }
    task = {"domain": "everything.example", "tracking_id": "one"} | more[kind]
    batch_id = submit(rig, kind, [task])

    run_id = collect(rig, batch_id, kind).run_id
    rig.settle()

    assert rig.outcomes(run_id) == {"matched": 1}
    assert join.results(rig.ledger, run_id, "long")["row"].unique().to_list() == [1]
    assert join.unmatched(rig.ledger, run_id).is_empty()


def test_an_unfinished_batch_whose_tracking_ids_show_is_attached_and_followed(rig: Rig) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies("a-1", "a-2"))

    run_id = collect(rig, batch_id).run_id

    assert rig.states(run_id) == ["accepted"] and rig.outcomes(run_id) == {"pending": 2}
    frame = join.results(rig.ledger, run_id, "rows")
    assert frame["tracking_id"].to_list() == ["a-1", "a-2"]
    rig.settle()
    assert rig.outcomes(run_id) == {"matched": 2}


def test_attaching_the_same_batch_again_opens_the_run_that_has_it(rig: Rig) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies("a-1"))
    first = collect(rig, batch_id)

    again = collect(rig, f"{batch_id} ", Kind.FIND_TECH, upload=read_upload(b"Ref\na-1\n", "other.csv"))

    assert (again.run_id, again.new) == (first.run_id, False)
    assert "attached already" in again.sentence


def test_an_unknown_id_is_refused_in_plain_words_and_not_repeated(rig: Rig) -> None:
    with pytest.raises(InputError, match="does not know a batch of this id") as caught:
        collect(rig, "sk-somebodys-key")

    assert "Nothing was changed" in str(caught.value) and "sk-somebodys" not in str(caught.value)
    with pytest.raises(InputError, match="No batch id was given"):
        look_at(rig.settings, "  ")
    assert queries.runs(rig.ledger) == []


@pytest.mark.parametrize(
    ("fault", "on", "options", "said"),
    [
        ("ids_shrink", "task_ids", {"missing": 1}, "lists only 2 of its 3 tasks"),
        ("ids_late", "task_ids", {}, "lists no task of this batch yet"),
        ("status", "task", {"status": 503}, "tasks of this batch cannot be read now"),
    ],
)
def test_what_cannot_be_verified_yet_is_not_forced(
    rig: Rig, fault: str, on: str, options: dict[str, Any], said: str
) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies("a-1", "a-2", "a-3"))
    rig.clock.skip(LONG_ENOUGH)
    rig.sandbox.faults.add(fault, on=on, times=None, **options)

    with pytest.raises(NotYetError, match=said) as caught:
        collect(rig, batch_id)

    assert "Nothing was changed. Try again" in str(caught.value)
    assert queries.runs(rig.ledger) == []
    rig.sandbox.faults.clear()
    assert collect(rig, batch_id).new


def test_a_list_that_comes_in_parts_by_status_is_put_together(rig: Rig) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies("a-1", "a-2", "a-3"))
    rig.clock.skip(LONG_ENOUGH)
    rig.sandbox.faults.add("ids_shrink", on="task_ids", times=1, missing=2)

    assert len(look_at(rig.settings, batch_id).tasks) == 3


def test_an_unfinished_task_that_shows_no_tracking_id_is_waited_for(rig: Rig) -> None:
    """The real API's example of a task under way has none; a finished task without one never had one."""
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies(None, None))
    with pytest.raises(NotYetError, match=r"2 of the 2 tasks .* does not show their tracking ids"):
        look_at(rig.settings, batch_id)
    rig.clock.skip(LONG_ENOUGH)

    assert [each.tracking_id for each in look_at(rig.settings, batch_id).tasks] == [None, None]


def test_a_look_ends_after_its_time_although_the_server_trickles(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LOOK_LIMIT", 0.2)
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies(*(f"a-{n}" for n in range(60))))
    rig.sandbox.faults.add("slow", on="task", seconds=0.15, times=None)

    with pytest.raises(NotYetError, match="of the 60 tasks"):
        look_at(rig.settings, batch_id)

    assert rig.sandbox.requests("task") < 60, "it did not wait for all of them"


def test_a_key_that_is_not_accepted_is_said_as_such(rig: Rig) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies("a-1"))
    rig.sandbox.faults.add("status", on="task", status=401, times=None)

    with pytest.raises(AuthError):
        look_at(rig.settings, batch_id)
    with pytest.raises(NoAnswerError):
        look_at(replace(rig.settings, data_dir=rig.settings.data_dir / "elsewhere"), batch_id)


def test_reads_keep_to_the_pace_that_is_allowed(rig: Rig) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies("a-1", "a-2", "a-3"))
    started = time.monotonic()

    look_at(replace(rig.settings, read_rate=50.0), batch_id)

    assert time.monotonic() - started >= 4 / 50  # five reads: status, list, three tasks


# an id for a lost batch of ours -------------------------------------------------------------------------


def test_the_id_of_our_own_lost_batch_is_verified_and_attached(rig: Rig) -> None:
    run_id, pk, batch_id = lost(rig)

    verify(rig.settings, rig.ledger, pk, batch_id)
    assert rig.states(run_id) == ["unknown"], "verifying changes nothing"
    attach_batch(rig.ledger, pk, batch_id)
    rig.settle()

    assert rig.states(run_id) == ["collected"] and rig.posts() == 1


def test_the_id_of_another_batch_is_refused_with_the_word_whose_it_is(rig: Rig) -> None:
    done = rig.plan(1)
    rig.settle()
    other_run, _, other_id = lost(rig)
    rig.pass_time(600.0)
    run_id, pk, _ = lost(rig)
    foreign = submit(rig, Kind.FIND_PEOPLE, companies("row-1"))
    unnamed = submit(rig, Kind.FIND_PEOPLE, companies(None))
    rig.clock.skip(LONG_ENOUGH)

    with pytest.raises(InputError, match=f"belongs to batch 1 of run {done} "):
        verify(rig.settings, rig.ledger, pk, str(rig.batch(done)["batch_id"]))
    with pytest.raises(InputError, match=f"belongs to batch 1 of run {other_run} "):
        verify(rig.settings, rig.ledger, pk, other_id)
    for batch_id in (foreign, unnamed):
        with pytest.raises(InputError, match="was not sent from here"):
            verify(rig.settings, rig.ledger, pk, batch_id)
    with pytest.raises(InputError, match="does not know a batch of this id"):
        verify(rig.settings, rig.ledger, pk, "no-such-batch")
    with pytest.raises(InputError, match="No batch id"):
        verify(rig.settings, rig.ledger, pk, " ")
    assert rig.states(run_id) == ["unknown"]


@pytest.mark.parametrize(
    ("fault", "on", "options"), [("ids_late", "task_ids", {}), ("status", "task", {"status": 500})]
)
def test_an_id_that_cannot_be_verified_yet_is_not_forced(
    rig: Rig, fault: str, on: str, options: dict[str, Any]
) -> None:
    _, pk, batch_id = lost(rig)
    rig.sandbox.faults.add(fault, on=on, times=None, **options)

    with pytest.raises(NotYetError, match=r"Nothing was changed\. Try again"):
        verify(rig.settings, rig.ledger, pk, batch_id)


def test_attached_as_another_tools_a_lost_batch_of_ours_goes_where_it_belongs(rig: Rig) -> None:
    run_id, _, batch_id = lost(rig)

    done = collect(rig, batch_id, Kind.FIND_TECH)
    rig.settle()

    assert (done.run_id, done.new) == (run_id, False)
    assert f"our own batch 1 of run {run_id}" in done.sentence
    assert rig.states(run_id) == ["collected"] and len(queries.runs(rig.ledger)) == 1


@pytest.mark.parametrize("decide", [drop_batch, resend_batch])
def test_that_holds_also_for_a_batch_given_up_or_to_be_sent_again(rig: Rig, decide: Any) -> None:
    run_id, pk, batch_id = lost(rig)
    decide(rig.ledger, pk)

    assert collect(rig, batch_id).run_id == run_id
    rig.settle()

    assert rig.posts() == 1, "what was to be sent again is not"
    assert "collected" in rig.states(run_id)


def test_a_batch_of_ours_that_is_collected_is_found_where_it_is(rig: Rig) -> None:
    run_id = rig.plan(1)
    rig.settle()

    done = collect(rig, str(rig.batch(run_id)["batch_id"]))

    assert (done.run_id, done.new) == (run_id, False)
    assert f"it is batch 1 of run {run_id}" in done.sentence


def test_our_tasks_under_a_second_id_are_told_and_left_alone(rig: Rig) -> None:
    """Somebody sent our body once more by hand, or an old copy of the ledger still plans it."""
    run_id = rig.plan(1)
    twin = submit(rig, Kind.FIND_PEOPLE, companies(tracking_id(run_id, 1)))

    with pytest.raises(LedgerError, match=f"batch 1 of run {run_id} .* counts as planned here"):
        collect(rig, twin)
    rig.settle()
    with pytest.raises(LedgerError, match=f"batch 1 of run {run_id} .* under another id"):
        collect(rig, twin)
    assert place_of_id(rig.ledger, twin) is None
    assert rig.batch(run_id)["state"] == BatchState.COLLECTED


def test_a_batch_of_another_computers_desk_is_another_tools(rig: Rig) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies(tracking_id("bbbbbbbbbb", 1)))

    done = collect(rig, batch_id)
    rig.settle()

    assert done.new
    frame = join.results(rig.ledger, done.run_id, "rows")
    assert frame.select("outcome", "tracking_id").rows() == [("matched", "bbbbbbbbbb-1")]


def test_every_problem_is_one_of_our_errors(rig: Rig) -> None:
    rig.sandbox.stop()
    settings = replace(rig.settings, api_key=Secret("no-key"), base_url="http://127.0.0.1:1")

    with pytest.raises(OpenmartError):
        look_at(settings, "some-id")


def test_a_wide_list_is_joined_by_the_column_that_fits(rig: Rig) -> None:
    batch_id = submit(rig, Kind.FIND_PEOPLE, companies("a-1", "a-2"))
    frame = pl.DataFrame({"n": ["a-1", "x"], "ref": ["a-1", "a-2"]})
    upload = read_upload(frame.write_csv().encode(), "wide.csv")

    run_id = collect(rig, batch_id, upload=upload).run_id

    assert rig.info(run_id).mapping == {"tracking_id": ["ref"]}
    assert rig.outcomes(run_id) == {"pending": 2}
