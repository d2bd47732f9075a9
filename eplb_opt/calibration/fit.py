"""From measured steps to a cost: seconds of a replica with n tokens, piecewise linear, and of the rank itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError
from ..problem.arrays import Floats
from .least_squares import non_negative
from .steps import Step

# Tokens between which seconds are on a line. An idle expert costs nothing; one token reads all weights;
# products take tiles of 128 tokens.
FEW = (0, 1, 16, 64, 128, 129, 192, 256, 257, 384, 512, 768)
KNOTS = (*FEW, 1024, 1536, 2048, 3072, 4096, 8192, 16384)
SWEEPS = 20  # of reweighting, which makes squares of errors their sizes
LEAST_ERROR = 1e-3  # relative; smaller ones weigh no more


@dataclass(frozen=True)
class FittedCost:
    """A cost as measured steps have it.

    Attributes
    ----------
    tokens : tuple of int
        Ascending, from 0.
    seconds : tuple of float
        Of a replica with so many tokens, never falling; in between on a line, and so on beyond the last.
    per_rank : float
        Seconds that a rank takes besides, once a step.
    """

    tokens: tuple[int, ...]
    seconds: tuple[float, ...]
    per_rank: float

    def step_seconds(self, steps: Sequence[Step]) -> Floats:
        """What the steps of ranks take, [steps] in seconds."""
        matrix = _expert_rows(steps, self.tokens)
        return np.asarray(matrix @ np.array(self.seconds) + self.per_rank)


def fit(steps: Sequence[Step], seconds: Sequence[float]) -> FittedCost:
    """The cost whose predictions have the least mean relative error, in size, of measured steps.

    Parameters
    ----------
    steps : sequence of tuples of int
        Tokens of each expert of a rank.
    seconds : sequence of float
        What each step took.

    Returns
    -------
    FittedCost
        With points up to the most tokens that an expert had.

    Raises
    ------
    OptionError
        There are no steps, or a time is not positive.

    Examples
    --------
    Experts that take 3 ms to read and 1 ms a token beyond:

    >>> steps = [(1,), (1, 1), (16,), (16, 1), (64,), (128,), (128, 64), (192,), (256,)]
    >>> cost = fit(steps, [sum(max(3e-3, 1e-3 * n) for n in step) for step in steps])
    >>> [round(value, 6) for value in cost.seconds[:4]], round(cost.per_rank, 6)
    ([0.0, 0.003, 0.016, 0.064], 0.0)
    """
    times = np.asarray(seconds, dtype=np.float64)
    if len(times) == 0 or not (times > 0).all():
        raise OptionError("a measured step took no time: give positive seconds of each")
    knots = _knots(max(max(step) for step in steps))
    growth = np.tril(np.ones((len(knots), len(knots))))[:, 1:]  # of increments
    rows = _expert_rows(steps, knots) @ growth
    matrix = np.column_stack([rows, np.ones(len(steps))])
    increments = _least_error(matrix / times[:, None])
    values = growth @ increments[:-1]
    return FittedCost(knots, tuple(values.tolist()), float(increments[-1]))


def relative_errors(
    cost: FittedCost, steps: Sequence[Step], seconds: Sequence[float]
) -> Floats:
    """Predicted over measured time, less one, [steps]."""
    return np.asarray(cost.step_seconds(steps) / np.asarray(seconds) - 1)


def _knots(most: int) -> tuple[int, ...]:
    """Points up to the first that no expert exceeds."""
    needed = [knot for knot in KNOTS if knot < most]
    return KNOTS[: max(2, len(needed) + 1)]


def _least_error(matrix: Floats) -> Floats:
    """Coefficients of rows whose sums are to be near 1: squares weighed until they are sizes."""
    ones = np.ones(len(matrix))
    weights = ones
    found = ones
    for _ in range(SWEEPS):
        root = np.sqrt(weights)
        found = non_negative(matrix * root[:, None], root)
        errors = np.abs(matrix @ found - 1)
        weights = 1 / np.maximum(errors, LEAST_ERROR)
    return found


def _expert_rows(steps: Sequence[Step], knots: Sequence[float]) -> Floats:
    """How often each step counts the seconds of each knot, [steps, knots]."""
    rows = np.zeros((len(steps), len(knots)))
    for row, step in zip(rows, steps, strict=True):
        _add_experts(row, np.array(step, dtype=np.float64), np.array(knots))
    return rows


def _add_experts(row: Floats, tokens: Floats, knots: Floats) -> None:
    """Add the two knots around each expert's tokens, by nearness."""
    right = np.clip(np.searchsorted(knots, tokens), 1, len(knots) - 1)
    left = right - 1
    part = (tokens - knots[left]) / (knots[right] - knots[left])
    np.add.at(row, left, 1 - part)
    np.add.at(row, right, part)
