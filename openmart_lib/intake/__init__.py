"""A file becomes tasks: read, map, clean, plan. Pure functions over polars frames.

No network, no database, no screen. ``files`` reads whatever an analyst uploads, ``columns`` guesses what
its columns mean, ``domains`` cleans them, ``tasks`` plans what would be sent.
"""

from openmart_lib.intake.agreement import disagreements
from openmart_lib.intake.columns import (
    FIELD_WORDS,
    FIELDS_BY_KIND,
    Field,
    FieldSet,
    Guess,
    Mapping,
    check_mapping,
    guess_mapping,
    suggest_kind,
    uploaded_columns,
)
from openmart_lib.intake.countries import review_countries
from openmart_lib.intake.domains import DomainCode, clean_domains, psl_date
from openmart_lib.intake.files import (
    MAX_UPLOAD_BYTES,
    FileFormat,
    FileProblem,
    Upload,
    read_pasted,
    read_upload,
    upload_from_frame,
)
from openmart_lib.intake.first_rows import DelimiterChoice, EncodingChoice, Preview, preview
from openmart_lib.intake.guarded import Allowance, preview_guarded, read_upload_guarded
from openmart_lib.intake.mappings import Fit, KnownMapping, fits, header_key, know_mapping
from openmart_lib.intake.names import split_names
from openmart_lib.intake.overrides import Choice, Overrides
from openmart_lib.intake.tasks import Intake, Plan, RunOptions, content_key, plan_tasks, rejects_frame

__all__ = [
    "FIELDS_BY_KIND",
    "FIELD_WORDS",
    "MAX_UPLOAD_BYTES",
    "Allowance",
    "Choice",
    "DelimiterChoice",
    "DomainCode",
    "EncodingChoice",
    "Field",
    "FieldSet",
    "FileFormat",
    "FileProblem",
    "Fit",
    "Guess",
    "Intake",
    "KnownMapping",
    "Mapping",
    "Overrides",
    "Plan",
    "Preview",
    "RunOptions",
    "Upload",
    "check_mapping",
    "clean_domains",
    "content_key",
    "disagreements",
    "fits",
    "guess_mapping",
    "header_key",
    "know_mapping",
    "plan_tasks",
    "preview",
    "preview_guarded",
    "psl_date",
    "read_pasted",
    "read_upload",
    "read_upload_guarded",
    "rejects_frame",
    "review_countries",
    "split_names",
    "suggest_kind",
    "upload_from_frame",
    "uploaded_columns",
]
