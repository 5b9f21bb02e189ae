"""Options of a run: refused by name where they cannot be used, and the same after being kept."""

from __future__ import annotations

import json

import pytest

from openmart_lib.errors import InputError
from openmart_lib.intake.tasks import RunOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_k", 0), ("max_k", 9), ("max_k", True), ("people_per_task", 9), ("version", 2), ("first_rows", 0),
        ("info_access", ()), ("info_access", ("FAX",)), ("notify_url", "http://acme.com"), ("title", "x" * 301),
        ("city", 5),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_used_is_refused_by_name(name, value):
    with pytest.raises(InputError, match="Nothing was planned") as refusal:
        RunOptions(**{name: value})

    assert refusal.value.column == name


def test_options_survive_json_and_unknown_ones_are_refused():
    options = RunOptions(title="  VP   Sales ", info_access=("PHONE",), first_rows=5, tech_type="Shopify")

    assert RunOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
    assert (options.title, options.tech_type) == ("VP Sales", "shopify")
    with pytest.raises(InputError, match="colour"):
        RunOptions.from_dict({"colour": "red"})
