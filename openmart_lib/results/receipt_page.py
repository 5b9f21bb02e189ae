"""A receipt as one HTML page: printable, readable in both themes, and asking nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 14px/1.45 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
p { margin: .3rem 0; } .note { opacity: .8; font-size: .9em; }
.mark { border: 2px solid; padding: .3rem .6rem; font-weight: 600; display: inline-block; margin: .6rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; }
tr { border-bottom: 1px solid #8886; }
td { overflow-wrap: anywhere; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } .wide { overflow: visible; } }
"""
_HEAD: Final = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)


def page(receipt: Mapping[str, Any]) -> str:
    """Return the page of a receipt's facts, as ``receipt.Receipt`` names them."""
    title = escape(f"Receipt of run {receipt['run_id']}")
    body = [
        f"<h1>{title}</h1>",
        _marks(receipt),
        _section("Run", _facts(_run_facts(receipt))),
        _section("Rules and options", _facts(_rule_facts(receipt))),
        _section("Decided against the rules", _facts(receipt["decisions"].items())),
        _section("Rows", _counts(receipt["outcomes"], "uploaded rows", receipt["uploaded_rows"])),
        _section("Found", _facts((name.replace("_", " "), n) for name, n in receipt["found"].items())),
        _section("Credits", _credits(receipt["credits"])),
        _section("Batches", _table(_BATCH_COLUMNS, receipt["batches"])),
        _section("Files taken", _table(_EXPORT_COLUMNS, receipt["exports"])),
    ]
    return f"{_HEAD}<title>{title}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"


_BATCH_COLUMNS: Final = {
    "batch_no": "No.",
    "batch_id": "Openmart's batch id",
    "state": "State",
    "tasks": "Tasks",
    "sent_at": "Sent",
    "collected_at": "Collected",
}
_EXPORT_COLUMNS: Final = {
    "taken_at": "Taken",
    "file": "File",
    "shape": "Shape",
    "best_first": "Best first",
    "lines": "Lines",
    "other_runs": "Other runs in it",
    "partial": "Rows pending then",
    "rows_withheld": "Rows with something left out (never contact)",
    "sha256": "SHA-256",
}


def _marks(receipt: Mapping[str, Any]) -> str:
    marks = []
    if receipt["simulated"]:
        marks.append("SANDBOX: simulated, nothing is real")
    if receipt["pending_rows"]:
        marks.append(f"Not final: {receipt['pending_rows']:,} rows pending")
    if receipt["credits"]["in_doubt"]:
        marks.append(f"In doubt: up to {receipt['credits']['in_doubt']:,.0f} credits may have been charged")
    if receipt["erased_at"]:
        marks.append(f"Personal data deleted {receipt['erased_at']}")
    return "".join(f'<p><span class="mark">{escape(mark)}</span></p>' for mark in marks)


def _run_facts(receipt: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("Name", receipt["name"]),
        ("Asked", receipt["kind"]),
        ("Openmart", receipt["environment"]),
        ("Created", receipt["created_at"]),
        ("Finished", receipt["finished_at"] or "not finished"),
        ("Uploaded file", receipt["uploaded_file"]),
        ("SHA-256 of it", receipt["uploaded_sha256"]),
        ("Tasks", receipt["tasks"]),
        ("Receipt written", receipt["written_at"]),
    ]


def _rule_facts(receipt: Mapping[str, Any]) -> list[tuple[str, Any]]:
    columns = [(f"Column for {field}", ", ".join(names)) for field, names in receipt["mapping"].items()]
    options = [
        (name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in receipt["options"].items()
    ]
    rules = receipt["rules"]
    return [
        *columns,
        *options,
        ("Public Suffix List of", rules["public_suffix_list"]),
        ("Openmart Desk", f"version {rules['openmart_desk']}"),
    ]


def _credits(credits: Mapping[str, Any]) -> str:
    counted = credits["spent_by_our_count"]
    spent = credits["for_what_was_found"] if counted is None else counted
    facts: list[tuple[str, Any]] = [
        ("Expected, as shown before submitting", _amount(credits["expected"])),
        ("At most, as shown before submitting", _amount(credits["at_most_as_shown"])),
        ("Spent by our own counting, about", _amount(spent)),
        ("In doubt, at most", _amount(credits["in_doubt"] or None)),
        ("Balance before", _reading(credits["balance_before"])),
        (_after_words(credits), _reading(credits["balance_after"])),
        ("Difference of the two", _difference(credits)),
    ]
    said = (credits["how"], credits["about_difference"], credits["about_balances"])
    return _facts(facts) + f'<p class="note">{escape(" ".join(one for one in said if one))}</p>'


def _amount(credits: float | None) -> str | None:
    return None if credits is None else f"{credits:,.0f}"


def _reading(seen: Mapping[str, Any] | None) -> str:
    if seen is None:
        return "not read"
    amount = "not metered" if seen["credits"] is None else f"{seen['credits']:,.0f}"
    return f"{amount} (read {seen['at']})"


def _after_words(credits: Mapping[str, Any]) -> str:
    read = credits["balance_after"] is not None
    return "Balance so far" if read and not credits["balance_after_is_of_the_end"] else "Balance after"


def _difference(credits: Mapping[str, Any]) -> str | None:
    fewer = credits["balance_difference"]
    if fewer is None:
        return None
    return "none" if not fewer else f"{abs(fewer):,.0f} {'fewer' if fewer > 0 else 'more'}"


def _counts(counts: Mapping[str, int], total_name: str, total: int) -> str:
    rows = "".join(_row([name, n]) for name, n in counts.items())
    return f"<table><tbody>{rows}{_row([f'= {total_name}', total])}</tbody></table>"


def _facts(facts: Iterable[tuple[str, Any]]) -> str:
    rows = "".join(_row([name, value], head=True) for name, value in facts if value not in (None, ""))
    return f"<table><tbody>{rows}</tbody></table>" if rows else '<p class="note">None.</p>'


def _table(columns: Mapping[str, str], lines: Sequence[Mapping[str, Any]]) -> str:
    if not lines:
        return '<p class="note">None.</p>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns.values())
    rows = "".join(_row([line[name] for name in columns]) for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(cells: Sequence[Any], *, head: bool = False) -> str:
    if head:
        return f'<tr><th scope="row">{_text(cells[0])}</th><td>{_text(cells[1])}</td></tr>'
    return f"<tr>{''.join(_cell(cell) for cell in cells)}</tr>"


def _cell(value: Any) -> str:
    kind = ' class="n"' if isinstance(value, int) and not isinstance(value, bool) else ""
    return f"<td{kind}>{_text(value)}</td>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return escape(", ".join(map(str, value)))
    return escape(f"{value:,}" if isinstance(value, int) else str(value))


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}"
