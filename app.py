"""Start the dashboard: ``streamlit run app.py``.

The UI script lies one folder down on purpose: with a ``pages/`` folder beside it, Streamlit would build
its own navigation and skip the script whenever a page's address is opened first.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from openmart_lib.dashboard.lifespan import lifespan
from openmart_lib.dashboard.routes import ROUTES

app = st.App(
    Path(__file__).parent / "openmart_lib" / "dashboard" / "main.py", lifespan=lifespan, routes=ROUTES
)
