"""Corrected rows of a list that was submitted: a run of their own that says which rows they are."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from small_runs import opened, sandbox_settings

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.rejects import rejects_frame
from openmart_lib.intake.rejoin import corrections
from openmart_lib.intake.several import Several, settled
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger import queries
from openmart_lib.results import join


def test_the_results_of_corrected_rows_say_which_rows_of_the_list_they_are(tmp_path: Path) -> None:
    settings = sandbox_settings(tmp_path)
    options, mapping = RunOptions(title="Owner"), {"domain": ["Website"]}
    upload = read_upload(b"Website\nacme.com\nn/a\nbeta.de\ngmial.com\n", "list.csv")
    first = submission.prepare(upload, mapping, Kind.FIND_PEOPLE, options, settings=settings)
    rejects = rejects_frame(upload.frame, first.plan.rows, cells=first.plan.cells, sha256=upload.sha256)
    text = rejects.with_columns(Website=pl.Series(["gamma.fr", "delta.it"])).write_csv()
    alone = corrections(upload, read_upload(text.encode(), "rejected.csv")).upload
    with opened(settings) as ledger:
        ready = submission.prepare(alone, mapping, Kind.FIND_PEOPLE, options, settings=settings)
        run_id = submission.confirm(ledger, settings, ready, name="corrected", confirm_token="t")

        results = join.results(ledger, run_id, "rows")

    assert results.select("Website", "list_row", "file_line", "outcome").rows() == [
        ("gamma.fr", "2", 3, "pending"),
        ("delta.it", "4", 5, "pending"),
    ]


def test_the_results_of_a_divided_list_have_every_uploaded_row_and_say_whose_the_added_ones_are(
    tmp_path: Path,
) -> None:
    settings = sandbox_settings(tmp_path)
    mapping, options = {"domain": ["Website"]}, RunOptions(title="Owner")
    upload = read_upload(b"Website\nacme.com beta.de\nbeta.de\nn/a\n", "list.csv")
    divided, decided = settled(upload, mapping, Kind.FIND_PEOPLE, options, Several.EACH)
    with opened(settings) as ledger:
        ready = submission.prepare(
            divided, mapping, Kind.FIND_PEOPLE, options, settings=settings, overrides=decided
        )
        run_id = submission.confirm(ledger, settings, ready, name="divided", confirm_token="t")

        results = join.results(ledger, run_id, "rows")

        assert sum(queries.run_info(ledger, run_id).outcomes.values()) == 4
    assert results.select("Website", "parent_row", "domain", "outcome", "duplicate_of").rows() == [
        ("acme.com beta.de", "1", "acme.com", "pending", None),
        ("beta.de", None, "beta.de", "pending", None),
        ("n/a", None, None, "rejected", None),
        ("beta.de", "1", "beta.de", "duplicate", 2),
    ]
