"""Never-contact lists against the sandbox: the dispatcher itself compares what waits uncompared."""

from __future__ import annotations

import json

from engine_oracle import assert_truth
from engine_rig import Rig

from openmart_lib import suppression
from openmart_lib.api.wire import Kind
from openmart_lib.ledger.suppressing import add_entries


def test_a_company_that_was_listed_and_not_yet_withdrawn_is_not_sent(rig: Rig) -> None:
    """Whoever took the list up was killed before it had gone through what waits."""
    run_id = rig.plan(6, per_batch=2)
    key = suppression.secret(rig.ledger)
    listed = [("domain", suppression._hash(key, "domain", f"shop1-{number}.example")) for number in (2, 5, 6)]
    add_entries(rig.ledger, "opt-outs", listed)

    rig.settle()

    sent = [task["domain"] for body in rig.sandbox.bodies(Kind.FIND_PEOPLE) for task in json.loads(body)]
    assert sorted(sent) == ["shop1-1.example", "shop1-3.example", "shop1-4.example"]
    assert rig.outcomes(run_id)["cancelled"] == 3
    assert suppression.WITHDRAWN in rig.reasons(run_id)
    assert_truth(rig.sandbox, rig.ledger)
