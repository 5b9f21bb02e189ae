"""Settings, never-contact lists: take one up, see how many entries each has, remove one."""

from __future__ import annotations

from typing import Final

import polars as pl
import streamlit as st

from openmart_lib import suppression
from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.errors import InputError, OpenmartError
from openmart_lib.intake.files import Upload
from openmart_lib.intake.guarded import read_upload_guarded
from openmart_lib.intake.limits import MAX_UPLOAD_BYTES
from openmart_lib.ledger.suppressing import NeverList, never_lists, remove_list

_TOLD: Final = "never_told"  # what the last click did, shown once after the page ran again
_DEFAULT_NAME: Final = "Never contact"


def show() -> None:
    """Show the section."""
    st.header("Never contact", anchor=False)
    st.markdown(
        "Emails, websites and people on these lists are never sent to Openmart and never written into a "
        "file. Only keyed hashes are kept, so a list can be compared with, but not read."
    )
    if told := st.session_state.pop(_TOLD, None):
        widgets.message("success", told, "It holds from now on, for every list and every download.")
    try:
        lists = never_lists(resources.ledger())
        _lists(lists)
        _add([one.name for one in lists])
    except OpenmartError as error:
        widgets.error_message(error)


def _lists(lists: list[NeverList]) -> None:
    if not lists:
        st.caption("There is no list yet.")
        return
    table = pl.DataFrame(
        {
            "List": [one.name for one in lists],
            "Emails": [one.emails for one in lists],
            "Websites": [one.domains for one in lists],
            "People": [one.people for one in lists],
            "Changed": [words.date_and_time(one.at, widgets.zone()) for one in lists],
        }
    )
    widgets.table(table, "Never-contact lists with their entries", height=38 + 35 * table.height)
    with st.popover("Remove a list…", icon=":material/delete:"):
        name = st.selectbox("List", [one.name for one in lists], key="never_removed")
        st.caption("Whoever is on no other list may be contacted and exported again.")
        if st.button("Remove it", key="never_remove", type="primary", disabled=name is None) and name:
            gone = remove_list(resources.ledger(), name)
            st.session_state[_TOLD] = f"{name} is removed, {words.counted(gone, 'entry', 'entries')}."
            st.rerun()


def _add(known: list[str]) -> None:
    with st.form("never_add", clear_on_submit=True):
        name = st.text_input("Name of the list", value=_DEFAULT_NAME, max_chars=100)
        file = st.file_uploader(
            "File with the list",
            type=["csv", "txt", "tsv", "xlsx"],
            help="Emails, websites, LinkedIn links, or names with a website: Ana Silva, acme.com. Of several "
            "columns the one that holds them is used, and named.",
            max_upload_size=MAX_UPLOAD_BYTES // 1024**2,
        )
        st.caption("One entry a line: an email, a website, a LinkedIn link, or “Ana Silva, acme.com”.")
        sent = st.form_submit_button("Take up this list", icon=":material/person_off:")
    if not sent:
        return
    if file is None or not name.strip():
        missing = "file" if file is None else "name"
        raise InputError(f"There is no {missing}. Nothing was changed. Choose one and try again.")
    data, called = file.getvalue(), name.strip()

    def read(delimiter: str | None) -> Upload:
        return read_upload_guarded(data, file.name, delimiter=delimiter)

    added = suppression.add_list(resources.ledger(), suppression.one_column(read), name=called)
    st.session_state[_TOLD] = added.sentence()
    st.rerun()
