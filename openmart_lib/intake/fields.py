"""The fields of a task that an uploaded column can feed, and which of them each kind takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from openmart_lib.api.wire import Kind


class Field(StrEnum):
    """What an uploaded column can mean; the values are stored with a run, do not rename them."""

    DOMAIN = "domain"
    COMPANY_NAME = "company_name"
    TITLE = "title"
    CITY = "city"
    STATE = "state"
    COUNTRY = "country"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    FULL_NAME = "full_name"  # split into first and last, where those are empty
    LINKEDIN_URL = "linkedin_url"
    TECH_TYPE = "tech_type"
    ENTITY_ID = "entity_id"  # Lance
    ENTITY_TYPE = "entity_type"  # Lance
    LANCE_FIELD = "lance_field"  # Lance


class Intake(StrEnum):
    """What became of an uploaded row before anything is sent; the values are stored."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class FieldSet:
    """The fields of one kind of task.

    Attributes:
        required: Needed, and only a column can give them; a full name gives first and last name.
        optional: May be mapped; they improve matching.
        column_or_option: Needed, from a column or the same for all (``RunOptions``).
    """

    required: tuple[Field, ...]
    optional: tuple[Field, ...]
    column_or_option: tuple[Field, ...] = ()

    @property
    def all(self) -> tuple[Field, ...]:
        """Every field of the kind: required, column or option, optional."""
        return self.required + self.column_or_option + self.optional


Mapping = dict[str, list[str]]
"""Field -> uploaded columns, in order: the first that is not empty counts."""

_PLACE = (Field.CITY, Field.STATE, Field.COUNTRY)

FIELDS_BY_KIND: Final[dict[Kind, FieldSet]] = {
    Kind.FIND_PEOPLE: FieldSet((Field.DOMAIN,), (Field.COMPANY_NAME, *_PLACE), (Field.TITLE,)),
    Kind.LOOKUP_PEOPLE: FieldSet(
        (Field.DOMAIN, Field.FIRST_NAME, Field.LAST_NAME),
        (Field.FULL_NAME, Field.COMPANY_NAME, *_PLACE, Field.LINKEDIN_URL),
    ),
    Kind.LOOKUP_BUSINESS_EMAIL: FieldSet((Field.DOMAIN,), _PLACE, (Field.COMPANY_NAME,)),
    Kind.FIND_TECH: FieldSet((Field.DOMAIN,), (Field.COMPANY_NAME,), (Field.TECH_TYPE,)),
}

FIELD_WORDS: Final[dict[Field, str]] = {
    Field.DOMAIN: "website or domain",
    Field.COMPANY_NAME: "company name",
    Field.TITLE: "role",
    Field.CITY: "city",
    Field.STATE: "state",
    Field.COUNTRY: "country",
    Field.FIRST_NAME: "first name",
    Field.LAST_NAME: "last name",
    Field.FULL_NAME: "full name",
    Field.LINKEDIN_URL: "LinkedIn link",
    Field.TECH_TYPE: "technology",
    Field.ENTITY_ID: "entity id",
    Field.ENTITY_TYPE: "entity type",
    Field.LANCE_FIELD: "enrichment field",
}
"""What a field is called on screen."""
