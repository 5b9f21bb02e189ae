"""What ``openmart run`` says and asks about money: the estimate, the limit, the pilot, the balance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from openmart_lib import submission
from openmart_lib.engine import ask
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import open_ledger
from openmart_lib.ledger.balances import newest_balance
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.queries import accounts
from openmart_lib.settings import Settings
from openmart_lib.submission import Prepared

MaxCredits = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        help="Spend at most N credits; nothing that could exceed it is sent. Default: the most it can cost.",
    ),
]
PilotRows = Annotated[
    int | None,
    typer.Option(metavar="N", help="Send N random rows first; `openmart resume RUN` sends the rest."),
]


@dataclass(frozen=True, slots=True)
class Spending:
    """What is said of a run's money before it is confirmed. ``balance`` None: not metered, or not known."""

    limit: float
    pilot_rows: int
    confirm_above: float
    balance: float | None
    balance_words: str

    def as_json(self, prepared: Prepared) -> dict[str, Any]:
        """Return it as a part of what ``--dry-run --json`` prints."""
        estimate = prepared.estimate
        measured = estimate.measured
        return {
            "credits_limit": self.limit,
            "pilot_rows": self.pilot_rows or None,
            "needs_max_credits": estimate.at_most > self.confirm_above,
            "expected_basis": estimate.expected_basis,
            "measured": {"runs": measured.runs, "rows": measured.rows, "found": dict(measured.found)},
            "price_source": estimate.price_source,
            "send_seconds": estimate.send_seconds,
            "balance": self.balance,
            "balance_words": self.balance_words,
        }


def learned(prepared: Prepared, settings: Settings) -> Prepared:
    """Return it with an estimate from the earlier runs, where there is a ledger; none is made for it."""
    if not (settings.environment_dir / DATABASE_FILE).exists():
        return prepared
    ledger = open_ledger(settings)
    try:
        return submission.with_hit_rates(prepared, ledger, settings)
    finally:
        ledger.close()


def spending(
    prepared: Prepared, settings: Settings, max_credits: float | None, pilot: int | None, *, ask_balance: bool
) -> Spending:
    """Return what is said of the money; with ``ask_balance`` the balance is read (free), if it can be.

    Raises:
        InputError: If the limit is no number from 0 upwards, or the pilot none from 1 upwards.
    """
    submission.check_spending(max_credits, -1 if pilot == 0 else pilot or 0)  # 0 rows are no pilot: say so
    limit = prepared.estimate.at_most if max_credits is None else max_credits
    credits, words = _balance(settings) if ask_balance else (None, "")
    return Spending(limit, pilot or 0, settings.confirm_above, credits, words)


def _balance(settings: Settings) -> tuple[float | None, str]:
    if settings.simulated:
        return _last_known(settings)
    try:
        now = ask.balance(settings)
    except OpenmartError as error:
        return None, f"Balance not known: {error}"
    if not now["metered"]:
        return None, "Balance: your plan is not metered."
    return float(now["balance"]), f"Balance: {now['balance']:,} credits."


def _last_known(settings: Settings) -> tuple[float | None, str]:
    if not (settings.environment_dir / DATABASE_FILE).exists():
        return None, "Balance: not read yet."
    ledger = open_ledger(settings)
    try:
        known = [newest_balance(ledger, each.id) for each in accounts(ledger)]
    finally:
        ledger.close()
    newest = max((each for each in known if each is not None), key=lambda one: one.at, default=None)
    if newest is None:
        return None, "Balance: not read yet."
    if newest.credits is None:
        return None, "Balance: your plan is not metered."
    return newest.credits, f"Balance when it was read last: {newest.credits:,.0f} credits."
