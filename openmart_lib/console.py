"""What the command line says: plain lines for people, one JSON object as the last line for programs."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from openmart_lib.intake.estimate import Estimate
from openmart_lib.intake.fields import FIELD_WORDS, Field
from openmart_lib.submission import Prepared
from openmart_lib.wording import counted

PROBLEMS_SHOWN: Final = 5


class Console:
    """Lines on standard output; with ``as_json`` they go to standard error and leave it to the object."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, text: str) -> None:
        """Print one line for people."""
        stream = sys.stderr if self._as_json else sys.stdout
        stream.write(one_line(text) + "\n")
        stream.flush()

    def warn(self, text: str) -> None:
        """Print one line on standard error."""
        sys.stderr.write(one_line(text) + "\n")
        sys.stderr.flush()

    def result(self, values: dict[str, Any]) -> None:
        """Print the object, as one line, when JSON is wanted."""
        if self._as_json:
            sys.stdout.write(json.dumps(values) + "\n")
            sys.stdout.flush()

    def say_prepared(self, prepared: Prepared, *, simulated: bool) -> None:
        """Say what was read, what would be sent and what it may cost."""
        for problem in prepared.upload.problems[:PROBLEMS_SHOWN]:
            self.say(problem.message)
        pairs = (
            f"{FIELD_WORDS[Field(name)]} = {' or '.join(columns)}"
            for name, columns in prepared.mapping.items()
        )
        self.say(f"Columns: {'; '.join(pairs)}.")
        counts = ", ".join(f"{n:,} {intake}" for intake, n in prepared.intake_counts.items() if n)
        rows, tasks = (
            counted(prepared.row_count, "row", "rows"),
            counted(prepared.task_count, "task", "tasks"),
        )
        batches = counted(prepared.estimate.batches, "batch", "batches")
        self.say(f"{rows} ({counts}): {tasks} in {batches}.")
        self.say(cost_words(prepared.estimate, simulated=simulated))

    def say_dry_run(self, prepared: Prepared, money: dict[str, Any]) -> None:
        """Show the first task, and say that this was all; ``money`` goes into the object as it is."""
        self.say("The first task, as it would be sent (a tracking_id is added):")
        for line in json.dumps(prepared.first_task, indent=2, ensure_ascii=False).splitlines():
            self.say(line)
        self.say("Dry run: nothing was written and nothing was sent.")
        self.result(_planned_values(prepared) | money)


def one_line(text: str) -> str:
    """Return text that cannot steer a terminal: control and direction characters become "?"."""
    return "".join(char if char.isprintable() else "?" for char in text)


def cost_words(estimate: Estimate, *, simulated: bool) -> str:
    """Return what a run may cost, the formula and the source of the price."""
    whole = round(estimate.send_seconds / 60)
    minutes = f"about {whole:,} min" if whole else "less than a minute"
    said = (
        f"At most about {estimate.at_most:,.0f} credits ({estimate.formula}), about {estimate.expected:,.0f} "
        f"expected; {minutes} to send."
    )
    return f"{said} Simulated: nothing is spent." if simulated else f"{said} {estimate.price_source}"


def _planned_values(prepared: Prepared) -> dict[str, Any]:
    counts = prepared.intake_counts
    return {
        "run_id": None,
        "state": None,
        "pause_reason": None,
        "rows": prepared.row_count,
        "tasks": prepared.task_count,
        "outcomes": {"pending" if name == "accepted" else name: n for name, n in counts.items()},
        "batches": {"planned": prepared.estimate.batches},
        "credits_at_most": prepared.estimate.at_most,
        "credits_expected": prepared.estimate.expected,
        "formula": prepared.estimate.formula,
        "mapping": prepared.mapping,
        "first_task": prepared.first_task,
    }
