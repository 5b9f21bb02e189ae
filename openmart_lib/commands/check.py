"""The command that shows what is understood of a list, without submitting it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from openmart_lib import choices
from openmart_lib.commands.options import Json, SeveralChoice, Sheet, check_file
from openmart_lib.console import PROBLEMS_SHOWN, Console
from openmart_lib.intake.agreement import disagreement_words, disagreements
from openmart_lib.intake.checked import checked_frame
from openmart_lib.intake.columns import suggest_kind
from openmart_lib.intake.fields import FIELD_WORDS, Field
from openmart_lib.intake.files import FileFormat, Upload
from openmart_lib.intake.rejects import rejects_frame
from openmart_lib.intake.several import Several, settled
from openmart_lib.intake.suffixes import psl_date
from openmart_lib.intake.tasks import Plan, RunOptions, plan_tasks
from openmart_lib.results import export as files
from openmart_lib.settings import load_settings
from openmart_lib.wording import counted

OUT_ENDINGS: Final = (".csv", ".parquet")
COMPANIES: Final = "find_people"
# What is asked for is said when a list is submitted; here it stands for whatever that will be.
ASKED_LATER: Final = RunOptions(title="any role", tech_type="any technology", company_name_from_domain=True)


def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The list, as `run` takes it.", show_default=False)
    ],
    kind: Annotated[
        str, typer.Option(help="find_people, lookup_people, lookup_business_email or find_tech.")
    ] = COMPANIES,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="What a column means; guessed where not said."),
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Write the rows that cannot be sent here, to correct and use again.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write every row with what was understood: .csv or .parquet.")
    ] = None,
    several: SeveralChoice = Several.REJECT,
    sheet: Sheet = None,
    as_json: Json = False,
) -> int:
    """Show what is understood of a list and what would be sent; nothing is submitted, nothing is kept."""
    console = Console(as_json)
    check_file(out, "--out", OUT_ENDINGS)
    check_file(rejects, "--rejects", files.ENDINGS)
    wanted = choices.parse_kind(kind)
    upload = choices.read_list(file, sheet=sheet)
    columns = choices.full_mapping(upload, wanted, choices.parse_mapping(mapping or []))
    simulated = load_settings().simulated
    upload, decided = settled(upload, columns, wanted, ASKED_LATER, several, allow_example=simulated)
    plan = plan_tasks(upload.frame, columns, wanted, ASKED_LATER, overrides=decided, allow_example=simulated)
    apart = disagreements(upload.frame, columns, allow_example=simulated)
    _say(console, upload, columns, wanted, plan)
    if told := disagreement_words(apart):
        console.say(told)
    if rejects is not None:
        rejected = rejects_frame(upload.frame, plan.rows, cells=plan.cells, sha256=upload.sha256)
        files.write_frame(rejected, rejects)
        console.say(f"{rejects} is written: {counted(rejected.height, 'row', 'rows')} that cannot be sent.")
    if out is not None:
        files.write_frame(checked_frame(upload.frame, plan), out)
        console.say(f"{out} is written: {counted(plan.rows.height, 'row', 'rows')}.")
    console.result(
        {**_values(upload, columns, wanted, plan), "naming_two_companies": apart["seq"].n_unique()}
    )
    return 0


def _say(console: Console, upload: Upload, columns: dict[str, list[str]], kind: str, plan: Plan) -> None:
    reckoning = plan.reckoning
    for problem in upload.problems[:PROBLEMS_SHOWN]:
        console.say(problem.message)
    more = len(upload.problems) - PROBLEMS_SHOWN
    if more > 0:
        console.say(f"And {counted(more, 'remark', 'remarks')} more about the file.")
    console.say(f"Read as {_format_words(upload.format)}.")
    pairs = (f"{FIELD_WORDS[Field(name)]} = {' or '.join(sources)}" for name, sources in columns.items())
    console.say(f"Columns: {'; '.join(pairs)}.")
    if kind == COMPANIES and (better := suggest_kind(upload.frame)) != kind:
        console.say(f"The list names people: --kind {better} checks it for looking them up.")
    console.say(f"{reckoning.sentence}: {counted(plan.tasks.height, 'task', 'tasks')}.")
    reasons = dict(plan.rows.select("code", "reason").unique("code").iter_rows())
    for code, count in reckoning.codes.items():
        console.say(f"  {count:,} {code}, such as: {reasons[code]}")
    suggested = plan.cells.get_column("suggestion").count()
    if suggested:
        console.say(f"{counted(suggested, 'row has', 'rows have')} a suggestion; none is applied by itself.")
    console.say(f"Domains follow the Public Suffix List of {psl_date()}. Nothing was sent.")


def _format_words(form: FileFormat) -> str:
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
    parts = [form.kind]
    if form.encoding:
        parts.append(form.encoding)
    if form.delimiter:
        parts.append(f"cells divided by {names.get(form.delimiter, repr(form.delimiter))}")
    if form.sheet:
        others = len(form.sheets) - 1
        only = f" (not its {counted(others, 'other sheet', 'other sheets')})" if others > 0 else ""
        parts.append(f"sheet {form.sheet!r}{only}")
    parts.append(f"header in row {form.header_row:,}" if form.header_row else "without a header")
    return ", ".join(parts)


def _values(upload: Upload, columns: dict[str, list[str]], kind: str, plan: Plan) -> dict[str, Any]:
    reckoning, form = plan.reckoning, upload.format
    return {
        "file": upload.name,
        "kind": str(kind),
        "rows": reckoning.uploaded,
        "tasks": plan.tasks.height,
        "outcomes": dict(reckoning.outcomes),
        "codes": dict(reckoning.codes),
        "encoding": form.encoding,
        "delimiter": form.delimiter,
        "sheet": form.sheet,
        "header_row": form.header_row,
        "mapping": columns,
        "suffix_list": psl_date(),
        "problems": [{"line": one.file_line, "message": one.message} for one in upload.problems],
    }
