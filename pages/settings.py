"""Settings: what this dashboard talks to and where it keeps things; nothing is edited here."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import resources, settings_checks, suppression_view, widgets
from openmart_lib.engine import ask
from openmart_lib.errors import OpenmartError

ICONS = {
    "good": ":green[:material/check_circle:]",
    "simulated": ":orange[:material/science:]",
    "mend": ":red[:material/error:]",
}

st.title("Settings", anchor=False)
st.markdown("What this dashboard talks to and where it keeps things. Keys are never typed into a page.")

settings = resources.settings()
checks = settings_checks.checks(settings, resources.worker())

st.header("Checklist", anchor=False)
with st.container(border=True):
    for check in checks:
        st.markdown(
            f"{ICONS[check.level]} **{widgets.escape(check.name)}**: {widgets.escape(check.state, 1000)}"
            + (f"  \n{widgets.escape(check.todo, 1000)}" if check.todo else "")
        )
        if check.line:
            st.code(check.line, language=None)

if not settings.simulated:
    st.header("Test the key", anchor=False)
    st.caption("Asks Openmart for the credit balance. Free.")
    if st.button("Test the key", icon=":material/key:", type="primary"):
        try:
            balance = ask.balance(settings)
        except OpenmartError as error:
            widgets.error_message(error)
        else:
            widgets.message(
                "success", "The key works.", f"{settings_checks.balance_sentence(balance)} Nothing was spent."
            )

suppression_view.show()

st.header("How to change a setting", anchor=False)
st.markdown(
    "Put a line such as those above into this file (create it if it is not there), or set an environment "
    "variable of the same name, which wins:"
)
st.code(str(settings_checks.secrets_file()), language=None)
st.markdown("Then stop the dashboard (Ctrl-C; submissions on their way are finished first) and start it:")
st.code("streamlit run app.py", language=None)

st.header("All settings", anchor=False)
table = settings_checks.all_settings(settings)
widgets.table(table, "All settings with their present values; keys are hidden", height=38 + 35 * table.height)
