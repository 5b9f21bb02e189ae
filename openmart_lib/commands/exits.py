"""How a command ends: the exit codes, and the JSON object where there is no run to tell about."""

from __future__ import annotations

from typing import Any, Final

from openmart_lib.report import Standing

EXIT_CODES: Final = {Standing.FINAL: 0, Standing.MOVING: 0, Standing.DOUBTFUL: 3, Standing.HELD: 4}
USAGE: Final = 2
NO_RUN: Final[dict[str, Any]] = {
    "run_id": None,
    "state": None,
    "rows": 0,
    "outcomes": {},
    "batches": {},
    "pause_reason": None,
}
