"""Every uploaded row with what was understood of it, as a frame to look at or to write to a file."""

from __future__ import annotations

from typing import Final

import polars as pl

from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.fields import Intake
from openmart_lib.intake.rejects import ROW, clear_names
from openmart_lib.intake.tasks import Plan

OURS: Final = (
    *(ROW, "domain", "intake_outcome", "intake_code", "intake_reason"),
    *("domain_unicode", "intake_rule", "intake_suggestion", "intake_linkedin", "duplicate_of"),
)


def checked_frame(upload_frame: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Return one row per uploaded row, in order: its columns, then what was understood.

    Our columns: ``row`` UInt32 (1-based data row), and as String ``domain`` (what would be sent, an A-label),
    ``intake_outcome``, ``intake_code`` (of rejected and skipped rows), ``intake_reason`` (of all but accepted
    ones), ``domain_unicode`` (the domain as people read it), ``intake_rule`` (what cleaning did),
    ``intake_suggestion``, ``intake_linkedin`` (the LinkedIn link that stood where the website should); last
    ``duplicate_of`` UInt32. Where there is nothing to say they are null. An uploaded column of such a name is
    called ``row (uploaded)``.
    """
    columns = uploaded_columns(upload_frame)
    names = clear_names(columns, OURS)
    rows, cells = plan.rows, plan.cells
    passed_over = pl.col("intake").is_in([Intake.REJECTED.value, Intake.SKIPPED.value])
    ours = rows.select(
        pl.col("seq").alias(ROW),
        "domain",
        pl.col("intake").alias("intake_outcome"),
        pl.when(passed_over).then("code").alias("intake_code"),
        pl.col("reason").alias("intake_reason"),
        cells.get_column("domain_unicode"),
        cells.get_column("rule").alias("intake_rule"),
        cells.get_column("suggestion").alias("intake_suggestion"),
        cells.get_column("linkedin_url").alias("intake_linkedin"),
        "duplicate_of",
    )
    uploaded = upload_frame.select(pl.col(name).alias(new) for name, new in names.items())
    return uploaded.hstack(ours)
