"""Results: several runs together, and a line per company with its best contact by an order of one's own."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import results_ranking, results_together, run_picker
from openmart_lib.dashboard.results_prepared import Wanted, write_file
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.results.quality import RANKING, Criterion
from openmart_lib.results.together import Runs
from tests.pages.conftest import Desk, labels, texts

OTHER = "Company,Website,Land\nEverything,everything.example,DE\nFar away,faraway.example,FR\n"
VERIFIED, EMAIL, FIT, PHONE = RANKING


@pytest.fixture
def ids(finished_desk: Desk) -> tuple[str, str]:
    """A finished run of six rows, and a planned one of two with a company of the first."""
    first = finished_desk.newest
    return first, finished_desk.plan(text=OTHER, name="Summer list")


def shown(page: AppTest) -> pl.DataFrame:
    """The table."""
    return pl.DataFrame(
        {name: list(values) for name, values in page.dataframe[0].value.items()}, strict=False
    )


def both(desk: Desk, ids: tuple[str, str], **query: str) -> AppTest:
    return desk.open("results", run=",".join(ids), **query)


def test_rows_of_several_runs_follow_each_other_and_say_which_run_they_are_of(
    finished_desk: Desk, ids: tuple[str, str]
) -> None:
    page = both(finished_desk, ids)

    table = shown(page)
    assert table["row"].to_list() == [1, 2, 3, 4, 5, 6, 1, 2]
    assert table["run_name"].to_list() == ["Spring list"] * 6 + ["Summer list"] * 2
    assert table["Land"].to_list()[6:] == ["DE", "FR"]
    said = texts(page)
    assert "= 8 rows" in said and "2 runs together" in said
    assert "“Segment”, “Land” are not in every list" in said
    assert "Receipt, deleting data, trying again and import files are of one run" in said
    assert "Delete data…" not in labels(page)


def test_a_run_is_put_beside_another_by_a_choice_that_stands_in_the_address(
    finished_desk: Desk, ids: tuple[str, str]
) -> None:
    page = finished_desk.open("results", run=ids[0])
    assert shown(page).height == 6

    page.multiselect(key=f"results_beside_{ids[0]}").set_value([ids[1]]).run()

    assert not page.exception and shown(page).height == 8
    assert page.query_params["run"] == ",".join(ids)


def test_one_of_the_runs_is_a_filter_and_pictures_count_all(
    finished_desk: Desk, ids: tuple[str, str]
) -> None:
    page = both(finished_desk, ids, of_run="Summer list")

    assert shown(page)["row"].to_list() == [1, 2]
    assert "**2** of 8 rows" in texts(page)
    said = [one.proto.alt for one in page.get("vega_lite_chart")]  # type: ignore[attr-defined]  # a chart's proto
    assert any(one.startswith("From uploaded to found: uploaded 8") for one in said)


def test_the_story_of_a_row_is_that_of_its_run(finished_desk: Desk, ids: tuple[str, str]) -> None:
    page = both(finished_desk, ids, row="8")

    assert page.header[-1].value == "row 2 (line 3 in your file)"
    assert f"Task {ids[1]}-2" in texts(page)
    yours = page.dataframe[-1].value
    assert yours["Column"].tolist() == ["Company", "Website", "Land"]


def test_an_unknown_run_among_several_is_said_and_passed_over(
    finished_desk: Desk, ids: tuple[str, str]
) -> None:
    page = finished_desk.open("results", run=f"{ids[0]},nonsense,{ids[1]}")

    assert "There is no run nonsense here." in texts(page)
    assert shown(page).height == 8


def test_an_erased_run_is_left_out_and_named(finished_desk: Desk) -> None:
    first, second = finished_desk.newest, finished_desk.plan(text=OTHER, name="Summer list")
    erase_run(finished_desk.ledger, first)

    page = both(finished_desk, (second, first))

    assert shown(page).height == 2
    assert "Left out, for the personal data was deleted: Spring list." in texts(page)


def test_too_many_rows_together_show_the_first_run_alone(
    finished_desk: Desk, ids: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_picker, "MOST_ROWS", 7)

    page = both(finished_desk, ids)

    assert shown(page).height == 6
    assert f"openmart export {' '.join(ids)}" in texts(page)


def test_different_kinds_are_said_in_words(finished_desk: Desk, ids: tuple[str, str]) -> None:
    same = Runs.read(finished_desk.ledger, ids)
    mixed = Runs((same.each[0], replace(same.each[1], kind=Kind.FIND_TECH)))

    said = [
        [one for one in results_together.differences(runs) if "different" in one] for runs in (same, mixed)
    ]

    assert said == [
        [],
        ["The runs asked for different things, so a column of one kind is empty in the others."],
    ]


def test_a_company_has_one_line_with_its_best_contact(finished_desk: Desk, ids: tuple[str, str]) -> None:
    page = both(finished_desk, ids, lines="companies")

    table = shown(page)
    assert table["company_rows"].to_list() == [3, 1, 1, 1, 1, 1]
    assert table["found_email"].to_list()[0].startswith("mailto:")
    said = texts(page)
    assert "**6** companies" in said
    assert (
        "Best first: verified email, then email, then title fit, then phone, then the outcome, then the order"
        in said
    )


def test_the_order_is_chosen_said_kept_in_the_address_and_taken_along(finished_desk: Desk) -> None:
    run_id = finished_desk.newest
    page = finished_desk.open("results", run=run_id, lines="companies")

    page.selectbox(key=f"ranking_table_0_{run_id}").select(PHONE).run()

    assert page.query_params["ranking"] == "phone,email,title_fit,verified_email"
    assert "Best first: phone, then email, then title fit, then verified email" in texts(page)
    assert page.selectbox(key=f"ranking_download_0_{run_id}").value == PHONE


@pytest.mark.parametrize("ranking", ["salary", "phone,%3Cb%3E", ",,", "phone;drop"])
def test_an_order_that_is_none_is_said_and_ours_is_shown(finished_desk: Desk, ranking: str) -> None:
    page = finished_desk.open(
        "results", run=finished_desk.newest, lines="companies", ranking=unquote(ranking)
    )

    assert "The order of contacts in this address cannot be used." in texts(page)
    assert "Best first: verified email, then email" in texts(page)
    assert "ranking" not in page.query_params


@pytest.mark.parametrize(
    ("order", "nth", "wanted", "then"),
    [
        (RANKING, 0, PHONE, (PHONE, EMAIL, FIT, VERIFIED)),
        ((VERIFIED,), 1, FIT, (VERIFIED, FIT)),
        ((VERIFIED, FIT, PHONE), 1, None, (VERIFIED, PHONE)),
        ((VERIFIED, FIT), 0, PHONE, (PHONE, FIT)),
        ((VERIFIED, FIT), 2, FIT, (VERIFIED, FIT)),
    ],
    ids=["swapped", "added", "taken away", "replaced", "twice is once"],
)
def test_a_choice_of_one_place_leaves_every_criterion_at_most_once(
    order: tuple[Criterion, ...], nth: int, wanted: str | None, then: tuple[Criterion, ...]
) -> None:
    assert results_ranking.after_choice(order, nth, wanted) == then


def test_a_file_of_several_runs_says_so_in_its_name_and_holds_the_rows_shown(
    finished_desk: Desk, ids: tuple[str, str]
) -> None:
    runs = Runs.read(finished_desk.ledger, ids)
    one = Wanted(runs, "rows", "plain", pl.Series([1, 8]), "", None)

    written = write_file(finished_desk.ledger, one)

    assert one.file_name.startswith("SANDBOX-Spring-list-and-1-more_find_people_rows_partial_")
    read = pl.read_csv(written.path)
    assert read.select("run_name", "row").rows() == [("Spring list", 1), ("Summer list", 2)]
    written.path.unlink()


def test_a_file_of_companies_says_by_which_order(finished_desk: Desk) -> None:
    runs = Runs.read(finished_desk.ledger, finished_desk.newest)
    usual, own = (
        Wanted(runs, "companies", "xlsx", None, "", None, ranking) for ranking in (RANKING, (PHONE, FIT))
    )

    written = write_file(finished_desk.ledger, own)

    assert "_companies_by-phone-title-fit_" in own.file_name and "_by-" not in usual.file_name
    assert own.key != usual.key
    summary = pl.read_excel(written.path, sheet_name="summary")
    assert "Best first: phone, then title fit" in " ".join(summary["meaning"].drop_nulls())
    written.path.unlink()
