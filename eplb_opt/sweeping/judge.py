"""Maps judged by simulated steps: the heaviest rank's time or tokens, and what no map of so many slots is below."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..problem.arrays import Floats, Ints
from .setting import Setting

DRAWS = 128  # simulated steps of a layer
MOST_WINDOWS = 4  # evenly spaced, where windows are not added


@dataclass(frozen=True)
class StepValue:
    """The heaviest rank of a step, the mean over layers.

    Attributes
    ----------
    mean : float
        In the cost's unit; without a cost over the mean rank's tokens.
    error : float
        Standard error of the simulation.
    """

    mean: float
    error: float


@dataclass(frozen=True)
class LayerWork:
    """What the experts of a layer cost in the mean of its steps.

    Attributes
    ----------
    least : array [1 + spare]
        The least work of all replicas, with 0, 1 and so on spare slots.
    lowest : array [1 + spare, experts]
        The least cost of one replica of each expert, with at most so many spare slots.
    """

    least: Floats
    lowest: Floats


class Judge:
    """Steps of so many tokens, the same for every map.

    Parameters
    ----------
    setting : Setting
    tokens : int
        Of a step, before routing.
    draws : int
        Simulated steps of a layer.
    """

    def __init__(self, setting: Setting, tokens: int, draws: int = DRAWS) -> None:
        self.copies = setting.copies(tokens)
        self.routed = _routed(setting, self.copies, draws)
        most = max(int(steps.max()) for steps in self.routed)
        whole = np.arange(most + 2)  # tokens of a replica
        cost = setting.cost
        self.is_relative = cost is None
        values: Floats = whole.astype(np.float64)
        self.curve = values if cost is None else np.asarray(cost(values))
        self.per_rank = 0.0 if cost is None else cost.per_rank
        self.most_spare = max(0, max(setting.replicas) - setting.num_experts)

    def step(self, placed: Ints) -> StepValue:
        """What steps take with a map.

        Parameters
        ----------
        placed : array [layers, ranks, slots a rank], int64
            The expert in every slot.
        """
        ranks = placed.shape[1]
        pairs = zip(self.routed, placed, strict=True)
        layers = [self._layer(steps, row) for steps, row in pairs]
        means = [values.mean() for values in layers]
        squares = [values.var(ddof=1) / len(values) for values in layers]
        error = math.sqrt(sum(squares)) / len(layers)
        scale = ranks / self.copies if self.is_relative else 1.0
        return StepValue(float(np.mean(means)) * scale, error * scale)

    def bound(self, slots: int, ranks: int) -> float:
        """What the mean of these steps is at least with any map of so many slots and ranks.

        Parameters
        ----------
        slots : int
            At most the most that the setting has.
        ranks : int
        """
        of_layers = [self._least_rank(work, slots, ranks) for work in self._works]
        mean = float(np.mean(of_layers)) + self.per_rank
        return mean * ranks / self.copies if self.is_relative else mean

    def replica_costs(self, steps: Ints, counts: Ints) -> Floats:
        """Mean cost of each expert's replicas in each step, [steps, experts]: they share its whole tokens evenly.

        Parameters
        ----------
        steps : array [steps, experts]
            Routed tokens.
        counts : array [experts]
            Replicas.
        """
        each, more = np.divmod(steps, counts)
        lower = self.curve[each]
        step = self.curve[each + 1] - lower
        return np.asarray(lower + more / counts * step)

    def _layer(self, steps: Ints, placed: Ints) -> Floats:
        """The heaviest rank in each step of a layer, [steps]."""
        experts = steps.shape[1]
        held = np.zeros((experts, len(placed)))
        np.add.at(held, (placed, np.arange(len(placed))[:, None]), 1.0)
        costs = self.replica_costs(steps, held.sum(axis=1).astype(np.int64))
        return np.asarray((costs @ held).max(axis=1) + self.per_rank)

    @cached_property
    def _works(self) -> list[LayerWork]:
        """Of each layer what its experts cost with any number of replicas."""
        return [self._work(steps) for steps in self.routed]

    def _work(self, steps: Ints) -> LayerWork:
        experts = steps.shape[1]
        costs = [
            self.replica_costs(steps, np.full(experts, count)).mean(axis=0)
            for count in range(1, self.most_spare + 2)
        ]
        of_replica = np.stack(costs)
        counts = np.arange(1, self.most_spare + 2)[:, None]
        lowest = np.minimum.accumulate(of_replica, axis=0)
        return LayerWork(least_work(counts * of_replica), lowest)

    def _least_rank(self, work: LayerWork, slots: int, ranks: int) -> float:
        """The heaviest rank is at least the mean one, and at least any that holds the dearest expert."""
        spare = slots - work.lowest.shape[1]
        mean = float(work.least[spare]) / ranks
        cheapest = np.sort(work.lowest[spare])
        others = slots // ranks - 1
        # Without spare slots the others are other experts.
        beside = cheapest[:others].sum() if spare == 0 else others * cheapest[0]
        return max(mean, float(cheapest[-1] + beside))


def least_work(works: Floats) -> Floats:
    """The least sum over experts with 0, 1 and so on spare replicas in all, [1 + spare].

    Parameters
    ----------
    works : array [1 + spare, experts]
        Of each expert with 0, 1 and so on spare replicas.

    Examples
    --------
    Two experts, of which the first becomes cheaper with a second replica:

    >>> least_work(np.array([[5.0, 1.0], [4.0, 2.0]])).tolist()
    [6.0, 5.0]
    """
    size = len(works)
    least = np.full(size, math.inf)
    least[0] = 0.0
    given = np.arange(size)[:, None] - np.arange(size)  # to the experts before
    is_possible = given >= 0
    for work in works.T:
        sums = np.where(is_possible, least[given] + work, math.inf)
        least = sums.min(axis=1)
    return least


def _routed(setting: Setting, copies: int, draws: int) -> list[Ints]:
    """Tokens of each expert in simulated steps, [steps, experts] for each layer; the same for the same traffic."""
    load = setting.load
    windows = _judged_windows(load, setting.objective.adds_windows)
    each = math.ceil(draws / len(windows))
    layers = []
    for layer in range(load.shape[1]):
        random = np.random.default_rng((setting.limits.seed, layer))
        steps = [_drawn(window[layer], copies, each, random) for window in windows]
        layers.append(np.concatenate(steps))
    return layers


def _judged_windows(load: Floats, adds: bool) -> Floats:
    """The traffic of steps, [windows, layers, experts]."""
    if adds:
        return np.asarray(load.sum(axis=0, keepdims=True))
    places = np.linspace(0, len(load) - 1, min(MOST_WINDOWS, len(load)))
    return load[np.rint(places).astype(np.int64)]


def _drawn(
    weight: Floats, copies: int, draws: int, random: np.random.Generator
) -> Ints:
    """Steps of a layer's traffic, [steps, experts]; empty ones of a layer without any."""
    total = weight.sum()
    if total <= 0:
        return np.zeros((draws, len(weight)), dtype=np.int64)
    return random.multinomial(copies, weight / total, draws)
