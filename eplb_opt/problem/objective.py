"""Objective: what several recorded windows together make of a placement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any

import numpy as np

from ..errors import OptionError, shown
from .across import ACROSS, Across
from .arrays import Floats
from .cost import Cost

MOST_TOKENS = 2**32  # of a step
MOST_ROUTED = (
    2**53
)  # tokens of a step times experts of each, which floats still tell apart
TOP_K = 8  # experts of a token, as most models have them


@dataclass(frozen=True)
class Objective:
    """How the recorded windows of an `Instance` are put together.

    With ``"sum"`` the windows' loads are added (each times its weight), and the objective is the load of the heaviest
    rank in tokens. The others look at the imbalance of every window, its heaviest over its mean rank load: at the
    weighted mean of these, at the mean of the worst windows, or at the worst one. A window in which a layer routed
    nothing has no weight there.

    Parameters
    ----------
    across : {"sum", "mean", "cvar", "max"}, default "sum"
    level : float, default 0.9
        For ``"cvar"``: the mean is that of the worst ``1 - level`` of the windows, by weight; at least 0, below 1.
    weights : sequence of float, optional
        One a window, finite, >= 0, not all zero; all the same by default. Their scale matters for ``"sum"`` only.
    cost : Cost, optional
        What a replica takes: rank loads become times. ``"sum"`` is then the time of the heaviest rank, in the cost's
        unit, and the others divide the rank times of a window by their mean. By default, and with `Cost.tokens`, a
        token counts one.
    tokens_per_step : int, optional
        Tokens of a step, before routing: the loads of a window (or of their sum) become shares of so many times
        ``top_k``. Without it the cost is that of the loads as they are given.
    top_k : int, default 8
        Experts of a token.

    Raises
    ------
    OptionError
        A value is none of these.

    Examples
    --------
    Two windows on two ranks: the first is even, in the second one rank has three quarters of the load.

    >>> import numpy as np
    >>> from eplb_opt import Objective
    >>> loads = np.array([[[5.0, 5.0], [3.0, 1.0]]])  # of one layer, [layers, windows, ranks]
    >>> [float(Objective(across).value(loads)[0]) for across in ("sum", "mean", "max")]
    [8.0, 1.25, 1.5]

    In time, where reading an expert takes 40 us and a token 0.13 us:

    >>> from eplb_opt import Cost, Instance, Placement
    >>> in_time = Objective(cost=Cost.roofline(40.0, 0.13), tokens_per_step=1024)
    >>> instance = Instance([[6.0, 1.0, 1.0]], 4, num_ranks=2, objective=in_time)
    >>> Placement([[0, 1, 0, 2]], 3).objective(instance).tolist()  # 3072 and 1024 tokens on each rank
    [532.48]
    """

    across: str = "sum"
    level: float = 0.9
    weights: Sequence[float] | None = None  # a tuple once built
    cost: Cost | None = None
    _: KW_ONLY
    tokens_per_step: int | None = None
    top_k: int = TOP_K

    def __post_init__(self) -> None:
        if self.across not in ACROSS:
            names = ", ".join(ACROSS)
            raise OptionError(f"across={shown(self.across)}: choose one of {names}")
        level = _number(self.level)
        if not 0 <= level < 1:
            raise OptionError(
                f"level={shown(self.level)}: give a share of the windows, at least 0 and below 1"
            )
        object.__setattr__(self, "level", level)
        if self.weights is not None:
            object.__setattr__(self, "weights", _as_weights(self.weights))
        self._check_cost()

    def _check_cost(self) -> None:
        if self.cost is not None and not isinstance(self.cost, Cost):
            raise OptionError(
                f"cost is {shown(self.cost)}: give Cost.load(path), or another Cost"
            )
        _check_count("top_k", self.top_k)
        if self.tokens_per_step is None:
            return
        _check_count("tokens_per_step", self.tokens_per_step)
        if self.cost is None:
            raise OptionError(
                f"tokens_per_step={self.tokens_per_step} without a cost: give cost=Cost.load(path)"
            )
        if int(self.tokens_per_step) * int(self.top_k) > MOST_ROUTED:
            raise OptionError(
                f"tokens_per_step={self.tokens_per_step} times top_k={self.top_k}: "
                f"at most {MOST_ROUTED} routed tokens a step"
            )

    @property
    def timed_by(self) -> Cost | None:
        """The cost, where it makes a difference: not if a token counts one, and nothing else is asked for."""
        if self.cost is None or not self.cost.counts_tokens:
            return self.cost
        is_scaled = self.adds_windows and self.tokens_per_step is not None
        return self.cost if is_scaled else None

    def step_loads(self, loads: Floats) -> Floats:
        """Loads [..., experts] as the tokens of a step, of the same shape."""
        if self.tokens_per_step is None:
            return loads
        totals = loads.sum(axis=-1, keepdims=True)
        routed = float(self.tokens_per_step * self.top_k)
        return np.asarray(loads * (routed / np.where(totals > 0, totals, 1.0)))

    @property
    def adds_windows(self) -> bool:
        """Whether windows are added, so that one load vector a layer says everything."""
        return self._way.caps is None

    def window_weights(self, num_windows: int) -> Floats:
        """The weight of each window as given, [windows]."""
        if self.weights is None:
            return np.ones(num_windows)
        return np.array(self.weights, dtype=np.float64)

    def shares(self, means: Floats) -> Floats:
        """The share of each window in each layer, [windows, layers], of mean rank loads of that shape.

        The shares of a layer sum to one; of a window without load, or of a layer without any, they are zero.
        """
        weights = self.window_weights(len(means))[:, None] * (means > 0)
        total = weights.sum(axis=0)
        return np.asarray(weights / np.where(total > 0, total, 1.0))

    def value(self, times: Floats) -> Floats:
        """The objective of rank loads.

        Parameters
        ----------
        times : array [layers, windows, ranks], float64
            Load of each rank in each window, or its time; with a cost, ``"sum"`` takes those of the windows' sum alone,
            and the others those of windows with tokens: a rank may take time in one without, which has no weight.

        Returns
        -------
        array [layers], float64
            Tokens, or time, for ``"sum"``; otherwise an imbalance, 1 where nothing was routed.
        """
        if self.adds_windows and self.timed_by is not None and times.shape[1] == 1:
            return np.asarray(times[:, 0].max(axis=1))
        if self.adds_windows:
            weights = self.window_weights(times.shape[1])
            added = (times * weights[:, None]).sum(axis=1)
            return np.asarray(added.max(axis=1))
        means = times.mean(axis=2).T
        heaviest = times.max(axis=2).T
        imbalance = np.divide(heaviest, means, out=np.ones_like(means), where=means > 0)
        return self.of_imbalance(imbalance, self.shares(means))

    def of_imbalance(self, imbalance: Floats, shares: Floats) -> Floats:
        """The objective of each layer, [layers], of the windows' imbalances and shares, [windows, layers] each."""
        silent = shares.sum(axis=0) <= 0
        value = (imbalance * self.worst_weights(imbalance, shares)).sum(axis=0)
        return np.where(silent, 1.0, value)

    def worst_weights(self, imbalance: Floats, shares: Floats) -> Floats:
        """What each window weighs in the objective of these imbalances; all are [windows, layers].

        The weights of a layer sum to one. The objective is the largest mean by such weights, so that the mean by these
        of any other imbalances is at most the objective of those.
        """
        return self._way.worst_weights(imbalance, shares, self.level)

    def caps(self, shares: Floats) -> Floats:
        """What each window may weigh at most, of the shares, [windows, layers]."""
        return self._way.most(shares, self.level)

    def describe(self) -> str:
        """A few words for people."""
        return self._way.words(self.level)

    def describe_cost(self) -> str:
        """A few words about the cost; empty without one."""
        if self.cost is None:
            return ""
        words = f"cost: {self.cost.curve.kind}, in {self.cost.unit}"
        if self.tokens_per_step is None:
            return words
        return f"{words}, {self.tokens_per_step} tokens a step, top-{self.top_k}"

    @property
    def _way(self) -> Across:
        return ACROSS[self.across]

    def to_dict(self) -> dict[str, Any]:
        """What a report says of it, as JSON types."""
        said = {
            "across": self.across,
            "level": self.level if self._way.has_level else None,
            "weights": None if self.weights is None else list(self.weights),
        }
        if self.cost is None:
            return said
        step = {"tokens_per_step": self.tokens_per_step, "top_k": self.top_k}
        return {**said, "cost": self.cost.to_dict(), **step}


def _number(value: Any) -> float:
    """A float, NaN for what is none."""
    if isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _check_count(name: str, value: object) -> None:
    is_count = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_count or not 1 <= value <= MOST_TOKENS:  # type: ignore[operator]
        raise OptionError(
            f"{name}={shown(value)}: give an integer from 1 to {MOST_TOKENS}"
        )


def _as_weights(weights: Any) -> tuple[float, ...]:
    try:
        values = tuple(_number(weight) for weight in weights)
    except TypeError:
        values = ()
    usable = all(0 <= value < math.inf for value in values)
    if not usable or sum(values) <= 0:
        raise OptionError(
            f"weights={shown(weights)}: give a finite number >= 0 for each window, not all zero"
        )
    return values


SUM = Objective()
