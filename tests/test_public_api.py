"""The public API: what ``openmart_lib`` promises to keep."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import openmart_lib

PROMISED = [
    "AuthError",
    "BannedError",
    "BatchState",
    "ConfigError",
    "CreditsError",
    "Desk",
    "InfoField",
    "InputError",
    "InvalidAnswerError",
    "Kind",
    "LanceClient",
    "LedgerDamagedError",
    "LedgerError",
    "LedgerNewerError",
    "NoAnswerError",
    "NotFoundError",
    "OpenmartClient",
    "OpenmartError",
    "Outcome",
    "Prices",
    "RateLimitedError",
    "RefusedError",
    "ResponseError",
    "Run",
    "RunExistsError",
    "RunNotFoundError",
    "RunState",
    "Secret",
    "ServerError",
    "Settings",
    "SubmissionUnknownError",
    "TaskStatus",
    "WrongAddressError",
    "load_settings",
    "open",
]
METHODS = {
    "Desk": {"close", "run", "runs", "submit"},
    "Run": {"cancel", "export", "pause", "rejects", "report", "results", "resume", "status", "wait"},
}


def test_the_promised_names_are_all_there_and_no_other_is_promised() -> None:
    assert openmart_lib.__all__ == PROMISED
    assert sorted(PROMISED) == PROMISED
    assert all(hasattr(openmart_lib, name) for name in PROMISED)


def test_the_promised_methods_are_there() -> None:
    for name, methods in METHODS.items():
        assert methods <= set(dir(getattr(openmart_lib, name)))


def test_every_promised_name_explains_itself() -> None:
    things = [getattr(openmart_lib, name) for name in PROMISED]
    methods = [getattr(getattr(openmart_lib, name), method) for name in METHODS for method in METHODS[name]]

    assert [thing for thing in [*things, *methods] if not inspect.getdoc(thing)] == []


def test_every_error_is_an_openmart_error() -> None:
    errors = [getattr(openmart_lib, name) for name in PROMISED if name.endswith("Error")]

    assert len(errors) == 20
    assert all(issubclass(error, openmart_lib.OpenmartError) for error in errors)


def test_a_name_that_is_not_promised_is_not_there() -> None:
    with pytest.raises(AttributeError, match="Ledger"):
        _ = openmart_lib.Ledger  # type: ignore[attr-defined] # on purpose


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("openmart_lib.sandbox.__main__", {"polars", "sqlalchemy", "streamlit", "requests"}),
        (
            "openmart_lib.intake.parsing",
            {"sqlalchemy", "streamlit", "requests", "babel", "polars_tldextract"},
        ),
    ],
)
def test_a_process_of_its_own_loads_only_what_it_needs(module: str, unneeded: set[str]) -> None:
    """The sandbox starts in half the time, and the one that reads a spreadsheet in two thirds of it."""
    code = f"import sys, {module}; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not unneeded & set(done.stdout.split())
