"""Types of values in reports: each reads a value strictly, or says what it expected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..certificates.layer import MILESTONES
from ..problem.cost import Cost
from ..problem.status import Status, StopReason
from ..strict import integer, number, shown, text

DIGEST_FORM = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Value:
    """A type of value.

    Parameters
    ----------
    expected : str
        What it is, for errors and for the page about reports.
    read : callable
        From anything that JSON may hold to the value; raises ValueError for a value of another type.
    """

    expected: str
    read: Callable[[Any], Any]


def _at_least_0(value: Any) -> float:
    result = number(value)
    if result < 0:
        raise ValueError(f"{shown(value)}, expected a number >= 0")
    return result


def _above_0(value: Any) -> float:
    result = number(value)
    if result <= 0:
        raise ValueError(f"{shown(value)}, expected a number > 0")
    return result


def _positive(value: Any) -> int:
    result = integer(value)
    if result < 1:
        raise ValueError(f"{shown(value)}, expected a positive integer")
    return result


def _count(value: Any) -> int:
    result = integer(value)
    if result < 0:
        raise ValueError(f"{shown(value)}, expected an integer >= 0")
    return result


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)}, expected true or false")
    return value


def _items(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{shown(value)}, expected a list")
    return list(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{shown(value)}, expected keys and values")
    return value


def _gap(value: Any) -> float:
    """A gap; null is an infinite one."""
    return math.inf if value is None else _at_least_0(value)


def _times(value: Any) -> tuple[float | None, ...]:
    """A time for each milestone, null where it was not reached."""
    times = tuple(SECONDS_OR_NULL.read(item) for item in _items(value))
    if len(times) != len(MILESTONES):
        raise ValueError(f"{len(times)} times, expected {len(MILESTONES)}")
    return times


def _cost(value: Any) -> dict[str, Any]:
    """A cost, as it is written again."""
    return Cost.from_dict(_mapping(value)).to_dict()


def _digest(value: Any) -> str:
    result = text(value)
    if not DIGEST_FORM.fullmatch(result):
        raise ValueError(f"{shown(value)}, expected 64 hexadecimal digits")
    return result


def or_null(value: Value) -> Value:
    """The type, or null, which is read as None."""
    return Value(
        f"{value.expected}, or null",
        lambda item: None if item is None else value.read(item),
    )


def list_of(value: Value, items: str) -> Value:
    """A list of values of one type; ``items`` names them."""
    return Value(
        f"list of {items}", lambda given: [value.read(item) for item in _items(given)]
    )


def one_of(texts: Collection[str]) -> Value:
    """One of some texts, such as the names of a registry."""

    def read(value: Any) -> str:
        if text(value) not in texts:
            raise ValueError(
                f"{shown(value)}, this version knows {', '.join(map(repr, texts))}"
            )
        return str(value)

    return Value(" or ".join(f"`{known}`" for known in texts), read)


TEXT = Value("text", text)
BOOLEAN = Value("true or false", _boolean)
INTEGER = Value("integer", integer)
COUNT = Value("integer >= 0", _count)
POSITIVE = Value("integer >= 1", _positive)
AT_LEAST_0 = Value("number >= 0", _at_least_0)
ABOVE_0 = Value("number > 0", _above_0)
GAP = Value("number >= 0; null is infinite", _gap)
SECONDS_OR_NULL = or_null(AT_LEAST_0)
TIMES = Value(f"list of {len(MILESTONES)} numbers >= 0 or null", _times)
STATUS = Value(
    " or ".join(f"`{status.value}`" for status in Status),
    lambda value: Status(text(value)),
)
STOP = Value("text, one of `StopReason`", lambda value: StopReason(text(value)))
DIGEST = Value("64 hexadecimal digits", _digest)
COST_VALUE = Value("keys and values of a cost's file", _cost)
LIST = Value("list", _items)
MAPPING = Value("keys and values", _mapping)
