"""Large runs made ready before somebody looks at them: flattened while they move, joined once they are done.

Done in one go, a million rows take half a minute; done as the answers come in, their opening takes none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from openmart_lib.ledger import Ledger, Outcome, overview
from openmart_lib.ledger.erased import erased_at
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import cache, join, records

MOST_AT_START: Final = 1  # finished runs, newest first: who opens an older one sees it being made


class Readying:
    """Keeps the derived files of large runs up to date; called again and again, it does what is new."""

    def __init__(
        self,
        ledger: Ledger,
        put_together: Callable[[Ledger, RunInfo], None],
        *,
        keep_from: int = join.KEEP_FROM,
    ) -> None:
        """Take what joins a run: ``make_ready``, or what has it done once for all who want it."""
        self._ledger = ledger
        self._put_together = put_together
        self._keep_from = keep_from
        self._seen: set[str] = set()
        self._ready: set[str] = set()

    def go_on(self) -> None:
        """Take apart the answers that are new, and join the runs that ended since the last call.

        Raises:
            LedgerError: If the ledger cannot be read.
        """
        large = [run for run in overview.runs(self._ledger) if run.row_count >= self._keep_from]
        newest = {run.run_id for run in large[:MOST_AT_START]}
        for run in large:
            if run.outcomes[Outcome.PENDING]:
                self._seen.add(run.run_id)
                self._ready.discard(run.run_id)  # tried again, or found again
                if run.planned_at is not None:
                    records.scan_lines(self._ledger, run.run_id)
            elif run.run_id in self._seen | newest and run.run_id not in self._ready:
                self._put_together(self._ledger, run)
                self._ready.add(run.run_id)


def make_ready(
    ledger: Ledger,
    run: RunInfo,
    progress: records.Progress | None = None,
    *,
    keep_from: int = join.KEEP_FROM,
) -> None:
    """Join a large finished run and keep it; where that is done already, this costs next to nothing.

    Args:
        progress: As for ``join.results_lazy``.
    """
    if erased_at(ledger, run.run_id) is not None:
        return
    try:
        join.results_lazy(ledger, run.run_id, "rows", contacts=False, keep_from=keep_from, progress=progress)
    finally:
        if erased_at(ledger, run.run_id) is not None:  # meanwhile: nothing of it may live on in a file
            cache.forget(ledger, run.run_id)
