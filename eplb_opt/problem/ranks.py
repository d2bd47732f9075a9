"""Ranks: speeds and slots of ranks that are not all alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InstanceError, shown
from .arrays import Floats, Ints

MOST_APART = 2.0**20  # times the slowest rank's speed, the fastest one's
MOST_SPEED = 1e100
MOST_LISTED = 6  # different values that are said for people
EMPTY = -1  # the expert of a place that is no slot
DEAD = "a rank that does not run has 0 slots"


@dataclass(frozen=True)
class Ranks:
    """Speeds and slots, rank by rank.

    A rank of speed v takes 1 / v of the time that one of speed 1 takes, for all it does. A rank without slots takes no
    part: neither its time nor its speed counts.

    Parameters
    ----------
    speeds : tuple of float, [ranks]
        Relative, > 0, at most a factor of `MOST_APART` apart.
    slots : tuple of int, [ranks]
        Each at least 0, one of them more.

    Examples
    --------
    >>> ranks = Ranks((1.0, 0.5, 1.0), (2, 1, 0))
    >>> ranks.total_speed, ranks.most_slots
    (1.5, 2)
    >>> ranks.by_rank(np.array([[4, 5, 6]])).tolist()
    [[[4, 5], [6, -1], [-1, -1]]]
    """

    speeds: tuple[float, ...]
    slots: tuple[int, ...]

    @property
    def speeds_given(self) -> tuple[float, ...] | None:
        """The speeds; None where all are 1."""
        return None if set(self.speeds) == {1.0} else self.speeds

    @property
    def slots_given(self) -> tuple[int, ...] | None:
        """The slots; None where all ranks have as many."""
        return None if len(set(self.slots)) == 1 else self.slots

    @cached_property
    def shares(self) -> Floats:
        """The speed of each rank, 0 without slots, [ranks]."""
        return np.where(np.array(self.slots) > 0, self.speeds, 0.0)

    @cached_property
    def exact_speeds(self) -> list[Fraction]:
        """The speeds of the ranks with slots, exactly."""
        return [Fraction(self.speeds[rank]) for rank in self.with_slots]

    @cached_property
    def with_slots(self) -> list[int]:
        """The ranks that have slots."""
        return [rank for rank, slots in enumerate(self.slots) if slots]

    @cached_property
    def total_speed(self) -> float:
        """Of the ranks with slots together."""
        return float(sum(self.exact_speeds))

    @cached_property
    def fastest(self) -> float:
        """The largest speed of a rank with slots."""
        return float(self.shares.max())

    @cached_property
    def slowest(self) -> float:
        """The least speed of a rank with slots."""
        return min(self.speeds[rank] for rank in self.with_slots)

    @cached_property
    def most_slots(self) -> int:
        """Of a rank."""
        return max(self.slots)

    @cached_property
    def is_slot(self) -> npt.NDArray[np.bool_]:
        """Of `most_slots` places a rank, which are slots, [ranks, most slots]."""
        return np.arange(self.most_slots) < np.array(self.slots)[:, None]

    @cached_property
    def kinds(self) -> Ints:
        """A number for each rank, the same for those of equal speed and slots, [ranks]."""
        numbers: dict[tuple[float, int], int] = {}
        pairs = zip(self.speeds, self.slots, strict=True)
        of_ranks = [numbers.setdefault(pair, len(numbers)) for pair in pairs]
        return np.array(of_ranks, dtype=np.int64)

    def by_rank(self, slots: Ints) -> Ints:
        """What is in the slots [.., slots], rank after rank, as [.., ranks, most slots]; -1 where there is no slot."""
        placed = np.full((*slots.shape[:-1], *self.is_slot.shape), EMPTY, np.int64)
        placed[..., self.is_slot] = slots
        return placed

    def in_order(self, by_rank: Ints) -> Ints:
        """The inverse: what is in the slots, rank after rank, [.., slots]."""
        return np.asarray(by_rank[..., self.is_slot])

    def times(self, work: Floats) -> Floats:
        """The times that work [.., ranks] takes, of the same shape; 0 on a rank without slots."""
        return np.where(self.shares > 0, work / np.array(self.speeds), 0.0)

    def mean_times(self, times: Floats) -> Floats:
        """Of rank times [.., ranks] their mean by speed: all work over all speeds, [..]."""
        return np.asarray(times @ self.shares / self.total_speed)

    def describe(self) -> str:
        """What is not alike, for people.

        Examples
        --------
        >>> Ranks((1.0, 1.0, 0.8), (9, 9, 8)).describe()
        'speeds 1 x 2, 0.8 x 1; slots 9 x 2, 8 x 1'
        >>> Ranks(tuple(1 + rank / 100 for rank in range(8)), (9,) * 8).describe()
        'speeds 1 to 1.07'
        """
        parts = []
        if len(set(self.speeds)) > 1 or self.speeds[0] != 1:
            parts.append(f"speeds {_counted(self.speeds)}")
        if len(set(self.slots)) > 1:
            parts.append(f"slots {_counted(self.slots)}")
        return "; ".join(parts)


def _counted(values: Iterable[float]) -> str:
    """Each value, and how many ranks have it; of many values their range."""
    counts = Counter(values)
    if len(counts) > MOST_LISTED:
        return f"{min(counts):g} to {max(counts):g}"
    return ", ".join(f"{value:g} x {count}" for value, count in counts.items())


def as_ranks(
    num_ranks: int, num_replicas: int, speeds: Any = None, slots: Any = None
) -> Ranks | None:
    """Speeds and slots as anybody has them.

    Parameters
    ----------
    num_ranks, num_replicas : int
    speeds : sequence of float or array [ranks], optional
        By default every rank has speed 1.
    slots : sequence of int or array [ranks], optional
        By default every rank has as many.

    Returns
    -------
    Ranks or None
        None: all ranks have speed 1 and as many slots.

    Raises
    ------
    InstanceError
        A number is none that a rank can have, there is not one a rank, or the slots are not ``num_replicas``.

    Examples
    --------
    >>> as_ranks(2, 4, speeds=[1, 1]) is None
    True
    >>> as_ranks(2, 4, slots=[3, 1])
    Ranks(speeds=(1.0, 1.0), slots=(3, 1))
    """
    if speeds is None and slots is None:
        return None
    given_speeds = _as_speeds(speeds, num_ranks)
    if slots is None and num_replicas % num_ranks:
        return None  # for which there is an error of its own
    given_slots = _as_slots(slots, num_ranks, num_replicas)
    ranks = Ranks(given_speeds, given_slots)
    if ranks.fastest > ranks.slowest * MOST_APART:
        raise InstanceError(
            f"rank_speeds from {ranks.slowest:g} to {ranks.fastest:g} are more than a factor of {MOST_APART:g} "
            f"apart: {DEAD} (rank_slots)"
        )
    is_usual = ranks.speeds_given is None and ranks.slots_given is None
    return None if is_usual else ranks


def _as_speeds(speeds: Any, num_ranks: int) -> tuple[float, ...]:
    if speeds is None:
        return (1.0,) * num_ranks
    values = _one_a_rank("rank_speeds", speeds, num_ranks)
    for rank, value in enumerate(values):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 1 / MOST_SPEED <= value <= MOST_SPEED:
            raise InstanceError(
                f"rank_speeds[{rank}]={shown(value)}: give a relative speed > 0, such as 0.8 ({DEAD})"
            )
    return tuple(float(value) for value in values)


def _as_slots(slots: Any, num_ranks: int, num_replicas: int) -> tuple[int, ...]:
    if slots is None:
        return (num_replicas // num_ranks,) * num_ranks
    values = _one_a_rank("rank_slots", slots, num_ranks)
    for rank, value in enumerate(values):
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if not is_integer or value < 0:
            raise InstanceError(
                f"rank_slots[{rank}]={shown(value)}: give an integer >= 0 ({DEAD})"
            )
    if sum(values) != num_replicas:
        raise InstanceError(
            f"rank_slots are {sum(values)} together, not num_replicas={num_replicas}: give as many"
        )
    return tuple(values)


def _one_a_rank(name: str, values: Any, num_ranks: int) -> list[Any]:
    """A list of Python's numbers, one a rank."""
    listed = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(listed, (str, bytes)) or not isinstance(listed, (list, tuple)):
        raise InstanceError(f"{name}={shown(values)}: give a list, one a rank")
    if len(listed) != num_ranks:
        raise InstanceError(
            f"{name} has {len(listed)} entries for num_ranks={num_ranks}: give one a rank"
        )
    # numpy's numbers in a list
    return [value.item() if hasattr(value, "item") else value for value in listed]
