"""Faults that are switched on: which of them act on a request, and how often still."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from openmart_lib.errors import InputError
from openmart_lib.sandbox.fault_table import SPECS, TARGETS, FaultSpec


@dataclass(slots=True)
class Fault:
    """A fault that was switched on.

    Attributes:
        times: How many requests it hits in all; None = until it is removed.
        after: How many matching requests it lets pass first.
        seen: Matching requests so far.
        used: Requests it has hit so far.
        added_at: UTC seconds.
    """

    number: int
    name: str
    on: str
    times: int | None
    after: int
    values: dict[str, Any]
    added_at: float
    seen: int = 0
    used: int = 0

    def __getitem__(self, value: str) -> Any:
        """Return one of its own values."""
        return self.values[value]


Taken = Mapping[str, Fault]
NO_FAULTS: Final[Taken] = MappingProxyType({})


class Faults:
    """The faults of one sandbox; may be switched from any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._active: tuple[Fault, ...] = ()

    def add(
        self,
        name: str,
        *,
        on: str | None = None,
        times: int | msgspec.UnsetType | None = msgspec.UNSET,
        after: int = 0,
        **values: Any,
    ) -> Fault:
        """Switch a fault on; several may be on at once.

        Of the same name the oldest that is due acts on a request; those of different names act on it
        together, and each is used up by it, also where another leaves it nothing to do (``status`` with
        ``answer_lost``). For one after the other, give the second ``after=1``.

        Args:
            name: A name of :data:`FAULTS`.
            on: Which requests: one of :data:`TARGETS`; a kind means its submissions. Default: see the table.
            times: How many requests; None = until removed. Default: 1 for most, see the table.
            after: Matching requests to let pass first.
            values: The fault's own values.
        Raises:
            InputError: If the name, the target or a value is not in the table.
        """
        spec = SPECS.get(name)
        if spec is None:
            raise InputError(f"There is no fault {name!r}. Choose one of: {', '.join(SPECS)}.")
        fault = Fault(
            number=next(self._numbers),
            name=name,
            on=_target(name, spec, on),
            times=_count(spec.times if times is msgspec.UNSET else times, "times", low=1),
            after=_count(after, "after", low=0) or 0,
            values=_values(name, spec, values),
            added_at=self._clock(),
        )
        with self._lock:
            self._active += (fault,)
        return fault

    def active(self) -> tuple[Fault, ...]:
        """Return the faults that may still act, oldest first."""
        return self._active

    def remove(self, number: int) -> None:
        """Switch one fault off; one that is off already is no error."""
        with self._lock:
            self._active = tuple(fault for fault in self._active if fault.number != number)

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._active = ()

    def take(self, *labels: str) -> Taken:
        """Return the faults that act on a request with these labels, by name, and count them as used."""
        if not self._active:
            return NO_FAULTS
        taken: dict[str, Fault] = {}
        with self._lock:
            for fault in self._active:
                if fault.on in labels or fault.on == "any":
                    fault.seen += 1
                    if fault.seen > fault.after and fault.name not in taken:
                        fault.used += 1
                        taken[fault.name] = fault
            self._active = tuple(fault for fault in self._active if fault.used != fault.times)
        return taken


def parse_fault(text: str) -> tuple[str, dict[str, Any]]:
    """Read ``NAME[,key=value...]`` as the command line has it; the values are for :meth:`Faults.add`.

    Raises:
        InputError: If a part is not ``key=value``.
    """
    name, *parts = text.split(",")
    arguments: dict[str, Any] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"{part!r} in --fault is not key=value. Write NAME,key=value,key=value.")
        arguments[key.strip()] = None if value in ("", "none", "null") else value
    return name.strip(), arguments


def _target(name: str, spec: FaultSpec, on: str | None) -> str:
    target = spec.on if on is None else str(on)
    allowed = spec.fits or TARGETS
    if target not in allowed:
        raise InputError(f"The fault {name} cannot act on {target!r}. Choose one of: {', '.join(allowed)}.")
    return target


def _count(value: Any, name: str, *, low: int) -> int | None:
    if value is None:
        return None
    count = _converted(value, int, name)
    if count < low:
        raise InputError(f"{name} must be {low} or more. Correct it.")
    return int(count)


def _values(name: str, spec: FaultSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(given) - set(spec.values))
    if unknown:
        known = ", ".join(spec.values) or "none"
        raise InputError(f"The fault {name} has no value {unknown[0]!r}. It has: {known}.")
    return dict(spec.values) | {
        key: _converted(value, type(spec.values[key]), key) for key, value in given.items()
    }


def _converted(value: Any, wanted: type, name: str) -> Any:
    if wanted is str:
        return "" if value is None else str(value)
    try:
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError:
        raise InputError(f"The value of {name} must be of type {wanted.__name__}. Correct it.") from None
