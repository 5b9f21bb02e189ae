"""Try again and the chain: rows of a run go to Submit as a draft, and all runs of a list are one result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import results_again
from openmart_lib.dashboard.results_prepared import WantedBest, file_bytes
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.overrides import Choice, Overrides
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger import queries
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.results import again
from openmart_lib.results.again import Again
from openmart_lib.results.chain import chain, runs_of_chain
from openmart_lib.results.together import Runs
from tests.pages.conftest import PATIENCE, Desk, button, eventually, labels, texts


@pytest.fixture
def run_id(finished_desk: Desk) -> str:
    """The finished run of the data folder: one row matched, one the same as it, three not, one rejected."""
    return finished_desk.newest


AGAIN = """
import polars as pl
from openmart_lib.dashboard import resources, results_again
numbers = None if {rows} is None else pl.Series({rows}, dtype=pl.Int64)
results_again.show(resources.run({run_id!r}), numbers, "the ticked rows")
"""
CHAIN = """
from openmart_lib.dashboard import resources, results_chain
results_chain.show(resources.run({run_id!r}))
"""


def asked(run_id: str, rows: list[int] | None = None) -> AppTest:
    """A page with Try again opened, and nothing else."""
    page = AppTest.from_string(AGAIN.format(run_id=run_id, rows=rows), default_timeout=PATIENCE)
    page.session_state[f"again_{run_id}"] = True
    page.run()
    assert not page.exception, [one.message for one in page.exception]
    return page


def looked_at(run_id: str, **query: str) -> AppTest:
    """A page with the chain of a run, and nothing else."""
    page = AppTest.from_string(CHAIN.format(run_id=run_id), default_timeout=PATIENCE)
    for name, value in query.items():
        page.query_params[name] = value
    with patch.object(st, "page_link", lambda page, label, **more: st.caption(label)):
        page.run()
    assert not page.exception, [one.message for one in page.exception]
    return page


def ticked(page: AppTest) -> dict[str, bool]:
    return {one.label: one.value for one in page.checkbox}


def take_step(page: AppTest, kind: Kind) -> AppTest:
    return page.radio[0].set_value(kind).run()


@contextmanager
def caught_switch() -> Iterator[list[str]]:
    """Note which draft a click leads to: a page on its own has no other page to go to."""
    drafts: list[str] = []
    with patch.object(st, "switch_page", lambda page, query_params: drafts.append(query_params["draft"])):
        yield drafts


def tried(desk: Desk, parent: str, rows: list[int], kind: Kind) -> str:
    """Plan and finish a run from rows of another one, as Submit would; return its id."""
    found = again.make_list(desk.ledger, parent, pl.Series(rows, dtype=pl.Int64), kind)
    child = confirmed(desk, found)
    desk.finish(child)
    return child


def confirmed(desk: Desk, found: Again) -> str:
    prepared = submission.prepare(
        found.upload,
        found.mapping,
        found.kind,
        found.options,
        settings=desk.settings,
        overrides=found.overrides,
    )
    return submission.confirm(desk.ledger, desk.settings, prepared, name=found.name, confirm_token=found.name)


def test_every_reason_stands_with_its_count_and_the_rows_add_up(finished_desk: Desk, run_id: str) -> None:
    page = asked(run_id)

    assert ticked(page) == {
        "Openmart reported an error (1)": True,
        "no match (1)": False,
        "a person, but no contact (1)": False,
    }
    said = texts(page)
    assert "1 row to send + 5 not chosen = 6 rows" in said.replace("**", "")
    assert "Not offered among these: found already (2), rejected: correct the row first (1)." in said
    assert "Continue to Submit with 1 row" in labels(page)


def test_the_next_step_begins_with_the_rows_that_it_may_mend(finished_desk: Desk, run_id: str) -> None:
    page = take_step(asked(run_id), Kind.LOOKUP_BUSINESS_EMAIL)
    assert all(ticked(page).values())
    assert "Continue to Submit with 3 rows" in labels(page)

    page = take_step(page, Kind.LOOKUP_PEOPLE)
    assert [label for label, on in ticked(page).items() if on] == ["a person, but no contact (1)"]


def test_rows_without_a_name_are_left_out_with_a_count_and_the_reason(
    finished_desk: Desk, run_id: str
) -> None:
    page = take_step(asked(run_id, [2, 3, 4]), Kind.LOOKUP_PEOPLE)

    assert "2 left out: no whole name to ask for" in texts(page).replace("**", "")
    assert "Continue to Submit with 1 row" in labels(page)


def test_only_ticked_rows_are_asked_about(finished_desk: Desk, run_id: str) -> None:
    page = asked(run_id, [1, 2, 5])

    assert ticked(page) == {"no match (1)": True}
    assert "1 row to send + 2 not chosen = 3 rows" in texts(page).replace("**", "")


def test_where_nothing_can_be_tried_the_button_is_off(finished_desk: Desk, run_id: str) -> None:
    assert button(asked(run_id, [1, 6]), "Continue to Submit with 0 rows").disabled


def test_rows_of_an_unknown_batch_go_on_only_when_a_person_types_that_they_may_be_paid_twice(
    desk: Desk,
) -> None:
    run_id = desk.plan()
    desk.sandbox.faults.add("answer_lost")
    with desk.working():
        eventually(lambda: desk.run(run_id).outcomes["unknown"] > 0)
    page = asked(run_id)
    (box,) = [one for one in page.checkbox if one.label.startswith("unknown whether Openmart took it")]
    assert box.value is False

    page = box.check().run()
    assert "They may have been paid already, and would then be paid twice." in texts(page)
    go = next(label for label in labels(page) if label.startswith("Continue to Submit"))
    assert button(page, go).disabled
    rows = desk.run(run_id).outcomes["unknown"]
    (typed,) = page.text_input
    page = typed.set_value(f"pay {rows + 1} twice").run()

    assert not button(page, go).disabled


def test_the_way_to_submit_keeps_the_run_and_the_filters_for_the_way_back(
    finished_desk: Desk, run_id: str
) -> None:
    """What Streamlit writes behind this page's path before it leaves is where the browser's Back comes to."""
    page = asked(run_id)
    page.query_params["run"], page.query_params["outcome"] = run_id, "errored"

    with patch.object(st, "switch_page") as switch:
        button(page, "Continue to Submit with 1 row").click().run()

    address = switch.call_args.kwargs["query_params"]
    assert (address["run"], address["outcome"]) == (run_id, "errored")
    assert address["draft"]


def test_submit_opens_with_everything_chosen_down_to_confirm_and_nothing_is_spent_before(
    finished_desk: Desk, run_id: str
) -> None:
    page = take_step(asked(run_id), Kind.LOOKUP_BUSINESS_EMAIL)
    with caught_switch() as drafts:
        button(page, "Continue to Submit with 3 rows").click().run()
    assert finished_desk.newest == run_id

    submit = finished_desk.open("submit", draft=drafts[0])

    assert submit.radio[0].value == Kind.LOOKUP_BUSINESS_EMAIL
    said = texts(submit)
    assert "Please look at these" not in said
    assert "3 companies to look up + 0 rejected = 3 rows" in said.replace("**", "")
    assert "Submit 3 tasks in 1 batch" in labels(submit)

    button(submit, "Submit 3 tasks in 1 batch").click().run()

    child = finished_desk.run(finished_desk.newest)
    assert (child.name, child.row_count) == ("Spring list · try 2", 3)
    assert runs_of_chain(finished_desk.ledger, child.run_id) == [run_id, child.run_id]


def test_the_same_rows_a_second_time_are_asked_about_before_they_are_sent(
    finished_desk: Desk, run_id: str
) -> None:
    rows = pl.Series([2, 3], dtype=pl.Int64)
    same = again.make_list(finished_desk.ledger, run_id, rows, Kind.FIND_PEOPLE)
    first = finished_desk.open("submit", draft=results_again.begin(same))
    assert "was submitted before" not in texts(first)  # other content than the run they come from
    button(first, "Submit 2 tasks in 1 batch").click().run()

    second = finished_desk.open("submit", draft=results_again.begin(same))

    assert "The same list with the same options was submitted before: Spring list · try 2" in texts(second)
    assert button(second, "Submit 2 tasks in 1 batch").disabled


def test_what_was_decided_about_a_row_holds_when_it_is_tried_again(desk: Desk) -> None:
    upload = read_upload(b"Website\nnobody.example\nno site\nnowhere.example\n", "list.csv")
    decided = Overrides(edits={2: {"domain": "errored.example"}}, rows={3: Choice.DROP})
    prepared = submission.prepare(
        upload,
        {"domain": ["Website"]},
        Kind.FIND_PEOPLE,
        RunOptions(title="Owner"),
        settings=desk.settings,
        overrides=decided,
    )
    run_id = submission.confirm(desk.ledger, desk.settings, prepared, name="Edited", confirm_token="1")
    desk.finish(run_id)

    child = tried(desk, run_id, [2, 3], Kind.FIND_PEOPLE)

    states = queries.row_states(desk.ledger, child)
    assert states["domain"].to_list() == ["errored.example", "nowhere.example"]
    assert states["intake"].to_list() == ["accepted", "accepted"]


def test_a_run_that_stands_alone_shows_no_chain(finished_desk: Desk, run_id: str) -> None:
    page = looked_at(run_id)

    assert texts(page) == ""
    assert not page.toggle


def test_the_chain_names_its_runs_and_shows_the_best_of_all_rows(finished_desk: Desk, run_id: str) -> None:
    child = tried(finished_desk, run_id, [2, 3, 4], Kind.LOOKUP_BUSINESS_EMAIL)
    page = looked_at(child)
    assert "Run 2 of 2 made from this list." in texts(page)
    assert "1. Find decision makers · 6 rows · done" in texts(page)
    assert not page.dataframe

    page = looked_at(child, best="1")

    best = chain(finished_desk.ledger, [run_id, child])
    shown = page.dataframe[0].value
    assert shown["row"].tolist() == [1, 2, 3, 4, 5, 6]
    assert [one[0] for one in shown["result"]] == best["result"].to_list()
    assert shown["tries"].tolist() == [1, 2, 2, 2, 1, 1]
    figures = {one.label: one.value for one in page.metric}
    assert figures["Rows matched"] == str((best["result"] == "matched").sum())
    assert "(= 6 rows)" in texts(page)


def test_a_shared_address_opens_the_best_of_all(finished_desk: Desk, run_id: str) -> None:
    tried(finished_desk, run_id, [2], Kind.LOOKUP_BUSINESS_EMAIL)

    assert looked_at(run_id, best="1").dataframe
    other = looked_at(run_id, best="yes")
    assert not other.dataframe
    assert "best" not in other.query_params


@pytest.mark.parametrize("fmt", ["csv", "plain", "xlsx", "parquet", "jsonl"])
def test_the_best_of_all_can_be_taken_away(finished_desk: Desk, run_id: str, fmt: str) -> None:
    child = tried(finished_desk, run_id, [2, 3], Kind.LOOKUP_BUSINESS_EMAIL)
    runs = Runs.read(finished_desk.ledger, [run_id, child])
    wanted = WantedBest(runs, "best", fmt, None, "", 6)

    data = file_bytes(wanted)

    assert wanted.file_name.startswith("SANDBOX-Spring-list_find_people_best_")
    if fmt == "parquet":
        assert pl.read_parquet(data).equals(chain(finished_desk.ledger, [run_id, child]))
    else:
        readers = {"csv": pl.read_csv, "plain": pl.read_csv, "xlsx": pl.read_excel, "jsonl": pl.read_ndjson}
        assert readers[fmt](data).height == 6


def test_a_chain_whose_first_list_was_deleted_says_so(finished_desk: Desk, run_id: str) -> None:
    child = tried(finished_desk, run_id, [2], Kind.LOOKUP_BUSINESS_EMAIL)
    erase_run(finished_desk.ledger, run_id)

    page = looked_at(child, best="1")

    assert "The personal data of the first run was deleted" in texts(page)
    assert again.standing(finished_desk.ledger, child).height == 1
