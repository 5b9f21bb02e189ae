"""A corrected rejects file comes back: its rows take their places in the list by their number."""

from __future__ import annotations

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.files import Upload, read_upload, upload_from_frame
from openmart_lib.intake.rejects import list_mark, rejects_frame
from openmart_lib.intake.rejoin import corrected_list, rejoin
from openmart_lib.intake.tasks import Plan, RunOptions, plan_tasks

LIST = "row,Web,file_line\nA,acme.com,x\nB,n/a,x\nC,1-Mar,x\nD,beta.de,x\nE,gmial.com,x\n"
OWNER = RunOptions(title="Owner")


def uploaded(text: str = LIST) -> Upload:
    return read_upload(text.encode(), "list.csv")


def planned(upload: Upload) -> Plan:
    return plan_tasks(upload.frame, {"domain": ["Web"]}, Kind.FIND_PEOPLE, OWNER)


def rejects_of(upload: Upload) -> pl.DataFrame:
    plan = planned(upload)
    return rejects_frame(upload.frame, plan.rows, cells=plan.cells, sha256=upload.sha256)


def saved(frame: pl.DataFrame) -> Upload:
    return read_upload(frame.write_csv().encode(), "rejected.csv")


def with_web(frame: pl.DataFrame, **webs: str) -> pl.DataFrame:
    """Correct rejects: ``row_2="x.com"`` for row 2."""
    new = {int(name.removeprefix("row_")): web for name, web in webs.items()}
    return frame.with_columns(
        Web=pl.col("row").replace_strict(new, default=pl.col("Web"), return_dtype=pl.String)
    )


def test_a_rejects_file_has_the_columns_then_row_reason_suggestion_and_its_list() -> None:
    rejects = rejects_of(uploaded())

    assert rejects.columns == [
        *("row (uploaded)", "Web", "file_line (uploaded)"),
        *("row", "file_line", "intake_code", "intake_reason", "intake_suggestion", "intake_list"),
    ]
    assert rejects["row"].to_list() == [2, 3, 5]
    assert rejects["intake_suggestion"].to_list() == [None, None, "gmail.com"]


def test_our_own_rejects_file_is_known_again_and_others_are_not() -> None:
    upload = uploaded()

    assert corrected_list(saved(rejects_of(upload))) == list_mark(upload.sha256)
    assert corrected_list(upload) is None
    assert corrected_list(uploaded("row,intake_list\n1,a\n2,b\n")) is None


def test_corrected_rows_take_their_places_and_everything_else_stays() -> None:
    upload = uploaded()

    joined = rejoin(upload, saved(with_web(rejects_of(upload), row_2="new.com", row_5="other.com")))

    expected = upload.frame.with_columns(
        Web=pl.Series(["acme.com", "new.com", "1-Mar", "beta.de", "other.com"])
    )
    assert joined.upload.frame.equals(expected)
    assert (joined.rows, joined.problems) == ((2, 3, 5), ())
    assert planned(joined.upload).reckoning.outcomes["rejected"] == 1
    assert joined.upload.sha256 != upload.sha256


def test_more_of_the_same_rejects_file_can_come_later() -> None:
    upload = uploaded()
    rejects = rejects_of(upload)

    first = rejoin(upload, saved(with_web(rejects, row_2="new.com").filter(pl.col("row") == 2)))
    second = rejoin(first.upload, saved(with_web(rejects, row_3="third.com").filter(pl.col("row") == 3)))

    assert second.upload.frame["Web"].to_list() == [
        "acme.com",
        "new.com",
        "third.com",
        "beta.de",
        "gmial.com",
    ]
    assert len({upload.sha256, first.upload.sha256, second.upload.sha256}) == 3


def test_rows_without_a_place_are_named_and_change_nothing() -> None:
    upload = uploaded()
    text = "Web,row,intake_list\n" + "".join(
        f"{web},{row},{list_mark(upload.sha256)}\n"
        for web, row in (
            ("a.com", "2"),
            ("b.com", "2"),
            ("c.com", "99"),
            ("d.com", ""),
            ("e.com", "x"),
            ("f.com", "3.0"),
        )
    )

    joined = rejoin(upload, read_upload(text.encode(), "rejected.csv"))

    assert joined.upload.frame["Web"].to_list() == ["acme.com", "a.com", "f.com", "beta.de", "gmial.com"]
    assert joined.rows == (2, 3)
    assert [(one.file_line, one.message.split(": ")[1]) for one in joined.problems] == [
        (3, "row 2 is there already."),
        (4, "the list has no row '99'."),
        (5, "it has no row number."),
        (6, "the list has no row 'x'."),
    ]


def test_a_column_that_is_missing_keeps_its_cells_and_a_new_one_is_added() -> None:
    upload = uploaded()
    text = f"row,Web,City,intake_list\n2,new.com,Rom,{list_mark(upload.sha256)}\n"

    frame = rejoin(upload, read_upload(text.encode(), "rejected.csv")).upload.frame

    assert frame.select("row", "Web").row(1) == ("B", "new.com")
    assert frame["City"].to_list() == [None, "Rom", None, None, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Web\nnew.com\n", "no column “row”"),
        ("Web,row,intake_list\nnew.com,2,0123456789abcdef\n", "another list"),
        ("Name,row\nnew,2\nold,3\n", "none of the list's columns"),
        ("Web,row\nnew.com,77\n", "None of the rows has a number of this list"),
    ],
)
def test_a_file_of_another_list_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rejoin(uploaded("Web\nacme.com\nn/a\n"), read_upload(text.encode(), "x.csv"))


CELLS = st.lists(
    st.sampled_from(["acme.com", "n/a", "x@gmail.com", "1-Mar", "b.de", None, "=1+1", "a,b;c"]),
    min_size=2,
    max_size=12,
)


@examples(5)
@given(cells=CELLS, names=st.lists(st.sampled_from(["row", "intake_code", "file_line", "Zip"]), unique=True))
def test_a_rejects_file_that_nobody_touched_changes_nothing(
    cells: list[str | None], names: list[str]
) -> None:
    columns = {name: [f"{name} {number}" for number in range(len(cells))] for name in names}
    upload = upload_from_frame(pl.DataFrame({**columns, "Web": cells}, schema_overrides={"Web": pl.String}))
    rejects = rejects_of(upload)
    if rejects.is_empty():
        return

    joined = rejoin(upload, saved(rejects))

    assert joined.upload.frame.equals(upload.frame)
    assert joined.rows == tuple(rejects["row"])
