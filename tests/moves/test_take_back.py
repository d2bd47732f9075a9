"""What a repair's arrays hold after each step, and moves taken back: never more moves, never a rank too heavy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.moves.pool_arrays import begun, exchange, heaviest, moved, replace
from eplb_opt.moves.take_back import take_back

EXPERTS = 7
SHAPE = (4, 3)  # ranks, slots a rank


def random_slots(rng):
    """Every expert once, then any."""
    more = rng.integers(0, EXPERTS, SHAPE[0] * SHAPE[1] - EXPERTS)
    return rng.permutation(np.concatenate([np.arange(EXPERTS), more])).reshape(SHAPE)


def random_pool(seed):
    """A pool whose ranks may all have a tenth more than the heaviest has, and the load of such a rank."""
    rng = np.random.default_rng(seed)
    whole = rng.integers(0, 1000, EXPERTS)
    slots = random_slots(rng)
    in_use = random_slots(rng) if seed % 2 else np.where(rng.random(SHAPE) < 0.6, slots[::-1], slots)
    held = np.zeros((SHAPE[0], EXPERTS), dtype=np.int8)
    np.put_along_axis(held, in_use, 1, axis=1)
    most = int(begun(whole, held, slots, 0).ranks["load"].max() * 1.1)
    return begun(whole, held, slots, most), most


def assert_is_as_begun(pool, most):
    """What has been changed on the way is what would be counted anew."""
    anew = begun(np.array(pool.experts["load"]), pool.held, pool.slots, most)
    for now, counted in ((pool.experts, anew.experts), (pool.ranks, anew.ranks), (pool.copies, anew.copies)):
        assert np.array_equal(now, counted)


@pytest.mark.parametrize("seed", range(100))
def test_steps_change_what_follows_from_them(seed):
    rng = np.random.default_rng(seed)
    whole = rng.integers(0, 1000, EXPERTS)
    held = np.zeros((SHAPE[0], EXPERTS), dtype=np.int8)
    most = int(whole.sum() / SHAPE[0])
    pool = begun(whole, held, random_slots(rng), most)
    arrays = (pool.experts, pool.ranks, pool.slots, pool.spread, pool.copies)
    for _ in range(8):
        here, there = rng.permutation(SHAPE[0])[:2]
        mine, theirs = rng.integers(SHAPE[1], size=2)
        exchange(*arrays, most, here, mine, there, theirs)
        assert_is_as_begun(pool, most)
        come = rng.integers(EXPERTS)
        gone = pool.slots[there, theirs]
        if pool.experts["count"][gone] > 1 and come != gone:
            replace(*arrays, most, there, theirs, come)
            assert_is_as_begun(pool, most)


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("seed", range(200))
def test_moves_taken_back_harm_nobody(seed, distinct):
    pool, most = random_pool(seed)
    before = moved(pool.held, pool.slots)
    repeats = (pool.copies > 1).sum()
    fewer = take_back(pool, most, distinct)
    assert moved(pool.held, pool.slots) == before - fewer <= before
    assert pool.ranks["load"][heaviest(pool.ranks)] <= most
    assert set(pool.slots.ravel().tolist()) == set(range(EXPERTS))
    assert not distinct or (pool.copies > 1).sum() <= repeats
    assert_is_as_begun(pool, most)


def test_what_was_exchanged_goes_home():
    whole = np.array([10, 10, 10, 10])
    held = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=np.int8)
    pool = begun(whole, held, np.array([[2, 1], [0, 3]]), 20)
    assert take_back(pool, 20, True) == 2
    assert sorted(pool.slots[0].tolist()) == [0, 1]


def test_a_replica_that_moved_gives_way_to_what_the_rank_held():
    whole = np.array([12, 4, 4])
    held = np.array([[1, 0, 0], [0, 1, 1]], dtype=np.int8)
    pool = begun(whole, held, np.array([[0, 1], [2, 1]]), 12)
    assert take_back(pool, 12, False) == 1
    assert pool.slots[0].tolist() == [0, 0]
