"""Receipts: everything that matters about a run and its money, nobody's data, safe to open anywhere."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from results_story import NOW, Story, companies, person

from openmart_lib import suppression
from openmart_lib.api.wire import Kind
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.overrides import Choice, Overrides
from openmart_lib.intake.suffixes import psl_date
from openmart_lib.ledger import queries
from openmart_lib.ledger.answers import finish_if_complete
from openmart_lib.ledger.balances import END, START, note_balance
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.ledger.submissions import lose
from openmart_lib.results import export, receipt, summary, taking
from openmart_lib.settings import Prices

PRICES = Prices()


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Three uploaded rows: found, nothing found, rejected; finished, with a balance before and after."""
    story = Story(tmp_path / "ledger", companies("acme.com", "beta.com", ""), name="Spring <b>list</b>")
    note_balance(story.ledger, 1, 500.0, START)
    story.time += 60
    [pk] = story.send_all({1: [person(email="canary@acme.com", phone="+15550177")], 2: []})
    story.time += 60
    assert finish_if_complete(story.ledger, pk)
    note_balance(story.ledger, 1, 480.0, END, at=story.time + 10)
    return story


def made(story: Story) -> receipt.Receipt:
    """The receipt as it is now."""
    return receipt.read(story.ledger, story.run_id, prices=PRICES)


class Page(HTMLParser):
    """What a page holds: its tags and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def test_it_says_what_was_asked_what_became_of_it_and_by_which_rules(story: Story) -> None:
    values = json.loads(receipt.as_json(made(story)))

    assert values["uploaded_sha256"] == "0" * 64
    assert values["mapping"] == {"domain": ["website"]}
    assert values["options"]["title"] == "Owner"
    assert values["rules"]["public_suffix_list"] == psl_date()
    assert values["rules"]["openmart_desk"]
    assert values["outcomes"] == {"matched": 1, "no match": 1, "rejected": 1}
    assert sum(values["outcomes"].values()) == values["uploaded_rows"] == 3
    assert [one["batch_id"] for one in values["batches"]] == ["server-batch-1"]
    assert values["batches"][0]["sent_at"] == "2025-10-09T08:54:20Z"
    assert values["finished_at"] == "2025-10-09T08:55:20Z"


def test_credits_are_an_estimate_beside_what_was_shown_and_the_teams_balance(story: Story) -> None:
    credits = made(story).credits

    assert credits["at_most_as_shown"] == 99
    assert credits["for_what_was_found"] == PRICES.email + PRICES.phone
    assert credits["balance_before"] == {"at": "2025-10-09T08:53:20Z", "credits": 500}
    assert credits["balance_after"] == {"at": "2025-10-09T08:55:30Z", "credits": 480}
    assert "team shares" in credits["about_balances"]
    assert credits["balance_after_is_of_the_end"] is True


def test_the_balances_are_compared_with_what_our_runs_can_have_cost(story: Story) -> None:
    credits = made(story).credits

    assert (credits["balance_difference"], credits["all_our_runs_at_most"]) == (20.0, 99.0)
    assert (credits["beyond_our_runs"], credits["in_doubt"]) == (0.0, 0.0)
    assert "it adds up" in credits["about_difference"]
    page = Page(receipt.as_html(made(story))).text
    assert "Difference of the two 20 fewer" in page
    assert "Your team shares this balance; charges can land late." in page


def test_what_no_run_of_ours_can_explain_is_in_the_receipt_in_plain_words(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    note_balance(story.ledger, 1, 5_000.0, START)
    story.time += 60
    [pk] = story.send_all({1: []})
    story.time += 60
    assert finish_if_complete(story.ledger, pk)
    note_balance(story.ledger, 1, 5_000.0 - 99.0 - 1_240.0, END, at=story.time + 10)

    values = json.loads(receipt.as_json(made(story)))["credits"]

    assert values["beyond_our_runs"] == 1_240.0
    assert "More than your runs can explain: 1,240 credits." in values["about_difference"]
    assert "More than your runs can explain: 1,240 credits." in Page(receipt.as_html(made(story))).text


def test_a_plan_that_is_not_metered_is_said_to_be_so(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    note_balance(story.ledger, 1, None, START)
    story.time += 60
    story.send_all({1: []})

    credits, page = made(story).credits, Page(receipt.as_html(made(story))).text

    assert (credits["balance_metered"], credits["balance_difference"]) == (False, None)
    assert "not metered" in page and "not read" in page


def test_while_a_run_goes_on_its_receipt_says_that_the_balance_is_not_of_the_end(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com"))
    note_balance(story.ledger, 1, 500.0, START)
    story.time += 60
    story.send()
    note_balance(story.ledger, 1, 490.0, START, at=story.time + 10)

    credits = made(story).credits

    assert (credits["balance_after"]["credits"], credits["balance_after_is_of_the_end"]) == (490.0, False)
    assert "Balance so far" in Page(receipt.as_html(made(story))).text


def test_a_lost_batch_is_marked_on_top_with_what_it_may_have_cost(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com"))
    lose(story.ledger, story.claim(), seen="the connection broke")

    told = made(story)

    assert told.credits["in_doubt"] == 99.0
    assert "In doubt: up to 99 credits may have been charged" in Page(receipt.as_html(told)).text


def test_rows_of_which_something_was_left_out_are_counted_with_each_file(
    story: Story, tmp_path: Path
) -> None:
    export.export_run(story.ledger, story.run_id, tmp_path / "before.csv", shape="rows")
    listed = upload_from_frame(pl.DataFrame({"who": ["canary@acme.com"]}))
    suppression.add_list(story.ledger, listed, name="opt-outs")
    export.export_run(story.ledger, story.run_id, tmp_path / "after.csv", shape="rows")

    assert [one.rows_withheld for one in made(story).exports] == [0, 1]
    assert "canary" not in receipt.as_json(made(story))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Kind.FIND_TECH, [{"name": "shopify"}]),
        (Kind.LOOKUP_BUSINESS_EMAIL, [{"email": "info@acme.com", "status": "VALID"}]),
        (Kind.FIND_PEOPLE, [person(email="a@b.co", phone="+15550177"), person("Bo", email="bo@b.co")]),
    ],
)
def test_the_estimate_from_counters_is_the_one_that_the_page_makes_from_the_records(
    tmp_path: Path, kind: Kind, data: list[dict[str, object]]
) -> None:
    options = RunOptions(title="Owner", tech_type="shopify", company_name="Acme")
    story = Story(tmp_path, companies("acme.com", "beta.com"), kind, options=options)
    story.send_all({1: data, 2: []})

    from_page = summary.summary(story.ledger, story.run_id, prices=PRICES).credits

    assert made(story).credits["for_what_was_found"] == from_page > 0


def test_every_file_that_was_taken_is_listed_with_its_hash(story: Story, tmp_path: Path) -> None:
    first = export.export_run(story.ledger, story.run_id, tmp_path / "out.xlsx", shape="rows")
    second = export.export_preset(story.ledger, story.run_id, tmp_path / "out.csv", "lemlist")

    taken = made(story).exports

    assert [(one.file, one.shape, one.lines, one.sha256) for one in taken] == [
        ("xlsx", "rows", 3, first.sha256),
        ("lemlist", "people", 1, second.sha256),
    ]
    assert first.noted and not taken[0].partial


def test_a_file_is_written_also_where_the_ledger_cannot_note_it(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openmart_lib.errors import LedgerError

    def full(*_: object, **__: object) -> None:
        raise LedgerError("The disk is full.")

    monkeypatch.setattr(taking, "note_export", full)
    info = export.export_run(story.ledger, story.run_id, tmp_path / "out.csv", shape="rows")

    assert not info.noted
    assert info.path.exists()


def test_nobodys_data_is_in_it_before_or_after_erasing(story: Story) -> None:
    before = receipt.as_json(made(story)) + receipt.as_html(made(story))
    erase_run(story.ledger, story.run_id)
    after = receipt.as_json(made(story)) + receipt.as_html(made(story))

    for text in (before, after):
        assert not re.search(r"canary|Silva|Ana|acme\.com|5550177", text)


def test_it_stays_the_same_after_erasing_but_for_the_word_that_it_was_done(story: Story) -> None:
    before = made(story)
    story.time += 5

    erase_run(story.ledger, story.run_id)
    after = made(story)

    assert after.erased_at == "2025-10-09T08:55:25Z"
    assert replace(after, erased_at=None, written_at=before.written_at) == before
    assert "Personal data deleted 2025-10-09T08:55:25Z" in Page(receipt.as_html(after)).text


def test_it_counts_what_was_decided_against_the_rules_and_quotes_no_cell(tmp_path: Path) -> None:
    decided = (
        Overrides()
        .with_class("free_mail", Choice.SEND)
        .with_rows([2, 3], Choice.DROP)
        .with_edit(1, "domain", "ada@acme.com")
    )
    story = Story(tmp_path, companies("acme.com", "beta.com", "gamma.fr"), overrides=decided)

    told = made(story)

    assert told.decisions == {
        "all rows of the class free_mail": "sent anyway",
        "website or domain corrected": 1,
        "rows left out": 2,
    }
    page = receipt.as_html(told)
    assert "rows left out" in Page(page).text
    assert "ada@" not in page + receipt.as_json(told)


def test_a_header_that_is_somebody_becomes_its_place(tmp_path: Path) -> None:
    frame = pl.DataFrame({"acme.com": ["b.com"], "ada@acme.com": ["x"], "+1 (555) 010-0177": ["y"]})
    mapping = {"domain": ["acme.com"], "company_name": ["ada@acme.com", "+1 (555) 010-0177"]}
    story = Story(tmp_path, frame, mapping=mapping)

    assert made(story).mapping == {"domain": ["acme.com"], "company_name": ["column_2", "column_3"]}


def test_the_page_loads_nothing_runs_nothing_and_shows_every_text_as_text(story: Story) -> None:
    evil = "<img src=x onerror=alert(1)>\"'&<script>alert(2)</script>"
    told = replace(made(story), name=evil, uploaded_file=evil, mapping={evil: [evil]}, options={evil: evil})

    page = Page(receipt.as_html(told))

    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span", "div"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    loading = {"src", "href", "action", "srcset", "data", "background"}
    assert not any(loading & set(attrs) or any(a.startswith("on") for a in attrs) for _, attrs in page.tags)
    assert evil in page.text
    assert "url(" not in receipt.as_html(told) and "@import" not in receipt.as_html(told)
    policy = next(attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_the_page_says_what_the_json_says(story: Story) -> None:
    told = made(story)
    text = re.sub(r"\s+", " ", Page(receipt.as_html(told)).text)

    for fact in (told.uploaded_sha256, told.name, "server-batch-1", "Spring <b>list</b>", "SANDBOX"):
        assert fact in text
    assert "= uploaded rows 3" in text
    assert f"about {PRICES.email + PRICES.phone:.0f}" in text


def test_an_unfinished_run_says_that_it_is(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com"))

    told = made(story)

    assert (told.pending_rows, told.finished_at) == (2, None)
    assert told.credits["balance_before"] is None
    text = Page(receipt.as_html(told)).text
    assert "Not final: 2 rows pending" in text and "not read" in text
    assert queries.run_info(story.ledger, story.run_id).created_at == NOW
