"""History (``EPLB_OPT_HISTORY``): the loads of past calls, which the next map is planned for besides the newest ones.

Engines plan with the same loads on every rank: they add them up over all ranks before they call. So what is remembered
here is the same on every rank, too, as long as all have been called equally often: a rank that joins later would plan
with less and get another map. Hence all is forgotten where the topology or the process group is another one, and
nothing is remembered where an engine says that ranks may join while it serves.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..methods.option import Option
from ..problem.pool import Floats
from ..problem.topology import Topology

# Where more windows stop paying for themselves (``benchmarks.history``, table in benchmarks/history.md).
DEFAULT = 16
MOST = 256
OFF = 0
FEWEST = 2
# A call that has steps fills this part of the ring with them: four such calls are remembered.
CALLS = 4
MOST_MODELS = 8  # of one engine, such as a model and its drafter


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    if value != OFF and not FEWEST <= value <= MOST:
        raise ValueError(value)
    return value


HISTORY = Option(
    "history",
    DEFAULT,
    _number,
    f"{OFF} for none, or an integer from {FEWEST} to {MOST}",
    "how many windows of loads are remembered, of this call and those before",
    int,
)


def _windows_until_half(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    if not (math.isfinite(value) and value >= OFF):
        raise ValueError(value)
    return float(value)


HALF_LIFE = Option(
    "half_life",
    0.0,
    _windows_until_half,
    f"{OFF} for none, or a finite number of windows above {OFF}",
    "after how many windows one counts half of the newest in the plan, for traffic that drifts",
    float,
)


def weights_by_age(windows: int, half_life: float) -> list[float] | None:
    """What each window counts, oldest first: half after ``half_life`` newer ones; None: all count the same.

    Parameters
    ----------
    windows : int
    half_life : float
        0 for none.

    Returns
    -------
    list of float or None

    Examples
    --------
    >>> weights_by_age(3, 1.0)
    [0.25, 0.5, 1.0]
    """
    if half_life == OFF:
        return None
    ages = range(windows - 1, -1, -1)
    return [2.0 ** (-age / half_life) for age in ages]


@dataclass(frozen=True)
class Place:
    """Where an engine's maps are for: while it stays the same, so do the ranks that remember."""

    replicas: int
    topology: Topology


class History:
    """A ring of windows for each model, told apart by layers and experts.

    Parameters
    ----------
    most : int
        Windows of a ring.
    ranks_may_join : callable
        Whether ranks may join while the engine serves.
    """

    def __init__(self, most: int, ranks_may_join: Callable[[], bool]) -> None:
        self._most = most
        self._ranks_may_join = ranks_may_join
        self._rings: dict[tuple[int, ...], deque[Floats]] = {}
        self._place: Place | None = None
        self._group: weakref.ref[Any] | None = None

    @property
    def windows_a_call(self) -> int:
        """As how many windows the steps of a call are remembered, at most."""
        return max(1, self._most // CALLS)

    def remember(self, windows: Floats, place: Place) -> Floats | None:
        """The windows remembered, with these of a call as the newest.

        Parameters
        ----------
        windows : array [windows, layers, experts], float64
            The same on every rank.
        place : Place

        Returns
        -------
        array [windows, layers, experts], float64; or None
            Oldest first; None: nothing may be remembered.
        """
        if self._ranks_may_join():
            self._rings.clear()
            return None
        self._forget_if_elsewhere(place)
        shape = windows.shape[1:]
        if shape not in self._rings and len(self._rings) == MOST_MODELS:
            self._rings.clear()
        ring = self._rings.setdefault(shape, deque(maxlen=self._most))
        ring.extend(windows)
        return np.stack(ring)

    def _forget_if_elsewhere(self, place: Place) -> None:
        """Forget everything where the topology or torch's process group is not that of the last call."""
        group = _process_group()
        before = None if self._group is None else self._group()
        has_group = group is not None
        is_same_group = group is before and has_group == (self._group is not None)
        if place == self._place and is_same_group:
            return
        self._rings.clear()
        self._place = place
        self._group = weakref.ref(group) if has_group else None


def _process_group() -> Any:
    """All ranks as torch knows them, or None."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.group.WORLD
    return None
