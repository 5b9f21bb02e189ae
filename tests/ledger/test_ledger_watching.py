"""Watch lists in the ledger: made once, cut off anywhere, refreshed, closed, deleted; every row kept."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from ledger_kit import Clock
from sqlalchemy import func, select

from openmart_lib.api.lance_states import EnrichmentState, Triple
from openmart_lib.api.wire import LanceField
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import Ledger, asking, watched, watching
from openmart_lib.ledger.schema import upload, watch_count, watch_item, watch_list, watch_row
from openmart_lib.ledger.watched import Standing
from openmart_lib.ledger.watching import Ended, NewWatch, WatchMode, create_watch

LANCE = "sandbox"
BOTH = (LanceField.EMAILS, LanceField.PHONES)
FOUND = EnrichmentState("found", final=True, status="finished", data_found=True)
PENDING = EnrichmentState("still running", status="pending")


def new_watch(count: int = 3, *, token: str = "t1", **more: Any) -> NewWatch:
    """A list of so many entities, one duplicate and one row that cannot be asked about."""
    rows = [(n, n + 1, "accepted", None, f"id-{n:06}", "person") for n in range(1, count + 1)]
    rows += [
        (count + 1, count + 2, "duplicate", "same entity as row 1", "id-000001", "person"),
        (count + 2, count + 3, "rejected", 'column "Id": not a UUID: it has 1 character', None, None),
    ]
    frame = pl.DataFrame(rows, schema=[*watching._ROW_COLUMNS], orient="row", infer_schema_length=None)
    given: dict[str, Any] = {
        "name": "people",
        "mode": WatchMode.WAIT,
        "fields": BOTH,
        "mapping": {"id_column": "Id"},
        "environment": LANCE,
        "confirm_token": token,
        "upload_name": "people.csv",
        "upload_sha256": "0" * 64,
        "upload_format": {"kind": "csv"},
        "frame": frame.select("seq", "file_line", pl.lit("x").alias("Id")),
        "rows": frame,
    }
    return NewWatch(**given | more)


def due(ledger: Ledger) -> asking.DueWatch:
    found = asking.due_watch(ledger, LANCE)
    assert found is not None
    return found


def ask(ledger: Ledger, answer: EnrichmentState, *, at_most: int = 10_000) -> asking.DueWatch:
    """Store the same answer for what a round asks."""
    round_ = due(ledger)
    wanted = list(asking.open_triples(ledger, round_))[:at_most]
    for start in range(0, len(wanted), 1_000):
        asking.store_states(ledger, round_, [(one, answer) for one in wanted[start : start + 1_000]])
    return round_


def end(ledger: Ledger, round_: asking.DueWatch, *, changed: bool = True) -> None:
    asking.end_round(ledger, round_, changed=changed, wait=10.0, unchanged_after=1800.0)


def lines(ledger: Ledger) -> dict[str, int]:
    tables = (watch_list, watch_row, watch_item, watch_count, upload)
    with ledger.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables
        }


def test_every_uploaded_row_is_kept_with_its_intake_and_reason(ledger: Ledger) -> None:
    list_id = create_watch(ledger, new_watch())

    rows = watched.watch_rows(ledger, list_id)
    card = watched.watch_card(ledger, list_id)
    assert rows["intake"].to_list() == ["accepted"] * 3 + ["duplicate", "rejected"]
    assert rows["reason"].to_list()[3:] == [
        "same entity as row 1",
        'column "Id": not a UUID: it has 1 character',
    ]
    assert sum(card.intake_counts.values()) == card.row_count == 5
    assert watched.watch_upload(ledger, list_id).collect()["Id"].to_list() == ["x"] * 5


def test_a_new_list_is_due_at_once_with_one_triple_per_entity_and_field(ledger: Ledger) -> None:
    list_id = create_watch(ledger, new_watch())

    assert list(asking.open_triples(ledger, due(ledger))) == [
        Triple(f"id-{n:06}", "person", field) for n in (1, 2, 3) for field in BOTH
    ]
    card = watched.watch_card(ledger, list_id)
    assert card.counts == {"emails": {"not asked": 3}, "phones": {"not asked": 3}}
    assert (card.standing, card.item_count) == (Standing.ASKING, 6)


def test_the_same_confirm_makes_one_list(ledger: Ledger) -> None:
    first, second = create_watch(ledger, new_watch()), create_watch(ledger, new_watch())

    assert first == second
    assert lines(ledger)["watch_list"] == lines(ledger)["upload"] == 1


@pytest.mark.parametrize("cut_after", [1, 2, 3])
def test_a_writing_that_was_cut_off_is_invisible_and_goes_on(
    ledger: Ledger, cut_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "CHUNK_ROWS", 3)
    told: list[int] = []

    def cut(done: int, of: int) -> None:
        told.append(done)
        if len(told) == cut_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create_watch(ledger, new_watch(), progress=cut)
    assert watched.watch_cards(ledger) == [] and asking.due_watch(ledger, LANCE) is None

    list_id = create_watch(ledger, new_watch())

    assert watched.watch_items(ledger, list_id).height == 6
    assert [card.list_id for card in watched.watch_cards(ledger)] == [list_id]


def test_a_list_without_a_single_id_ends_at_once(ledger: Ledger) -> None:
    list_id = create_watch(ledger, new_watch(0, rows=new_watch().rows.filter(pl.col("intake") == "rejected")))

    assert watched.watch_card(ledger, list_id).ended_why is Ended.FINAL


def test_what_is_final_is_asked_no_more_and_the_end_is_when_all_is(ledger: Ledger, clock: Clock) -> None:
    list_id = create_watch(ledger, new_watch())
    round_ = due(ledger)
    wanted = list(asking.open_triples(ledger, round_))

    asking.store_states(ledger, round_, [(one, FOUND) for one in wanted[:4]])
    asking.store_states(ledger, round_, [(one, PENDING) for one in wanted[4:]])
    end(ledger, round_)

    assert asking.due_watch(ledger, LANCE) is None
    assert watched.watch_card(ledger, list_id).standing is Standing.WAITING
    clock.at += 10
    assert list(asking.open_triples(ledger, due(ledger))) == wanted[4:]
    end(ledger, ask(ledger, FOUND))
    card = watched.watch_card(ledger, list_id)
    assert (card.ended_why, card.states, card.rounds) == (Ended.FINAL, {"found": 6}, 2)


def test_a_round_that_was_cut_off_asks_the_rest_in_the_same_round(ledger: Ledger) -> None:
    create_watch(ledger, new_watch())
    first = ask(ledger, PENDING, at_most=4)

    again = due(ledger)

    assert again.round_no == first.round_no == 1
    assert len(list(asking.open_triples(ledger, again))) == 2


def test_many_open_triples_are_read_page_by_page(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAGE", 7)
    create_watch(ledger, new_watch(50))

    wanted = list(asking.open_triples(ledger, due(ledger)))

    assert len(wanted) == len(set(wanted)) == 100


def test_only_what_differs_counts_as_a_change(ledger: Ledger, clock: Clock) -> None:
    list_id = create_watch(ledger, new_watch())
    end(ledger, ask(ledger, PENDING))
    changed_at = watched.watch_card(ledger, list_id).changed_at
    clock.at += 20

    round_ = due(ledger)
    same = asking.store_states(
        ledger, round_, [(one, PENDING) for one in asking.open_triples(ledger, round_)]
    )

    assert same == 0
    assert watched.watch_card(ledger, list_id).changed_at == changed_at


def test_the_course_holds_the_counts_of_every_round_and_each_adds_up(ledger: Ledger, clock: Clock) -> None:
    list_id = create_watch(ledger, new_watch())
    for answer in (PENDING, PENDING, FOUND):
        clock.at += 20
        end(ledger, ask(ledger, answer))

    course = watched.watch_course(ledger, list_id)

    assert course.group_by("at", "field").agg(pl.col("n").sum())["n"].to_list() == [3] * 8
    assert course.filter(pl.col("field") == "emails")["state"].to_list() == [
        "not asked",
        "still running",
        "still running",
        "found",
    ]


def test_a_list_closed_in_the_middle_of_a_round_takes_no_answer_any_more(ledger: Ledger) -> None:
    list_id = create_watch(ledger, new_watch())
    round_ = due(ledger)
    watching.close_watch(ledger, list_id)

    stored = asking.store_states(ledger, round_, [(Triple("id-000001", "person", "emails"), FOUND)])
    end(ledger, round_)

    assert stored == -1
    card = watched.watch_card(ledger, list_id)
    assert (card.ended_why, card.rounds, card.states) == (Ended.CLOSED, 0, {"not asked": 6})


def test_refreshing_opens_all_but_what_was_found_also_of_a_closed_list(ledger: Ledger) -> None:
    list_id = create_watch(ledger, new_watch(mode=WatchMode.EXISTS))
    round_ = due(ledger)
    wanted = list(asking.open_triples(ledger, round_))
    asking.store_states(ledger, round_, [(one, FOUND) for one in wanted[:1]])
    asking.store_states(ledger, round_, [(one, PENDING) for one in wanted[1:]])
    end(ledger, round_)
    assert watched.watch_card(ledger, list_id).ended_why is Ended.ONE_PASS
    watching.close_watch(ledger, list_id)

    watching.refresh_watch(ledger, list_id)

    again = due(ledger)
    assert (again.round_no, again.waits) == (2, 0)
    assert list(asking.open_triples(ledger, again)) == wanted[1:]


def test_a_refresh_in_the_middle_of_a_round_is_not_lost(ledger: Ledger, clock: Clock) -> None:
    list_id = create_watch(ledger, new_watch(mode=WatchMode.EXISTS))
    round_ = ask(ledger, PENDING)
    clock.at += 1
    watching.refresh_watch(ledger, list_id)

    end(ledger, round_)

    assert watched.watch_card(ledger, list_id).ended_why is None
    assert len(list(asking.open_triples(ledger, due(ledger)))) == 6


def test_deleting_leaves_nothing_behind_and_other_lists_whole(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "CHUNK_ROWS", 2)
    kept = create_watch(ledger, new_watch(token="kept"))
    before = lines(ledger)
    gone = create_watch(ledger, new_watch(token="gone"))

    watching.delete_watch(ledger, gone)

    assert lines(ledger) == before
    assert [file.stem for file in ledger.uploads_dir.glob("*.parquet")] == [kept]
    with pytest.raises(LedgerError, match=f"no watch list {gone}"):
        watched.watch_card(ledger, gone)


def test_a_deleting_that_was_cut_off_is_finished_by_the_next_worker(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_id = create_watch(ledger, new_watch())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(watching, "_remove", killed)
        watching.delete_watch(ledger, list_id)
    assert watched.watch_cards(ledger) == []

    assert watching.sweep(ledger) == 1
    assert set(lines(ledger).values()) == {0}


def test_a_writing_that_is_under_way_is_not_swept(ledger: Ledger, clock: Clock) -> None:
    def cut(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create_watch(ledger, new_watch(), progress=cut)

    assert watching.sweep(ledger) == 0
    clock.at += 2 * 86_400
    assert watching.sweep(ledger) == 1


def test_trouble_is_written_on_all_lists_and_taken_off_by_a_good_answer(ledger: Ledger) -> None:
    lists = [create_watch(ledger, new_watch(token=token)) for token in ("a", "b")]
    now = ledger.now()

    asking.note_trouble(ledger, LANCE, "Lance is down.", until=now + 60)

    assert asking.due_watch(ledger, LANCE) is None
    cards = [watched.watch_card(ledger, one) for one in lists]
    assert [(card.error, card.next_ask_at) for card in cards] == [("Lance is down.", now + 60)] * 2
    asking.end_trouble(ledger, LANCE)
    assert [watched.watch_card(ledger, one).error for one in lists] == [None, None]


def test_a_held_list_is_not_asked_until_the_hold_ends(ledger: Ledger) -> None:
    list_id = create_watch(ledger, new_watch())

    asking.hold_lists(ledger, LANCE, "No organisation.")

    assert asking.due_watch(ledger, LANCE) is None
    card = watched.watch_card(ledger, list_id)
    assert (card.standing, card.error) == (Standing.HELD, "No organisation.")
    watching.refresh_watch(ledger, list_id)
    assert due(ledger).list_id == list_id


def test_the_list_that_waited_longest_comes_first_and_other_lances_never(
    ledger: Ledger, clock: Clock
) -> None:
    first = create_watch(ledger, new_watch(token="a"))
    clock.at += 5
    create_watch(ledger, new_watch(token="b"))
    create_watch(ledger, new_watch(token="c", environment="https://api.lance.app"))

    assert due(ledger).list_id == first
    end(ledger, ask(ledger, FOUND))
    end(ledger, ask(ledger, FOUND))
    assert asking.due_watch(ledger, LANCE) is None


def test_a_list_that_does_not_exist_is_said_in_plain_words(ledger: Ledger) -> None:
    for action in (watching.refresh_watch, watching.close_watch, watching.delete_watch, watched.watch_rows):
        with pytest.raises(LedgerError, match=r"There is no watch list nope\. Nothing was asked or changed"):
            action(ledger, "nope")


def test_no_write_is_larger_than_two_thousand_lines(ledger: Ledger) -> None:
    changes: list[int] = []
    write = ledger.write

    def counted(**how: Any) -> Any:
        return _Counted(write(**how), changes)

    ledger.write = counted  # type: ignore[method-assign] # looks over the ledger's shoulder
    try:
        list_id = create_watch(ledger, new_watch(4_500))
        end(ledger, ask(ledger, PENDING))
        watching.refresh_watch(ledger, list_id)
        watching.delete_watch(ledger, list_id)
    finally:
        ledger.write = write  # type: ignore[method-assign] # as it was

    assert max(changes) <= 2_000 + 1, "beside 2,000 lines at most the list's own"


class _Counted:
    """A write transaction that notes how many lines it changed."""

    def __init__(self, inner: Any, changes: list[int]) -> None:
        self._inner, self._changes = inner, changes

    def __enter__(self) -> Any:
        connection = self._inner.__enter__()
        self._raw = connection.connection.dbapi_connection
        self._before = self._raw.total_changes
        return connection

    def __exit__(self, *error: Any) -> Any:
        self._changes.append(self._raw.total_changes - self._before)
        return self._inner.__exit__(*error)
