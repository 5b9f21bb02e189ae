"""What the command line says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_runs import prepared, sandbox_settings

from openmart_lib.console import Console, cost_words, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë's list – 100 % · 東京", "Zoë's list – 100 % · 東京"),
        ("a\x1b[2Jb", "a?[2Jb"),
        ("a\nb\rc", "a?b?c"),
        ("evil\u202etxt.exe", "evil?txt.exe"),
    ],
)
def test_text_from_elsewhere_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_with_json_standard_output_is_the_object_alone(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=True)

    console.say("for people")
    console.result({"run_id": "a"})

    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"run_id": "a"}, "for people\n")


def test_without_json_there_is_no_object(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=False)

    console.say("for people")
    console.result({"run_id": "a"})

    assert capsys.readouterr() == ("for people\n", "")


def test_a_cost_is_told_with_its_formula_and_the_source_of_the_price(tmp_path: Path) -> None:
    estimate = prepared(sandbox_settings(tmp_path)).estimate

    live, simulated = cost_words(estimate, simulated=False), cost_words(estimate, simulated=True)

    assert "At most about 3 credits (1 x 1 person x email 3)" in live
    assert estimate.price_source in live
    assert simulated.endswith("Simulated: nothing is spent.")
