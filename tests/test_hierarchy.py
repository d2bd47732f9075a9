"""The best partition of groups against enumeration, and the assignment of many groups against both."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import Instance, Limits, grouping, sharing, solve
from eplb_opt.exact.cover import solve_patterns
from eplb_opt.grouping import assign_groups
from eplb_opt.problem import hierarchy
from eplb_opt.problem.hierarchy import bottleneck_partition, members, node_sets
from eplb_opt.problem.status import StopReason
from eplb_opt.result import Status


def partitions(groups, size):
    if not groups:
        yield []
        return
    for others in combinations(groups[1:], size - 1):
        chosen = (groups[0], *others)
        for rest in partitions(tuple(g for g in groups if g not in chosen), size):
            yield [chosen, *rest]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([(4, 2), (6, 2), (6, 3), (4, 1), (4, 4)]), st.integers(0, 2**32 - 1))
def test_bottleneck_partition_is_the_best(shape, seed):
    groups, size = shape
    random = np.random.default_rng(seed)
    values = {s: float(random.integers(1, 9)) for s in combinations(range(groups), size)}
    bound, partition = bottleneck_partition(values, groups)
    assert sorted(g for s in partition for g in s) == list(range(groups))
    assert bound == max(values[s] for s in partition)
    assert bound == min(max(values[s] for s in p) for p in partitions(tuple(range(groups)), size))


def test_no_partition():
    with pytest.raises(ValueError, match="no partition"):
        bottleneck_partition({(0, 1): 1.0, (1, 2): 1.0}, 4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_assignment_agrees_with_enumeration(seed):
    random = np.random.default_rng(seed)
    loads = random.integers(0, 50, 6).astype(float)
    known = {(0, 1, 2): 40.0, (1, 3, 5): 25.0}
    bound, partition = assign_groups(loads, 2, 2, known, Limits(seconds=None, work=10))
    values = {s: max(loads[list(s)].sum() / 2, known.get(s, 0)) for s in combinations(range(6), 3)}
    best = bottleneck_partition(values, 6)[0]
    assert bound <= best * (1 + 1e-12)
    assert bound == pytest.approx(best, rel=1e-4)
    assert max(values[tuple(sorted(s))] for s in partition) == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("seed", range(12))
def test_assignment_goes_on_from_what_it_knows(seed):
    random = np.random.default_rng(seed)
    loads, sets = random.integers(1, 500, 8).astype(float), list(combinations(range(8), 2))
    known: dict[tuple[int, ...], float] = {}
    bound, partition = 0.0, None
    for _ in range(6):
        bound, partition = assign_groups(loads, 4, 3, known, Limits(seconds=None, work=10), bound, partition)
        best = min(
            max(max(loads[list(s)].sum() / 3, known.get(s, 0)) for s in p) for p in partitions(tuple(range(8)), 2)
        )
        assert bound <= best * (1 + 1e-12)
        assert bound == pytest.approx(best, rel=1e-4)
        assert max(max(loads[list(s)].sum() / 3, known.get(s, 0)) for s in partition) == pytest.approx(best, rel=1e-4)
        for s in (*partition, sets[random.integers(len(sets))]):  # bounds only rise
            known[s] = max(known.get(s, 0), loads[list(s)].sum() / 3 * random.uniform(1, 1.2))


def test_assignment_of_more_groups_than_patterns_can_be_listed(monkeypatch):
    loads = np.random.default_rng(0).lognormal(0, 1, 64) * 1000
    limits = Limits(seconds=None, work=0.1)
    first = assign_groups(loads, 4, 2, {}, limits)[1]
    stops = []

    def watched(*args, **options):
        outcome = solve_patterns(*args, **options)
        stops.append(outcome.stop)
        return outcome

    monkeypatch.setattr(grouping, "solve_patterns", watched)
    known = {first[0]: loads.sum() / 8 * 1.5}
    bound, partition = assign_groups(loads, 4, 2, known, limits, 0.0, first)
    assert stops == [StopReason.TOO_LARGE]
    assert sorted(g for s in partition for g in s) == list(range(64))
    assert first[0] not in partition  # another search found one without it
    assert loads.sum() / 8 <= bound * (1 + 1e-12) <= max(loads[list(s)].sum() / 2 for s in partition) * (1 + 1e-12)


def test_assignment_of_loads_that_are_zero():
    assert assign_groups(np.zeros(6), 2, 2, {}, Limits(seconds=None, work=1))[0] == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_groups_assigned_or_listed_the_optimum_is_the_same(seed, monkeypatch):
    loads = np.random.default_rng(seed).integers(1, 300, (2, 24)).astype(float)
    instance = Instance(loads, 32, num_groups=8, num_nodes=4, num_ranks=16)
    limits = Limits(seconds=None, workers=1)
    listed = solve(instance, "optimal", limits)
    monkeypatch.setattr(hierarchy, "MAX_NODE_SETS", 1)
    assigned = solve(instance, "optimal", limits)
    for one, other in zip(listed.certificates, assigned.certificates, strict=True):
        assert one.lower_bound <= other.objective * (1 + 1e-12)
        assert other.lower_bound <= one.objective * (1 + 1e-12)
        assert one.status is other.status is Status.OPTIMAL
    assert not assigned.placement.violations(instance)


def test_node_sets_and_members():
    instance = Instance([[1] * 8], 8, num_groups=4, num_nodes=2, num_ranks=4)
    assert len(node_sets(instance)) == 6
    assert members(instance, (1, 3)).tolist() == [2, 3, 6, 7]
    assert node_sets(Instance([[1] * 8], 8, num_groups=1, num_nodes=1, num_ranks=4)) == [(0,)]
    assert node_sets(Instance([[1] * 64], 64, num_groups=32, num_nodes=4, num_ranks=8)) is None


MANY_GROUPS = Instance(
    np.random.default_rng(0).lognormal(0, 1, (1, 48)).round(3), 64, num_ranks=32, num_groups=16, num_nodes=2
)


def test_without_a_clock_groups_are_not_assigned_forever(monkeypatch):
    """Every partition has a pool that cannot attain the layer's bound, and there are thousands of them."""
    monkeypatch.setattr(sharing, "MOST_ASSIGNMENTS", 3)
    result = solve(MANY_GROUPS, "optimal", Limits(seconds=None, work=0.02))
    assert not result.placement.violations(MANY_GROUPS)


def test_an_assignment_of_groups_that_fails_costs_only_itself(monkeypatch):
    def broken(*arguments):
        raise RuntimeError("out of patience")

    monkeypatch.setattr("eplb_opt.grouping.assign_groups", broken)
    result = solve(MANY_GROUPS, "optimal", Limits(seconds=None, work=0.02))
    assert not result.placement.violations(MANY_GROUPS)
    assert result.objective <= solve(MANY_GROUPS, "greedy").objective
