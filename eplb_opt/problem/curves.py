"""Curves: what a replica with n tokens costs, one shape each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from ..errors import OptionError, shown
from .arrays import Floats

TILE_ROUNDING = 2.0**-40  # relative, of tokens


@dataclass(frozen=True)
class Curve:
    """A cost that never falls as tokens grow.

    Attributes
    ----------
    kind : str
        Of the class: the value of the key ``kind`` in files.
    """

    kind: ClassVar[str]

    def at(self, tokens: Floats) -> Floats:
        """The cost of each number of tokens, an array of any shape."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Its kind and its numbers, as JSON types."""
        numbers = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
        return {"kind": self.kind, **numbers}


@dataclass(frozen=True)
class Linear(Curve):
    """A token costs one."""

    kind = "tokens"

    def at(self, tokens: Floats) -> Floats:
        """The tokens themselves."""
        return tokens


@dataclass(frozen=True)
class Roofline(Curve):
    """Reading the weights takes ``per_expert``; from where the tokens take longer they decide.

    Attributes
    ----------
    per_expert, per_token : float
    """

    kind = "roofline"

    per_expert: float
    per_token: float

    def __post_init__(self) -> None:
        for name in ("per_expert", "per_token"):
            object.__setattr__(self, name, not_negative(name, getattr(self, name)))

    def at(self, tokens: Floats) -> Floats:
        """Nothing without tokens, otherwise the larger of both costs."""
        cost = np.maximum(self.per_expert, self.per_token * tokens)
        return np.where(tokens > 0, cost, 0.0)


@dataclass(frozen=True)
class Tiles(Curve):
    """Whole tiles are computed, each of so many rows.

    What is above whole tiles by rounding alone begins no other tile: shares of a step's tokens are rounded.

    Attributes
    ----------
    rows : float
        Tokens.
    seconds : float
        Of a tile.
    """

    kind = "tiles"

    rows: float
    seconds: float

    def __post_init__(self) -> None:
        rows = not_negative("rows", self.rows)
        if rows == 0:
            raise OptionError(f"rows={shown(self.rows)}: give a number > 0")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "seconds", not_negative("seconds", self.seconds))

    def at(self, tokens: Floats) -> Floats:
        """Tiles begun, times what one costs."""
        begun = np.ceil(tokens / self.rows * (1 - TILE_ROUNDING))
        return np.asarray(begun * self.seconds)


@dataclass(frozen=True)
class Table(Curve):
    """Measured points, a line between neighbours, and the last slope beyond.

    Attributes
    ----------
    tokens : sequence of float
        Growing, >= 0; without an entry at 0 nothing costs nothing.
    seconds : sequence of float
        As many, finite, >= 0, never falling.
    """

    kind = "table"

    tokens: Sequence[float]  # tuples once built
    seconds: Sequence[float]

    def __post_init__(self) -> None:
        tokens = _all_numbers("tokens", self.tokens)
        seconds = _all_numbers("seconds", self.seconds)
        if len(tokens) != len(seconds):
            raise OptionError(
                f"{len(tokens)} tokens and {len(seconds)} seconds: give as many of both"
            )
        _require_rising("tokens", tokens, strictly=True)
        _require_rising("seconds", seconds, strictly=False)
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "seconds", seconds)
        if not np.isfinite(self._slopes()).all():
            raise OptionError(
                f"tokens={shown(tokens)}: the cost's slope overflows, give points further apart"
            )

    def at(self, tokens: Floats) -> Floats:
        """The line's value."""
        starts, values = self._points()
        place = np.searchsorted(starts, tokens, side="right") - 1
        line = values[place] + self._slopes()[place] * (tokens - starts[place])
        # Rounding may put the end of a line above the point where the next one starts.
        ends = np.append(values[1:], np.inf)
        return np.asarray(np.minimum(line, ends[place]))

    def _points(self) -> tuple[Floats, Floats]:
        """Where lines start, from 0 tokens on, and the cost there."""
        starts = np.array(self.tokens)
        values = np.array(self.seconds)
        if starts[0] == 0:
            return starts, values
        return np.concatenate(([0.0], starts)), np.concatenate(([0.0], values))

    def _slopes(self) -> Floats:
        """Of the line from each point on."""
        starts, values = self._points()
        if len(starts) == 1:
            return np.zeros(1)
        with np.errstate(over="ignore"):
            between = np.diff(values) / np.diff(starts)
        return np.append(between, between[-1])


CURVES: dict[str, type[Curve]] = {
    curve.kind: curve for curve in (Linear, Roofline, Tiles, Table)
}


def not_negative(name: str, value: object) -> float:
    """A finite number >= 0; `OptionError` names any other."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, (bool, str)) or not 0 <= number < math.inf:
        raise OptionError(f"{name}={shown(value)}: give a finite number >= 0")
    return number


def _all_numbers(name: str, values: Any) -> tuple[float, ...]:
    if hasattr(values, "tolist"):  # an array, of torch, too
        values = values.tolist()
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise OptionError(f"{name}={shown(values)}: give a list of numbers")
    if len(values) == 0:
        raise OptionError(f"{name}={shown(values)}: give one number at least")
    return tuple(not_negative(f"{name}[{i}]", value) for i, value in enumerate(values))


def _require_rising(name: str, values: Sequence[float], *, strictly: bool) -> None:
    for i, (before, after) in enumerate(pairwise(values)):
        if after < before or (strictly and after == before):
            what = "a larger one" if strictly else "one at least as large"
            raise OptionError(
                f"{name}[{i + 1}]={after} after {before}: give {what}, costs never fall"
            )
