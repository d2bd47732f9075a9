"""Fitting a cost: exact on exact times, near on noisy ones; least squares against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eplb_opt.calibration.fit import KNOTS, fit, relative_errors
from eplb_opt.calibration.least_squares import non_negative
from eplb_opt.calibration.steps import steps_to_fit, steps_to_judge
from eplb_opt.errors import OptionError

from .machine import RANK, READING, TOKEN, true_seconds


def by_subsets(matrix, target):
    """The least squared error of coefficients >= 0, by every set of them that are not 0."""
    least = np.square(target).sum()
    columns = range(matrix.shape[1])
    for size in range(1, matrix.shape[1] + 1):
        for chosen in itertools.combinations(columns, size):
            part = matrix[:, chosen]
            found = np.linalg.lstsq(part, target, rcond=None)[0]
            if (found >= 0).all():
                least = min(least, np.square(part @ found - target).sum())
    return least


@pytest.mark.parametrize("seed", range(40))
def test_non_negative_least_squares_are_least(seed):
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(8, 5)).cumsum(axis=1)  # columns that are like each other
    target = random.normal(size=8)
    found = non_negative(matrix, target)
    assert (found >= 0).all()
    assert np.square(matrix @ found - target).sum() == pytest.approx(by_subsets(matrix, target), rel=1e-9, abs=1e-12)


def piecewise_seconds(step, values, per_rank):
    return per_rank + sum(np.interp(tokens, KNOTS, values) for tokens in step)


def test_a_cost_with_lines_between_the_knots_is_found_exactly():
    random = np.random.default_rng(3)
    values = np.concatenate([[0.0], random.random(len(KNOTS) - 1)]).cumsum() * 1e-5
    steps = steps_to_fit(8)
    found = fit(steps, [piecewise_seconds(step, values, 2e-5) for step in steps])
    assert found.tokens == KNOTS
    assert found.seconds == pytest.approx(values, rel=1e-6, abs=1e-12)
    assert found.per_rank == pytest.approx(2e-5, rel=1e-5)


def test_one_step_in_fifty_that_was_disturbed_changes_little():
    random = np.random.default_rng(5)
    steps = steps_to_fit(8)
    seconds = np.array([true_seconds(step) for step in steps])
    disturbed = random.random(len(steps)) < 0.02
    assert disturbed.any()
    found = fit(steps, np.where(disturbed, 20 * seconds, seconds))
    errors = relative_errors(found, steps, seconds)
    assert np.median(np.abs(errors)) < 0.01


def test_a_roofline_is_found_from_noisy_times():
    random = np.random.default_rng(1)
    steps = steps_to_fit(8)
    noise = 1 + 0.02 * random.standard_normal(len(steps))
    found = fit(steps, noise * [true_seconds(step) for step in steps])
    at = dict(zip(found.tokens, found.seconds, strict=True))
    assert at[0] == 0
    assert at[64] == pytest.approx(READING, rel=0.05)
    assert at[4096] == pytest.approx(4096 * TOKEN, rel=0.02)
    assert found.per_rank == pytest.approx(RANK, rel=0.5)
    assert list(found.seconds) == sorted(found.seconds)
    others = steps_to_judge(8)
    errors = relative_errors(found, others, [true_seconds(step) for step in others])
    assert np.median(np.abs(errors)) < 0.01


def test_points_end_where_experts_have_no_more_tokens():
    found = fit([(1,), (100,), (100, 50)], [1.0, 2.0, 3.0])
    assert found.tokens == (0, 1, 16, 64, 128)


def test_times_that_are_none_are_refused():
    with pytest.raises(OptionError, match="took no time"):
        fit([(1,)], [0.0])
    with pytest.raises(OptionError, match="took no time"):
        fit([], [])
