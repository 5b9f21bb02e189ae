"""Receipt and deletion on the Results page: said in full, typed, and every page still opens afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openmart_lib.dashboard import results_receipt
from openmart_lib.ledger.erased import erased_at
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.results import join
from tests.pages.conftest import Desk, button, eventually, labels, texts

DELETE = "Delete for good"


@pytest.fixture
def run_id(finished_desk: Desk) -> str:
    """The finished run of the data folder."""
    return finished_desk.newest


def test_the_receipt_can_be_taken_in_both_forms(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    assert {"To print (HTML)", "For programs (JSON)"} <= {one.label for one in page.download_button}
    values = json.loads(results_receipt.receipt_bytes(run_id, "json"))
    assert values["run_id"] == run_id and sum(values["outcomes"].values()) == 6
    assert results_receipt.receipt_bytes(run_id, "html").startswith(b"<!doctype html>")


def test_before_anything_is_deleted_it_says_what_goes_what_stays_and_asks_for_the_runs_id(
    finished_desk: Desk, run_id: str
) -> None:
    page = finished_desk.open("results", run=run_id)

    said = texts(page)
    assert "Gone for good: 6 uploaded rows" in said.replace("*", "")
    assert "the receipt. Nothing is refunded." in said
    assert page.text_input(key=f"erase_word_{run_id}").label == f"Type **{run_id}** to confirm"
    assert erased_at(finished_desk.ledger, run_id) is None


@pytest.mark.parametrize("typed", ["", "yes", "delete", "x"])
def test_another_word_deletes_nothing(finished_desk: Desk, run_id: str, typed: str) -> None:
    page = finished_desk.open("results", run=run_id)

    page.text_input(key=f"erase_word_{run_id}").set_value(typed).run()

    assert page.button(key=f"erase_now_{run_id}").disabled
    assert erased_at(finished_desk.ledger, run_id) is None


def test_the_runs_id_deletes_and_the_page_says_when(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    page.text_input(key=f"erase_word_{run_id}").set_value(run_id).run()
    page.button(key=f"erase_now_{run_id}").click()
    page.run()

    eventually(lambda: "Personal data deleted" in texts(page.run()))
    eventually(lambda: "6 uploaded rows" in texts(page.run()))
    assert not page.exception
    assert not page.dataframe
    assert "To print (HTML)" in [one.label for one in page.download_button]
    assert DELETE not in labels(page)
    assert "everything.example" not in texts(page)


@pytest.mark.parametrize("name", ["submit", "monitor", "results", "lance", "settings"])
def test_every_page_still_opens_after_a_run_was_erased(finished_desk: Desk, run_id: str, name: str) -> None:
    erase_run(finished_desk.ledger, run_id)

    page = finished_desk.open(name, run=run_id, row="1")

    assert not page.exception and not page.error


def test_monitor_offers_no_file_of_an_erased_run(finished_desk: Desk, run_id: str) -> None:
    before = finished_desk.open("monitor", run=run_id)
    assert [one.label for one in before.download_button] == ["Download for Excel"]

    erase_run(finished_desk.ledger, run_id)

    assert not finished_desk.open("monitor", run=run_id).download_button


def test_the_library_still_joins_an_erased_run_row_by_row(finished_desk: Desk, run_id: str) -> None:
    erase_run(finished_desk.ledger, run_id)

    rows = join.results(finished_desk.ledger, run_id, "rows")

    assert rows["outcome"].to_list() == [
        *("matched", "no match", "partial", "errored", "duplicate", "rejected")
    ]
    assert rows.select("Company", "Website", "found_email", "domain").null_count().row(0) == (6,) * 4


def test_a_run_that_moves_says_why_it_cannot_be_deleted_now(desk: Desk) -> None:
    run_id = desk.plan()

    page = desk.open("results", run=run_id)

    assert "wait to be sent. Nothing was deleted." in texts(page)
    assert "Delete for good" not in labels(page)


def test_backups_that_still_hold_it_are_named_before(
    finished_desk: Desk, run_id: str, tmp_path: Path
) -> None:
    from openmart_lib.ledger.backup import backup

    file = backup(finished_desk.ledger, tmp_path / "monday.zip")

    page = finished_desk.open("results", run=run_id)

    assert str(file) in page.code[-1].value
    assert "backups that may still hold it" in texts(page)


def test_a_deletion_that_was_cut_off_offers_to_be_finished(
    finished_desk: Desk, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openmart_lib.errors import LedgerError
    from openmart_lib.ledger import erasing

    def broken(*_: object) -> int:
        raise OSError(5, "Input/output error", "a file")

    with monkeypatch.context() as patch, pytest.raises(LedgerError):
        patch.setattr(erasing, "erase_files", broken)
        erase_run(finished_desk.ledger, run_id)
    page = finished_desk.open("results", run=run_id)

    button(page, "Finish deleting").click()
    page.run()

    eventually(lambda: "Finish deleting" not in labels(page.run()))
    assert not page.exception
