"""What the tests of the Submit page share: a list uploaded, and its widgets by what they are called."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox, TextInput

from openmart_lib.dashboard import drafts, submit_draft
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.intake.overrides import Overrides
from tests.pages.conftest import LIST, Desk

ROLE = "Role of the people you look for (needed)"


def uploaded(
    desk: Desk, content: str | bytes = LIST, *, name: str = "spring.csv", role: str | None = "Owner"
) -> AppTest:
    """Submit with a list brought and, unless told otherwise, the role chosen.

    As a draft's address opens it: one run of the page where the clicks that lead there take three.
    """
    data = content.encode() if isinstance(content, str) else content
    choices = {"same": {"title": role}} if role is not None else None
    draft = submit_draft.create(submit_draft.folder(), data, name, choices=choices)
    return desk.open(draft=draft.draft_id)


def brought(desk: Desk, content: str = LIST) -> AppTest:
    """As ``uploaded``, by what a person does: a file is dropped and the role typed."""
    page = desk.open()
    page.file_uploader[0].upload("spring.csv", content.encode()).run()
    text_input(page, ROLE).set_value("Owner").run()
    assert not page.exception
    return page


def text_input(page: AppTest, label: str) -> TextInput:
    return next(one for one in page.text_input if one.label == label)


def selectbox(page: AppTest, label: str) -> Selectbox:
    return next(one for one in page.selectbox if one.label.startswith(label))


def draft_of(page: AppTest) -> Draft:
    """The draft behind a page, as it is on disk."""
    (draft_id,) = _several(page.query_params["draft"])
    draft = drafts.load(submit_draft.folder(), draft_id)
    assert draft is not None
    return draft


def decide(page: AppTest, overrides: Overrides) -> AppTest:
    """Decide about rows as the table's callbacks do, and show the page as it is then."""
    draft = draft_of(page)
    drafts.choose(submit_draft.folder(), draft, draft.choices | {"overrides": overrides.to_dict()})
    return page.run()


def opened_folds(page: AppTest, *names: str) -> AppTest:
    """Open folds of the page: "file" or "fold"."""
    for name in names:
        page.session_state[f"{draft_of(page).draft_id}_{name}"] = True
    page.run()
    assert not page.exception
    return page


def table(page: AppTest, column: str) -> Any:
    """The table with this column, as a pandas frame."""
    return next(one.value for one in page.dataframe if column in one.value.columns)


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _several(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
