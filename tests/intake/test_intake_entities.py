"""Entity ids: found in any cell that holds one, and every other row told why it cannot be asked about."""

from __future__ import annotations

import uuid
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmart_lib.api.wire import LanceEntityType
from openmart_lib.errors import InputError
from openmart_lib.intake.entities import ROWS_SCHEMA, EntityMapping, guess_entities, read_entities, undashed
from openmart_lib.intake.files import upload_from_frame

ID = "3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0001"
OTHER = "3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0002"
PERSON = LanceEntityType.PERSON


def frame(**columns: list[str | None]) -> pl.DataFrame:
    return upload_from_frame(pl.DataFrame(columns), "list").frame


def read(*cells: str | None) -> list[tuple[Any, ...]]:
    rows = read_entities(frame(id=list(cells)), EntityMapping("id"))
    return rows.select("intake", "reason", "entity_id").rows()


@pytest.mark.parametrize(
    "cell",
    [
        ID,
        ID.upper(),
        f"  {ID}\t",
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f"https://app.lance.so/people/{ID}?tab=1",
        f'"{ID}"',
        f"person_{ID}",
        ID.replace("-", ""),
        f"{{{ID.replace('-', '').upper()}}}",
        f"urn:uuid:{ID.replace('-', '')}",
        f"https://app.lance.so/people/{ID.replace('-', '')}",
    ],
)
def test_an_id_is_read_however_it_is_written(cell: str) -> None:
    assert read(cell) == [("accepted", None, ID)]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (ID[:-1], "not a UUID: it has 35 characters"),
        ("7", "not a UUID: it has 1 character"),
        (ID + "a", "not a UUID: it has 37 characters"),
        (ID.replace("f", "g"), "not a UUID: it holds the character g"),
        ("3f2b8c1e5a77-4d1c-9e55-0a6f7f1d00011", "not a UUID: its dashes are in other places"),
        (None, "no id, the cell is empty"),
        ("   ", "no id, the cell is empty"),
        (f"{ID} {OTHER}", "2 ids in one cell; one row can be one"),
        (f"{ID} {OTHER.replace('-', '')}", "2 ids in one cell; one row can be one"),
        ("0" * 32, "not an id: it is all zeros"),
        (ID.replace("-", "") * 2, "not a UUID: it has 64 characters"),
        (f"{ID},{ID}", "2 ids in one cell; one row can be one"),
        ("0" * 8 + "-0000-0000-0000-" + "0" * 12, "not an id: it is all zeros"),
    ],
)
def test_a_cell_that_holds_no_single_id_is_rejected_with_column_and_cause(
    cell: str | None, reason: str
) -> None:
    assert read(cell) == [("rejected", f'column "id": {reason}', None)]


def test_the_same_entity_again_is_a_duplicate_of_the_first_row() -> None:
    rows = read("x", ID, OTHER, ID.upper(), f"<{ID}>")

    assert [row[0] for row in rows] == ["rejected", "accepted", "accepted", "duplicate", "duplicate"]
    assert rows[3][1] == rows[4][1] == "same entity as row 2"
    assert rows[3][2] == ID


def test_a_column_may_say_the_type_and_the_same_id_of_two_types_is_two_entities() -> None:
    given = frame(id=[ID, ID, ID, ID], what=["Person", " COMPANY ", None, "dog"])

    rows = read_entities(given, EntityMapping("id", "what", PERSON))

    assert rows["entity_type"].to_list() == ["person", "company", "person", None]
    assert rows["intake"].to_list() == ["accepted", "accepted", "duplicate", "rejected"]
    assert rows["reason"][3] == 'column "what": neither person nor company'


def test_the_column_of_ids_is_found_by_its_cells_and_among_several_by_its_name() -> None:
    by_cells = guess_entities(frame(Name=["A", "B"], Key=[ID, None], Number=["1", "2"]))
    by_name = guess_entities(frame(Run=[ID, OTHER], Entity_ID=[OTHER, ID]))
    with_type = guess_entities(frame(Key=[ID, OTHER], Kind=["person", "company"]))

    assert by_cells == EntityMapping("Key")
    assert by_name is not None and by_name.id_column == "Entity_ID"
    assert with_type == EntityMapping("Key", "Kind")
    assert guess_entities(frame(Name=["A", "B"])) is None


def test_a_column_of_ids_with_dashes_goes_before_one_that_may_be_of_other_keys() -> None:
    bare = [ID.replace("-", ""), OTHER.replace("-", "")]

    assert guess_entities(frame(Hash=bare, Key=[ID, OTHER])) == EntityMapping("Key")
    assert guess_entities(frame(Hash=bare)) == EntityMapping("Hash")


def test_how_many_ids_were_given_their_dashes_is_counted() -> None:
    given = frame(id=[ID, OTHER.replace("-", ""), f"{{{ID.replace('-', '')}}}", "x", None])

    assert undashed(given, EntityMapping("id")) == 2


def test_a_column_that_is_not_in_the_file_is_said() -> None:
    with pytest.raises(InputError, match="no column 'Lance'"):
        read_entities(frame(id=[ID]), EntityMapping("Lance"))


def test_a_columns_name_may_look_like_a_pattern() -> None:
    given = pl.DataFrame({"seq": [1], "file_line": [2], "^id.*$": [ID], "idx": ["x"]})

    rows = read_entities(given, EntityMapping("^id.*$"))

    assert rows["entity_id"].to_list() == [ID]


@settings(max_examples=30)
@given(
    st.lists(st.none() | st.text() | st.uuids().map(str) | st.from_regex(r"[0-9a-f -]{30,80}"), max_size=30)
)
def test_every_row_comes_out_once_with_an_id_or_a_reason(cells: list[str | None]) -> None:
    given = pl.DataFrame({"cell": cells}, schema={"cell": pl.String}).with_row_index("seq", 1)
    given = given.with_columns(file_line=pl.col("seq") + 1)

    rows = read_entities(given, EntityMapping("cell"))

    assert rows.schema == ROWS_SCHEMA
    assert rows["seq"].to_list() == list(range(1, len(cells) + 1))
    for intake, reason, entity_id in rows.select("intake", "reason", "entity_id").iter_rows():
        assert (entity_id is None) == (intake == "rejected")
        assert (reason is None) == (intake == "accepted")
        assert entity_id is None or str(uuid.UUID(entity_id)) == entity_id
    accepted = rows.filter(pl.col("intake") == "accepted")["entity_id"]
    assert accepted.n_unique() == len(accepted)


@settings(max_examples=50)
@given(st.uuids(), st.text(alphabet=" ,;:/\"'<>{}[]()#?=_\t", max_size=5))
def test_an_id_among_signs_is_found(one: uuid.UUID, signs: str) -> None:
    expected = ("rejected", None) if one.int == 0 else ("accepted", str(one))

    assert (read(f"{signs}{one}{signs}")[0][::2]) == expected
