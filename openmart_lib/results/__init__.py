"""Results: what the ledger holds, as frames and as files."""

from openmart_lib.results import export, join, records, summary

__all__ = ["export", "join", "records", "summary"]
