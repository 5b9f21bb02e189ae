"""Hit rates: what earlier runs found, for each one asked for."""

from __future__ import annotations

import pytest
from ledger_kit import EMAIL, NAME_ONLY, PHONE, accepted, answer, plan

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Ledger, answers
from openmart_lib.ledger.hit_rates import HitRates, hit_rates

ASKED = {"max_k": 1, "info_access": ["EMAIL"]}


def finished(
    ledger: Ledger, data: list[object], *, statuses: dict[int, str] | None = None, **options: object
) -> str:
    """Plan a run and bring it these answers, one a task."""
    run_id = plan(ledger, len(data), **{"options": ASKED} | options)
    pk = accepted(ledger)
    told = statuses or {}
    answers.store_answers(
        ledger,
        pk,
        [
            answer(run_id, no, each, status=told.get(no, "COMPLETED"), task_id=f"{run_id}-{no}")
            for no, each in enumerate(data, 1)
        ],
    )
    answers.finish_if_complete(ledger, pk)
    return run_id


def test_a_new_ledger_knows_nothing(ledger):
    assert hit_rates(ledger, Kind.FIND_PEOPLE, info_access=["EMAIL"]) == HitRates(0, 0, {})


def test_emails_are_counted_for_each_person_wanted_over_all_finished_rows(ledger):
    finished(ledger, [[EMAIL], [NAME_ONLY], None, [EMAIL]], content="a")
    finished(ledger, [[EMAIL], None], content="b", statuses={2: "ERRORED"}, options=ASKED | {"max_k": 2})

    seen = hit_rates(ledger, Kind.FIND_PEOPLE, info_access=["EMAIL"])

    assert (seen.runs, seen.rows) == (2, 6)
    assert seen.found["email"] == pytest.approx(3 / (4 + 2 * 2))


def test_only_runs_that_asked_for_the_same_fields_of_the_same_kind_tell(ledger):
    both = {"max_k": 1, "info_access": ["EMAIL", "PHONE"]}
    finished(ledger, [[EMAIL]], content="a")
    finished(ledger, [[EMAIL, PHONE], None], content="b", options=both)

    seen = hit_rates(ledger, Kind.FIND_PEOPLE, info_access=["PHONE", "EMAIL"])

    assert (seen.rows, seen.found["email"], seen.found["phone"]) == (2, 0.5, 0.5)
    assert hit_rates(ledger, Kind.LOOKUP_PEOPLE, info_access=["EMAIL"]).rows == 0


def test_a_run_without_an_answer_yet_and_a_batch_made_elsewhere_tell_nothing(ledger):
    plan(ledger, 3, content="a", options=ASKED)
    finished(ledger, [[EMAIL]], content="b", options={"made_elsewhere": True})

    assert hit_rates(ledger, Kind.FIND_PEOPLE, info_access=["EMAIL"]).rows == 0


def test_mailboxes_are_counted_for_each_company(ledger):
    box = {"email": "info@x.invalid", "status": "VALID"}
    finished(ledger, [[box, box], [box], None], content="a", kind=Kind.LOOKUP_BUSINESS_EMAIL, options={})

    assert hit_rates(ledger, Kind.LOOKUP_BUSINESS_EMAIL).found["mailbox"] == 1.0


def test_an_errored_check_of_a_technology_is_not_paid(ledger):
    finished(
        ledger, ["shopify", None, None], content="a", kind=Kind.FIND_TECH, options={}, statuses={3: "ERRORED"}
    )

    assert hit_rates(ledger, Kind.FIND_TECH).found["technology"] == pytest.approx(2 / 3)
