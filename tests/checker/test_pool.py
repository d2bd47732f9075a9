"""What the checker computes of loads by itself is what the package computes, bit for bit."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from eplb_opt.certificates.certificate import plain_pool
from eplb_opt.certificates.mean import max_replica_bound, mean_bound
from eplb_opt.checker import pool as checker
from eplb_opt.checker.pool import RefusedError, integer, integers_of, next_sum, number
from eplb_opt.checker.problem import Problem, least_partition
from eplb_opt.problem.hierarchy import bottleneck_partition, node_sets
from eplb_opt.problem.instance import Instance
from eplb_opt.problem.pool import Pool


def random_pool(rng: np.random.Generator) -> Pool:
    ranks = int(rng.integers(1, 9))
    slots = ranks * int(rng.integers(1, 6))
    experts = int(rng.integers(1, slots + 1))
    loads = rng.lognormal(0, float(rng.choice([0.1, 1.0, 3.0])), experts) * float(rng.choice([1e-12, 1.0, 1e9]))
    loads[rng.random(experts) < 0.1] = 0.0
    return Pool(loads, slots, ranks, bool(rng.integers(2)) and slots <= experts * ranks)


@pytest.mark.parametrize("seed", range(20))
def test_l0(seed):
    rng = np.random.default_rng(seed)
    for _ in range(20):
        pool = random_pool(rng)
        assert checker.mean_bound(plain_pool(pool)) == mean_bound(pool)
        assert checker.replica_bound(plain_pool(pool)) == max_replica_bound(pool)


@pytest.mark.parametrize("seed", range(10))
def test_the_next_sum(seed):
    rng = np.random.default_rng(seed)
    loads = np.rint(rng.lognormal(0, 1, 6) * 100) + 1
    pool = Pool(loads, 10, 5)
    shares = [Fraction(load) / k for load in loads.tolist() for k in range(1, 6)]
    sums = sorted(a + b for a in shares for b in shares)
    for target in rng.uniform(float(sums[0]), float(sums[-1]), 20).tolist():
        least = next((one for one in sums if one > target), sums[-1])
        found = next_sum(plain_pool(pool), target)
        assert target <= found <= max(least, Fraction(target))
        assert found == pytest.approx(float(min(least, 2 * target)))


@pytest.mark.parametrize("seed", range(10))
def test_partitions(seed):
    rng = np.random.default_rng(seed)
    groups, nodes = ((4, 2), (6, 3), (8, 2), (6, 6))[seed % 4]
    instance = Instance(np.ones((1, groups)), groups, num_ranks=nodes, num_groups=groups, num_nodes=nodes)
    values = {one: float(rng.random()) for one in node_sets(instance)}
    assert least_partition(values, groups) == bottleneck_partition(values, groups)[0]


def test_numbers():
    assert integers_of([0.5, 3.0, 0.0]) == ([1, 6, 0], 1)
    assert (number(3), number(0.5), integer(-(2**63))) == (3.0, 0.5, -(2**63))
    for wrong in (True, "1", None, math.nan, math.inf, 10**400, [1]):
        with pytest.raises(RefusedError):
            number(wrong)
    for wrong in (True, 1.0, "1", None, 2**63, [1]):
        with pytest.raises(RefusedError):
            integer(wrong)


HEAD = {"num_replicas": 8, "num_ranks": 4, "num_nodes": 1, "num_groups": 1, "distinct": False}


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_replicas": 6}, {"num_replicas": 4}, {"num_ranks": 0}, {"num_nodes": -1}, {"num_groups": 5},
        {"distinct": 1}, {"num_ranks": True}, {"num_ranks": 4.0}, {"rank_speeds": [1, 1, 1, 2]},
        {"objective": {"across": "mean"}}, {"objective": {"across": "sum", "cost": {}}},
        {"objective": {"across": "sum", "weights": [1, 1]}}, {"objective": {"across": "sum", "weights": [-1]}},
    ],
)  # fmt: skip
def test_problems_that_are_none(wrong):
    load = np.ones((1, 1, 6))
    Problem(load, HEAD)
    with pytest.raises(RefusedError):
        Problem(load, HEAD | wrong)
    for other in (-load, load * math.nan, load * math.inf, load[0], load[:, :0]):
        with pytest.raises(RefusedError):
            Problem(other, HEAD)
