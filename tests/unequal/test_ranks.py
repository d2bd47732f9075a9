"""Speeds and slots: what is taken, what is refused, what a map is worth on them, and the greedy's rule."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from eplb_opt import Cost, Instance, InstanceError, Objective, Placement
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.problem.ranks import MOST_APART, Ranks, as_ranks

LOADS = np.array([[8.0, 3.0, 1.0]])


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"rank_speeds": [1]}, "rank_speeds has 1 entries for num_ranks=2"),
        ({"rank_speeds": 3}, "rank_speeds=3"),
        ({"rank_speeds": "ab"}, "rank_speeds='ab'"),
        ({"rank_speeds": [1, 0]}, r"rank_speeds\[1\]=0"),
        ({"rank_speeds": [-1, 1]}, r"rank_speeds\[0\]=-1"),
        ({"rank_speeds": [1, float("nan")]}, r"rank_speeds\[1\]=nan"),
        ({"rank_speeds": [1, float("inf")]}, r"rank_speeds\[1\]=inf"),
        ({"rank_speeds": [1, True]}, r"rank_speeds\[1\]=True"),
        ({"rank_speeds": [1, None]}, r"rank_speeds\[1\]=None"),
        ({"rank_speeds": [1, 2 * MOST_APART]}, "0 slots"),
        ({"rank_slots": [3, 2]}, "rank_slots are 5 together, not num_replicas=4"),
        ({"rank_slots": [5, -1]}, r"rank_slots\[1\]=-1"),
        ({"rank_slots": [2.0, 2]}, r"rank_slots\[0\]=2.0"),
        ({"rank_slots": [3, 1], "distinct": True}, "distinct=True"),
        ({"rank_speeds": [1, 2], "num_nodes": 2, "num_groups": 1}, None),
    ],
)
def test_what_no_ranks_can_have_is_named(given, named):
    if named is None:
        Instance(LOADS, 4, num_ranks=2, **given)
        return
    with pytest.raises(InstanceError, match=named):
        Instance(LOADS, 4, num_ranks=2, **given)


def test_groups_on_nodes_are_refused():
    with pytest.raises(InstanceError, match=r"num_nodes=2.*take one node"):
        Instance(np.ones((1, 4)), 4, num_ranks=2, num_groups=2, num_nodes=2, rank_speeds=[1, 0.5])


def test_times_that_overflow_are_named():
    with pytest.raises(InstanceError, match="overflow"):
        Instance(LOADS * 1e300, 4, num_ranks=2, rank_speeds=[1e-10, 1e-12])


@pytest.mark.parametrize("speeds", [None, [1, 1], (1.0, 1.0), np.ones(2), [np.float32(1), np.int64(1)]])
@pytest.mark.parametrize("slots", [None, [2, 2], np.array([2, 2])])
def test_ranks_that_are_alike_are_no_unequal_ones(speeds, slots):
    instance = Instance(LOADS, 4, num_ranks=2, rank_speeds=speeds, rank_slots=slots)
    assert instance.unequal is None
    assert instance.rank_speeds is None
    assert instance.rank_slots is None


def test_a_rank_without_slots_takes_no_part():
    """Neither its speed nor what every rank takes besides."""
    cost = Objective(cost=Cost.roofline(1.0, 1.0, per_rank=2.0))
    three = Instance(LOADS, 5, num_ranks=3, rank_speeds=[1, 7, 0.5], rank_slots=[3, 0, 2], objective=cost)
    two = Instance(LOADS, 5, num_ranks=2, rank_speeds=[1, 0.5], rank_slots=[3, 2], objective=cost)
    row = [[0, 1, 0, 0, 2]]
    assert Placement(row, 3).objective(three).tolist() == Placement(row, 3).objective(two).tolist()
    assert Placement(row, 3).mean_ranks(three).tolist() == Placement(row, 3).mean_ranks(two).tolist()
    assert three.mean.tolist() == two.mean.tolist()


def exact_times(instance, row):
    """Rank times of added windows in fractions, by the definition."""
    load = [sum(Fraction(value) for value in column) for column in instance.load[:, 0].T.tolist()]
    times = []
    place = 0
    for speed, slots in zip(instance.unequal.speeds, instance.unequal.slots, strict=True):
        held = row[place : place + slots]
        place += slots
        times.append(sum(load[e] / row.count(e) for e in held) / Fraction(speed))
    return times


@pytest.mark.parametrize("seed", range(10))
def test_rank_times_are_those_of_the_definition(seed):
    random = np.random.default_rng(seed)
    slots = random.integers(1, 5, 4).tolist()
    experts = max(1, sum(slots) - 3)
    load = random.lognormal(0, 1, (2, 1, experts))
    instance = Instance(
        load, sum(slots), num_ranks=4, rank_speeds=random.random(4) + 0.1, rank_slots=slots
    )  # fmt: skip
    row = random.permutation(np.arange(sum(slots)) % experts).tolist()
    placement = Placement([row], experts)
    exact = exact_times(instance, row)
    assert placement.rank_loads(instance)[0] == pytest.approx([float(time) for time in exact])
    work = sum(time * Fraction(speed) for time, speed in zip(exact, instance.unequal.speeds, strict=True))
    imbalance = max(exact) * sum(map(Fraction, instance.unequal.speeds)) / work
    of_objective = placement.objective(instance) / placement.mean_ranks(instance)
    assert of_objective[0] == pytest.approx(float(imbalance))
    pool = instance.pool(0)
    assert Packing(instance.by_rank(placement.phy2log)[0]).objective(pool) == placement.objective(instance)[0]


def test_slots_by_rank_and_back():
    ranks = Ranks((1.0, 1.0, 1.0), (2, 0, 3))
    slots = np.arange(10).reshape(2, 5)
    assert ranks.in_order(ranks.by_rank(slots)).tolist() == slots.tolist()
    assert (ranks.by_rank(slots) >= 0).sum(axis=2).tolist() == [[2, 0, 3]] * 2


def test_kinds_are_of_equal_speed_and_slots():
    ranks = Ranks((1.0, 0.5, 1.0, 1.0), (2, 2, 2, 3))
    assert ranks.kinds.tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("seed", range(5))
def test_the_greedy_is_the_published_one_where_speeds_are_equal(seed):
    """Another unit of time changes no map."""
    load = np.random.default_rng(seed).lognormal(0, 1, (3, 20))
    alike = Instance(load, 24, num_ranks=4)
    twice = Instance(load, 24, num_ranks=4, rank_speeds=[2.0] * 4)
    by_rank = [np.sort(greedy(instance).phy2log.reshape(3, 4, 6), axis=2) for instance in (alike, twice)]
    assert (by_rank[0] == by_rank[1]).all()
    assert greedy(twice).objective(twice) == pytest.approx(greedy(alike).objective(alike) / 2)


def test_the_greedy_gives_a_replica_to_the_rank_where_it_ends_soonest():
    instance = Instance([[6.0, 5.0, 4.0]], 3, num_ranks=2, rank_speeds=[1, 3], rank_slots=[1, 2])
    # 6 to the fast rank (2 < 6), 5 there, too (11 / 3 < 5), and the last one where there is room.
    assert greedy(instance).phy2log.tolist() == [[2, 0, 1]]


def test_a_map_of_other_slots_is_not_valid():
    instance = Instance(LOADS, 4, num_ranks=2, rank_slots=[3, 1])
    assert Placement([[0, 1, 2, 0]], 3, rank_slots=[3, 1]).violations(instance) == []
    (fault,) = Placement([[0, 1, 2, 0]], 3, rank_slots=[1, 3]).violations(instance)
    assert "rank_slots" in fault
    with pytest.raises(InstanceError, match="rank_slots are 5"):
        Placement([[0, 1, 2, 0]], 3, rank_slots=[3, 2])


def test_packings_on_other_slots_are_not_valid():
    pool = Pool(LOADS[0], 4, 2, unequal=as_ranks(2, 4, slots=[3, 1]))
    assert Packing(np.array([[0, 1, 2], [0, -1, -1]])).violations(pool) == []
    assert Packing(np.array([[0, 1, -1], [0, 2, -1]])).violations(pool)
    assert Packing(np.array([[0, 1, 3], [0, -1, -1]])).violations(pool)
    assert Packing(np.array([[0, 1, 1], [0, -1, -1]])).violations(pool)


def test_pools_refuse_ranks_that_are_not_theirs():
    for ranks in (Ranks((1.0, 1.0), (3, 2)), Ranks((1.0,), (4,))):
        with pytest.raises(InstanceError, match="unequal ranks"):
            Pool(LOADS[0], 4, 2, unequal=ranks)
