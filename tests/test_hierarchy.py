"""The best partition of groups against enumeration, and the assignment model against both."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import Instance, Limits
from eplb_opt.exact.grouping import assign_groups
from eplb_opt.hierarchy import bottleneck_partition, members, node_sets


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
def test_assignment_model_agrees_with_enumeration(seed):
    random = np.random.default_rng(seed)
    loads = random.integers(0, 50, 6).astype(float)
    known = {(0, 1, 2): 40.0, (1, 3, 5): 25.0}
    bound, partition = assign_groups(loads, 2, 2, known, Limits(seconds=None, work=10))
    values = {s: max(loads[list(s)].sum() / 2, known.get(s, 0)) for s in combinations(range(6), 3)}
    best = bottleneck_partition(values, 6)[0]
    assert bound <= best * (1 + 1e-12)
    assert bound == pytest.approx(best, rel=1e-4)
    assert max(values[tuple(sorted(s))] for s in partition) == pytest.approx(best, rel=1e-4)


def test_node_sets_and_members():
    instance = Instance([[1] * 8], 8, 4, 2, 4)
    assert len(node_sets(instance)) == 6
    assert members(instance, (1, 3)).tolist() == [2, 3, 6, 7]
    assert node_sets(Instance([[1] * 8], 8, 1, 1, 4)) == [(0,)]
    assert node_sets(Instance([[1] * 64], 64, 32, 4, 8)) is None
