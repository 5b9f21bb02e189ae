"""Decisions about cells and classes of problems are remembered for the next file, without anybody's address."""

from __future__ import annotations

import json

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.intake.domain_choices import choices_to_remember, with_remembered
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.overrides import NO_OVERRIDES, Choice, Overrides
from openmart_lib.intake.tasks import Plan, RunOptions, plan_tasks


def planned(*webs: str | None, overrides: Overrides = NO_OVERRIDES) -> Plan:
    frame = upload_from_frame(pl.DataFrame({"web": webs}, schema={"web": pl.String})).frame
    return plan_tasks(
        frame, {"domain": ["web"]}, Kind.FIND_PEOPLE, RunOptions(title="x"), overrides=overrides
    )


def next_file(
    decided: Overrides, first: tuple[str | None, ...], *webs: str | None, own: Overrides = NO_OVERRIDES
) -> Plan:
    """Plan a second file with what was decided about a first one."""
    memories = json.loads(json.dumps(choices_to_remember(planned(*first).cells, decided)))
    return planned(*webs, overrides=with_remembered(planned(*webs).cells, memories, own))


def test_what_was_decided_about_a_cell_holds_for_the_same_cell_of_the_next_file() -> None:
    decided = Overrides(edits={1: {"domain": "https://acme.com/"}}, rows={2: Choice.SEND, 3: Choice.DROP})

    plan = next_file(
        decided,
        ("acme,com", "jane@gmail.com", "rival.com"),
        "rival.com",
        " ACME,com",
        "jane@gmail.com",
        "joe@gmail.com",
    )

    assert plan.rows.select("intake", "code", "domain").rows() == [
        ("skipped", "dropped", "rival.com"),
        ("accepted", None, "acme.com"),
        ("accepted", None, "gmail.com"),
        ("rejected", "free_mail", None),
    ]


def test_what_was_decided_about_a_class_holds_for_the_next_file() -> None:
    plan = next_file(Overrides(classes={"free_mail": Choice.SEND}), ("a@gmail.com",), "b@web.de", "n/a")

    assert plan.rows["intake"].to_list() == ["accepted", "rejected"]


def test_a_decision_about_this_file_wins_over_a_remembered_one() -> None:
    decided = Overrides(
        edits={1: {"domain": "acme.com"}}, rows={2: Choice.DROP}, classes={"free_mail": Choice.SEND}
    )
    own = Overrides(
        edits={1: {"domain": "other.com"}}, rows={2: Choice.SEND}, classes={"free_mail": Choice.DROP}
    )

    plan = next_file(decided, ("acme,com", "rival.com"), "acme,com", "rival.com", "x@gmail.com", own=own)

    assert plan.rows.select("intake", "domain").rows() == [
        ("accepted", "other.com"),
        ("accepted", "rival.com"),
        ("skipped", None),
    ]


def test_another_edit_of_the_row_keeps_the_remembered_domain() -> None:
    decided = Overrides(edits={1: {"domain": "acme.com"}})

    plan = next_file(decided, ("acme,com",), "acme,com", own=Overrides(edits={1: {"title": "CTO"}}))

    assert plan.rows.select("domain", "asked_title").rows() == [("acme.com", "CTO")]


def test_no_address_is_kept_and_nothing_about_empty_cells_or_edits_that_are_no_domain() -> None:
    cells = planned("jane.doe@gmail.com", None, "acme,com").cells
    decided = Overrides(rows={1: Choice.SEND, 2: Choice.DROP}, edits={3: {"domain": "call jane.doe first"}})

    memories = choices_to_remember(cells, decided)

    assert len(memories) == 1 and "jane" not in json.dumps(memories)


def test_memories_that_cannot_be_read_are_passed_over() -> None:
    cells = planned("acme.com").cells
    known = next(iter(choices_to_remember(cells, Overrides(rows={1: Choice.DROP}))))

    for value in (None, 5, "drop", {"choice": "burn"}, {"domain": 3}):
        assert (
            with_remembered(cells, {known: value, "class free_mail": value, "other": value}, NO_OVERRIDES)
            == NO_OVERRIDES
        )
