"""A trace: recorded windows in order, and which of them a plan sees and serves."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OptionError, did_you_mean, shown
from ..formats import Loads, read_loads
from ..formats.files import as_loads
from ..problem.pool import Floats

LONGEST_HISTORY = 16  # windows, unless more are asked for
SHARE_OF_HISTORY = 4  # of a short trace, at most one part of so many


@dataclass(frozen=True, eq=False)
class Trace:
    """Windows in the order in which they were recorded.

    Attributes
    ----------
    load : array [windows, layers, experts], float64
        Routed tokens.
    labels : tuple of str
        One a window.
    layer_ids : tuple of int, or None
    """

    load: Floats
    labels: tuple[str, ...]
    layer_ids: tuple[int, ...] | None

    def __len__(self) -> int:
        return len(self.load)

    def joined(self, window: int) -> Trace:
        """Neighbouring windows put together, so many into one; what is left over at the end is left out.

        A window of different labels gets the first and the last of them as its label.

        Raises
        ------
        OptionError
            There are not as many windows.
        """
        if window > len(self):
            raise OptionError(
                f"window={window}: the trace has {len(self)} windows, give at most that"
            )
        whole = len(self) // window
        used = whole * window
        shape = (whole, window, *self.load.shape[1:])
        load = self.load[:used].reshape(shape).sum(axis=1)
        labels = tuple(
            _common(self.labels[start : start + window])
            for start in range(0, used, window)
        )
        return Trace(load, labels, self.layer_ids)


def _common(labels: Sequence[str]) -> str:
    """One label for several."""
    if len(set(labels)) == 1:
        return labels[0]
    return f"{labels[0]}..{labels[-1]}"


def as_trace(source: Any) -> Trace:
    """A trace of what a user has: a file of loads, what `read_loads` returns, or an array.

    Raises
    ------
    FormatError
        It cannot be read, or holds no loads.
    """
    if isinstance(source, (str, Path)):
        source = read_loads(source)
    if not isinstance(source, Loads):
        source = as_loads(source, None, None, "the trace")
    load = np.asarray(source.load, dtype=np.float64)
    return Trace(load, source.windows, source.layer_ids)


@dataclass(frozen=True)
class Turn:
    """One plan: the windows that it sees, and those that it serves.

    Attributes
    ----------
    seen, served : tuple of int
        Window indices; no window is in both.
    """

    seen: tuple[int, ...]
    served: tuple[int, ...]

    def __post_init__(self) -> None:
        both = set(self.seen) & set(self.served)
        if both:
            raise OptionError(
                f"window {min(both)} would be judged on the plan that was made of it: plan and judge on others"
            )


def turns_by_time(windows: int, history: int, interval: int | None) -> list[Turn]:
    """Plans one after the other, each of the last ``history`` windows; None: the first one serves to the end.

    Examples
    --------
    >>> turns_by_time(6, 2, 3)
    [Turn(seen=(0, 1), served=(2, 3, 4)), Turn(seen=(3, 4), served=(5,))]
    """
    step = windows if interval is None else interval
    return [
        Turn(
            tuple(range(time - history, time)),
            tuple(range(time, min(time + step, windows))),
        )
        for time in range(history, windows, step)
    ]


def turn_by_label(
    labels: Sequence[str], train: Collection[str], test: Collection[str]
) -> Turn:
    """One plan of the windows of some labels, which serves those of others.

    Raises
    ------
    OptionError
        A label is not there, or is in both.
    """
    return Turn(
        tuple(_labelled(labels, train, "train")),
        tuple(_labelled(labels, test, "test")),
    )


def _labelled(
    labels: Sequence[str], chosen: Collection[str], option: str
) -> Iterator[int]:
    """Indices of the windows with one of the chosen labels."""
    if isinstance(chosen, str) or not chosen:
        raise OptionError(f"{option}={shown(chosen)}: give one label or more")
    for label in chosen:
        if label not in labels:
            known = ", ".join(list(dict.fromkeys(labels))[:12])
            near = did_you_mean(label, labels)
            raise OptionError(
                f"{option} {label!r}: no window has this label; there are {known}{near}"
            )
    return (number for number, label in enumerate(labels) if label in chosen)


def usual_history(windows: int) -> int:
    """How many windows a plan sees where nobody says."""
    return max(1, min(LONGEST_HISTORY, windows // SHARE_OF_HISTORY))


def usual_intervals(served: int, most_plans: int) -> list[int | None]:
    """Intervals to try: powers of two with at most so many plans, and never, which comes first.

    Examples
    --------
    >>> usual_intervals(24, 12)
    [None, 2, 4, 8, 16]
    """
    powers = [2**power for power in range(served.bit_length())]
    tried = [
        power
        for power in powers
        if power < served and -(-served // power) <= most_plans
    ]
    return [None, *tried]


def length(interval: int | None) -> float:
    """Windows between plans, to compare intervals: infinitely many where the first plan stays."""
    return math.inf if interval is None else interval
