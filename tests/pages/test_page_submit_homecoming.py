"""Submit: a corrected rejects file on the empty page finds the list that it belongs to."""

from __future__ import annotations

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib.dashboard import drafts, submit_draft
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.intake.overrides import Choice, Overrides
from openmart_lib.intake.rejects import rejects_frame
from openmart_lib.intake.tasks import RunOptions, plan_tasks
from openmart_lib.ledger import queries
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.ledger.overview import runs
from openmart_lib.ledger.runs import cancel_run
from openmart_lib.results.chain import Origin, runs_of_chain
from tests.pages.conftest import Desk, button, labels, texts
from tests.pages.submit_kit import decide, draft_of, uploaded

LIST = "Company,Website\nAdyen,adyen.com\nAcme,n/a\nBeta,\nGamma,someone@gmail.com\n"


def rejects_of(draft: Draft, **corrected: str) -> bytes:
    """The rejects file of a draft, with websites corrected: ``row_2="acme.com"``; the others are taken out."""
    frame = drafts.frame(submit_draft.folder(), draft.draft_id, draft.revision)
    plan = plan_tasks(frame, {"domain": ["Website"]}, "find_people", RunOptions(title="Owner"))  # type: ignore[arg-type]  # its value
    rejects = rejects_frame(frame, plan.rows, cells=plan.cells, sha256=draft.upload_sha256)
    new = {int(name.removeprefix("row_")): site for name, site in corrected.items()}
    sites = pl.col("row").replace_strict(new, return_dtype=pl.String)
    return rejects.filter(pl.col("row").is_in(list(new))).with_columns(Website=sites).write_csv().encode()


def dropped(desk: Desk, content: bytes) -> AppTest:
    """The empty page after a file was dropped on it."""
    page = desk.open()
    page.file_uploader[0].upload("rejected-rows.csv", content).run()
    assert not page.exception
    return page


def offer(page: AppTest, begin: str) -> str:
    return next(label for label in labels(page) if label.startswith(begin))


def test_corrected_rows_go_back_into_the_draft_of_their_list(desk: Desk) -> None:
    first = uploaded(desk, LIST)
    before = draft_of(first)
    page = dropped(desk, rejects_of(before, row_2="acme.com", row_3="beta.de"))
    assert "rejected-rows.csv holds 2 corrected rows of a list that you brought before" in texts(page)
    assert "5 · Confirm" not in texts(page)

    button(page, offer(page, "Put them into spring")).click()
    page.run()

    assert draft_of(page).draft_id == before.draft_id
    assert "**3 companies** to look up + **1** rejected = 4 rows" in texts(page)
    assert "Corrected rows of rejected-rows.csv have joined this list" in texts(page)
    assert len(list(submit_draft.folder().iterdir())) == 1, "their own draft is gone"


def test_they_can_be_a_list_of_their_own(desk: Desk) -> None:
    page = dropped(desk, rejects_of(draft_of(uploaded(desk, LIST)), row_2="acme.com"))

    button(page, "Treat them as a list of their own").click()
    page.run()

    assert "**1 company** to look up + **0** rejected = 1 row" in texts(page)


def test_without_their_list_they_are_one(desk: Desk) -> None:
    draft = draft_of(uploaded(desk, LIST))
    content = rejects_of(draft, row_2="acme.com")
    drafts.remove(submit_draft.folder(), draft)

    page = dropped(desk, content)

    assert "a list that you brought before" not in texts(page)
    assert "5 · Confirm" in texts(page)


@pytest.fixture
def submitted(desk: Desk) -> bytes:
    """A list that became a run, with one row left out; its corrected rejects."""
    page = decide(uploaded(desk, LIST), Overrides().with_rows([4], Choice.DROP))
    draft = draft_of(page)
    button(page, "Submit 1 task in 1 batch").click()
    page.run()
    return rejects_of(draft, row_2="acme.com", row_3="beta.com")


def test_of_a_list_that_became_a_run_only_the_corrected_rows_are_sent(desk: Desk, submitted: bytes) -> None:
    page = dropped(desk, submitted)

    button(page, offer(page, "Look up only these, for the run spring ")).click()
    page.run()

    assert not page.exception
    assert "Only the 2 rows that you corrected: the others were in the first run." in texts(page)
    assert "**2 companies** to look up + **2** skipped + **0** rejected = 4 rows" in texts(page)
    assert draft_of(page).choices["same"]["title"] == "Owner"

    button(page, "Submit 2 tasks in 1 batch").click()
    page.run()

    second, first = runs(desk.ledger)
    states = queries.row_states(desk.ledger, second.run_id)
    assert states["code"].to_list() == ["in_first_run", None, None, "in_first_run"]
    assert queries.decisions(desk.ledger, second.run_id)["only"] == [2, 3]
    assert Origin.of(second) == Origin(first.run_id, "list_row")
    assert runs_of_chain(desk.ledger, first.run_id) == [first.run_id, second.run_id]
    assert queries.upload_rows(desk.ledger, second.run_id).collect()["list_row"].to_list() == [
        *(None, "2", "3", None)
    ]


def test_taking_back_all_changes_does_not_send_the_first_run_again(desk: Desk, submitted: bytes) -> None:
    page = dropped(desk, submitted)
    button(page, offer(page, "Look up only these, for the run spring ")).click()
    page.run()
    decide(page, Overrides(only=[2, 3]).with_rows([3], Choice.DROP))

    button(page, "Undo all").click()
    page.run()

    assert "**2 companies** to look up + **2** skipped" in texts(page)


def test_a_run_whose_personal_data_was_deleted_is_not_offered(desk: Desk, submitted: bytes) -> None:
    (run,) = runs(desk.ledger)
    cancel_run(desk.ledger, run.run_id)
    erase_run(desk.ledger, run.run_id)

    assert "a list that you brought before" not in texts(dropped(desk, submitted))
