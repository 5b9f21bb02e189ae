"""A file becomes tasks: read, map, clean, plan. Pure functions over polars frames.

No network, no database, no screen. ``files`` reads whatever an analyst uploads, ``columns`` guesses what
its columns mean, ``domains`` cleans them, ``tasks`` plans what would be sent.
"""

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
from openmart_lib.intake.tasks import Intake, Plan, RunOptions, content_key, plan_tasks, rejects_frame

__all__ = [
    "FIELDS_BY_KIND",
    "FIELD_WORDS",
    "MAX_UPLOAD_BYTES",
    "DomainCode",
    "Field",
    "FieldSet",
    "FileFormat",
    "FileProblem",
    "Guess",
    "Intake",
    "Mapping",
    "Plan",
    "RunOptions",
    "Upload",
    "check_mapping",
    "clean_domains",
    "content_key",
    "guess_mapping",
    "plan_tasks",
    "psl_date",
    "read_pasted",
    "read_upload",
    "rejects_frame",
    "suggest_kind",
    "upload_from_frame",
    "uploaded_columns",
]
