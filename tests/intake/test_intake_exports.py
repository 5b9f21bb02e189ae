"""What the intake package offers to the rest of the program."""

from __future__ import annotations

import openmart_lib.intake as intake


def test_the_package_exports_its_public_names_and_nothing_else():
    assert {name for name in intake.__all__ if not hasattr(intake, name)} == set()
    assert set(intake.__all__) == {
        "Allowance", "DelimiterChoice", "EncodingChoice", "Preview", "preview", "preview_guarded", "read_upload_guarded",
        "Choice", "Fit", "KnownMapping", "Overrides", "disagreements", "fits", "header_key", "know_mapping",
        "review_countries", "split_names",
        "FIELDS_BY_KIND", "FIELD_WORDS", "MAX_UPLOAD_BYTES", "DomainCode", "Field", "FieldSet", "FileFormat",
        "FileProblem", "Guess", "Intake", "Mapping", "Plan", "RunOptions", "Upload", "check_mapping",
        "clean_domains", "content_key", "guess_mapping", "plan_tasks", "psl_date", "read_pasted", "read_upload",
        "rejects_frame", "suggest_kind", "upload_from_frame", "uploaded_columns",
    }  # fmt: skip
