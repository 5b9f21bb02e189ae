"""Results: every row with its outcome, filters in the address, and files to take away."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib import suppression
from openmart_lib.dashboard import results_charts, results_columns, results_pictures, results_table
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.ledger import BatchState, queries, reconciling
from openmart_lib.ledger.decisions import attach_batch
from openmart_lib.results.pictures import OVER_TIME_SCHEMA
from tests.pages.conftest import LIST, Desk, button, eventually, labels, texts


@pytest.fixture
def run_id(finished_desk: Desk) -> str:
    """The finished run of the data folder."""
    return finished_desk.newest


def test_an_empty_results_page_says_what_it_will_show_and_where_to_begin(desk: Desk) -> None:
    page = desk.open("results")

    assert "Here every row of your lists stands with its outcome" in texts(page)
    assert page.page_link[0].value == "Submit a first list"


def test_the_headline_and_the_outcomes_add_up(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    figures = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert figures["Rows matched"] == ("2", "of 6 rows")
    assert figures["With email"] == ("1", "of 4 looked up")
    said = texts(page)
    assert "matched **1**" in said
    assert "= 6 rows" in said
    assert "1 duplicate repeats a matched row, so 2 rows have what you asked for." in said


def test_every_uploaded_row_is_in_the_table_with_its_outcome(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    table = page.dataframe[0].value
    assert table["row"].tolist() == [1, 2, 3, 4, 5, 6]
    assert [one[0] for one in table["outcome"]] == [
        "matched",
        "no match",
        "partial",
        "errored",
        "duplicate",
        "rejected",
    ]
    assert table["found_email"].tolist()[0].startswith("mailto:")
    assert table["found_email"].tolist()[4] == table["found_email"].tolist()[0]


def test_somebody_on_a_never_contact_list_is_not_in_the_table_and_the_row_is(
    finished_desk: Desk, run_id: str
) -> None:
    """Its cells can be copied, so it is a way out of the house as a file is."""
    listed = upload_from_frame(pl.DataFrame({"who": ["everything.example"]}))
    suppression.add_list(finished_desk.ledger, listed, name="opt-outs")

    page = finished_desk.open("results", run=run_id)

    table = page.dataframe[0].value
    assert table["row"].tolist() == [1, 2, 3, 4, 5, 6] and table["outcome"][0] == ["matched"]
    assert table["outcome_reason"][0] == table["outcome_reason"][4] == "left out: on your never-contact list"
    assert "found_email" not in table.columns, "it is of everybody here who has one"


def test_the_filter_comes_from_the_address_and_goes_into_it(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id, outcome="rejected,nonsense,%3Cb%3E")
    assert page.dataframe[0].value["row"].tolist() == [6]
    assert page.query_params["outcome"] == "rejected"

    page.checkbox(key=f"outcome_{run_id}_matched").check().run()

    assert page.dataframe[0].value["row"].tolist() == [1, 6]
    assert page.query_params["outcome"] == "matched,rejected"


def test_a_row_in_the_address_opens_its_story(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id, row="5")

    assert page.header[-1].value == "row 5 (line 6 in your file)"
    said = texts(page)
    assert "The same task as row 1: it carries that row's answer and was paid once." in said
    assert "Clean domain: everything.example" in said
    assert f'"tracking_id": "{run_id}-1"' in page.code[1].value


@pytest.mark.parametrize("row", ["0", "7", "x", "99999999999999999999", "-1"])
def test_a_row_that_is_none_opens_nothing(finished_desk: Desk, run_id: str, row: str) -> None:
    page = finished_desk.open("results", run=run_id, row=row)

    assert not any("line" in header.value for header in page.header)


def test_a_run_that_still_runs_shows_what_is_there(desk: Desk) -> None:
    run_id = desk.plan()

    page = desk.open("results", run=run_id)

    assert "4 rows without an answer yet" in texts(page)
    assert page.dataframe[0].value["row"].tolist() == [1, 2, 3, 4, 5, 6]


def shown(page: AppTest) -> list[int]:
    """The numbers of the rows in the table."""
    return list(page.dataframe[0].value["row"])


def test_rows_at_rest_whose_batch_turns_up_later_are_shown_as_they_are_now(desk: Desk) -> None:
    desk.sandbox.faults.add("answer_lost")
    run_id = desk.plan()
    with desk.working():
        eventually(lambda: desk.run(run_id).batches[BatchState.UNKNOWN] == 1)
    (lost,) = queries.batches(desk.ledger, run_id)["pk"]
    before = desk.open("results", run=run_id)
    assert before.dataframe[0].value["outcome"].tolist()[0] == ["unknown"]
    (credits,) = (one for one in before.metric if one.label == "Credits")
    doubt = reconciling.reconcile(desk.ledger, desk.run(run_id)).in_doubt
    assert doubt and (credits.value, credits.delta) == ("about 0", f"up to {doubt:g} more in doubt")

    attach_batch(desk.ledger, lost, desk.sandbox.journal()[0].batch_id)
    desk.finish(run_id)

    after = desk.open("results", run=run_id)
    assert after.dataframe[0].value["outcome"].tolist()[0] == ["matched"]
    assert [one.value for one in after.metric if one.label == "With email"] == ["1"]


def test_a_facet_tells_how_many_rows_each_value_has_under_the_other_filters(
    finished_desk: Desk, run_id: str
) -> None:
    page = finished_desk.open("results", run=run_id)
    assert page.checkbox(key=f"is.Segment_{run_id}_B").label == "B (4)"

    page.checkbox(key=f"outcome_{run_id}_duplicate").check().run()

    assert page.checkbox(key=f"is.Segment_{run_id}_B").label == "B (1)"
    assert page.checkbox(key=f"outcome_{run_id}_rejected").label == "rejected (1)"  # its own do not count


def test_facets_narrow_each_other_down_and_say_of_how_many(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    page.checkbox(key=f"is.Segment_{run_id}_B").check().run()
    page.checkbox(key=f"email_{run_id}_none").check().run()

    assert shown(page) == [3, 4, 6]
    assert "**3** of 6 rows" in texts(page)
    assert page.query_params["is.Segment"] == "B"
    assert page.query_params["email"] == "none"


def test_a_filter_is_a_chip_that_takes_it_off(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id, outcome="matched,rejected", **{"is.Segment": "B"})
    assert shown(page) == [6]

    page.button(key=f"off_{run_id}_is.Segment_B").click().run()
    assert shown(page) == [1, 6]
    assert "is.Segment" not in page.query_params

    button(page, "Clear all").click().run()
    assert shown(page) == [1, 2, 3, 4, 5, 6]
    assert "outcome" not in page.query_params
    assert "Clear all" not in labels(page)


def test_what_is_searched_for_is_found_and_never_stands_in_the_address(
    finished_desk: Desk, run_id: str
) -> None:
    page = finished_desk.open("results", run=run_id)

    page.text_input(key=f"search_{run_id}").set_value("EVERYTHING again").run()

    assert shown(page) == [5]
    assert "everything" not in str(dict(page.query_params)).lower()


def test_a_search_that_finds_nothing_says_what_to_do(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    page.text_input(key=f"search_{run_id}").set_value("no such words").run()

    assert "No row fits all of these filters" in texts(page)
    assert "**0** of 6 rows" in texts(page)


def test_rows_are_sorted_by_any_column_either_way(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    page.selectbox(key=f"sort_{run_id}").select("Company").run()
    assert list(page.dataframe[0].value["Company"])[:3] == ["Errored", "Everything", "Everything again"]

    page.checkbox(key=f"desc_{run_id}").check().run()
    assert list(page.dataframe[0].value["Company"])[:3] == ["Private", "Nobody", "No contact"]
    assert (page.query_params["sort"], page.query_params["desc"]) == ("Company", "1")


def test_a_shared_address_shows_the_same_rows_in_the_same_order(finished_desk: Desk, run_id: str) -> None:
    address = {"is.Segment": "B", "sort": "Company", "desc": "1", "show": "domain", "row": "4"}

    page = finished_desk.open("results", run=run_id, **address)

    assert shown(page) == [6, 3, 5, 4]
    assert "domain" in page.dataframe[0].value.columns
    assert page.header[-1].value == "row 4 (line 5 in your file)"
    assert {name: page.query_params[name] for name in address} == address


@pytest.mark.parametrize(
    "address",
    [
        {"is.Segment": "C"},
        {"is.Company": "Everything"},  # as many values as rows: no facet
        {"is.No such column": "x"},
        {"email": "<b>"},
        {"sort": "no such column"},
        {"desc": "1"},
        {"page": "99"},
        {"show": "nonsense"},
    ],
    ids=lambda address: next(iter(address)),
)
def test_an_address_that_asks_for_what_is_not_there_shows_every_row(
    finished_desk: Desk, run_id: str, address: dict[str, str]
) -> None:
    page = finished_desk.open("results", run=run_id)
    for name, value in address.items():
        page.query_params[name] = value
    page.run()

    assert shown(page) == [1, 2, 3, 4, 5, 6]
    assert "Clear all" not in labels(page)


def test_many_rows_come_in_pages_of_a_hundred_and_a_filter_goes_back_to_the_first(desk: Desk) -> None:
    rows = "".join(f"Shop {n},shop{n}.example,{'AB'[n % 2]}\n" for n in range(230))
    run_id = desk.plan(text="Company,Website,Segment\n" + rows)

    page = desk.open("results", run=run_id)
    page.query_params["page"] = "3"
    page.run()
    assert shown(page) == list(range(201, 231))

    page.checkbox(key=f"is.Segment_{run_id}_A").check().run()
    assert shown(page) == list(range(1, 200, 2))
    assert "page" not in page.query_params


def test_the_columns_beside_ours_are_chosen_and_stand_in_the_address(
    finished_desk: Desk, run_id: str
) -> None:
    page = finished_desk.open("results", run=run_id)
    assert "title_fit" in page.dataframe[0].value.columns

    page.checkbox(key=f"show_{run_id}_title_fit").uncheck().run()
    page.checkbox(key=f"show_{run_id}_tracking_id").check().run()

    columns = list(page.dataframe[0].value.columns)
    assert "title_fit" not in columns
    assert columns.index("Segment") < columns.index("found_email") < columns.index("tracking_id")


def test_a_story_tells_how_the_domain_was_cleaned_and_what_was_found(
    finished_desk: Desk, run_id: str
) -> None:
    page = finished_desk.open("results", run=run_id, row="5")

    assert "from “https://www.everything.example/about”: took the host of a URL" in texts(page)
    found = page.dataframe[1].value
    assert found["found_email"].tolist() == page.dataframe[0].value["found_email"].tolist()[:1]
    assert [one.label for one in page.expander if "JSON" in one.label] == [
        "The task as it was sent (JSON)",
        "The answer as it came (JSON)",
    ]


@pytest.mark.parametrize(
    ("see", "sentences"),
    [
        (
            "reached",
            [
                "From uploaded to found: uploaded 6, accepted 5, sent 5, completed 4, matched 2",
                "Match rate by Segment: B 1 of 2 (50 %), 95 % interval 9 to 91 %",
            ],
        ),
        ("found", ["Companies by contacts found: ", "Titles found most often: Owner"]),
    ],
    ids=["how far rows got", "what was found"],
)
def test_the_pictures_say_in_words_what_they_draw(
    finished_desk: Desk, run_id: str, see: str, sentences: list[str]
) -> None:
    page = finished_desk.open("results", run=run_id, see=see)

    said = [one.proto.alt for one in page.get("vega_lite_chart")]  # type: ignore[attr-defined]  # a chart's proto
    assert [any(one.startswith(sentence) for one in said) for sentence in sentences] == [True, True]


def test_other_pictures_are_one_click_away_and_stand_in_the_address(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    page.radio(key=f"see_{run_id}").set_value("time").run()

    assert page.query_params["see"] == "time"
    assert "Answers as they came in" in texts(page)
    assert "From uploaded to found" not in texts(page)


def test_a_list_without_a_column_of_few_values_says_so(desk: Desk) -> None:
    run_id = desk.plan(text=LIST.replace(",Segment", "").replace(",A", "").replace(",B", ""))

    assert "No column of your list has few enough values to group by." in texts(
        desk.open("results", run=run_id)
    )


@pytest.mark.parametrize(
    ("now", "clicked", "then"),
    [([], "a", ["a"]), (["a"], "a", []), (["b"], "a", ["a"]), (["a", "b"], "a", ["a"]), ([None], None, [])],
    ids=["a first click", "the same again", "another bar", "one of several", "empty cells again"],
)
def test_a_click_on_a_bar_shows_that_value_alone_and_a_second_one_all(
    now: list[str | None], clicked: str | None, then: list[str | None]
) -> None:
    assert results_pictures.after_click(now, clicked) == then


@pytest.mark.parametrize(
    ("now", "before", "opened", "then"),
    [([4], [], None, 4), ([4, 7], [4], 4, 7), ([7], [4, 7], 7, 7), ([4], [4, 7], 7, 4), ([], [4], 4, None)],
    ids=["a first tick", "a second tick", "another unticked", "the open one unticked", "none left"],
)
def test_the_row_ticked_last_tells_its_story(
    now: list[int], before: list[int], opened: int | None, then: int | None
) -> None:
    assert results_table.to_open(now, before, opened) == then


def test_outcomes_over_time_are_drawn_in_their_own_colours() -> None:
    frame = pl.DataFrame(
        [
            (datetime(2026, 1, 1, 12, n, tzinfo=UTC), one, n)
            for n in (1, 2)
            for one in ("no match", "matched")
        ],
        schema=OVER_TIME_SCHEMA,
        orient="row",
    )

    chart, sentence = results_charts.over_time(frame)

    scale = chart.to_dict()["encoding"]["color"]["scale"]
    assert scale == {"domain": ["matched", "no match"], "range": ["#0E9F6E", "#8A94A3"]}
    assert sentence == "Rows answered over time, in the end: matched 2, no match 2."


def test_a_link_is_shown_only_where_every_value_earned_it() -> None:
    links = {"found_email": "a@b.example", "found_linkedin_url": "https://www.linkedin.com/in/ana"}
    good = pl.DataFrame({"row": 1, "outcome": "matched"} | links)
    for name in links:
        bad = good.with_columns(pl.lit("javascript:alert(1)").alias(name))
        assert "display_text" in results_columns.config(good)[name]["type_config"]
        assert "display_text" not in results_columns.config(bad)[name].get("type_config", {})
