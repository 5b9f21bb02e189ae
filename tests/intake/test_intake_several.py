"""Several websites in one cell: rejected, the first taken, or each looked up, and no row ever lost."""

from __future__ import annotations

import polars as pl
import pytest
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st

from openmart_lib.api.wire import Kind
from openmart_lib.intake.anyway import PARENT, websites_in
from openmart_lib.intake.files import Upload, read_upload, upload_from_frame
from openmart_lib.intake.overrides import NO_OVERRIDES, Choice, Overrides
from openmart_lib.intake.rejects import list_mark
from openmart_lib.intake.rules import FIRST_OF_SEVERAL
from openmart_lib.intake.several import Several, crowded_rows, settled, split_rows
from openmart_lib.intake.tasks import Plan, RunOptions, plan_tasks

OWNER = RunOptions(title="Owner")
MAPPING = {"domain": ["Website"]}
LIST = (
    "Website,Company\n"
    "acme.com; beta.de,Acme\n"
    "beta.de,Beta\n"
    '"gmail.com, facebook.com/x",Nobody\n'
    "gamma.fr / facebook.com/gamma,Gamma\n"
    '"jane@delta.it, acme.com , epsilon.io",Delta\n'
)


def uploaded(text: str = LIST) -> Upload:
    return read_upload(text.encode(), "list.csv")


def planned(upload: Upload, overrides: Overrides = NO_OVERRIDES) -> Plan:
    return plan_tasks(upload.frame, MAPPING, Kind.FIND_PEOPLE, OWNER, overrides=overrides)


def dealt_with(upload: Upload, several: Several) -> tuple[Upload, Plan]:
    after, overrides = settled(upload, MAPPING, Kind.FIND_PEOPLE, OWNER, several)
    return after, planned(after, overrides)


def test_unless_asked_otherwise_a_cell_with_several_websites_is_rejected() -> None:
    upload, plan = dealt_with(uploaded(), Several.REJECT)

    assert upload.frame.equals(uploaded().frame)
    assert plan.rows["code"].to_list() == ["multiple", None, "multiple", "multiple", "multiple"]


def test_the_first_that_can_be_sent_is_taken_and_the_rule_says_so() -> None:
    _, plan = dealt_with(uploaded(), Several.FIRST)

    assert plan.rows["domain"].to_list() == ["acme.com", "beta.de", None, "gamma.fr", "delta.it"]
    assert plan.cells["rule"].to_list()[0] == FIRST_OF_SEVERAL
    assert plan.rows["code"].to_list()[2] == "multiple", "neither of its websites can be sent"


def test_each_website_gets_a_row_behind_the_list_and_is_paid_once() -> None:
    upload, plan = dealt_with(uploaded(), Several.EACH)

    assert upload.frame[PARENT].to_list() == ["1", None, None, "4", "5", "1", "5", "5"]
    assert upload.frame["Website"].to_list()[5:] == ["beta.de", "acme.com", "epsilon.io"]
    assert plan.tasks["domain"].to_list() == ["acme.com", "beta.de", "gamma.fr", "delta.it", "epsilon.io"]
    assert plan.rows["duplicate_of"].to_list() == [None, None, None, None, None, 2, 1, None]


def test_uploaded_rows_keep_their_number_their_line_and_their_cells() -> None:
    before = uploaded().frame
    after = dealt_with(uploaded(), Several.EACH)[0].frame

    assert after.head(before.height).drop(PARENT).equals(before)
    assert after["seq"].to_list() == list(range(1, 9))
    assert after["file_line"].to_list()[5:] == [2, 6, 6]
    assert after["Company"].to_list()[5:] == ["Acme", "Delta", "Delta"]


def test_a_divided_list_is_another_upload_of_the_same_list() -> None:
    upload = dealt_with(uploaded(), Several.EACH)[0]

    assert upload.sha256 != uploaded().sha256
    assert list_mark(upload.sha256) == list_mark(uploaded().sha256)


def test_a_divided_list_read_back_from_a_file_means_the_same() -> None:
    upload, plan = dealt_with(uploaded(), Several.EACH)
    text = upload.frame.drop("seq", "file_line").write_csv()

    again = planned(uploaded(text))

    assert again.rows["domain"].equals(plan.rows["domain"])


def test_single_rows_are_divided_and_others_stay_rejected() -> None:
    upload = uploaded()

    split = split_rows(upload, MAPPING, planned(upload), [5])

    assert (split.parents, split.added) == ((5,), 2)
    assert crowded_rows(planned(split.upload)) == [1, 3, 4]


def test_a_row_without_a_website_that_can_be_sent_is_not_divided() -> None:
    upload = uploaded()

    split = split_rows(upload, MAPPING, planned(upload), [3])

    assert split.upload is upload
    assert (split.parents, split.added) == ((), 0)


def test_an_edited_cell_is_divided_as_edited() -> None:
    upload, edited = uploaded(), NO_OVERRIDES.with_edit(2, "domain", "one.com two.com")
    plan = planned(upload, edited)

    split = split_rows(upload, MAPPING, plan, [2], overrides=edited)

    after = planned(split.upload, edited)
    assert after.rows["domain"].to_list()[1::4] == ["one.com", "two.com"]


def test_with_two_columns_for_the_website_the_new_row_says_it_in_the_first() -> None:
    upload = uploaded('Website,Email\n,"a@acme.com, b@beta.de"\n')
    mapping = {"domain": ["Website", "Email"]}

    after, _ = settled(upload, mapping, Kind.FIND_PEOPLE, OWNER, Several.EACH)

    plan = plan_tasks(after.frame, mapping, Kind.FIND_PEOPLE, OWNER)
    assert plan.rows["domain"].to_list() == ["acme.com", "beta.de"]
    assert after.frame["Website"].to_list() == [None, "beta.de"]


def test_people_are_looked_up_at_each_of_their_companies() -> None:
    upload = uploaded("Website,First,Last\nacme.com beta.de,Ada,Lovelace\nbeta.de,Ada,Lovelace\n")
    mapping = {"domain": ["Website"], "first_name": ["First"], "last_name": ["Last"]}

    after, _ = settled(upload, mapping, Kind.LOOKUP_PEOPLE, RunOptions(), Several.EACH)

    plan = plan_tasks(after.frame, mapping, Kind.LOOKUP_PEOPLE, RunOptions())
    assert plan.tasks["domain"].to_list() == ["acme.com", "beta.de"]
    assert plan.rows["duplicate_of"].to_list() == [None, None, 2]


def test_a_column_of_that_name_in_the_file_changes_nothing_for_other_rows() -> None:
    upload = uploaded("Website,parent_row\nacme.com beta.de,Holding\ngamma.fr delta.it,7\n")

    assert planned(upload).rows["code"].to_list() == ["multiple", "multiple"]


def test_several_in_one_cell_suggest_none_that_cannot_be_sent() -> None:
    """Once "gmail.com,facebook.com" suggested facebook.com."""
    plan = planned(uploaded())

    assert plan.cells["suggestion"].to_list() == ["acme.com", None, None, "gamma.fr", "delta.it"]


SITES = ("acme.com", "beta.de", "gamma.fr", "gmail.com", "facebook.com/x", "co.uk", "https://www.acme.com/a")
CELL = st.builds(
    lambda parts, mark: mark.join(parts),
    st.lists(st.sampled_from([*SITES, "Acme Inc", "n/a", "jane@delta.it", ""]), min_size=1, max_size=4),
    st.sampled_from([" ", ", ", "; ", " | ", ",", " / ", "\n"]),
)


@examples(3)
@given(st.lists(CELL, min_size=1, max_size=8), st.sampled_from(list(Several)))
@example(["acme.com, beta.de", "beta.de"], Several.EACH)
@example(["facebook.com/x gmail.com"], Several.FIRST)
def test_rows_always_add_up_and_each_website_is_sent_once(cells: list[str], several: Several) -> None:
    upload = upload_from_frame(pl.DataFrame({"Website": cells}), "list")

    after, plan = dealt_with(upload, several)

    counts = plan.reckoning
    assert counts.adds_up
    assert counts.uploaded == after.frame.height == sum(plan.rows["intake"].value_counts()["count"])
    assert after.frame.height == len(cells) or several is Several.EACH
    assert plan.tasks["domain"].is_unique().all()
    named = set(websites_in(upload.frame["Website"].cast(pl.String))["domain"])
    crowded = set(crowded_rows(planned(upload)))
    places = websites_in(upload.frame["Website"]).filter((pl.col("place") + 1).is_in(list(crowded)))
    if several is Several.EACH:
        assert set(places["domain"]) <= set(plan.tasks["domain"])
        assert not set(crowded_rows(plan)) & set((places["place"] + 1).to_list())
    assert set(plan.tasks["domain"]) <= named | set(planned(upload).tasks["domain"])


@pytest.mark.parametrize(("choice", "intake"), [(Choice.SEND, "accepted"), (Choice.DROP, "skipped")])
def test_a_single_row_is_decided_about_like_any_other(choice: Choice, intake: str) -> None:
    plan = planned(uploaded(), NO_OVERRIDES.with_rows([1], choice))

    assert plan.rows["intake"].to_list()[:2] == [intake, "accepted"]
