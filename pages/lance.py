"""Lance: whether enrichments exist and how they ended, for lists of entity ids; free."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import lance_cards, lance_form, lance_open, submit_draft, widgets

st.title("Lance", anchor=False)
st.markdown("**Free: this page never spends credits.** It shows whether data exists, not the data.")

with widgets.errors_shown():
    lists = lance_cards.cards()

draft = submit_draft.present()
if draft is not None:
    lance_form.show(draft)
    st.stop()
if "draft" in st.query_params:
    st.info("This draft is not kept any more (drafts live a week). Bring the list again.")

opened = lance_open.chosen(lists)
if opened is not None:
    st.set_page_config(page_title=f"{opened.name} · Lance")
    if st.button("All watch lists", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.clear()
        st.rerun()
    part = st.fragment(lance_open.live, run_every=lance_cards.every([opened]))
    part(opened.list_id, lance_cards.signature([opened]))
    lance_open.show(opened)
    st.stop()

if not lists:
    st.markdown(
        "Bring a list of leads with their Lance ids. For each lead and field you see whether Lance has "
        "the data, looked and found nothing, is still looking, or was never asked: what is safe to enrich "
        "now, what to wait for, and what not to pay for twice."
    )
    lance_form.ask_for_list()
    st.stop()

with st.expander("New watch list", icon=":material/add:"):
    lance_form.ask_for_list()
# One fragment, refreshing only while something moves; each refresh re-reads the ledger, nothing else.
st.fragment(lance_cards.live, run_every=lance_cards.every(lists))(lance_cards.signature(lists))
