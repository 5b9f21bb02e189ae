"""What a page tells the browser beside Streamlit's own: no file of a table's own, short ways by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

_STYLE: Final = Path(__file__).with_name("browser.css")
_SCRIPT: Final = Path(__file__).with_name("browser.js")


def prepare() -> None:
    """Give the page its style and script: both are files of ours, with nothing of a list or an answer."""
    st.html(_STYLE)
    with st.container(key="browser_script"):
        st.html(f"<script>{_SCRIPT.read_text()}</script>", unsafe_allow_javascript=True)
