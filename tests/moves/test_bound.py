"""The bound of the moves against brute force over all maps, and each of its parts by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("ortools")
pytest.importorskip("pulp")
pytest.importorskip("numba")

from eplb_opt import InstanceError, OptionError
from eplb_opt.moves.bound import fewest_moves_bound
from eplb_opt.problem.pool import Pool

from ..moves_soundness import bounds_of, random_case


@pytest.mark.parametrize("seed", range(60))
def test_never_above_the_fewest_moves(seed):
    for bound, fewest, target in bounds_of(random_case(np.random.default_rng([5, seed])), fewest_moves_bound):
        assert bound <= fewest, target


def held_of(*ranks, experts=4):
    return np.array([[e in rank for e in range(experts)] for rank in ranks])


ALL = {0, 1, 2, 3}
BY_HAND = {  # loads, slots, ranks, distinct, who holds what, target, bound
    "nothing to do": ([4, 3, 2, 1], 4, 2, False, ({0, 3}, {1, 2}), 5.0, 0),
    "held nowhere": ([4, 3, 2, 1], 4, 2, False, ({0, 3}, {1}), math.inf, 1),
    "a rank that holds nothing": ([4, 3, 2, 1], 6, 2, False, (ALL, set()), math.inf, 3),
    "a rank that holds too little of different ones": ([4, 3, 2, 1], 6, 2, True, (ALL, {0}), math.inf, 2),
    "more experts than slots": ([4, 3, 2, 1], 4, 2, False, ({0, 1, 2}, {3}), math.inf, 1),
    "too much on a rank": ([4, 3, 2, 1], 6, 2, False, ({0, 1}, {2, 3}), 6.0, 1),
    "too much on a rank, and no slot to spare": ([4, 3, 2, 1], 4, 2, False, ({0, 1}, {2, 3}), 6.0, 2),
    "too little on a rank": ([8, 1, 1, 1], 6, 2, False, (ALL, {1, 2, 3}), 6.0, 1),
    "too much on two ranks": ([6, 3, 3, 0], 6, 3, False, ({0, 1}, {0, 2}, {3}), 5.0, 1),
    "more replicas than ranks that hold it": ([9, 1, 1, 1], 6, 3, False, (ALL, {1, 2}, {1, 3}), 4.0, 2),
    "counts exclude it": ([9, 9, 9, 9], 4, 2, False, ({0, 1}, {2, 3}), 8.0, 5),
    "the mean excludes it": ([4, 3, 2, 1], 4, 2, False, ({0, 3}, {1, 2}), 4.0, 5),
    "no load": ([0, 0, 0, 0], 4, 2, False, ({0, 1}, {2}), 0.0, 1),
    "a target below all": ([0, 0, 0, 0], 4, 2, False, ({0, 1}, {2}), -1.0, 5),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    loads, slots, ranks, distinct, held, target, bound = BY_HAND[name]
    pool = Pool(np.array(loads, dtype=float), slots, ranks, distinct)
    assert fewest_moves_bound(pool, held_of(*held), target) == bound


def test_groups_of_ranks_need_their_own_moves():
    """Each of four ranks may stay at 4, any two may not; a single move would take enough from the first rank."""
    pool = Pool(np.array([12.0] + [2.0] * 8), 15, 5)
    held = held_of({0}, {1, 2}, {3, 4}, {5, 6}, {7, 8}, experts=9)
    assert [fewest_moves_bound(pool, held, target) for target in (12.0, 7.0, 6.5)] == [0, 1, 2]


def test_what_arrives_on_a_full_rank_drives_out_another():
    """Three ranks need a replica each and have no slot for it, the first one is too heavy: four experts move."""
    pool = Pool(np.array([7.0, 7.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]), 8, 4)
    held = held_of({0, 1}, {2, 3}, {4, 5}, {6, 7}, experts=8)
    assert [fewest_moves_bound(pool, held, target) for target in (14.0, 13.0, 7.0)] == [0, 1, 4]


@pytest.mark.parametrize(
    "loads", [[1e300, 5e299, 1e299, 2e299], [1e-300, 5e-301, 1e-301, 2e-301], [1e300, 1.0, 1e-300, 0]]
)
def test_any_size_of_loads(loads):
    pool = Pool(np.array(loads), 6, 3)
    assert fewest_moves_bound(pool, held_of({0, 1}, {2}, {3}), pool.mean * 1.5) >= 1
    assert fewest_moves_bound(pool, held_of(ALL, ALL, ALL), sum(loads)) == 0


def test_what_does_not_fit():
    pool = Pool(np.ones(4), 4, 2)
    with pytest.raises(InstanceError, match=r"give bool of shape \(2, 4\)"):
        fewest_moves_bound(pool, held_of({0}), 2.0)
    with pytest.raises(OptionError, match="target=nan"):
        fewest_moves_bound(pool, held_of({0}, {1}), math.nan)
