"""Commands about files: write a run's results, back the ledger up, go back to a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openmart_lib import desk
from openmart_lib.commands.options import check_file, one_of
from openmart_lib.console import Console
from openmart_lib.ledger import backup as backups
from openmart_lib.ledger import open_ledger
from openmart_lib.results import export as results
from openmart_lib.settings import load_settings


def export(
    run_id: Annotated[str, typer.Argument(metavar="RUN", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to write: .csv, .xlsx or .parquet.")],
    shape: Annotated[
        str, typer.Option(help="long: one line per record; rows: one line per uploaded row.")
    ] = "long",
    csv: Annotated[
        str, typer.Option(help="excel: cells cannot become formulas; plain: every cell as it is.")
    ] = "excel",
) -> int:
    """Write a run's results, also of one that is not finished: its open rows are pending."""
    console = Console(as_json=False)
    check_file(out, "--out", results.ENDINGS)
    wanted = one_of(shape, "--shape", "rows", "long")
    style = one_of(csv, "--csv", "excel", "plain")
    with desk.open() as opened:
        chosen = opened.run(run_id)
        chosen.export(out, shape=wanted, csv=style)
    console.say(f"{out} is written.")
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
