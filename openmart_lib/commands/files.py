"""Commands about files: write a run's results, delete them, back the ledger up, go back to a backup."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, get_args

import typer

from openmart_lib import desk
from openmart_lib.commands.options import Json, Yes, check_file, one_of
from openmart_lib.console import Console
from openmart_lib.errors import InputError
from openmart_lib.ledger import backup as backups
from openmart_lib.ledger import open_ledger
from openmart_lib.ledger.erased import erased_at
from openmart_lib.ledger.erasing import erase_run, obstacle
from openmart_lib.ledger.overview import RunInfo, run_info
from openmart_lib.ledger.residue import backups_of
from openmart_lib.results import export as results
from openmart_lib.results.join import Shape
from openmart_lib.results.quality import RANKING, parse_ranking, ranking_sentence, ranking_words
from openmart_lib.results.withheld import withheld_words
from openmart_lib.settings import load_settings
from openmart_lib.wording import counted


def export(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN [RUN...]", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to write: .csv, .xlsx, .parquet or .jsonl.")],
    shape: Annotated[
        str,
        typer.Option(help="long: one line per record; rows: per uploaded row; companies: the best of each."),
    ] = "long",
    ranking: Annotated[
        str | None,
        typer.Option(
            help="What makes a company's best record, the weightiest first: some of "
            f"{','.join(ranking_words(RANKING))} (the default).",
        ),
    ] = None,
    csv: Annotated[
        str, typer.Option(help="excel: cells cannot become formulas; plain: every cell as it is.")
    ] = "excel",
) -> int:
    """Write the results of a run, or of several one after the other; rows of unfinished ones are pending."""
    console = Console(as_json=False)
    check_file(out, "--out", results.ENDINGS)
    wanted = one_of(shape, "--shape", *get_args(Shape))
    style = one_of(csv, "--csv", "excel", "plain")
    if ranking is not None and wanted != "companies":
        raise InputError("--ranking goes with --shape companies. Nothing was written. Add it, or leave it.")
    best = RANKING if ranking is None else parse_ranking(filter(None, ranking.split(",")))
    with desk.open() as opened:
        chosen = [opened.run(run_id).id for run_id in run_ids]
        written = results.export_run(opened.ledger, chosen, out, shape=wanted, ranking=best, csv=style)
    console.say(f"{out} is written: {counted(written.lines, 'line', 'lines')}.")
    if wanted == "companies":
        console.say(ranking_sentence(best))
    if written.withheld:
        console.warn(withheld_words(written.withheld))
    return 0


def backup(file: Annotated[Path, typer.Argument(metavar="FILE.zip", show_default=False)]) -> int:
    """Write the ledger and the uploaded rows to one file; safe while a worker works."""
    ledger = open_ledger(load_settings())
    backups.backup(ledger, file)
    ledger.close()
    Console(as_json=False).say(f"{file} is written. It holds personal data: keep it as safe as the ledger.")
    return 0


def restore(file: Annotated[Path, typer.Argument(metavar="FILE.zip", show_default=False)]) -> int:
    """Go back to a backup without paying anything twice; the present ledger is set aside, not deleted."""
    settings = load_settings()
    done = backups.restore(settings.environment_dir, file, environment=settings.environment)
    Console(as_json=False).say(done.sentence())
    return 0


def erase(
    run_id: Annotated[str, typer.Argument(metavar="RUN", show_default=False)],
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Delete a run's personal data for good; its counts, batch ids and receipt stay."""
    console = Console(as_json)
    ledger = open_ledger(load_settings())
    try:
        run = run_info(ledger, run_id)
        seen = None if erased_at(ledger, run_id) is not None else obstacle(ledger, run)
        if seen is not None:
            raise InputError(seen)
        if not yes and not _erasing_confirmed(console, run, backups_of(ledger.folder)):
            console.say(f"Nothing was deleted: run {run_id} is as it was.")
            return 1
        done = erase_run(ledger, run_id)
    finally:
        ledger.close()
    console.say(done.sentence())
    console.result(
        {
            "run_id": run_id,
            "rows": done.rows,
            "answers": done.answers,
            "files": done.files,
            "postponed": done.postponed,
            "backups": [str(one) for one in done.backups],
        }
    )
    return 0


def _erasing_confirmed(console: Console, run: RunInfo, backups: list[Path]) -> bool:
    if not sys.stdin.isatty():
        raise InputError(
            f"Nobody can be asked whether the data of run {run.run_id} is to be deleted. "
            "Nothing was deleted. Say --yes if it is."
        )
    console.warn(
        f"{counted(run.row_count, 'row', 'rows')} of run {run.run_id} ({run.name}), their answers and "
        "files will be gone for good. Nothing is refunded."
    )
    for one in backups:
        console.warn(f"Not deleted by this, and may still hold it: {one}")
    typed: str = typer.prompt(f"Type {run.run_id} to delete", default="", show_default=False, err=True)
    return typed.strip() == run.run_id
