"""From an upload and its choices to a planned run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import opened, prepared, sandbox_settings

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError, RunExistsError
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.several import Several, settled
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger import Outcome, RunState
from openmart_lib.ledger.queries import run_info, runs
from openmart_lib.results import join
from openmart_lib.settings import Secret, Settings

DOMAINS = ("everything.example", "https://www.everything.example/team", "not a website", "acme.com")


def test_what_is_prepared_adds_up_and_shows_the_first_task_as_it_will_be_sent(tmp_path: Path) -> None:
    ready = prepared(sandbox_settings(tmp_path), DOMAINS)

    assert sum(ready.intake_counts.values()) == ready.row_count == 4
    assert ready.intake_counts["accepted"] == ready.task_count == 2
    assert ready.intake_counts["duplicate"] == ready.intake_counts["rejected"] == 1
    assert ready.estimate.at_most == 2 * 1 * 3
    assert ready.first_task == {
        "domain": "everything.example",
        "title": "Owner",
        "max_k": 1,
        "info_access": ["EMAIL"],
    }
    assert ready.rejects()["row"].to_list() == [3]


def test_names_that_nobody_can_own_are_companies_on_the_sandbox_only(tmp_path: Path) -> None:
    sandbox = sandbox_settings(tmp_path)
    live = replace(sandbox, api_key=Secret("a-key-of-some-length"))

    assert prepared(sandbox, ["everything.example"]).task_count == 1
    assert prepared(live, ["everything.example"]).task_count == 0


def test_sending_takes_as_long_as_the_sandbox_pretends(tmp_path: Path) -> None:
    slow = prepared(replace(sandbox_settings(tmp_path), sandbox_speed=1.0))
    fast = prepared(replace(sandbox_settings(tmp_path), sandbox_speed=13.0))

    assert slow.estimate.send_seconds == pytest.approx(26.0)
    assert fast.estimate.send_seconds == pytest.approx(2.0)


def test_a_confirmed_run_holds_every_row_the_options_and_the_most_it_may_cost(tmp_path: Path) -> None:
    settings = sandbox_settings(tmp_path)
    with opened(settings) as ledger:
        ready = prepared(settings, DOMAINS)

        run_id = submission.confirm(ledger, settings, ready, name=" My list ", confirm_token="one")

        info = run_info(ledger, run_id)
    assert (info.name, info.kind, info.state) == ("My list", Kind.FIND_PEOPLE, RunState.ACTIVE)
    assert RunOptions.from_dict(info.options) == RunOptions(title="Owner")
    assert info.mapping == {"domain": ["Website"]}
    assert info.worst_credits == ready.estimate.at_most
    assert sum(info.outcomes.values()) == info.row_count == 4
    assert info.outcomes[Outcome.PENDING] == 2


def test_a_name_is_one_line_of_bounded_length(tmp_path: Path) -> None:
    settings = sandbox_settings(tmp_path)
    with opened(settings) as ledger:
        ready = prepared(settings, DOMAINS)

        run_id = submission.confirm(
            ledger, settings, ready, name="Spring\n  li\x00st\t" + 5_000 * "x", confirm_token="one"
        )

        assert run_info(ledger, run_id).name == "Spring list " + 88 * "x"


def test_one_visit_to_confirm_makes_one_run_however_often_it_is_clicked(tmp_path: Path) -> None:
    settings = sandbox_settings(tmp_path)
    with opened(settings) as ledger:
        ready = prepared(settings)

        ids = {submission.confirm(ledger, settings, ready, name="a", confirm_token="one") for _ in range(20)}

        assert len(ids) == len(runs(ledger)) == 1


def test_the_same_content_again_names_the_earlier_run_until_it_is_asked_for(tmp_path: Path) -> None:
    settings = sandbox_settings(tmp_path)
    with opened(settings) as ledger:
        ready = prepared(settings)
        first = submission.confirm(ledger, settings, ready, name="first", confirm_token="one")

        with pytest.raises(RunExistsError) as error:
            submission.confirm(ledger, settings, ready, name="second", confirm_token="two")
        again = submission.confirm(ledger, settings, ready, name="third", confirm_token="three", again=True)

    assert (error.value.run_id, error.value.name) == (first, "first")
    assert again != first


def test_other_options_are_another_content(tmp_path: Path) -> None:
    settings = sandbox_settings(tmp_path)

    owner, chef = prepared(settings, title="Owner"), prepared(settings, title="Chef")

    assert owner.content_key != chef.content_key
    assert owner.content_key == prepared(settings, title="Owner").content_key


def test_a_list_without_a_usable_row_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    settings = sandbox_settings(tmp_path)
    with opened(settings) as ledger:
        with pytest.raises(InputError, match="None of the 2 rows"):
            submission.confirm(
                ledger, settings, prepared(settings, ["n/a", "not a site"]), name="", confirm_token="one"
            )

        assert runs(ledger) == []


def test_a_run_belongs_to_the_present_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, api_key=Secret("a-key-of-some-length"))
    with opened(settings) as ledger:
        run_id = submission.confirm(
            ledger, settings, prepared(settings, ["acme.com"]), name="", confirm_token="one"
        )

        info = run_info(ledger, run_id)
        stored = (settings.environment_dir / "ledger.db").read_bytes()
    assert info.key_last4 == "ngth"
    assert info.name == "companies"
    assert b"a-key-of-some-length" not in stored


def test_the_results_of_a_divided_list_have_every_uploaded_row_and_say_whose_the_added_ones_are(
    tmp_path: Path,
) -> None:
    settings = sandbox_settings(tmp_path)
    mapping, options = {"domain": ["Website"]}, RunOptions(title="Owner")
    upload = read_upload(b"Website\nacme.com beta.de\nbeta.de\nn/a\n", "list.csv")
    divided, decided = settled(upload, mapping, Kind.FIND_PEOPLE, options, Several.EACH)
    with opened(settings) as ledger:
        ready = submission.prepare(
            divided, mapping, Kind.FIND_PEOPLE, options, settings=settings, overrides=decided
        )
        run_id = submission.confirm(ledger, settings, ready, name="divided", confirm_token="t")

        results = join.results(ledger, run_id, "rows")

        assert sum(run_info(ledger, run_id).outcomes.values()) == 4
    assert results.select("Website", "parent_row", "domain", "outcome", "duplicate_of").rows() == [
        ("acme.com beta.de", "1", "acme.com", "pending", None),
        ("beta.de", None, "beta.de", "pending", None),
        ("n/a", None, None, "rejected", None),
        ("beta.de", "1", "beta.de", "duplicate", 2),
    ]
