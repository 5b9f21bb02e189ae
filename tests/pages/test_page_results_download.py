"""Taking away: a button for every kind of file, what is new, large files behind an address that ends."""

from __future__ import annotations

import io
import time
from typing import Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib import suppression
from openmart_lib.dashboard import background, results_download, results_prepared, routes
from openmart_lib.dashboard.results_prepared import FORMATS, Ready, Wanted, file_bytes, write_file
from openmart_lib.errors import InputError
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.ledger.exports import exports_of
from openmart_lib.results import crm, export, join, since
from openmart_lib.results.together import Runs
from openmart_lib.results.withheld import LEFT_OUT
from tests.pages.conftest import PATIENCE, Desk, button, eventually, texts

SHAPES = ("rows", "long", "companies")


@pytest.fixture
def run_id(finished_desk: Desk) -> str:
    """The finished run of the data folder."""
    return finished_desk.newest


def wanted(desk: Desk, run_id: str, shape: str = "rows", fmt: str = "csv", **changes: Any) -> Wanted:
    """One file of a run."""
    values = {"rows": None, "words": "", "lines": None} | changes
    return Wanted(Runs((desk.run(run_id),)), shape, fmt, **values)


def download_labels(page: AppTest) -> list[str]:
    return [str(one.label) for one in page.download_button]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fmt", FORMATS)
def test_each_file_holds_the_lines_of_its_shape_and_of_the_rows_shown(
    finished_desk: Desk, run_id: str, fmt: str, shape: join.Shape
) -> None:
    rows = pl.Series([1, 2, 5], dtype=pl.Int64)
    lines = join.results(finished_desk.ledger, run_id, shape).filter(pl.col("row").is_in([1, 2, 5]))

    path = write_file(finished_desk.ledger, wanted(finished_desk, run_id, shape, fmt, rows=rows)).path

    data = io.BytesIO(path.read_bytes())
    readers: dict[str, Any] = {
        "csv": pl.read_csv,
        "xlsx": pl.read_excel,
        "parquet": pl.read_parquet,
        "jsonl": pl.read_ndjson,
    }
    assert readers[path.suffix[1:]](data)["row"].to_list() == lines["row"].to_list()
    assert path.stat().st_mode & 0o077 == 0
    assert path.name.startswith(f"{run_id}-")


def test_there_is_one_button_for_each_kind_of_file_and_nothing_to_choose_before(
    finished_desk: Desk, run_id: str
) -> None:
    page = finished_desk.open("results", run=run_id)

    labels = download_labels(page)
    for kind in FORMATS.values():
        assert labels.count(kind.name) == len(SHAPES)
    for preset in crm.presets_for(finished_desk.run(run_id).kind).values():
        assert preset.name in labels
    assert not [radio for radio in page.radio if "file" in radio.label.lower()]
    assert [tab.label for tab in page.tabs][:4] == ["Rows", "Contacts", "Companies", "For import"]


def test_a_small_file_leaves_nothing_behind_and_is_noted(finished_desk: Desk, run_id: str) -> None:
    before = len(exports_of(finished_desk.ledger, run_id))

    data = file_bytes(wanted(finished_desk, run_id, "long", "plain"))

    assert data.startswith(b"Company,Website,Segment,outcome")
    assert list(finished_desk.ledger.exports_dir.iterdir()) == []
    assert len(exports_of(finished_desk.ledger, run_id)) == before + 1


def test_a_file_taken_while_rows_are_pending_says_so_in_its_name_and_summary(desk: Desk) -> None:
    run_id = desk.plan()
    one = wanted(desk, run_id, "rows", "xlsx", words="matched")

    path = write_file(desk.ledger, one).path

    assert "_rows_matched_partial_" in one.file_name
    summary = pl.read_excel(path, sheet_name="summary")
    written = summary.filter(pl.col("what") == "file written")["meaning"].item()
    assert written == "4 rows still pending then."
    assert "4 rows are still pending" in texts(desk.open("results", run=run_id))


def test_what_is_new_since_the_last_download_can_be_taken_alone(desk: Desk) -> None:
    run_id = desk.plan()
    assert not [one for one in desk.open("results", run=run_id).checkbox if "new since" in one.label]
    export.export_run(desk.ledger, run_id, desk.ledger.folder / "first.csv", shape="rows")
    desk.finish(run_id)

    page = desk.open("results", run=run_id)
    page.checkbox(key=f"new_{run_id}").check().run()

    assert not page.exception
    assert "5 rows became final or changed since then." in texts(page)


def test_a_prepared_file_counts_as_taken_when_it_was_fetched_and_not_before(
    finished_desk: Desk, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that expires unfetched must not hide its rows from "only what is new since my last download"."""
    monkeypatch.setattr(results_prepared, "owner", lambda: "tab 1")
    ledger = finished_desk.ledger
    before = len(exports_of(ledger, run_id)), since.taken_at(ledger, run_id)

    ready = fetch(results_prepared.prepare(wanted(finished_desk, run_id, "rows", "plain", words="fetched")))
    assert (len(exports_of(ledger, run_id)), since.taken_at(ledger, run_id)) == before

    routes.OFFERS.note_taken(ready.address)
    routes.OFFERS.note_taken(ready.address)
    assert len(exports_of(ledger, run_id)) == before[0] + 1
    assert since.taken_at(ledger, run_id) not in (None, before[1])
    rows = join.results(ledger, run_id, "rows")
    assert since.new_rows(ledger, run_id, rows).is_empty()
    routes.OFFERS.withdraw("tab 1")


def test_when_nothing_is_new_there_is_no_button(finished_desk: Desk, run_id: str) -> None:
    export.export_run(finished_desk.ledger, run_id, finished_desk.ledger.folder / "all.csv", shape="rows")

    page = finished_desk.open("results", run=run_id)
    page.checkbox(key=f"new_{run_id}").check().run()

    assert "No row to take away." in texts(page)
    assert FORMATS["plain"].name not in download_labels(page)


def test_a_large_file_is_prepared_in_the_background_and_gets_an_address(
    finished_desk: Desk, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_download, "AT_ONCE", 3)
    page = finished_desk.open("results", run=run_id)
    assert not page.link_button

    button(page, "Prepare CSV for Excel").click()
    page.run()
    eventually(lambda: _prepared(page.run()))

    offer = routes.OFFERS.find(page.link_button[0].url)
    assert offer is not None
    assert offer.path.stat().st_size > 1_000
    assert offer.path.stat().st_mode & 0o077 == 0
    assert offer.name.startswith("SANDBOX-Spring-list_find_people_rows")
    assert "ready for 15 minutes" in texts(page)


def _prepared(page: AppTest) -> bool:
    assert not page.exception
    return bool(page.link_button)


def test_an_expired_file_is_said_to_be(
    finished_desk: Desk, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_download, "AT_ONCE", 3)
    page = finished_desk.open("results", run=run_id)
    button(page, "Prepare JSON lines").click()
    eventually(lambda: _prepared(page.run()))
    offer = routes.OFFERS.find(page.link_button[0].url)
    assert offer is not None

    routes.OFFERS.withdraw(offer.owner)
    page.run()

    assert not offer.path.exists()
    assert "has expired. Prepare it again." in texts(page)
    assert not page.link_button


def test_a_file_of_a_run_that_is_erased_meanwhile_is_not_left(finished_desk: Desk, run_id: str) -> None:
    one = wanted(finished_desk, run_id)
    erase_run(finished_desk.ledger, run_id)

    with pytest.raises(InputError, match=r"personal data of run .* was deleted"):
        write_file(finished_desk.ledger, one)

    assert list(finished_desk.ledger.exports_dir.iterdir()) == []


def test_a_prepared_file_tells_how_far_it_is(finished_desk: Desk, run_id: str) -> None:
    told: list[tuple[int, int]] = []

    write_file(finished_desk.ledger, wanted(finished_desk, run_id), lambda done, of: told.append((done, of)))

    assert told[-1] == (6, 6)


def test_the_key_of_a_file_tells_it_from_every_other(finished_desk: Desk, run_id: str) -> None:
    page_key = wanted(finished_desk, run_id).key
    rows = pl.Series([1, 2], dtype=pl.Int64)

    keys = [wanted(finished_desk, run_id, rows=rows).key, wanted(finished_desk, run_id, rows=rows + 1).key]

    assert wanted(finished_desk, run_id).key == page_key
    assert len({page_key, *keys}) == 3
    never(finished_desk, "everything.example")
    assert wanted(finished_desk, run_id).key != page_key, "somebody is left out now"


def fetch(key: str) -> Ready:
    """Wait for a prepared file."""
    job = background.find(key)
    assert job is not None and job.wait(PATIENCE)
    return job.result()


def test_a_file_is_prepared_once_while_it_is_there_and_anew_after_that(
    finished_desk: Desk, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_prepared, "owner", lambda: "tab 1")
    one = wanted(finished_desk, run_id, "rows", "jsonl")
    first = fetch(results_prepared.prepare(one))

    again = fetch(results_prepared.prepare(one))
    routes.OFFERS.withdraw("tab 1")
    anew = fetch(results_prepared.prepare(one))

    assert again == first
    assert anew.address != first.address
    assert routes.OFFERS.find(anew.address) is not None
    routes.OFFERS.withdraw("tab 1")


def test_a_prepared_file_belongs_to_the_tab_and_ends_with_it(
    finished_desk: Desk, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = wanted(finished_desk, run_id, "rows", "parquet")
    monkeypatch.setattr(results_prepared, "owner", lambda: "tab 1")
    mine = routes.OFFERS.find(fetch(results_prepared.prepare(one)).address)
    monkeypatch.setattr(results_prepared, "owner", lambda: "tab 2")
    theirs = fetch(results_prepared.prepare(one))
    assert mine is not None and mine.owner == "tab 1" and mine.expires > time.time() + 800

    routes.OFFERS.withdraw("tab 1")

    assert not mine.path.exists()
    assert routes.OFFERS.find(theirs.address) is not None
    routes.OFFERS.withdraw("tab 2")
    assert list(mine.path.parent.iterdir()) == []


def never(desk: Desk, *cells: str) -> None:
    suppression.add_list(desk.ledger, upload_from_frame(pl.DataFrame({"who": cells})), name="opt-outs")


def test_what_is_left_out_is_said_before_a_small_file_is_taken(finished_desk: Desk, run_id: str) -> None:
    before = texts(finished_desk.open("results", run=run_id))
    assert "never-contact" not in before
    never(finished_desk, "nobody.example")
    assert "something left out" not in texts(finished_desk.open("results", run=run_id)), (
        "nothing was found there"
    )

    never(finished_desk, "everything.example")
    page = finished_desk.open("results", run=run_id)

    gone = file_bytes(wanted(finished_desk, run_id, "rows", "plain")).decode().count(LEFT_OUT)
    assert gone == 2, "the row and the one that is the same"
    assert "2 rows have something left out: on your never-contact list." in texts(page)


def test_a_prepared_file_ends_when_somebody_is_put_on_a_never_contact_list(
    finished_desk: Desk, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_download, "AT_ONCE", 3)
    page = finished_desk.open("results", run=run_id)
    button(page, "Prepare JSON lines").click()
    eventually(lambda: _prepared(page.run()))
    offer = routes.OFFERS.find(page.link_button[0].url)

    never(finished_desk, "everything.example")
    page.run()

    assert offer is not None and not offer.path.exists()
    assert not page.link_button


def test_what_is_left_out_of_a_prepared_file_is_said_with_its_address(
    finished_desk: Desk, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    never(finished_desk, "everything.example")
    monkeypatch.setattr(results_download, "AT_ONCE", 1)
    page = finished_desk.open("results", run=run_id)
    assert "the finished file says of how many rows" in texts(page)

    button(page, "Prepare JSON lines").click()
    eventually(lambda: _prepared(page.run()))

    assert "2 rows have something left out: on your never-contact list." in texts(page)


def test_a_download_from_the_card_says_that_a_list_applies(finished_desk: Desk, run_id: str) -> None:
    never(finished_desk, "everything.example")

    page = finished_desk.open("monitor", run=run_id)

    (quick,) = [one for one in page.download_button if one.label == "Download for Excel"]
    assert "never-contact list is left out" in quick.help
