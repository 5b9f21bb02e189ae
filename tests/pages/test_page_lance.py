"""Lance: from any list to a watch list, free, with every row accounted for; and the lists as cards."""

from __future__ import annotations

import io
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from openmart_lib import lance_lists
from openmart_lib.api.wire import LanceField
from openmart_lib.dashboard import drafts, lance_cards, lance_form, submit_draft
from openmart_lib.ledger import asking, watched
from openmart_lib.ledger.watched import Standing, WatchCard
from openmart_lib.ledger.watching import Ended, WatchMode
from openmart_lib.results.workbook import write_workbook
from tests.lance_kit import entity_ids
from tests.pages.conftest import Desk, button, eventually, labels, texts

IDS = entity_ids(6)
MESSY = "\n".join(
    [
        "Lead;Lance-ID;Kind",
        f"Ana;{IDS[0].upper()};person",
        f"Ben;{{{IDS[1]}}};contact",
        f"Ana again;{IDS[0]};person",
        "Carla;;person",
        f"Dirk;{IDS[2][:20]};person",
        f"Acme;https://lance.example/companies/{IDS[3]};company",
        f"Eva;{IDS[4]};",
    ]
).encode("cp1252")


def brought(desk: Desk, data: bytes = MESSY, name: str = "messy.csv") -> AppTest:
    """The page with a file uploaded."""
    page = desk.open("lance")
    page.file_uploader[0].upload(name, data).run()
    assert not page.exception
    return page


def asked(page: AppTest) -> AppTest:
    """The page after its one button."""
    next(one for one in page.button if one.label.startswith("Ask Lance about")).click().run()
    assert not page.exception
    return page


def address(page: AppTest, name: str) -> str:
    """What the page's address says of this."""
    given = page.query_params[name]
    return given if isinstance(given, str) else str(given[0])


def shown(desk: Desk) -> AppTest:
    """The page as it is opened now, whatever was read a moment before."""
    lance_cards.cards.clear()
    return desk.open("lance")


def only_card(desk: Desk) -> WatchCard:
    (card,) = watched.watch_cards(desk.ledger)
    return card


def test_an_empty_page_says_that_it_is_free_and_what_it_is_for(desk: Desk) -> None:
    page = desk.open("lance")

    assert page.markdown[1].value.startswith("**Free: this page never spends credits.**")
    assert "what not to pay for twice" in texts(page)
    assert "Try it with 200 sample leads" in labels(page)


def test_the_sample_is_one_click_and_opens_its_list(desk: Desk) -> None:
    page = desk.open("lance")

    button(page, "Try it with 200 sample leads").click().run()

    card = only_card(desk)
    assert address(page, "list") == card.list_id
    assert "200 ids = 200 rows" in texts(page)
    assert desk.sandbox.credits_spent() == 0


def test_a_messy_list_is_read_and_its_rows_add_up(desk: Desk) -> None:
    page = brought(desk)

    said = texts(page)
    assert "4 ids + 1 row repeats one (asked once) + 2 rejected = 7 rows" in said
    assert "4 ids x 2 fields = 8 questions in 1 free call." in said
    reasons = page.dataframe[0].value
    assert reasons["Rows"].sum() == 2
    assert list(reasons["First in line"]) == [5, 6]
    assert "2 rejected rows" in [one.label for one in page.download_button]


def test_the_guessed_columns_are_shown_with_samples_and_can_be_changed(desk: Desk) -> None:
    page = brought(desk)
    ids, kinds = page.selectbox[0], page.selectbox[1]
    assert (ids.value, kinds.value) == (1, 2)
    assert "person, contact" in texts(page)

    kinds.set_value(-1).run()
    asked(page)

    rows = watched.watch_rows(desk.ledger, only_card(desk).list_id)
    assert set(rows["entity_type"].drop_nulls()) == {"company"}


def test_the_ids_of_another_sheet_are_found_there(desk: Desk) -> None:
    workbook = io.BytesIO()
    more = pl.DataFrame({"Person": IDS[:3], "Note": ["x"] * 3})
    write_workbook(pl.DataFrame({"Lance ID": IDS}), workbook, summary=more)
    page = brought(desk, workbook.getvalue(), "two.xlsx")
    draft_id = address(page, "draft")
    page.session_state[f"{draft_id}_file"] = True
    page.run()

    next(one for one in page.selectbox if one.label == "Sheet").set_value("summary").run()

    assert "3 ids = 3 rows" in texts(page)


def test_a_list_without_ids_asks_for_the_column_and_offers_no_question(desk: Desk) -> None:
    page = brought(desk, b"Name,Company\nAna,Acme\nBen,Globex\n", "names.csv")
    assert "No column of this list looks like entity ids." in texts(page)

    page.selectbox[0].set_value(0).run()

    assert "0 ids + 2 rejected = 2 rows" in texts(page)
    assert "No row of this list can be asked about." in texts(page)
    assert not [one for one in labels(page) if one.startswith("Ask Lance")]


def test_without_a_field_nothing_can_be_asked(desk: Desk) -> None:
    page = brought(desk)

    for box in page.checkbox:
        box.uncheck()
    page.run()

    assert "Choose at least one field." in texts(page)
    assert not [one for one in labels(page) if one.startswith("Ask Lance")]


def test_what_was_chosen_is_what_is_watched_and_the_draft_is_gone(desk: Desk) -> None:
    page = brought(desk)
    next(one for one in page.checkbox if one.label == "summary").check()
    page.radio[0].set_value(WatchMode.WAIT)
    page.text_input[0].set_value("Fair in May").run()
    assert "questions in 1 free call a round." in texts(page)

    asked(page)

    card = only_card(desk)
    assert (card.name, card.mode, card.upload_name) == ("Fair in May", WatchMode.WAIT, "messy.csv")
    assert set(card.fields) == {one.value for one in LanceField}
    assert (card.row_count, card.item_count) == (7, 12)
    assert address(page, "list") == card.list_id
    assert list(submit_draft.folder().iterdir()) == []


def test_a_tab_that_was_left_while_the_list_was_written_finds_it(desk: Desk) -> None:
    page = brought(desk)
    draft_id = address(page, "draft")
    draft = drafts.load(submit_draft.folder(), draft_id)
    assert draft is not None
    upload = submit_draft.upload(draft)
    prepared = lance_lists.prepare(upload, fields=[LanceField.EMAILS])
    lance_form.work(draft, prepared, "Left")(lambda done, of: None)

    page.run()

    assert address(page, "list") == only_card(desk).list_id
    assert list(submit_draft.folder().iterdir()) == []


def test_a_second_click_in_another_tab_makes_no_second_list(desk: Desk) -> None:
    page = brought(desk)
    draft_id = address(page, "draft")
    asked(page)

    late = desk.open("lance", draft=draft_id)

    assert "This draft is not kept any more" in texts(late)
    assert len(watched.watch_cards(desk.ledger)) == 1


def test_pasted_ids_make_a_list(desk: Desk) -> None:
    page = desk.open("lance")

    page.text_area[0].set_value(", ".join(IDS)).run()
    button(page, "Use these ids").click().run()

    assert "6 ids = 6 rows" in texts(page)


def test_nothing_pasted_is_a_message(desk: Desk) -> None:
    page = desk.open("lance")

    button(page, "Use these ids").click().run()

    assert len(page.error) == 1
    assert not page.exception


@given(st.lists(st.uuids(), min_size=1, max_size=9), st.sampled_from([" ", ", ", ";", "\t", "\n", ' | "']))
def test_any_row_of_nothing_but_ids_becomes_one_id_a_line(ids: list[object], apart: str) -> None:
    text = apart.join(map(str, ids))

    assert lance_form.one_a_line(text).split("\n") == [str(one) for one in ids]


def test_pasted_ids_without_dashes_lose_no_line_and_the_rule_is_told(desk: Desk) -> None:
    bare = [one.replace("-", "") for one in IDS[:3]]
    assert lance_form.one_a_line(" ".join(bare)).split("\n") == bare

    page = shown(desk)
    page.text_area(key="lance_pasted").set_value("\n".join(bare))
    button(page, "Use these ids").click()
    page.run()

    assert not page.exception
    assert "3 ids are written without dashes" in texts(page)
    assert "Ask Lance about 3 ids" in [one.label for one in page.button]


@given(st.text(alphabet="abc,;\n -0123456789", min_size=1))
def test_pasted_rows_with_anything_else_stay_as_they_are(noise: str) -> None:
    text = f"Name,Id\nAna,{IDS[0]}\n{noise}"

    assert lance_form.one_a_line(text) == text


def test_cards_show_how_lists_stand_and_their_states_add_up(desk: Desk) -> None:
    asked(brought(desk))
    with desk.working():
        eventually(lambda: only_card(desk).standing is Standing.ENDED)

    page = shown(desk)

    said = texts(page)
    assert "Everything was looked at once: asked" in said
    assert "= 8 enrichments" in said
    legend = next(line for line in said.splitlines() if line.endswith("= 8 enrichments"))
    assert sum(int(number) for number in re.findall(r"\*\*(\d+)\*\*", legend)) == 8
    assert {"Open", "Refresh now", "Delete the list"} <= set(labels(page))
    assert "Close" not in labels(page)


def test_open_shows_that_list_alone_and_back_shows_all(desk: Desk) -> None:
    asked(brought(desk))
    page = shown(desk)

    button(page, "Open").click().run()
    assert address(page, "list") == only_card(desk).list_id
    button(page, "All watch lists").click().run()

    assert "list" not in page.query_params
    assert "Watch lists" in texts(page)


def test_closing_refreshing_and_deleting_a_list(desk: Desk) -> None:
    asked(brought(desk))
    page = shown(desk)

    button(page, "Close").click().run()
    assert only_card(desk).ended_why is Ended.CLOSED
    assert "Closed by you" in texts(page)

    button(page, "Refresh now").click().run()
    assert only_card(desk).standing is Standing.ASKING

    button(page, "Delete the list").click().run()
    assert watched.watch_cards(desk.ledger) == []
    assert list(desk.ledger.uploads_dir.iterdir()) == []
    assert "Bring a list of leads" in texts(page)


def test_a_held_list_says_what_happened_and_offers_to_go_on(desk: Desk) -> None:
    asked(brought(desk))
    said = "Lance does not accept the token. Nothing was spent. Correct LANCE_TOKEN, then refresh."
    asking.hold_lists(desk.ledger, "sandbox", said)

    page = shown(desk)

    assert [one.value.replace("\\", "") for one in page.warning][-1] == said
    assert "Needs you" in texts(page)
    assert button(page, "Refresh now").proto.type == "primary"


def test_only_the_newest_lists_are_shown_unless_all_are_wanted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmart_lib.dashboard.lance_cards.NEWEST", 1)
    asked(brought(desk, name="older.csv"))
    asked(brought(desk, name="newer.csv"))
    page = shown(desk)
    assert "newer" in texts(page)
    assert labels(page).count("Open") == 1

    next(one for one in page.checkbox if one.label == "Show the 1 older list too").check().run()

    assert labels(page).count("Open") == 2
