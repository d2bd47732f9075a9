"""A placement checks itself; every kind of violation is found and named."""

from __future__ import annotations

import numpy as np
import pytest

from eplb_opt import Instance, InstanceError, Placement
from eplb_opt.problem.pool import Packing
from eplb_opt.problem.value import rank_times

# Groups {0, 1} and {2, 3}; two ranks a node, two slots a rank.
INSTANCE = Instance([[6, 4, 2, 1]], 8, num_groups=2, num_nodes=2, num_ranks=4)


def test_loads_by_hand():
    placement = Placement([[0, 1, 0, 1, 2, 3, 2, 3]], 4)
    assert placement.violations(INSTANCE) == []
    assert placement.rank_loads(INSTANCE).tolist() == [[5, 5, 1.5, 1.5]]
    assert placement.objective(INSTANCE).tolist() == [5]


def test_maps_by_hand():
    phy2log, log2phy, count = Placement([[0, 1, 0, 0, 2, 3, 2, 3]], 4).maps()
    assert phy2log.tolist() == [[0, 1, 0, 0, 2, 3, 2, 3]]
    assert log2phy.tolist() == [[[0, 2, 3], [1, -1, -1], [4, 6, -1], [5, 7, -1]]]
    assert count.tolist() == [[3, 1, 2, 2]]


@pytest.mark.parametrize(
    ("row", "distinct", "message"),
    [
        ([0, 1, 0, 1, 2, 3], False, "shape"),
        ([0, 1, 0, 1, 2, 3, 2, 4], False, "slot 7: expert 4 is outside"),
        ([0, 1, 0, 1, 2, 3, 2, -1], False, "expert -1 is outside"),
        ([0, 1, 0, 1, 2, 2, 2, 2], False, "expert 3 has no replica"),
        ([0, 1, 0, 2, 1, 3, 2, 3], False, "node 0 holds experts of 2 groups"),
        ([0, 0, 1, 1, 2, 3, 2, 3], True, "rank 0 holds an expert twice"),
    ],
)
def test_violations_are_named(row, distinct, message):
    instance = Instance([[6, 4, 2, 1]], 8, num_groups=2, num_nodes=2, num_ranks=4, distinct=distinct)
    placement = Placement([row], 4)
    assert any(message in found for found in placement.violations(instance))
    with pytest.raises(InstanceError, match="does not fit"):
        placement.rank_loads(instance)


@pytest.mark.parametrize("bad", [[0, 1], [[]], [[0.5]]])
def test_a_map_is_an_integer_matrix(bad):
    with pytest.raises(InstanceError, match="integers"):
        Placement(bad, 4)


def test_layer_ids_fit_the_map():
    with pytest.raises(InstanceError, match="2 layer ids"):
        Placement([[0, 1]], 2, (1, 2))


def test_packing_checks_itself():
    pool = INSTANCE.pool(0, np.array([0, 1]))
    assert Packing(np.array([[0, 1], [0, 1]])).violations(pool) == []
    assert "no replica" in Packing(np.array([[0, 0], [0, 0]])).violations(pool)[0]
    assert "shape" in Packing(np.array([[0, 1, 0, 1]])).violations(pool)[0]
    assert "outside" in Packing(np.array([[0, 1], [0, 2]])).violations(pool)[0]


def test_the_imbalance_of_each_window_is_that_of_its_loads_alone():
    windows = [[[6, 4, 2, 1]], [[0, 0, 0, 0]], [[1, 1, 8, 0]]]
    instance = Instance(windows, 8, num_groups=2, num_nodes=2, num_ranks=4)
    placement = Placement(np.array([[0, 1, 0, 0, 2, 2, 3, 2]]), 4)
    imbalance = placement.window_imbalance(instance)
    # Window 0: ranks 2 + 4, 4, 4 / 3, 1 + 2 / 3; window 2: 1 / 3 + 1, 2 / 3, 16 / 3, 8 / 3.
    np.testing.assert_allclose(imbalance[:, 0], [6 / (13 / 4), 1.0, (16 / 3) / (10 / 4)])


def test_rank_times_against_plain_loops():
    random = np.random.default_rng(0)
    loads = random.lognormal(size=(3, 2, 5))
    placed = np.stack([random.permutation(np.r_[0:5, 0, 1, 1, 4]).reshape(3, 3) for _ in range(3)])
    times = rank_times(loads, placed)
    for layer in range(3):
        counts = [int((placed[layer] == expert).sum()) for expert in range(5)]
        for window in range(2):
            for rank in range(3):
                expected = sum(loads[layer, window, expert] / counts[expert] for expert in placed[layer, rank])
                assert times[layer, window, rank] == pytest.approx(expected)
