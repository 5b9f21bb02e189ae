"""From an upload to a watch list: one way in for the page, the command line and notebooks.

``prepare`` only computes; ``confirm`` writes the list into the ledger, from where the worker asks Lance.
Nothing here costs anything, and nothing here asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import polars as pl

from openmart_lib.api.wire import MAX_LANCE_QUERY, LanceField
from openmart_lib.errors import InputError
from openmart_lib.intake.entities import EntityMapping, guess_entities, read_entities, undashed
from openmart_lib.intake.files import Upload
from openmart_lib.intake.tasks import Intake
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.watching import NewWatch, WatchMode, create_watch, lance_environment
from openmart_lib.settings import Settings
from openmart_lib.wording import counted


@dataclass(frozen=True, slots=True)
class PreparedWatch:
    """An upload with its choices, ready to be confirmed.

    ``rows`` is one row per uploaded row, as ``intake.entities.read_entities`` gives it.
    """

    upload: Upload
    mapping: EntityMapping
    fields: tuple[LanceField, ...]
    mode: WatchMode
    rows: pl.DataFrame

    @property
    def row_count(self) -> int:
        """Uploaded rows; equal to the sum of ``intake_counts``."""
        return self.rows.height

    @property
    def intake_counts(self) -> dict[str, int]:
        """Rows by what became of them: accepted, duplicate, rejected."""
        counts = dict.fromkeys(map(str, (Intake.ACCEPTED, Intake.DUPLICATE, Intake.REJECTED)), 0)
        return counts | dict(self.rows["intake"].value_counts().iter_rows())

    @property
    def item_count(self) -> int:
        """Triples that are asked for in the first round."""
        return self.intake_counts[Intake.ACCEPTED] * len(self.fields)

    @property
    def rule(self) -> str:
        """What was done to ids so that they could be read, in a sentence; "" for nothing."""
        rows = undashed(self.upload.frame, self.mapping)
        return (
            f"{counted(rows, 'id is', 'ids are')} written without dashes in the file: the dashes were put in."
            if rows
            else ""
        )

    @property
    def calls(self) -> int:
        """Calls of the first round; each is free."""
        return -(-self.item_count // MAX_LANCE_QUERY)

    def rejects(self) -> pl.DataFrame:
        """Return the rejected rows: row, file_line (UInt32), reason (String), then the uploaded columns."""
        rejected = self.rows.filter(pl.col("intake") == Intake.REJECTED).select("seq", "file_line", "reason")
        uploaded = self.upload.frame.drop("file_line")
        return rejected.join(uploaded, on="seq", how="left", maintain_order="left").rename({"seq": "row"})


def prepare(
    upload: Upload,
    *,
    fields: Sequence[LanceField],
    mode: WatchMode = WatchMode.EXISTS,
    mapping: EntityMapping | None = None,
) -> PreparedWatch:
    """Read the entity ids of an upload; write and ask nothing.

    Args:
        fields: What is wanted to be known of each entity; each once, at least one.
        mapping: Which columns hold ids and types; None guesses.

    Raises:
        InputError: If no field is chosen, no column holds ids, or a column is not in the file.
    """
    chosen = mapping or guess_entities(upload.frame)
    if chosen is None:
        raise InputError(
            "No column of this list holds entity ids (UUIDs, as Lance shows them). "
            "Nothing was asked, and asking is free. Choose the column, or export the list with its ids."
        )
    if not fields:
        raise InputError(
            "No field is chosen. Nothing was asked, and asking is free. Choose emails, phones or summary."
        )
    known = tuple(dict.fromkeys(map(LanceField, fields)))
    return PreparedWatch(upload, chosen, known, WatchMode(mode), read_entities(upload.frame, chosen))


def confirm(
    ledger: Ledger,
    settings: Settings,
    prepared: PreparedWatch,
    *,
    name: str = "",
    confirm_token: str,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Write the watch list into the ledger, from where the worker asks Lance; return its public id.

    The same ``confirm_token`` gives the same list, however often it is confirmed.

    Args:
        name: Default: the file's name without its ending.
        progress: Told (lines written, lines in all).

    Raises:
        InputError: If no row holds an id.
        LedgerError: If the ledger cannot be used.
    """
    if not prepared.item_count:
        reasons = prepared.rows["reason"].drop_nulls()
        often = f" (most often: {reasons.mode().sort()[0]})" if len(reasons) else ""
        raise InputError(
            f"None of the {prepared.row_count:,} rows holds an entity id{often}. Nothing was asked, and "
            "asking is free. Choose another column, or correct the list."
        )
    new = NewWatch(
        name=name.strip() or prepared.upload.name.rsplit(".", 1)[0].strip() or "list",
        mode=prepared.mode,
        fields=prepared.fields,
        mapping=prepared.mapping.to_dict(),
        environment=lance_environment(settings),
        confirm_token=confirm_token,
        upload_name=prepared.upload.name,
        upload_sha256=prepared.upload.sha256,
        upload_format=asdict(prepared.upload.format),
        frame=prepared.upload.frame,
        rows=prepared.rows,
    )
    return create_watch(ledger, new, progress=progress)
