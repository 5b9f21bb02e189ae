"""What leaves this computer: from a list to its results nobody but the API is talked to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from engine_rig import Rig

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.results import export

LIST = (
    b"Website,Contact\nhttps://www.acme.com/about,info@acme.com\nhttp://10.0.0.8/admin,\nstra\xc3\x9fe.de,\n"
)


class Recorder:
    """Every name that this process looks up and every address that it connects to, while it is ``on``."""

    def __init__(self) -> None:
        self.on = False
        self.seen: set[tuple[str, int]] = set()
        sys.addaudithook(self._hear)  # Python has no way to take one away

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.on or not event.startswith("socket."):
            return
        if event == "socket.connect" and isinstance(given[1], tuple):
            self.seen.add(given[1][:2])
        elif event == "socket.getaddrinfo":
            self.seen.add((given[0], given[1]))
        elif event in ("socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto"):
            self.seen.add((str(given[-1]), 0))


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    made.on = True
    yield made
    made.on = False


def test_from_a_list_to_its_results_only_the_api_is_talked_to(
    rig: Rig, recorder: Recorder, tmp_path: Path
) -> None:
    """No website of a list is looked up or fetched, whatever its cells hold."""
    upload = read_upload(LIST, "list.csv")
    mapping = {"domain": ["Website"]}
    options = RunOptions(title="Owner")
    prepared = submission.prepare(upload, mapping, Kind.FIND_PEOPLE, options, settings=rig.settings)
    run_id = submission.confirm(rig.ledger, rig.settings, prepared, name="List", confirm_token="t")

    rig.settle()
    export.export_run(rig.ledger, run_id, tmp_path / "out.csv", shape="rows")

    assert rig.posts() == 1
    assert recorder.seen == {("127.0.0.1", urlsplit(rig.sandbox.url).port)}
