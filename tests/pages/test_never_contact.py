"""Settings, never-contact lists: taken up from a file, counted, removed; nobody on them is named."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from openmart_lib.dashboard import resources
from openmart_lib.ledger.suppressing import never_lists
from tests.pages.conftest import PATIENCE, Desk, button, texts


def _script() -> None:
    from openmart_lib.dashboard import suppression_view

    suppression_view.show()


def section(desk: Desk) -> AppTest:
    """The section on a page of its own."""
    assert desk.settings.simulated
    return AppTest.from_function(_script, default_timeout=PATIENCE).run()


def taken_up(desk: Desk, content: str) -> AppTest:
    page = section(desk)
    page.file_uploader[0].upload("opt-outs.csv", content.encode())
    button(page, "Take up this list").click()
    return page.run()


def test_an_empty_section_says_what_a_list_does(desk: Desk) -> None:
    page = section(desk)

    assert not page.exception
    assert "never sent to Openmart" in texts(page) and "There is no list yet." in texts(page)


def test_a_file_becomes_a_list_with_its_counts(desk: Desk) -> None:
    page = taken_up(desk, "who\nana@acme.com\nbeta.com\nBo Lee, acme.com\n")

    assert not page.exception
    assert "3 entries were read" in texts(page)
    (row,) = page.dataframe[0].value.to_dict("records")
    assert (row["List"], row["Emails"], row["Websites"], row["People"]) == ("Never contact", 1, 1, 1)
    assert not any(word in texts(page) for word in ("ana@acme", "beta.com", "Bo Lee, acme.com\n"))


def test_an_export_with_several_columns_says_which_one_was_used(desk: Desk) -> None:
    page = taken_up(desk, "Email,Name\nana@acme.com,Ana Silva\n")

    assert not page.exception
    assert "from the column 'Email'" in texts(page)


def test_a_file_that_is_no_list_is_refused_in_words(desk: Desk) -> None:
    page = taken_up(desk, "who\nnonsense\n")

    assert not page.exception
    assert "No line of opt-outs.csv" in "".join(one.value for one in page.error).replace("\\", "")
    assert never_lists(resources.ledger()) == []


def test_a_list_is_removed_again(desk: Desk) -> None:
    page = taken_up(desk, "who\nana@acme.com\n")

    button(page, "Remove it").click()
    page.run()

    assert not page.exception and never_lists(resources.ledger()) == []
    assert "Never contact is removed" in texts(page)
