"""Lance: whether enrichments exist and how they ended, for a list of entity ids; free."""

from __future__ import annotations

import streamlit as st

from openmart_lib.api.wire import MAX_LANCE_QUERY, LanceEntityType, LanceField
from openmart_lib.dashboard import lance_look, lance_view, widgets, words

st.title("Lance", anchor=False)
st.markdown("**Free: this page never spends credits.** It shows whether data exists, not the data.")

pasted = st.text_area(
    "Entity ids",
    height=130,
    key="lance_ids",
    placeholder="3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0001\n3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0002",
    help="Paste them in any form, one or several a line. Ids are found by their shape.",
    persist_state="session",
)
file = st.file_uploader(
    "or a file that holds them (CSV or TXT, up to 5 MB)", type=["csv", "txt"], max_upload_size=5
)
left, right = st.columns(2)
with left:
    chosen = widgets.checks(
        "Fields",
        {one.value: one.value for one in LanceField},
        key="lance_field",
        start=(LanceField.EMAILS, LanceField.PHONES),
    )
    fields = [LanceField(one) for one in chosen]
kind = right.radio(
    "These are",
    list(LanceEntityType),
    format_func=lambda one: "people" if one is LanceEntityType.PERSON else "companies",
    key="lance_type",
    horizontal=True,
    persist_state="session",
)

text = (pasted or "") + "\n" + (file.getvalue().decode("utf-8", errors="replace") if file else "")
ids, others = lance_look.read_ids(text)
asked = lance_look.questions(ids, fields, kind or LanceEntityType.PERSON)

if others:
    st.caption(f"{words.counted(len(others), 'line')} without an entity id passed over, such as:")
    st.text(others[0])
if not ids:
    st.info("Paste entity ids (UUIDs, as Lance shows them), then *Look* tells for each field how it stands.")
    st.stop()
if not fields:
    st.info("Choose at least one field.")
    st.stop()

wanted = len(ids) * len(fields)
st.markdown(
    f"{words.counted(len(ids), 'id')} x {words.counted(len(fields), 'field')} = "
    + words.counted(wanted, "question")
    + (f"; the first {MAX_LANCE_QUERY} are asked in one look." if wanted > MAX_LANCE_QUERY else ".")
)
if st.button(f"Look at {words.counted(len(asked), 'state')}", type="primary", icon=":material/search:"):
    lance_view.look(asked)
lance_view.show()
