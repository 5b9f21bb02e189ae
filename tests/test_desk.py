"""The notebook's way in, against the sandbox over real HTTP, with the real worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_runs import companies, sandbox_settings

import openmart_lib
from openmart_lib import Desk, InputError, Outcome, RunNotFoundError, Secret, Settings, suppression
from openmart_lib.engine import worker_status
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.ledger import queries
from openmart_lib.ledger.suppressing import remove_list
from openmart_lib.sandbox import read_journal

DOMAINS = (
    *("everything.example", "people3.example", "nobody.example", "nocontact.example"),
    *("errored.example", "https://www.everything.example/team", "not a website"),
)
PATIENCE = 60.0  # seconds; a run takes about one
pytestmark = pytest.mark.usefixtures("forked_children")


@pytest.fixture(scope="module")
def working(forked_children: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk whose worker has started; shared, because starting processes takes a second."""
    with openmart_lib.open(settings=sandbox_settings(tmp_path_factory.mktemp("desk"))) as desk:
        desk.submit(companies("warm-up.example"), title="Owner").wait(PATIENCE, progress=False)
        yield desk


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Desk]:
    """A desk that has not sent anything."""
    with openmart_lib.open(settings=sandbox_settings(tmp_path)) as desk:
        yield desk


def created_tracking_ids(desk: Desk) -> list[str]:
    batches = read_journal(desk.settings.sandbox_dir)
    return [str(tracking_id) for batch in batches for tracking_id in batch.tracking_ids]


def test_a_frame_goes_in_and_every_row_comes_out_with_an_outcome(working: Desk) -> None:
    frame = companies(*DOMAINS)

    run = working.submit(frame, kind="find_people", title="Owner", max_k=3).wait(PATIENCE, progress=False)

    rows = run.results("rows")
    assert rows["Website"].to_list() == list(DOMAINS)
    assert rows["outcome"].to_list() == [
        *("matched", "matched", "no match", "partial", "errored", "duplicate", "rejected")
    ]
    assert rows["outcome_reason"].null_count() == 0
    assert run.results().filter(pl.col("Website") == "people3.example").height == 3
    rejects = run.rejects()
    assert rejects["Website"].to_list() == ["not a website"]
    assert rejects.columns[-4:] == ["intake_code", "intake_reason", "intake_suggestion", "intake_list"]
    status = run.status()
    assert (status["state"], status["standing"]) == ("done", "final")
    assert sum(status["outcomes"].values()) == status["rows"] == len(DOMAINS)


def test_the_same_cell_run_twice_is_the_same_run_and_creates_nothing_new(working: Desk) -> None:
    frame = companies("acme.com", "nobody.example")

    first = working.submit(frame, title="Chef").wait(PATIENCE, progress=False)
    second = working.submit(frame, title="Chef").wait(PATIENCE, progress=False)

    assert first.id == second.id
    mine = [each for each in created_tracking_ids(working) if each.startswith(first.id)]
    assert sorted(mine) == [f"{first.id}-1", f"{first.id}-2"]


def test_again_is_a_new_run_each_time(working: Desk) -> None:
    frame = companies("acme.com")

    ids = {working.submit(frame, title="Baker", again=again).id for again in (False, True, True)}

    assert len(ids) == 3


def test_known_people_are_found_by_name(working: Desk) -> None:
    frame = pl.DataFrame(
        {
            "Website": ["everything.example", "everything.example"],
            "First name": ["Ada", "Grace"],
            "Last name": ["Lovelace", "Hopper"],
        }
    )

    run = working.submit(frame, kind="lookup_people", info=("EMAIL", "PHONE"), people_per_task=2)

    rows = run.wait(PATIENCE, progress=False).results("rows")
    assert rows.select("found_first_name", "found_last_name").rows() == [
        ("Ada", "Lovelace"),
        ("Grace", "Hopper"),
    ]
    assert run.status()["tasks"] == 1


def test_mailboxes_take_the_domain_for_a_name_when_told_to(working: Desk) -> None:
    frame = pl.DataFrame({"Website": ["everything.example"]})

    with pytest.raises(InputError, match="None of the 1 rows"):
        working.submit(frame, kind="lookup_business_email")
    run = working.submit(frame, kind="lookup_business_email", company_name_from_domain=True)

    found = run.wait(PATIENCE, progress=False).results()
    assert found["outcome"].unique().to_list() == ["matched"]
    assert all(email.endswith(".invalid") for email in found["found_email"])


def test_a_technology_is_detected(working: Desk) -> None:
    run = working.submit(companies("everything.example"), kind="find_tech", tech="Shopify", country="US")

    assert run.wait(PATIENCE, progress=False).status()["standing"] == "final"
    assert run.status()["kind"] == "find_tech"


def test_results_are_written_to_a_file_by_its_ending(working: Desk, tmp_path: Path) -> None:
    run = working.submit(companies("people3.example"), title="Owner", max_k=3).wait(PATIENCE, progress=False)

    long = pl.read_csv(run.export(tmp_path / "long.csv"))
    rows = pl.read_parquet(run.export(tmp_path / "rows.parquet", shape="rows"))
    missed = pl.read_parquet(run.export(tmp_path / "missed.parquet", outcomes=[Outcome.NO_MATCH]))

    assert (long.height, rows.height, missed.height) == (3, 1, 0)
    assert rows.columns[:2] == ["Website", "Company"]


def test_a_file_is_submitted_like_a_frame(working: Desk, tmp_path: Path) -> None:
    path = tmp_path / "my customers.csv"
    path.write_text("Kunde;Netz\nA;acme.com\nB;everything.example\n")

    run = working.submit(path, title="Owner", mapping={"domain": "Netz"})

    assert run.name == "my customers"
    assert run.wait(PATIENCE, progress=False).results("rows").columns[:2] == ["Kunde", "Netz"]


def test_runs_are_listed_newest_first_with_counts_that_add_up(working: Desk) -> None:
    newest = working.submit(companies("nobody.example"), title="Clerk").wait(PATIENCE, progress=False)

    listed = working.runs()

    assert listed["run_id"][0] == newest.id
    assert (
        listed.select(pl.sum_horizontal(*map(str, Outcome)))["matched"].to_list() == listed["rows"].to_list()
    )
    assert listed.schema["created_at"] == pl.Datetime("us", "UTC")
    assert working.run(newest.id).name == newest.name


def test_nothing_runs_before_something_is_submitted(idle: Desk) -> None:
    assert not worker_status(idle.settings).alive
    assert idle.runs().is_empty()


def test_a_run_that_waits_for_a_person_says_why_and_goes_on_when_told(idle: Desk) -> None:
    run = idle.submit(companies("acme.com"), title="Owner", name="list")
    run.pause()

    paused = repr(run)
    run.resume()
    cancelled = run.cancel()

    assert "paused by you" in paused
    assert cancelled.cancelled_batches + cancelled.with_openmart_batches == 1
    assert run.wait(PATIENCE, progress=False).status()["state"] in ("cancelled", "done")


def test_waiting_ends_at_the_limit_and_the_run_goes_on(idle: Desk) -> None:
    run = idle.submit(companies("stuck.example"), title="Owner")

    assert run.wait(0.1, progress=False).status()["standing"] == "moving"


@pytest.mark.parametrize("data", [companies("acme.com").lazy(), companies("acme.com").to_dicts(), None])
def test_what_is_no_frame_and_no_file_is_named_with_the_way_to_make_one(idle: Desk, data: Any) -> None:
    with pytest.raises(InputError, match=rf"A {type(data).__name__} is no list.*pl\.from_pandas"):
        idle.submit(data, kind="find_people", title="Owner")


def test_an_unknown_run_is_named(idle: Desk) -> None:
    with pytest.raises(RunNotFoundError, match="nosuchrun"):
        idle.run("nosuchrun")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"kind": "find_cats"}, "find_cats"),
        ({"info": ("FAX",)}, "EMAIL"),
        ({"max_k": 9}, "max_k"),
        ({"colour": "red"}, "colour"),
        ({"mapping": {"domain": "Nowhere"}}, "Nowhere"),
    ],
)
def test_a_choice_that_cannot_be_used_is_named_and_nothing_is_planned(
    idle: Desk, choice: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        idle.submit(companies("acme.com"), **({"title": "Owner"} | choice))  # type: ignore[arg-type] # on purpose

    assert idle.runs().is_empty()


def test_a_desk_shows_where_it_works_and_never_the_key(tmp_path: Path) -> None:
    live = Settings(data_dir=tmp_path, api_key=Secret("CANARY-desk-key-000"))

    with openmart_lib.open(settings=live) as desk, openmart_lib.open(data_dir=tmp_path / "b") as simulated:
        shown = f"{desk!r} {desk} {desk.settings!r} {vars(desk)}"

        assert "https://api.openmart.ai" in repr(desk)
        assert "CANARY" not in shown
        assert "costs nothing" in repr(simulated)


def test_the_worker_ends_with_the_desk(tmp_path: Path) -> None:
    settings = sandbox_settings(tmp_path)
    with openmart_lib.open(settings=settings) as desk:
        run = desk.submit(companies("acme.com"), title="Owner").wait(PATIENCE, progress=False)
        alive = worker_status(settings).alive

    assert alive
    assert not worker_status(settings).alive
    with openmart_lib.open(settings=settings) as later:
        assert later.run(run.id).results("rows")["outcome"].to_list() == ["matched"]


def test_rows_are_tried_again_once_however_often_the_cell_runs(working: Desk) -> None:
    """Its rows may be answered meanwhile: the cell still means the run that it made."""
    first = working.submit(companies("nobody.example", "errored.example", "everything.example"), title="Chef")
    first.wait(PATIENCE, progress=False)

    again = working.again(first, only=["no_match"], title="Owner", may_pay_twice=False)
    again.wait(PATIENCE, progress=False)
    cell = working.again(first.id, only=["no_match"], title="Owner")

    assert again.results("rows")["Website"].to_list() == ["nobody.example"]
    assert cell.id == again.id != first.id and first.name in again.name
    assert working.again(first, only=["no_match"], title="Owner", repeat=True).id != again.id


def test_what_cannot_be_tried_again_is_said_and_nothing_is_planned(working: Desk) -> None:
    run = working.submit(companies("everything.example", "people3.example"), title="Smith")
    run.wait(PATIENCE, progress=False)
    before = working.runs().height

    for choice, words in ((["errored"], "No row of this run"), (["nonsense"], "cannot be tried again for")):
        with pytest.raises(InputError, match=words):
            working.again(run, only=choice)

    assert working.runs().height == before


@pytest.mark.parametrize(
    ("several", "sent"),
    [("reject", []), ("first", ["a-one.com"]), ("each", ["a-one.com", "b-two.com"])],
)
def test_a_cell_with_several_websites_is_dealt_with_as_told(
    idle: Desk, several: str, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "start_engine", lambda: None)
    frame = pl.DataFrame({"Website": ["a-one.com, b-two.com", "other.com"]})

    run = idle.submit(frame, title="Owner", several=several)

    assert sorted(queries.requests(idle.ledger, run.id)["domain"]) == [*sent, "other.com"]


def test_a_list_that_may_cost_much_needs_a_limit(idle: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "start_engine", lambda: None)
    many = companies(*(f"shop{number}.com" for number in range(1_700)))

    with pytest.raises(InputError, match="5,100 credits"):
        idle.submit(many, title="Owner")

    assert idle.runs().is_empty()
    assert idle.submit(many, title="Owner", max_credits=100).report().money is not None


LEFT_OUT = "1 row has something left out: on your never-contact list"


@contextmanager
def never_contacted(desk: Desk, who: pl.Series) -> Iterator[None]:
    """Have a never-contact list of these for a while."""
    suppression.add_list(desk.ledger, upload_from_frame(pl.DataFrame({"who": who})), name="opt-outs")
    try:
        yield
    finally:
        remove_list(desk.ledger, "opt-outs")


def test_a_file_without_somebody_on_a_never_contact_list_says_so(working: Desk, tmp_path: Path) -> None:
    run = working.submit(companies("everything.example"), title="Owner").wait(PATIENCE, progress=False)
    with never_contacted(working, run.results()["found_email"].drop_nulls()):
        with pytest.warns(UserWarning, match=LEFT_OUT):
            path = run.export(tmp_path / "out.parquet")
        assert pl.read_parquet(path)["found_email"].null_count() == 1
        assert run.write(tmp_path / "out.csv").withheld == 1


def test_no_frame_of_a_notebook_holds_somebody_on_a_never_contact_list(working: Desk) -> None:
    """A notebook is a way out of the house, as a file is; the outcomes and their sums stay."""
    names = companies("everything.example", "nobody.example", "people3.example")
    run = working.submit(names, title="Owner", again=True).wait(PATIENCE, progress=False)
    before, everybody = run.results("rows"), run.lazy("rows").collect()
    assert before.equals(everybody) and run.withheld().is_empty()
    email = before["found_email"][0]

    with never_contacted(working, before["found_email"].head(1)):
        with pytest.warns(UserWarning, match=LEFT_OUT):
            frames = [run.results("rows")]
        with pytest.warns(UserWarning, match=LEFT_OUT):
            frames.append(run.results("companies"))
        with pytest.warns(UserWarning, match=LEFT_OUT):
            frames.append(run.best())
        frames.append(run.lazy("rows").collect())
        told = run.withheld()
        picked = run.lazy("rows").filter(pl.col("found_email").is_not_null()).select("row").collect()

    assert not any(email in str(frame.rows()) for frame in frames)
    assert frames[0]["outcome"].to_list() == before["outcome"].to_list() == ["matched", "no match", "matched"]
    assert frames[3].equals(frames[0]) and frames[0].schema == before.schema
    assert told.rows() == [(1, 1, "matched", "left out: on your never-contact list")]
    assert picked["row"].to_list() == [3], "a filter sees what is left"
