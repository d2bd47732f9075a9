"""Option: what a method may be told, and what an option's value may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..limits import Limits

TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")


@dataclass(frozen=True)
class Option:
    """One option; all methods that have one of this name mean the same.

    Attributes
    ----------
    name : str
        As Python writes it; in an engine's environment it is ``EPLB_OPT_`` and the name in capitals.
    default : object
    check : callable
        Returns the value in its own type, or raises `ValueError`, `TypeError` or `OverflowError`.
    kind : str
        What it takes, as a person would say it: errors end with it.
    summary : str
        What it is, in one line.
    parse : callable or None
        A text to what ``check`` takes, such as ``int`` or `flag`; by default ``check`` takes the text. None: only
        Python can set the option.
    """

    name: str
    default: Any
    check: Callable[[Any], Any]
    kind: str
    summary: str
    parse: Callable[[str], Any] | None = str

    def read(self, value: Any) -> Any:
        """The value that a text stands for, or something of a JSON file; raises as ``check`` does."""
        if isinstance(value, str) and self.parse is not None:
            value = self.parse(value)
        return self.check(value)


def instance_of(kind: type[Any]) -> Callable[[Any], Any]:
    """A check that takes what is of this type."""

    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(value)
        return value

    return check


def flag(value: Any) -> bool:
    """Whether a text or a number says yes; `ValueError` if it says neither."""
    text = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if text not in TRUE + FALSE:
        raise ValueError(value)
    return text in TRUE


# Of every method with `improve`. By default work is limited and there is no clock: in an engine, every rank must
# compute the same map.
LIMITS = Option(
    "limits",
    Limits(seconds=None, work=0.5, workers=1, seed=0),
    instance_of(Limits),
    "a Limits",
    "when to stop, and how much of the machine to use",
    parse=None,
)
