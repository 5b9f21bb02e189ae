"""Results in headline numbers: how many rows have what, and about what it cost."""

from __future__ import annotations

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.ledger import reconciling
from openmart_lib.results.summary import Summary
from openmart_lib.results.together import Runs


def headline(runs: Runs, result: Summary) -> None:
    """Show the counts that answer "how good is it?"."""
    whole = f"of {words.counted(result.row_count, 'row')}"
    mail = "mailbox" if runs.kind is Kind.LOOKUP_BUSINESS_EMAIL else "email"
    matched = next(step for step in result.funnel if step.name == "matched")
    repeats = f"{words.counted(matched.shared, 'row')} of them repeat another row and got its answer free."
    shown = [Figure("Rows matched", words.count(matched.rows), whole, repeats)]
    once = "Rows that were looked up; repeats have the same answer and are not counted again."
    asked = f"of {words.count(sum(run.looked_up_rows for run in runs.each))} looked up"
    if runs.kind is not Kind.FIND_TECH:
        verified = f"of {words.count(result.rows_with_email)}"
        shown.append(Figure(f"With {mail}", words.count(result.rows_with_email), asked, once))
        shown.append(Figure("Verified", words.count(result.rows_with_verified_email), verified, once))
    if result.rows_with_phone or any("PHONE" in run.options.get("info_access", ()) for run in runs.each):
        shown.append(Figure("With phone", words.count(result.rows_with_phone), asked, once))
    credits = f"about {words.count(result.credits)}"
    bill = "By price list: an estimate. Openmart's own bill counts."
    doubt = sum(reconciling.reconcile(resources.ledger(), run).in_doubt for run in runs.each)
    more = f"up to {words.count(doubt)} more in doubt" if doubt else None
    if runs.made_elsewhere:
        shown.append(Figure("Credits", "0 here", "spent elsewhere", "Another tool submitted this batch."))
    elif result.credits_per_row_with_email is None:
        shown.append(Figure("Credits", credits, more, bill))
    else:
        each = f"about {result.credits_per_row_with_email:.1f}"
        whole = f"{credits} in all" if more is None else f"{credits} in all, {more}"
        shown.append(Figure(f"Credits per {mail} row", each, whole, bill))
    widgets.numbers(shown)
