"""Run first for every page: navigation, page settings, and the strip on top."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from openmart_lib.dashboard import browser, resources, strip, widgets
from openmart_lib.errors import OpenmartError

# Pages that are read from top to bottom; "" opens Submit. An opened watch list is a table, and wide.
NARROW = ("", "submit", "lance", "settings")
TITLES = {
    "submit": "Submit",
    "monitor": "Monitor",
    "results": "Results",
    "lance": "Lance",
    "settings": "Settings",
}

# No icons here and an icon of our own below: Streamlit fetches named ones from another host.
page = st.navigation(
    [
        st.Page(resources.page(name), title=title, url_path=name, default=name == "submit")
        for name, title in TITLES.items()
    ],
    position="top",
)
st.set_page_config(
    page_title=f"{page.title} · Openmart Desk",
    page_icon=Path(__file__).with_name("icon.png"),
    layout="centered" if page.url_path in NARROW and "list" not in st.query_params else "wide",
)

browser.prepare()

try:
    resources.ledger()
    strip.show()
except OpenmartError as error:
    # Nothing works without settings and a ledger; the message says what to mend.
    st.title(page.title, anchor=False)
    widgets.error_message(error)
    st.caption("Correct it, then stop the dashboard (Ctrl-C) and start it again.")
    st.stop()

page.run()
