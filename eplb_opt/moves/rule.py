"""How much may change from the map in use to the next one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import OptionError
from ..limits import checked

MOVES_ARE = "an integer >= 0 (replicas a layer), a number from 0 to below 1 (share of the slots), or None"
SLACK_IS = "a number >= 0, such as 0.005 for half a percent, or None"
PRICE_IS = "a number >= 0 (of the mean rank load, for a replica), or None"
GAIN_IS = "a number from 0 to below 1"


def move_limit(value: Any) -> int | float | None:
    """What ``max_moves`` may be; `ValueError` or `TypeError` if it is not."""
    if value is None:
        return None
    if isinstance(value, (bool, str)):
        raise TypeError(value)
    if isinstance(value, (int, np.integer)):
        if value < 0:
            raise ValueError(value)
        return int(value)
    share = float(value)
    if not 0 <= share < 1:
        raise ValueError(value)
    return share


def amount(value: Any) -> float | None:
    """A finite number >= 0, or None; `ValueError` or `TypeError` if it is neither."""
    if value is None:
        return None
    if isinstance(value, (bool, str)):
        raise TypeError(value)
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError(value)
    return number


def least_gain(value: Any) -> float:
    """A number from 0 to below 1; `ValueError` or `TypeError` if it is none."""
    number = amount(value)
    if number is None or number >= 1:
        raise ValueError(value)
    return number


@dataclass(frozen=True)
class MoveRule:
    """How much may change; by default ranks are renamed only.

    Parameters
    ----------
    max_moves : int or float, optional
        Replicas of a layer that may move, or below 1 (a float) their share of its slots: the objective comes as near to
        what the method finds without a limit as these can bring it. Where more have to move so that the map is valid,
        these move.
    slack : float, optional
        As few replicas move as found that leave the objective at most so much (relatively) above what the method finds
        without a limit.
    move_price : float, optional
        What a moved replica costs, in units of the mean rank load: the imbalance and the price of all moves are least.
    min_gain : float, default 0
        A layer keeps its map, if that is valid, unless its objective falls by at least this part of it.

    Raises
    ------
    OptionError
        A value is out of range, or both ``slack`` and ``move_price`` are given.

    Examples
    --------
    >>> MoveRule(max_moves=0.25).most_moves(288)
    72
    """

    max_moves: int | float | None = None
    slack: float | None = None
    move_price: float | None = None
    min_gain: float = 0.0

    def __post_init__(self) -> None:
        taken = {
            "max_moves": checked("max_moves", self.max_moves, move_limit, MOVES_ARE),
            "slack": checked("slack", self.slack, amount, SLACK_IS),
            "move_price": checked("move_price", self.move_price, amount, PRICE_IS),
            "min_gain": checked("min_gain", self.min_gain, least_gain, GAIN_IS),
        }
        for name, value in taken.items():
            object.__setattr__(self, name, value)
        if self.slack is not None and self.move_price is not None:
            raise OptionError(
                f"slack={self.slack} and move_price={self.move_price}: give one of them"
            )

    @property
    def renames_only(self) -> bool:
        """Whether any number of replicas may move."""
        limits = (self.max_moves, self.slack, self.move_price)
        return all(limit is None for limit in limits)

    def most_moves(self, slots: int) -> int | None:
        """Replicas of a layer of so many slots that may move, or None for any number."""
        if self.max_moves is None or isinstance(self.max_moves, int):
            return self.max_moves
        return int(self.max_moves * slots)
