"""What may be sent: every documented rule has a task that breaks it, refused by row and field."""

from __future__ import annotations

from typing import Any

import pytest
from api_examples import TASKS
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api import encode_tasks, validate_tasks
from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError, OpenmartError

FIND, LOOKUP, MAILBOX, TECH = Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE, Kind.LOOKUP_BUSINESS_EMAIL, Kind.FIND_TECH
WITH_PLACE = (FIND, LOOKUP, MAILBOX)
ANA = {"first_name": "Ana", "last_name": "Silva"}

REQUIRED = {
    FIND: ("domain", "title", "max_k", "info_access"),
    LOOKUP: ("domain", "people", "info_access"),
    MAILBOX: ("domain", "company_name"),
    TECH: ("domain", "tech_type"),
}
BAD_TEXT = ["", " ", "\t\n", None, 7, True, ["a"], {"a": 1}, "a\ud800"]
BAD_DOMAIN = [
    *BAD_TEXT,
    "acme",
    "a.b",
    "ACME.com",
    "@acme.com",
    "https://acme.com",
    "acme.com/x",
    "a@acme.com",
]
BAD_DOMAIN += ["acme.com:80", "acme.com?x", "acme.com#x", "acme .com", "acme.com\n", ".acme.com", "acme..com"]
BAD_DOMAIN += ["acme.com.", "a" * 251 + ".com"]
BAD_INFO = [
    [],
    ["EMAIL", "EMAIL"],
    ["EMAIL", "PHONE", "EMAIL"],
    ["email"],
    ["FAX"],
    "EMAIL",
    None,
    {"EMAIL"},
    [1],
]
BAD_URL = [
    "http://x.example",
    "https://",
    "https:///x",
    "x.example",
    "",
    None,
    1,
    "https://[::1",
    "https://a b.example",
]
BAD_URL += ["ftp://x.example", "https://x.example:99999", "https://x.example\n"]
BAD_NUMBER = [0, 9, -1, 1.0, "1", None, True, False, float("nan")]

RULES: list[tuple[Kind, str, list[Any]]] = [
    *[(kind, "domain", BAD_DOMAIN) for kind in Kind],
    *[(kind, "company_name", BAD_TEXT) for kind in Kind],
    *[(kind, "tracking_id", [*BAD_TEXT, "x" * 129]) for kind in Kind],
    *[(kind, name, BAD_TEXT) for kind in WITH_PLACE for name in ("city", "state", "country")],
    *[(kind, "notify_url", BAD_URL) for kind in WITH_PLACE],
    *[(kind, "info_access", BAD_INFO) for kind in (FIND, LOOKUP)],
    (FIND, "title", BAD_TEXT),
    (FIND, "max_k", BAD_NUMBER),
    (FIND, "version", [2, -1, 0.0, "0", None, True, False]),
    (LOOKUP, "people", [[], [ANA] * 9, None, "Ana", {}, ANA]),
    (TECH, "tech_type", [*BAD_TEXT, "Shopify"]),
]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_examples_are_fine_alone_and_a_hundred_at_once(kind: Kind) -> None:
    validate_tasks(kind, [TASKS[kind]])
    validate_tasks(kind, [TASKS[kind] | {"tracking_id": f"r-{number}"} for number in range(100)])


@pytest.mark.parametrize("kind", list(Kind))
def test_only_the_required_fields_are_needed(kind: Kind) -> None:
    task = {name: TASKS[kind][name] for name in REQUIRED[kind]}

    validate_tasks(kind, [task])

    for name in task:
        with pytest.raises(InputError, match=f"Task 1: {name} is missing. Nothing was sent") as caught:
            validate_tasks(kind, [{key: value for key, value in task.items() if key != name}])
        assert (caught.value.row, caught.value.column) == (1, name)


@pytest.mark.parametrize(
    ("kind", "name", "bad"),
    [(kind, name, bad) for kind, name, values in RULES for bad in values],
    ids=lambda value: ascii(value)[:30],
)
def test_a_value_that_breaks_a_rule_is_refused_by_row_and_field(kind: Kind, name: str, bad: Any) -> None:
    with pytest.raises(InputError, match=f"Task 2: {name} .*Nothing was sent") as caught:
        validate_tasks(kind, [TASKS[kind], TASKS[kind] | {"tracking_id": "other", name: bad}])

    assert (caught.value.row, caught.value.column) == (2, name)


@pytest.mark.parametrize(
    ("kind", "name", "good"),
    [
        *[
            (kind, "domain", good)
            for kind in Kind
            for good in ("a.co", "x.y.z.example", "xn--bcher-kva.example")
        ],
        *[(FIND, "max_k", good) for good in (1, 8)],
        *[(FIND, "version", good) for good in (0, 1)],
        *[(FIND, "info_access", good) for good in (["PHONE"], ["PHONE", "EMAIL"], ("EMAIL",))],
        (FIND, "domain", "a" * 250 + ".com"),
        (FIND, "title", "Owner, CEO"),
        (FIND, "tracking_id", "x" * 128),
        (FIND, "notify_url", "https://x.example:8443/hook?a=1"),
        (LOOKUP, "people", [ANA] * 8),
    ],
)
def test_values_on_the_edge_are_fine(kind: Kind, name: str, good: Any) -> None:
    validate_tasks(kind, [TASKS[kind] | {name: good}])


@pytest.mark.parametrize("name", ["first_name", "last_name"])
def test_both_names_of_every_person_are_needed(name: str) -> None:
    for bad in BAD_TEXT:
        with pytest.raises(InputError) as caught:
            validate_tasks(LOOKUP, [TASKS[LOOKUP] | {"people": [ANA, ANA | {name: bad}]}])
        assert caught.value.column == f"people[2].{name}"
    with pytest.raises(InputError, match=rf"people\[1\].{name} is missing"):
        people = [{key: value for key, value in ANA.items() if key != name}]
        validate_tasks(LOOKUP, [TASKS[LOOKUP] | {"people": people}])


@pytest.mark.parametrize(
    "person", [None, "Ana Silva", ["Ana", "Silva"], ANA | {"email": "x"}, ANA | {"linkedin_url": ""}]
)
def test_a_person_is_names_and_perhaps_a_profile(person: Any) -> None:
    with pytest.raises(InputError) as caught:
        validate_tasks(LOOKUP, [TASKS[LOOKUP] | {"people": [person]}])

    assert str(caught.value.column).startswith("people[1]")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *[(kind, "DOMAIN") for kind in Kind],
        *[(LOOKUP, "title"), (LOOKUP, "version"), (FIND, "people"), (FIND, "tech_type")],
        *[(MAILBOX, "info_access"), (MAILBOX, "max_k"), (TECH, "city"), (TECH, "notify_url")],
    ],
)
def test_a_field_of_another_request_is_refused(kind: Kind, name: str) -> None:
    with pytest.raises(InputError, match="is not a field of this request") as caught:
        validate_tasks(kind, [TASKS[kind] | {name: "x"}])

    assert caught.value.column == name


@pytest.mark.parametrize("count", [0, 101, 1000])
def test_a_batch_has_1_to_100_tasks(count: int) -> None:
    tasks = [TASKS[TECH] | {"tracking_id": f"r-{number}"} for number in range(count)]

    with pytest.raises(InputError, match=f"takes 1 to 100 tasks, and these are {count}"):
        validate_tasks(TECH, tasks)


@pytest.mark.parametrize("tasks", [None, "tasks", b"[]", {}, 3, iter([])])
def test_only_a_list_is_a_batch(tasks: Any) -> None:
    with pytest.raises(InputError, match="must be a list"):
        validate_tasks(TECH, tasks)


@pytest.mark.parametrize("task", [None, "x", [], 3])
def test_only_an_object_is_a_task(task: Any) -> None:
    with pytest.raises(InputError) as caught:
        validate_tasks(TECH, [TASKS[TECH], task])

    assert caught.value.row == 2


def test_a_tracking_id_is_used_once_in_a_batch() -> None:
    tasks = [TASKS[TECH] | {"tracking_id": name} for name in ("a", "b", "a")]

    with pytest.raises(InputError, match="Task 3: tracking_id is the same as in task 1") as caught:
        validate_tasks(TECH, tasks)

    assert (caught.value.row, caught.value.column) == (3, "tracking_id")


def test_errors_do_not_repeat_what_was_given() -> None:
    """A value, or a column that was taken for a field, may be somebody's name or address."""
    people = [{"first_name": "Aurelia", "last_name": 7}]
    for change in ({"people": people}, {"aurelia@roastery.example": 1}, {"company_name": ["Aurelia"]}):
        with pytest.raises(InputError) as caught:
            validate_tasks(LOOKUP, [TASKS[LOOKUP] | change])
        assert "urelia" not in f"{caught.value} {caught.value.column}"


class OddText(str):
    """Text that is not quite ``str``, such as numpy's."""


def test_text_of_another_library_is_sent_as_text() -> None:
    tasks = [TASKS[TECH] | {"tech_type": OddText("shopify")}]

    validate_tasks(TECH, tasks)

    assert b'"tech_type":"shopify"' in encode_tasks(tasks)
    with pytest.raises(TypeError, match="object cannot be sent"):
        encode_tasks([{"domain": object()}])


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    kind=st.sampled_from(list(Kind)),
    name=st.sampled_from([*TASKS[FIND], "people", "tech_type"]),
    value=json_like,
)
def test_any_value_is_refused_as_input_or_can_be_sent(kind: Kind, name: str, value: Any) -> None:
    """Nothing but an InputError comes out, and what passes can be encoded."""
    tasks = [TASKS[kind] | {name: value}]
    try:
        validate_tasks(kind, tasks)
    except OpenmartError as error:
        assert isinstance(error, InputError) and error.row == 1
        return
    assert encode_tasks(tasks).startswith(b"[{")
