"""The command that asks Lance about a list: the same watch list as the page makes, asked by the worker."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from openmart_lib import choices, desk, lance_lists
from openmart_lib.api.wire import LanceEntityType, LanceField
from openmart_lib.commands.exits import EXIT_CODES
from openmart_lib.commands.options import Json, Sheet, check_file
from openmart_lib.console import Console
from openmart_lib.desk import Desk
from openmart_lib.errors import InputError
from openmart_lib.intake.entities import EntityMapping, guess_entities
from openmart_lib.lance_lists import PreparedWatch
from openmart_lib.ledger import watched
from openmart_lib.ledger.queries import revision
from openmart_lib.ledger.watched import Standing, WatchCard
from openmart_lib.ledger.watching import Ended, WatchMode
from openmart_lib.report import Standing as RunStanding
from openmart_lib.results import export as files
from openmart_lib.results import lance_files
from openmart_lib.settings import load_settings
from openmart_lib.wording import counted

_Word = TypeVar("_Word", LanceField, LanceEntityType)

LOOK_EVERY: Final = 0.2  # seconds between two looks at the ledger
DEFAULT_FIELDS: Final = (LanceField.EMAILS, LanceField.PHONES)
INTERRUPTED: Final = (
    "Interrupted. Nothing was spent; the dashboard or `openmart worker` goes on with the watch list."
)


def lance(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The list with entity ids.", show_default=False)
    ],
    column: Annotated[
        str | None, typer.Option(help="The column of ids; default: the one that holds them.")
    ] = None,
    sheet: Sheet = None,
    field: Annotated[
        list[str] | None,
        typer.Option(help="emails, phones or summary; may be repeated. Default: emails, phones."),
    ] = None,
    kind: Annotated[str | None, typer.Option("--type", help="What all rows are: person or company.")] = None,
    name: Annotated[str, typer.Option(help="The watch list's name; default: the file's.")] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for enrichments you started: ask again until all is final.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the rows with their states here: .csv, .xlsx or .parquet.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Ask Lance which enrichments of a list exist; free. It starts none and buys none."""
    console = Console(as_json)
    check_file(out, "--out", files.ENDINGS)
    settings = load_settings()
    prepared = _prepare(file, column, field or [], kind, wait=wait, sheet=sheet)
    _say_prepared(console, prepared, simulated=settings.lance_simulated)
    with desk.open(settings=settings) as opened:
        token = f"cli-{secrets.token_hex(16)}"
        list_id = lance_lists.confirm(opened.ledger, settings, prepared, name=name, confirm_token=token)
        opened.start_engine()
        try:
            card = _follow(console, opened, list_id)
        except KeyboardInterrupt:
            console.warn(INTERRUPTED)
            raise
        return _tell(console, opened, card, out)


def _prepare(
    file: Path, column: str | None, fields: list[str], kind: str | None, *, wait: bool, sheet: str | None
) -> PreparedWatch:
    upload = choices.read_list(file, sheet=sheet)
    chosen = [_one_of(LanceField, each, "--field") for one in fields for each in one.split(",")]
    mapping = guess_entities(upload.frame)
    if column is not None:
        types = mapping.type_column if mapping is not None and mapping.type_column != column else None
        mapping = EntityMapping(column, types)
    if kind is not None and mapping is not None:
        mapping = EntityMapping(mapping.id_column, None, _one_of(LanceEntityType, kind, "--type"))
    mode = WatchMode.WAIT if wait else WatchMode.EXISTS
    return lance_lists.prepare(upload, fields=chosen or DEFAULT_FIELDS, mode=mode, mapping=mapping)


def _one_of(known: type[_Word], text: str, option: str) -> _Word:
    try:
        return known(text.strip().lower())
    except ValueError:
        allowed = " or ".join(map(str, known))
        raise InputError(f"{option} must be {allowed}. Nothing was asked.") from None


def _say_prepared(console: Console, prepared: PreparedWatch, *, simulated: bool) -> None:
    counts = ", ".join(f"{n:,} {intake}" for intake, n in prepared.intake_counts.items() if n)
    console.say(
        f"{counted(prepared.row_count, 'row', 'rows')} ({counts}), ids from column "
        f"{prepared.mapping.id_column!r}, fields {', '.join(prepared.fields)}: "
        f"{counted(prepared.item_count, 'question', 'questions')} in "
        f"{counted(prepared.calls, 'call', 'calls')} a round, free{' and simulated' if simulated else ''}."
    )
    if rule := prepared.rule:
        console.say(rule)
    rejected = prepared.rows.filter(prepared.rows["intake"] == "rejected")
    for line, reason in rejected.select("file_line", "reason").head(5).iter_rows():
        console.say(f"Line {line:,}: {reason}")


def _follow(console: Console, opened: Desk, list_id: str) -> WatchCard:
    """Read the list again and again until nothing happens to it by itself; say what changes."""
    seen, rounds, error = -1, 0, None
    while True:
        now = revision(opened.ledger)
        if now != seen:
            seen = now
            card = watched.watch_card(opened.ledger, list_id)
            if card.error and card.error != error:
                console.warn(card.error)
            if card.rounds > rounds:
                console.say(f"Round {card.rounds}: {_states_words(card)}.")
            rounds, error = card.rounds, card.error
            if card.standing in (Standing.ENDED, Standing.HELD):
                return card
        time.sleep(LOOK_EVERY)


def _tell(console: Console, opened: Desk, card: WatchCard, out: Path | None) -> int:
    frame = lance_files.joined(opened.ledger, card.list_id)
    advice = lance_files.advice_counts(frame)
    if card.ended_why is Ended.UNCHANGED:
        console.say("Not all is final, and nothing changed for half an hour: ask again later.")
    for one, rows in advice.rows.items():
        if rows:
            console.say(f"{one}: {counted(rows, 'row', 'rows')}. {lance_files.ADVICE_SENTENCES[one]}")
    console.say(f"Paid calls avoided: {advice.calls_avoided:,}.")
    if out is not None:
        files.write_frame(frame, out)
        console.say(f"{out} is written.")
    console.result(
        {
            "list_id": card.list_id,
            "standing": str(card.standing),
            "ended_why": card.ended_why and str(card.ended_why),
            "rows": card.row_count,
            "intake": card.intake_counts,
            "questions": card.item_count,
            "states": card.states,
            "by_field": card.counts,
            "rounds": card.rounds,
            "advice": {str(one): n for one, n in advice.triples.items()},
            "calls_avoided": advice.calls_avoided,
            "error": card.error,
            "out": str(out) if out else None,
        }
    )
    return _exit_code(card)


def _exit_code(card: WatchCard) -> int:
    if card.standing is Standing.HELD or card.ended_why is Ended.REFUSED:
        return EXIT_CODES[RunStanding.HELD]
    return EXIT_CODES[RunStanding.DOUBTFUL if card.ended_why is Ended.UNCHANGED else RunStanding.FINAL]


def _states_words(card: WatchCard) -> str:
    return ", ".join(f"{n:,} {state}" for state, n in sorted(card.states.items(), key=lambda one: -one[1]))
