"""The content key: equal for an equal question, in every process, and for no other."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
from plan_kit import OWNER, frame

from openmart_lib.api.wire import Kind
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.tasks import RunOptions, content_key


def test_equal_content_has_an_equal_key_and_any_change_another():
    upload = frame({"domain": "acme.com", "city": "Rom"}, {"domain": "beta.de", "city": None})
    mapping = {"domain": ["domain"], "city": ["city"]}
    key = content_key(upload, mapping, Kind.FIND_PEOPLE, OWNER)

    same = content_key(
        upload.clone(), {"city": ["city"], "domain": ["domain"], "title": []}, Kind.FIND_PEOPLE, OWNER
    )
    others = [
        content_key(upload, {"domain": ["domain"]}, Kind.FIND_PEOPLE, OWNER),
        content_key(upload, mapping, Kind.FIND_TECH, OWNER),
        content_key(upload, mapping, Kind.FIND_PEOPLE, RunOptions(title="CTO")),
        content_key(upload.rename({"city": "town"}), mapping, Kind.FIND_PEOPLE, OWNER),
        content_key(upload.reverse(), mapping, Kind.FIND_PEOPLE, OWNER),
        content_key(upload.with_columns(city=pl.lit("")), mapping, Kind.FIND_PEOPLE, OWNER),
        content_key(upload.select("seq", "file_line", "city", "domain"), mapping, Kind.FIND_PEOPLE, OWNER),
        content_key(upload.head(1), mapping, Kind.FIND_PEOPLE, OWNER),
    ]

    assert same == key and len(key) == 64
    assert len({key, *others}) == len(others) + 1


def test_cells_that_run_together_do_not_share_a_key():
    keys = {
        content_key(frame(*({"a": cell} for cell in cells)), {}, Kind.FIND_PEOPLE, OWNER)
        for cells in (("ab", "c"), ("a", "bc"), ("abc", None), (None, "abc"), ("abc", "x"))
    }

    assert len(keys) == 5


def test_the_key_is_the_same_in_another_process():
    code = (
        "import polars as pl\n"
        "from openmart_lib.api.wire import Kind\n"
        "from openmart_lib.intake.files import upload_from_frame\n"
        "from openmart_lib.intake.tasks import RunOptions, content_key\n"
        "f = upload_from_frame(pl.DataFrame({'domain': ['acme.com', None]})).frame\n"
        "print(content_key(f, {'domain': ['domain']}, Kind.FIND_PEOPLE, RunOptions(title='Owner')))\n"
    )
    upload = upload_from_frame(pl.DataFrame({"domain": ["acme.com", None]})).frame

    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()

    assert printed == content_key(upload, {"domain": ["domain"]}, Kind.FIND_PEOPLE, OWNER)
