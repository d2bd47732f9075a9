"""Limits and options: what is no value of theirs is refused, whoever is asked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eplb_opt import Instance, Limits, OptionError
from eplb_opt.heuristics.refine import refined
from eplb_opt.refined_options import MOST_STEPS

INSTANCE = Instance([[8, 3, 1, 5, 4, 2, 7, 6]], 12, num_ranks=4)


@pytest.mark.parametrize(
    "options",
    [{"steps": value} for value in (-3, True, 2.0, "8", None, MOST_STEPS + 1)]
    + [{"greedy_check": value} for value in (-1, -0.5, math.nan, True, "0", None, 10**400)],
)
def test_refined_refuses_what_is_no_option(options):
    (name,) = options
    with pytest.raises(OptionError, match=f"^{name}=.*: give a"):
        refined(INSTANCE, **options)


@pytest.mark.parametrize(
    "options", [{"steps": np.int64(4)}, {"greedy_check": 1}, {"greedy_check": np.float32(0.5)}, {"steps": 0}]
)
def test_refined_takes_numbers_of_any_type(options):
    assert refined(INSTANCE, **options).violations(INSTANCE) == []


@pytest.mark.parametrize(
    "options",
    [{"seconds": 0}, {"seconds": math.inf}, {"work": True}, {"gap": -1}, {"gap": math.nan}, {"workers": 0},
     {"workers": True}, {"workers": 1.0}, {"seed": -1}, {"seed": 2**31}],
)  # fmt: skip
def test_limits_out_of_range_are_refused(options):
    (name,) = options
    with pytest.raises(OptionError, match=f"Limits.{name} is "):
        Limits(**options)
