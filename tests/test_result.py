"""certify: a certificate says no more than what is proven."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eplb_opt import Instance, Status, StopReason
from eplb_opt.certificates.layer import MILESTONES, Findings, certify
from eplb_opt.problem.status import agrees, exceeds
from eplb_opt.solver import solve

INSTANCE = Instance([[6.0, 3, 2, 1], [0, 0, 0, 0]], 6, num_ranks=3)  # means 4 and 0


def made(objective, bound, layer=0, limit=1e-4, **changes):
    given = {"stop": StopReason.TIME, "method": "search", "bound_method": "L1 cuts on counts", "seconds": 1.0,
             "reached": (0.1, 0.2, 0.3), "proofs": ({"groups": [0]},)}  # fmt: skip
    return certify(INSTANCE, layer, objective, Findings(bound, **(given | changes)), limit)


@pytest.mark.parametrize("bound", [5.0 * (1 + 1e-8), 5.1, 1e300, math.inf, math.nan])
def test_a_bound_above_the_objective_proves_nothing(bound):
    certificate = made(5.0, bound)
    assert (certificate.lower_bound, certificate.bound_method) == (4.0, "L0a mean")
    assert (certificate.status, certificate.stop) == (Status.FEASIBLE, StopReason.FAILED)
    assert certificate.gap == 0.25
    assert "L1 cuts on counts claimed a bound of " in certificate.note
    assert certificate.proofs == ()
    assert certificate.reached == (None,) * 3


def test_l0_may_close_the_gap_nevertheless():
    certificate = made(4.0, 4.5)
    assert (certificate.lower_bound, certificate.status, certificate.gap) == (4.0, Status.OPTIMAL, 0.0)
    assert certificate.stop is StopReason.FAILED
    assert certificate.note


@pytest.mark.parametrize("bound", [5.0, 5.0 * (1 + 1e-12), math.nextafter(5.0, 6.0)])
def test_rounding_is_no_contradiction(bound):
    certificate = made(5.0, bound)
    assert (certificate.lower_bound, certificate.gap, certificate.status) == (5.0, 0.0, Status.OPTIMAL)
    assert (certificate.stop, certificate.note, certificate.bound_method) == (StopReason.GAP, "", "L1 cuts on counts")
    assert certificate.proofs


def test_the_status_is_of_the_gap_limit():
    assert made(5.0, 4.9, limit=0.03).status is Status.OPTIMAL
    assert made(5.0, 4.9, limit=0.02).status is Status.FEASIBLE
    assert made(5.0, 4.9, limit=0.02).stop is StopReason.TIME
    assert made(5.0, 4.9, limit=0.02).gap_limit == 0.02


@pytest.mark.parametrize(("bound", "reached"), [(4.0, 0), (4.96, 1), (4.996, 2), (4.9999, 3)])
def test_milestones_are_of_the_map_that_is_kept(bound, reached):
    """The greedy's own partition may be worse than the best one, whose gap was known before."""
    assert made(5.0, bound).reached == (0.1, 0.2, 0.3)[:reached] + (None,) * (len(MILESTONES) - reached)


def test_no_tokens():
    certificate = made(0.0, 0.0, layer=1)
    assert (certificate.imbalance, certificate.balancedness, certificate.gap) == (1.0, 1.0, 0.0)
    assert certificate.status is Status.OPTIMAL


@pytest.mark.parametrize("scale", [5e-324, 1e-320, 1e-310, 1e-300, 1e300])
def test_loads_at_the_ends_of_float64(scale):
    load = np.floor(np.random.default_rng(0).lognormal(sigma=2.0, size=(3, 12)) * 4) * scale
    for certificate in solve(Instance(load, 18, num_ranks=6), "greedy").certificates:
        assert certificate.note == ""
        assert certificate.lower_bound <= certificate.objective
        assert math.isfinite(certificate.imbalance)


def test_comparisons_take_nan_for_wrong():
    assert exceeds(math.nan, 1.0)
    assert exceeds(1.0, math.nan)
    assert not agrees(math.nan, math.nan)
    assert agrees(1.0, 1.0 + 1e-12)
    assert not agrees(1.0, 1.0 + 1e-8)
