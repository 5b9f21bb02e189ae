"""The wire: what both APIs take and give, as types, limits and known values.

Source: the project's OpenAPI files for Openmart and Lance. Requests are strict (exactly what may be
sent); answers are read tolerantly, so answer types here name only what we use and every member may be
missing or null.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Literal, NotRequired, TypedDict

MIN_TASKS_PER_BATCH: Final = 1
MAX_TASKS_PER_BATCH: Final = 100  # tasks; "the number of tasks in each batch should be between 1 and 100"
MAX_PEOPLE_PER_TASK: Final = 8  # people in one lookup_people task
MAX_K: Final = 8  # people wanted per find_people task
MIN_DOMAIN_LENGTH: Final = 4
MAX_DOMAIN_LENGTH: Final = 254
MAX_TRACKING_ID_LENGTH: Final = 128
MAX_LANCE_QUERY: Final = 200  # triples in one Lance query
SUBMIT_SECONDS: Final = 26.0  # until a submission is answered, a refused one too (API README, "Latency")

TASK_BATCH_PATH: Final = "/api/v1/task/batch"
TASK_PATH: Final = "/api/v1/task"
CREDIT_BALANCE_PATH: Final = "/api/v2/credit-balance"
LANCE_QUERY_PATH: Final = "/api/v1/operations/enrichment/batch/query"

DEFAULT_BASE_URL: Final = "https://api.openmart.ai"
DEFAULT_LANCE_BASE_URL: Final = "https://api.lance.app"


class Kind(StrEnum):
    """The four submit endpoints; the value is the last part of the path."""

    FIND_PEOPLE = "find_people"
    LOOKUP_PEOPLE = "lookup_people"
    LOOKUP_BUSINESS_EMAIL = "lookup_business_email"
    FIND_TECH = "find_tech"


class TaskStatus(StrEnum):
    """Known task statuses; any other value is read as not final."""

    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    ERRORED = "ERRORED"
    CANCELLED = "CANCELLED"


FINAL_TASK_STATUSES: Final = frozenset({TaskStatus.COMPLETED, TaskStatus.ERRORED, TaskStatus.CANCELLED})


class InfoField(StrEnum):
    """Contact fields that can be asked for; leaving the list out would buy both."""

    EMAIL = "EMAIL"
    PHONE = "PHONE"


class FindPeopleTask(TypedDict):
    """One task of ``POST /api/v1/task/batch/find_people``, as sent: one company, up to max_k people."""

    domain: str
    title: str
    max_k: int  # people wanted, 1-8
    info_access: list[Literal["EMAIL", "PHONE"]]
    company_name: NotRequired[str]
    city: NotRequired[str]
    state: NotRequired[str]
    country: NotRequired[str]
    version: NotRequired[Literal[0, 1]]
    tracking_id: NotRequired[str]
    notify_url: NotRequired[str]


class KnownPerson(TypedDict):
    """A person inside a lookup_people task; both names are required and not empty."""

    first_name: str
    last_name: str
    linkedin_url: NotRequired[str]


class LookupPeopleTask(TypedDict):
    """One task of ``POST /api/v1/task/batch/lookup_people``: one company, 1-8 named people."""

    domain: str
    people: list[KnownPerson]
    info_access: list[Literal["EMAIL", "PHONE"]]
    company_name: NotRequired[str]
    city: NotRequired[str]
    state: NotRequired[str]
    country: NotRequired[str]
    tracking_id: NotRequired[str]
    notify_url: NotRequired[str]


class LookupBusinessEmailTask(TypedDict):
    """One task of ``POST /api/v1/task/batch/lookup_business_email``: a company's shared mailboxes."""

    domain: str
    company_name: str
    city: NotRequired[str]
    state: NotRequired[str]
    country: NotRequired[str]
    tracking_id: NotRequired[str]
    notify_url: NotRequired[str]


class FindTechTask(TypedDict):
    """One task of ``POST /api/v1/task/batch/find_tech``: does this company's site use one technology?"""

    domain: str
    tech_type: str  # lower-case product name, such as "shopify"
    company_name: NotRequired[str]
    tracking_id: NotRequired[str]


class BatchCounts(TypedDict):
    """Progress counters: nested under ``status`` on submit, top level on the status route.

    There is no cancelled counter, so the three counters need not add up to ``total``.
    """

    processing: int | None
    completed: int | None
    errored: int | None
    total: int | None
    batch_ready: bool


class BatchReceipt(TypedDict):
    """What an accepted submission answers."""

    batch_id: str
    submit_for: str | None  # display only; a published example shows another route's label
    status: BatchCounts | None


class TaskAnswer(TypedDict):
    """One task as the server has it; ``data`` depends on the route that created it."""

    task_id: str
    status: str
    tracking_id: str | None
    data: Any
    raw: str  # the answer's JSON text, byte for byte as received


class CreditBalance(TypedDict):
    """Credits of the key's team; ``metered`` is False for the unlimited placeholder."""

    balance: int | float
    period_start: str | None
    period_end: str | None
    metered: bool


class LanceField(StrEnum):
    """What a Lance enrichment can be about."""

    PHONES = "phones"
    EMAILS = "emails"
    SUMMARY = "summary"


class LanceEntityType(StrEnum):
    """What a Lance enrichment belongs to; the API's default is person, we always state it."""

    PERSON = "person"
    COMPANY = "company"


class LanceQueryTask(TypedDict):
    """One triple of a Lance batch query."""

    entityId: str  # v4 UUID
    field: Literal["phones", "emails", "summary"]
    entityType: Literal["person", "company"]


class Enrichment(TypedDict, total=False):
    """A Lance record: state only, never the found data. Join on entity, type and field."""

    id: str | None
    createdAt: str | None
    updatedAt: str | None
    entityId: str
    entityType: str | None
    field: str
    status: str
    error: Any
    dataFound: bool | None
    createdBy: str | None
    orgId: str | None
    globalEnrichmentId: str | None
    creditTransactionId: str | None
