"""The public test data beside the repository; tests that need it skip where it is absent."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

TESTDATA = Path(__file__).parents[2].parent / "shared" / "testdata"

needs_testdata = pytest.mark.skipif(
    not TESTDATA.is_dir(), reason="the folder shared/testdata is not beside the repository"
)


def read_text(name: str) -> str:
    """Return a file of the test data as text, unpacked; "" where the test data is absent."""
    path = TESTDATA / name
    if not path.exists():
        return ""
    data = path.read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8")


def read_jsonl(name: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file; [] where the test data is absent."""
    # Not str.splitlines: the strings hold Unicode line separators.
    return [json.loads(line) for line in read_text(name).split("\n") if line.strip()]
