"""Several runs as one, and the best of each company by an order of one's own: frames, files and what is noted."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from results_story import Story, companies, person

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Outcome
from openmart_lib.ledger.exports import exports_of
from openmart_lib.results import export, join, receipt
from openmart_lib.results.companies import best_of_companies
from openmart_lib.results.quality import RANKING, Criterion, parse_ranking, ranking_words
from openmart_lib.results.together import Runs
from openmart_lib.settings import Prices

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
PHONE = "+15550100"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Two rows: found twice, nothing found."""
    story = Story(tmp_path_factory.mktemp("two"), companies("acme.com", "beta.com", land=["DE", "US"]))
    story.send_all({1: [person("Ana", phone=PHONE), person("Bo", email="b@acme.com", verified=True)], 2: []})
    return story


@pytest.fixture(scope="module")
def lines(first: Story) -> pl.DataFrame:
    """The first run's lines, twice: a run of another name with the same companies after it."""
    long = join.results(first.ledger, first.run_id, "long")
    return pl.concat([long, long.with_columns(pl.lit("other").alias("run_name"))])


@pytest.fixture(scope="module")
def second(first: Story, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A run of the same name in the same ledger: a company of the first one again, and one that waits."""
    story = Story(first.ledger.folder, companies("acme.com", "gamma.com", size=["S", "L"]), content="second")
    story.answer(story.send(), 1, [person("Cy", title="Clerk", phone=PHONE)])
    return story


def both(first: Story, second: Story) -> Runs:
    return Runs.read(first.ledger, [first.run_id, second.run_id, first.run_id])


def test_several_runs_add_up(first: Story, second: Story) -> None:
    runs = both(first, second)

    assert runs.ids == (first.run_id, second.run_id) and runs.alone is None
    assert (runs.row_count, runs.final_rows, runs.moving) == (4, 3, True)
    assert runs.outcomes[Outcome.PENDING] == 1 and sum(runs.outcomes.values()) == 4
    assert runs.columns == ["website", "land", "size"]
    assert runs.name == "Spring list and 1 more"


def test_a_row_of_several_runs_is_found_by_its_number(first: Story, second: Story) -> None:
    runs = both(first, second)

    numbers = join.results(first.ledger, runs.ids).select(runs.number()).to_series()

    assert numbers.to_list() == [1, 2, 3, 4]
    places = [(run.run_id, row) for run, row in map(runs.locate, numbers)]
    assert places == [(first.run_id, 1), (first.run_id, 2), (second.run_id, 1), (second.run_id, 2)]
    for beyond in (0, 5, -1):
        with pytest.raises(ValueError, match="4 rows"):
            runs.locate(beyond)


def test_runs_of_one_name_are_told_apart_by_their_ids(first: Story, second: Story) -> None:
    frame = join.results(first.ledger, [first.run_id, second.run_id])

    names = [f"Spring list ({one.run_id})" for one in (first, second)]
    assert frame["run_name"].to_list() == [names[0], names[0], names[1], names[1]]
    assert join.results(first.ledger, first.run_id)["run_name"].unique().to_list() == ["Spring list"]


@pytest.mark.parametrize(
    ("numbers", "found"), [([3], ["Cy"]), ([1], ["Bo"]), ([1, 3], ["Bo"]), ([2], [None])]
)
def test_of_chosen_rows_each_company_shows_the_best_that_was_found_for_them(
    first: Story, second: Story, numbers: list[int], found: list[str | None]
) -> None:
    """Row 3 is the second run's first; its company is that of row 1."""
    frame = join.results(
        first.ledger, [first.run_id, second.run_id], "companies", rows=pl.Series(numbers, dtype=pl.Int64)
    )

    assert frame["found_first_name"].to_list() == found
    assert frame["company_rows"].to_list() == [1 if numbers == [2] else 2]


def test_a_company_is_ranked_across_runs(first: Story, second: Story) -> None:
    ids = [first.run_id, second.run_id]

    by_phone = join.results(first.ledger, ids, "companies", ranking=[Criterion.PHONE, Criterion.TITLE_FIT])
    by_email = join.results(first.ledger, ids, "companies")

    assert by_phone["found_first_name"].to_list() == ["Ana", None, None]
    assert by_email["found_first_name"].to_list() == ["Bo", None, None]


def test_a_file_of_several_runs_holds_all_their_rows_and_is_noted_with_each(
    first: Story, second: Story, tmp_path: Path
) -> None:
    ids = [first.run_id, second.run_id]

    info = export.export_run(first.ledger, ids, tmp_path / "both.xlsx", shape="rows")

    read = pl.read_excel(info.path, infer_schema_length=0)
    assert (info.lines, info.rows, info.noted) == (4, 4, True)
    assert read["website"].to_list() == ["acme.com", "beta.com", "acme.com", "gamma.com"]
    summary = pl.read_excel(info.path, sheet_name="summary", infer_schema_length=0)
    facts = dict(summary.select("what", "value").iter_rows())
    assert summary.filter(pl.col("what") == "run id")["value"].to_list() == ids
    assert sum(int(facts[one]) for one in Outcome if one in facts) == int(facts["uploaded rows"]) == 4
    for run_id, other, partial in ((ids[0], ids[1], False), (ids[1], ids[0], True)):
        noted = exports_of(first.ledger, run_id)[-1]
        assert (noted.sha256, noted.lines, noted.rows) == (info.sha256, 2, 2)
        assert (noted.other_runs, noted.partial) == ((other,), partial)


def test_a_file_says_what_the_best_of_a_company_was_chosen_by(first: Story, tmp_path: Path) -> None:
    info = export.export_run(
        first.ledger, first.run_id, tmp_path / "best.xlsx", shape="companies", ranking=[Criterion.PHONE]
    )

    summary = pl.read_excel(info.path, sheet_name="summary", infer_schema_length=0)
    told = summary.filter(pl.col("what") == "best record of a company")["meaning"].to_list()
    assert told == ["Best first: phone, then the outcome, then the order of your list."]
    assert pl.read_excel(info.path)["found_first_name"].to_list() == ["Ana", None]
    made = receipt.read(first.ledger, first.run_id, prices=Prices())
    assert made.exports[-1].best_first == "phone"
    assert "Best first" in receipt.as_html(made)


def test_a_name_says_how_many_runs_and_that_they_asked_for_different_things(
    first: Story, second: Story
) -> None:
    run = both(first, second).each[0]
    other = Story(first.ledger.folder, companies("x.com"), Kind.FIND_TECH, content="tech")
    mixed = Runs.read(first.ledger, [first.run_id, other.run_id])

    name = export.file_name(mixed, shape="rows", ext="csv", partial=False, now=0)

    assert run.kind is Kind.FIND_PEOPLE and mixed.kind is None
    assert name == "SANDBOX-Spring-list-and-1-more_several_rows_19700101-0000Z.csv"


@QUICK
@given(st.lists(st.sampled_from(list(Criterion)), unique=True))
def test_a_ranking_survives_the_way_through_an_address(ranking: list[Criterion]) -> None:
    words = ",".join(ranking_words(ranking))

    assert parse_ranking(filter(None, words.split(","))) == tuple(ranking)
    assert " " not in words


@QUICK
@given(may=st.lists(st.booleans(), min_size=6, max_size=6), ranking=st.permutations(list(RANKING)))
def test_what_may_not_be_shown_is_as_if_it_were_not_there_but_for_the_rows_it_counts(
    lines: pl.DataFrame, may: list[bool], ranking: list[Criterion]
) -> None:
    among = pl.Series(may)

    shown = best_of_companies(lines, ranking, among=among)

    alone = best_of_companies(lines.filter(among), ranking)
    assert shown.sort("domain").drop("company_rows").equals(alone.sort("domain").drop("company_rows"))
    counts = dict(best_of_companies(lines, ranking).select("domain", "company_rows").iter_rows())
    assert [counts[one] for one in shown["domain"]] == shown["company_rows"].to_list()
