"""Lance's states in our words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api import lance_states
from openmart_lib.api.lance_states import STATE_SENTENCES, STATES, Triple, read_state, triples
from openmart_lib.api.wire import LanceEntityType, LanceField


def record(**members: Any) -> Any:
    return {"entityId": "a", "field": "emails", "status": "finished", "error": None, **members}


@pytest.mark.parametrize(
    ("members", "state", "final"),
    [
        ({"dataFound": True}, "found", True),
        ({"dataFound": False}, "nothing found", True),
        ({"dataFound": None}, "unclear", True),
        ({"status": "pending", "dataFound": None}, "still running", False),
        ({"status": "timeout"}, "timed out", True),
        ({"status": "TIMEOUT"}, "timed out", True),
        ({"status": "failed"}, "failed", False),
        ({"status": "failed", "error": "no provider"}, "failed", True),
        ({"status": "finished", "dataFound": True, "error": {"code": "X"}}, "failed", True),
        ({"status": "pending", "error": "x"}, "failed", True),
        ({"status": "queued"}, "unclear", False),
        ({"status": "stored", "dataFound": True}, "found", True),
    ],
)
def test_a_record_has_one_state_and_is_final_or_not(members: dict[str, Any], state: str, final: bool) -> None:
    said = read_state(record(**members))

    assert (said.state, said.final) == (state, final)


def test_no_record_means_never_requested_unless_it_may_still_come() -> None:
    assert read_state(None).state == "never requested" and read_state(None).final
    waiting = read_state(None, without=lance_states.NOT_SEEN)
    assert (waiting.state, waiting.final, waiting.status) == ("not seen yet", False, None)


def test_an_unknown_status_is_shown_as_it_is() -> None:
    assert read_state(record(status="queued")).shown == "queued"
    assert read_state(record(dataFound=True)).shown == "found"


def test_the_text_of_an_error_is_kept_whatever_its_shape() -> None:
    assert read_state(record(error="no provider")).error == "no provider"
    assert read_state(record(error={"code": "X"})).error == '{"code": "X"}'
    assert len(str(read_state(record(error="x" * 9_000)).error)) == 500
    assert read_state(record(error="")).error is None


def test_what_lance_says_besides_is_kept_as_it_says_it() -> None:
    said = read_state(record(id="e1", createdAt="2026-02-03", updatedAt="soon", creditTransactionId="c"))

    assert (said.enrichment_id, said.created_at, said.updated_at) == ("e1", "2026-02-03", "soon")
    assert said.credit_transaction_id == "c"


def test_every_state_has_its_sentence() -> None:
    assert set(STATE_SENTENCES) == set(STATES)


def test_triples_name_each_id_and_field_once_in_lower_case() -> None:
    made = triples(["A", "a ", "b"], [LanceField.EMAILS, LanceField.PHONES], LanceEntityType.COMPANY)

    assert made == [
        Triple("a", "company", "emails"),
        Triple("a", "company", "phones"),
        Triple("b", "company", "emails"),
        Triple("b", "company", "phones"),
    ]


@given(
    st.fixed_dictionaries(
        {"status": st.text(min_size=1), "dataFound": st.none() | st.booleans()},
        optional={"error": st.none() | st.text() | st.dictionaries(st.text(), st.text())},
    )
)
def test_whatever_lance_says_is_one_of_our_states(members: dict[str, Any]) -> None:
    said = read_state(record(**members))

    assert said.state in STATES
    assert said.final or not members.get("error")
