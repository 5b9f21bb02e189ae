"""From an upload to a watch list: what is asked, how many calls it takes, and what cannot be asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lance_kit import EMAILS, PHONES, entity_ids, uploaded

from openmart_lib import lance_lists
from openmart_lib.errors import InputError
from openmart_lib.intake.entities import EntityMapping
from openmart_lib.ledger import Ledger, watched
from openmart_lib.ledger.watching import WatchMode, lance_environment
from openmart_lib.settings import SANDBOX, Secret, Settings


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger", environment=SANDBOX)
    yield opened
    opened.close()


def test_an_upload_says_how_many_questions_and_calls_it_is_before_anything_is_written() -> None:
    ids = entity_ids(300)

    prepared = lance_lists.prepare(uploaded([*ids, ids[0], "x"]), fields=[EMAILS, PHONES, EMAILS])

    assert prepared.intake_counts == {"accepted": 300, "duplicate": 1, "rejected": 1}
    assert sum(prepared.intake_counts.values()) == prepared.row_count
    assert (prepared.item_count, prepared.calls, prepared.fields) == (600, 3, (EMAILS, PHONES))


def test_ids_without_dashes_are_read_and_the_rule_is_told() -> None:
    ids = entity_ids(3)

    prepared = lance_lists.prepare(
        uploaded([ids[0], *(one.replace("-", "") for one in ids)]), fields=[EMAILS]
    )

    assert prepared.intake_counts == {"accepted": 3, "duplicate": 1, "rejected": 0}
    assert prepared.rule == "3 ids are written without dashes in the file: the dashes were put in."
    assert lance_lists.prepare(uploaded(ids), fields=[EMAILS]).rule == ""


def test_rejected_rows_come_back_with_their_columns_and_a_reason() -> None:
    prepared = lance_lists.prepare(uploaded([*entity_ids(3), "x"], Name=list("abcd")), fields=[EMAILS])

    assert prepared.rejects().rows(named=True) == [
        {
            "row": 4,
            "file_line": prepared.upload.frame["file_line"][3],
            "reason": 'column "Lance ID": not a UUID: it has 1 character',
            "Lance ID": "x",
            "Name": "d",
        }
    ]


def test_a_confirmed_list_keeps_what_was_chosen(ledger: Ledger) -> None:
    prepared = lance_lists.prepare(uploaded(entity_ids(5)), fields=[PHONES], mode=WatchMode.WAIT)

    list_id = lance_lists.confirm(ledger, Settings(), prepared, confirm_token="t")
    again = lance_lists.confirm(ledger, Settings(), prepared, confirm_token="t")

    card = watched.watch_card(ledger, list_id)
    assert again == list_id
    assert (card.name, card.mode, card.fields) == ("people", WatchMode.WAIT, ("phones",))
    assert (card.upload_name, card.columns) == ("people.csv", ("Lance ID",))
    assert card.mapping == {"id_column": "Lance ID", "type_column": None, "entity_type": "person"}


def test_a_list_belongs_to_the_lance_that_its_settings_talk_to() -> None:
    real = Settings(lance_token=Secret("t"), lance_base_url="https://app.lance.so")

    assert lance_environment(Settings()) == "sandbox"
    assert lance_environment(real) == "https://app.lance.so"


def test_a_list_without_ids_or_fields_is_refused_in_plain_words(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="No column of this list holds entity ids"):
        lance_lists.prepare(uploaded(["x", "y"]), fields=[EMAILS])
    with pytest.raises(InputError, match="No field is chosen"):
        lance_lists.prepare(uploaded(entity_ids(2)), fields=[])
    mapping = EntityMapping("Name")
    prepared = lance_lists.prepare(uploaded(entity_ids(2), Name=["a", "b"]), fields=[EMAILS], mapping=mapping)
    with pytest.raises(InputError, match=r"None of the 2 rows holds an entity id \(most often: column"):
        lance_lists.confirm(ledger, Settings(), prepared, confirm_token="t")
