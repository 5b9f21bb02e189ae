"""Whoever is on a never-contact list is in no file that we write; every uploaded row still is."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from results_story import Story, companies, person

from openmart_lib import suppression
from openmart_lib.api.wire import Kind
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.options import RunOptions
from openmart_lib.ledger import Ledger
from openmart_lib.results import export, join
from openmart_lib.results.withheld import LEFT_OUT, SOME_LEFT_OUT, withhold

ANA = person(email="ana@acme.com.invalid", verified=True, linkedin_url="https://www.linkedin.com/in/ana")
BO = person("Bo", last_name="Lee", phone="+15550100")
PRIVATE = ("ana@acme.com", "linkedin.com/in/ana", "Ana", "Silva")


def never(ledger: Ledger, *cells: str) -> None:
    suppression.add_list(ledger, upload_from_frame(pl.DataFrame({"who": cells})), name="opt-outs")


def story(tmp_path: Path) -> Story:
    """Two companies: the first has Ana and Bo, the second only Ana's namesake at another company."""
    made = Story(tmp_path, companies("acme.com", "beta.com", "gamma.com", note=["a", "b", "c"]))
    made.send_all({1: [ANA, BO], 2: [person(email="ana@beta.com.invalid")], 3: []})
    return made


@pytest.mark.parametrize(
    "entry",
    ["Ana@acme.com", "https://linkedin.com/in/ANA/", "Ana Silva, acme.com"],
    ids=["email", "link", "name"],
)
def test_what_was_found_about_a_listed_person_is_blank_and_the_row_stays(tmp_path: Path, entry: str) -> None:
    told = story(tmp_path)
    never(told.ledger, entry)

    rows = withhold(told.ledger, join.results(told.ledger, told.run_id))

    assert rows.rows == 1 and rows.sentence() == f"1 row {LEFT_OUT}."
    assert rows.frame["note"].to_list() == ["a", "b", "c"] and rows.frame["row"].to_list() == [1, 2, 3]
    assert rows.frame["outcome"].to_list() == ["matched", "matched", "no match"]
    assert rows.frame["outcome_reason"][0] == LEFT_OUT
    assert not any(word in str(rows.frame.row(0)) for word in PRIVATE)
    assert rows.frame["found_email"].to_list() == [None, "ana@beta.com.invalid", None]
    assert rows.frame["contact_2_first_name"].to_list() == ["Bo", None, None]


def test_a_listed_company_shows_nothing_that_was_found_there(tmp_path: Path) -> None:
    told = story(tmp_path)
    never(told.ledger, "acme.com")

    long = withhold(told.ledger, join.results(told.ledger, told.run_id, "long"))

    assert long.frame.height == 4 and long.rows == 1
    assert long.frame["found_first_name"].to_list() == [None, None, "Ana", None]
    assert long.frame["record_no"].to_list() == [None, None, 1, None]


def test_only_the_listed_contact_of_several_is_blank(tmp_path: Path) -> None:
    told = story(tmp_path)
    never(told.ledger, "Bo Lee, acme.com")

    rows = withhold(told.ledger, join.results(told.ledger, told.run_id)).frame

    assert rows["found_first_name"][0] == rows["contact_1_first_name"][0] == "Ana"
    assert rows["contact_2_first_name"][0] is None and rows["contact_2_phone"][0] is None
    assert rows["outcome_reason"][0] == SOME_LEFT_OUT


def test_an_email_found_at_a_listed_company_is_withheld_whatever_row_it_was_found_for(tmp_path: Path) -> None:
    told = Story(tmp_path, companies("acme.com"))
    told.send_all({1: [person(email="ana@holding.com.invalid")]})
    never(told.ledger, "holding.com")

    assert withhold(told.ledger, join.results(told.ledger, told.run_id)).rows == 1


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet", ".jsonl"])
@pytest.mark.parametrize("shape", ["rows", "long", "companies"])
def test_no_file_of_any_kind_holds_it(tmp_path: Path, ending: str, shape: join.Shape) -> None:
    told = story(tmp_path)
    never(told.ledger, "ana@acme.com")
    path = tmp_path / f"out{ending}"

    info = export.export_run(told.ledger, told.run_id, path, shape=shape)

    frame = {
        ".csv": pl.read_csv,
        ".xlsx": pl.read_excel,
        ".parquet": pl.read_parquet,
        ".jsonl": pl.read_ndjson,
    }[ending](path)
    assert "ana@acme.com" not in str(frame.to_dict(as_series=False))
    assert "ana@beta.com" in str(frame.to_dict(as_series=False))
    assert info.withheld == 1 and info.rows == 3


def test_the_workbook_says_how_many_rows_are_concerned(tmp_path: Path) -> None:
    told = story(tmp_path)
    never(told.ledger, "ana@acme.com")
    path = tmp_path / "out.xlsx"

    export.export_run(told.ledger, told.run_id, path, shape="rows")

    about = pl.read_excel(path, sheet_id=2, has_header=False)
    assert f"1 row {LEFT_OUT}." in str(about.to_dict(as_series=False))


@pytest.mark.parametrize("preset", ["hubspot", "salesforce", "instantly", "smartlead", "lemlist"])
def test_in_an_import_file_a_listed_person_is_left_out_with_the_reason(tmp_path: Path, preset: str) -> None:
    told = story(tmp_path)
    never(told.ledger, "ana@acme.com")
    ready, apart = tmp_path / "ready.csv", tmp_path / "apart.csv"

    info = export.export_preset(told.ledger, told.run_id, ready, preset)
    export.export_preset(told.ledger, told.run_id, apart, preset, apart=True)

    assert info.withheld == 1
    assert "ana@acme" not in ready.read_text("utf-8-sig") and "ana@beta" in ready.read_text("utf-8-sig")
    left_out = apart.read_text("utf-8-sig")
    assert LEFT_OUT in left_out and "ana@acme" not in left_out


def test_a_listed_mailbox_is_withheld_too(tmp_path: Path) -> None:
    mailbox = {"domain": ["website"], "company_name": ["name"]}
    told = Story(
        tmp_path,
        companies("acme.com", name=["Acme"]),
        Kind.LOOKUP_BUSINESS_EMAIL,
        mapping=mailbox,
        options=RunOptions(),
    )
    told.send_all({1: [{"email": "info@acme.com.invalid", "status": "VALID"}]})
    never(told.ledger, "info@acme.com")

    rows = withhold(told.ledger, join.results(told.ledger, told.run_id))

    assert rows.frame["found_email"].to_list() == [None] and rows.frame["found_raw"].to_list() == [None]


@pytest.mark.parametrize("entry", ["ana@acme.com", "linkedin.com/in/ana-silva"], ids=["email", "link"])
def test_what_was_found_of_a_known_person_is_withheld_when_the_uploaded_cells_name_a_listed_one(
    tmp_path: Path, entry: str
) -> None:
    """What came back may hold neither: a phone of Ana's is Ana's, by whatever the list knew her."""
    known = {"domain": ["website"], "first_name": ["first"], "last_name": ["last"]}
    people = {
        "first": ["Ana", "Bo"],
        "last": ["Silva", "Lee"],
        "mail": ["Ana Silva <Ana@acme.com>", "bo@beta.com"],
        "profile": ["https://www.LinkedIn.com/in/Ana-Silva/", None],
    }
    told = Story(tmp_path, companies("acme.com", "beta.com", **people), Kind.LOOKUP_PEOPLE, mapping=known)
    told.send_all({1: [person(phone="+15550101")], 2: [person("Bo", last_name="Lee", phone="+15550100")]})
    never(told.ledger, entry)

    rows = withhold(told.ledger, join.results(told.ledger, told.run_id))

    assert rows.frame["found_phone"].to_list() == [None, "+15550100"]
    assert rows.frame["outcome_reason"][0] == LEFT_OUT and rows.rows == 1
    assert rows.frame["mail"].to_list() == people["mail"], "uploaded cells stay"


@pytest.mark.parametrize("together", [1, 4], ids=["alone", "in a group"])
def test_an_answer_under_another_name_is_withheld_when_the_person_asked_for_is_listed(
    tmp_path: Path, together: int
) -> None:
    """Openmart spells Ana's name its own way: the row is about Ana all the same."""
    known = {"domain": ["website"], "first_name": ["first"], "last_name": ["last"], "linkedin_url": ["link"]}
    people = {
        "first": ["Ana", "Bo", "Ana"],
        "last": ["Silva", "Lee", "Silva"],
        "link": ["in/x1", "in/x2", "in/x1"],
    }
    people["link"] = [f"https://www.linkedin.com/{one}" for one in people["link"]]
    told = Story(
        tmp_path,
        companies("acme.com", "acme.com", "acme.com", **people),
        Kind.LOOKUP_PEOPLE,
        mapping=known,
        options=RunOptions(info_access=("PHONE",), people_per_task=together),
    )
    first, second = (
        person("Anna", last_name="da Silva", phone="+15550101", linkedin_url=people["link"][0]),
        person("Bo", last_name="Lee", phone="+15550100", linkedin_url=people["link"][1]),
    )
    told.send_all({1: [first], 2: [second]} if together == 1 else {1: [first, second]})
    never(told.ledger, "Ana Silva, acme.com")

    rows = withhold(told.ledger, join.results(told.ledger, told.run_id))

    assert rows.frame["outcome"].to_list() == ["matched", "matched", "duplicate"]
    assert rows.frame["found_phone"].to_list() == [None, "+15550100", None]
    assert rows.rows == 2


def test_a_company_row_with_a_listed_email_keeps_the_other_people_that_were_found(tmp_path: Path) -> None:
    told = Story(tmp_path, companies("acme.com", mail=["ana@acme.com"]))
    told.send_all({1: [ANA, BO]})
    never(told.ledger, "ana@acme.com")

    rows = withhold(told.ledger, join.results(told.ledger, told.run_id)).frame

    assert (rows["contact_1_first_name"][0], rows["contact_2_first_name"][0]) == (None, "Bo")


def test_an_uploaded_column_is_never_blanked_whatever_it_is_called(tmp_path: Path) -> None:
    told = Story(tmp_path, companies("acme.com", found_note=["mine"], contact_9_email=["theirs"]))
    told.send_all({1: [ANA]})
    never(told.ledger, "acme.com")

    rows = withhold(told.ledger, join.results(told.ledger, told.run_id)).frame

    assert rows.select("found_note", "contact_9_email").rows() == [("mine", "theirs")]


def test_without_a_list_the_very_frame_comes_back(tmp_path: Path) -> None:
    told = story(tmp_path)
    frame = join.results(told.ledger, told.run_id)

    assert withhold(told.ledger, frame).frame is frame
