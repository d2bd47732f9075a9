"""The benchmark of the default cost: what it calls the same is the same, and what is not is found."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from benchmarks import default_cost
from eplb_opt import Cost, Instance, Objective


@pytest.fixture
def instance():
    return Instance(np.random.default_rng(2).lognormal(2, 1, (2, 8)).round(), 12, num_ranks=4)


def test_the_default_cost_changes_no_map_and_no_proof(instance):
    said, is_same = default_cost.line("case", instance)
    assert is_same
    assert "same maps and proofs" in said


def test_another_cost_is_seen(instance, monkeypatch):
    objective = Objective(cost=Cost.roofline(50.0, 1.0))
    other = Instance(instance.load, 12, num_ranks=4, objective=objective)
    proofs = default_cost.solved(instance, "optimal", 0.02), default_cost.solved(other, "optimal", 0.02)
    assert proofs[0] != proofs[1]
    monkeypatch.setattr(default_cost, "digests", lambda one: [str(id(one))])
    said, is_same = default_cost.line("case", instance)
    assert not is_same
    assert "DIFFERENT maps" in said


def test_the_ratio_is_of_medians_and_within_its_interval():
    ratio, low, high = default_cost.interval([2.0, 4.0, 9.0], [2.0, 2.0, 2.0])
    assert ratio == 2.0
    assert (low, high) == (1.0, 4.5)
