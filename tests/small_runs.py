"""Small lists and planned runs, as the tests of the ways in need them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger import Ledger, open_ledger
from openmart_lib.settings import Settings
from openmart_lib.submission import Prepared

SPEED = 200.0  # a submission takes 0.13 s, a task at most 0.65 s


def sandbox_settings(folder: Path, **changes: object) -> Settings:
    """Settings of a sandbox in a folder of the test's own."""
    return Settings(data_dir=folder, sandbox_speed=SPEED, **changes)  # type: ignore[arg-type] # a test's shorthand


def companies(*domains: str) -> pl.DataFrame:
    """A list with one website per row, and a name."""
    return pl.DataFrame({"Website": domains, "Company": [f"Company {n}" for n in range(len(domains))]})


def prepared(
    settings: Settings, domains: Sequence[str] = ("everything.example",), *, title: str = "Owner"
) -> Prepared:
    """A list of websites, ready to be confirmed."""
    return submission.prepare(
        upload_from_frame(companies(*domains), "companies.csv"),
        {"domain": ["Website"]},
        Kind.FIND_PEOPLE,
        RunOptions(title=title),
        settings=settings,
    )


def plan(ledger: Ledger, settings: Settings, domains: Sequence[str] = ("everything.example",)) -> str:
    """Plan a run; return its id."""
    return submission.confirm(
        ledger, settings, prepared(settings, domains), name="companies", confirm_token=f"token of {domains}"
    )


@contextmanager
def opened(settings: Settings) -> Iterator[Ledger]:
    """The ledger of these settings, closed at the end."""
    ledger = open_ledger(settings)
    try:
        yield ledger
    finally:
        ledger.close()
