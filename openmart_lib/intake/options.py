"""What a run asks for, beside what its rows say."""

from __future__ import annotations

from collections.abc import Mapping as ReadMapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final
from urllib.parse import urlsplit

from openmart_lib.api.wire import MAX_K, MAX_PEOPLE_PER_TASK, InfoField
from openmart_lib.errors import InputError

MAX_TEXT: Final = 300  # characters of one text value in a task; longer ones are no names or titles

_TEXTS: Final = ("title", "tech_type", "company_name", "city", "state", "country", "notify_url")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run asks for; texts are the same for all rows, and a mapped column's cell wins over them.

    Attributes:
        title: Role to find (find_people).
        max_k: People wanted per company, 1-8 (find_people).
        info_access: Contact fields to buy, of "EMAIL" and "PHONE".
        version: 0, or 1 for Openmart's alternative pipeline (find_people).
        notify_url: https address that Openmart calls.
        tech_type: Product name (find_tech); sent in lower case.
        company_name: Company name of all rows.
        city: City of all rows.
        state: State of all rows.
        country: Country of all rows.
        people_per_task: Known people sent in one task, 1-8; 1 keeps a tracking id one person.
        company_name_from_domain: Call a company without a name after its domain (lookup_business_email).
        first_rows: Only the first so many uploaded rows.
        only_where_empty: Only rows whose cell in this uploaded column is empty.

    Raises:
        InputError: If a value cannot be used; ``column`` names the option.
    """

    title: str | None = None
    max_k: int = 1
    info_access: tuple[str, ...] = (InfoField.EMAIL.value,)
    version: int = 0
    notify_url: str | None = None
    tech_type: str | None = None
    company_name: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    people_per_task: int = 1
    company_name_from_domain: bool = False
    first_rows: int | None = None
    only_where_empty: str | None = None

    def __post_init__(self) -> None:
        for name in _TEXTS:
            object.__setattr__(self, name, self._text(name))
        object.__setattr__(self, "info_access", self._info_access())
        self._check_number("max_k", 1, MAX_K)
        self._check_number("people_per_task", 1, MAX_PEOPLE_PER_TASK)
        self._check_number("version", 0, 1)
        if self.first_rows is not None:
            self._check_number("first_rows", 1, 2**31 - 1)
        if self.notify_url and (
            urlsplit(self.notify_url).scheme != "https" or not urlsplit(self.notify_url).hostname
        ):
            raise _unusable("notify_url", "must begin with https://")

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON types."""
        return asdict(self) | {"info_access": list(self.info_access)}

    @classmethod
    def from_dict(cls, values: ReadMapping[str, Any]) -> RunOptions:
        """Return the options that ``to_dict`` gave; absent ones have their defaults.

        Raises:
            InputError: If a name is unknown or a value cannot be used.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise _unusable(unknown[0], "is not an option of this version")
        return cls(**dict(values))

    def _text(self, name: str) -> str | None:
        value = getattr(self, name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise _unusable(name, "must be text")
        text = " ".join(value.split())
        if len(text) > (MAX_TEXT if name != "notify_url" else 2_000):
            raise _unusable(name, f"has more than {MAX_TEXT} characters")
        return (text.lower() if name == "tech_type" else text) or None

    def _info_access(self) -> tuple[str, ...]:
        asked = (self.info_access,) if isinstance(self.info_access, str) else tuple(self.info_access)
        known = [field.value for field in InfoField]
        if not asked or not set(asked) <= set(known):
            raise _unusable("info_access", "must name EMAIL, PHONE or both")
        return tuple(name for name in known if name in asked)

    def _check_number(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _unusable(name, f"must be a whole number from {low} to {high:,}")


def _unusable(name: str, what: str) -> InputError:
    return InputError(f"The option {name} {what}. Nothing was planned. Correct it.", column=name)
