"""Advice: re-plan or not, how often, by which policy, with how many replicas; with its evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .judge import Outcome
from .players import OWN
from .trace import length

TOLERANCE = (
    0.005  # of the imbalance: what costs less is taken if it is as near to the best
)
LEAST_WINDOWS = 4  # that are served, to choose on one half and to judge on the other


@dataclass(frozen=True)
class Comparison:
    """What another way would have been worth in the windows that the advice is judged on.

    Attributes
    ----------
    policy : str
    replicas : int
    interval : int, or None
    imbalance : float
    saved : float
        What the advice is better by; negative: worse.
    error : float or None
        Standard error of that over windows, as if these were independent.
    moves : float or None
        Replicas a layer that each re-plan moved, in all served windows; None: no re-plan.
    """

    policy: str
    replicas: int
    interval: int | None
    imbalance: float
    saved: float
    error: float | None
    moves: float | None


@dataclass(frozen=True)
class Advice:
    """What to do.

    Attributes
    ----------
    policy : str
    replicas : int
    interval : int or None
        Windows between plans; None: plan once and keep the map.
    is_held_out : bool
        It was judged on other windows than it was chosen on.
    chosen_on, judged_on : int
        Served windows, the earlier and the later ones; all for both where the trace is short.
    chosen_imbalance, imbalance : float
        Mean imbalance in these.
    moves, moves_share : float or None
        Replicas a layer that each re-plan moved, in all served windows, and their share of the slots; None: no re-plan.
    comparisons : tuple of Comparison
    """

    policy: str
    replicas: int
    interval: int | None
    is_held_out: bool
    chosen_on: int
    judged_on: int
    chosen_imbalance: float
    imbalance: float
    moves: float | None
    moves_share: float | None
    comparisons: tuple[Comparison, ...]

    @property
    def replans(self) -> bool:
        """Whether the map is to be changed while it serves."""
        return self.interval is not None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self) | {"comparisons": [asdict(c) for c in self.comparisons]}


def advise(outcomes: Sequence[Outcome]) -> Advice:
    """The least costly way that is as good as the best: chosen on the earlier windows, judged on the later ones.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of the same served windows; with that of `OWN`, which is compared with and never advised. Of equal cost the
        earlier one is taken.
    """
    served = len(outcomes[0].imbalance)
    is_held_out = served >= LEAST_WINDOWS
    half = served // 2
    early = slice(0, half) if is_held_out else slice(None)
    late = slice(half, None) if is_held_out else slice(None)
    candidates = [outcome for outcome in outcomes if outcome.policy != OWN]
    chosen = _least_costly(candidates, early)
    comparisons = [
        _compared(other, chosen, late) for other in _others(outcomes, chosen, early)
    ]
    return Advice(
        chosen.policy,
        chosen.replicas,
        chosen.interval,
        is_held_out,
        len(chosen.imbalance[early]),
        len(chosen.imbalance[late]),
        _mean_in(chosen, early),
        _mean_in(chosen, late),
        chosen.moves_mean,
        chosen.moves_share,
        tuple(comparisons),
    )


def _mean_in(outcome: Outcome, windows: slice) -> float:
    return float(outcome.imbalance[windows].mean())


def _least_costly(candidates: Sequence[Outcome], early: slice) -> Outcome:
    """Of those near the best: fewest replicas, then fewest that move, then fewest plans, then the first."""
    best = min(_mean_in(outcome, early) for outcome in candidates)
    limit = best * (1 + TOLERANCE)
    near = [outcome for outcome in candidates if _mean_in(outcome, early) <= limit]
    return min(near, key=_cost)


def _cost(outcome: Outcome) -> tuple[int, int, int]:
    """Replicas, those that moved in all, and plans."""
    return outcome.replicas, int(outcome.moves.sum()), outcome.plans


def _others(
    outcomes: Sequence[Outcome], chosen: Outcome, early: slice
) -> Iterator[Outcome]:
    """What the advice is compared with: other intervals, other policies, other numbers of replicas."""
    same_replicas = [o for o in outcomes if o.replicas == chosen.replicas]
    same_policy = [o for o in outcomes if o.policy == chosen.policy]
    intervals = [o for o in same_replicas if o in same_policy and o is not chosen]
    yield from _never_and_best(intervals, chosen, early)
    for policy in dict.fromkeys(o.policy for o in same_replicas):
        if policy != chosen.policy:
            yield _at_interval([o for o in same_replicas if o.policy == policy], chosen)
    for other in same_policy:
        is_other = other.replicas != chosen.replicas
        if is_other and other.interval == chosen.interval:
            yield other


def _at_interval(outcomes: Sequence[Outcome], chosen: Outcome) -> Outcome:
    """That at the chosen interval, or the next longer one that was played."""
    at_least = length(chosen.interval)
    longer = [o for o in outcomes if length(o.interval) >= at_least]
    return min(longer, key=lambda outcome: length(outcome.interval))


def _never_and_best(
    intervals: Sequence[Outcome], chosen: Outcome, early: slice
) -> Iterator[Outcome]:
    """Of the other intervals: never, or where that is chosen the best one."""
    if chosen.interval is not None:
        yield from (other for other in intervals if other.interval is None)
    elif intervals:
        yield min(intervals, key=lambda other: _mean_in(other, early))


def _compared(other: Outcome, chosen: Outcome, late: slice) -> Comparison:
    saved = other.by_window[late] - chosen.by_window[late]
    error = None
    if len(saved) > 1:
        error = float(np.std(saved, ddof=1)) / math.sqrt(len(saved))
    return Comparison(
        other.policy,
        other.replicas,
        other.interval,
        _mean_in(other, late),
        float(saved.mean()),
        error,
        other.moves_mean,
    )
