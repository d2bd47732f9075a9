"""The way from one map to another: every map on it valid, within limits, and first what gains most."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eplb_opt import Instance, Objective, OptionError, Placement
from eplb_opt.moves.cost import move_costs
from eplb_opt.moves.links import ELSEWHERE, Busiest, Links
from eplb_opt.moves.order import blocks_of, in_order
from eplb_opt.moves.schedule import schedule_moves
from eplb_opt.moves.traffic import MoveLimits
from eplb_opt.moves.worth import imbalance_of

from ..conftest import recorded
from .pools import elastic_map, held_by, random_instance, random_map

SEEDS = st.integers(0, 2**32)
LIMITS = st.sampled_from([None, MoveLimits(1), MoveLimits(2), MoveLimits(None, 1), MoveLimits(2, 1), MoveLimits(3, 2)])
KINDS = st.sampled_from([{}, {"distinct": True}, {"hierarchical": True}, {"distinct": True, "hierarchical": True}])


def sent(transfers):
    return [tuple(int(part) for part in item) for item in zip(*transfers, strict=True)]


def assert_within(limits, step):
    items = sent(step.transfers)
    received = Counter(target for _, target, _ in items)
    from_ranks = [(source, target) for source, target, _ in items if source != ELSEWHERE]
    sending = Counter(source for source, _ in from_ranks)
    per_rank = limits.per_rank or math.inf
    per_pair = limits.per_pair or math.inf
    assert max([*received.values(), *sending.values()], default=0) <= per_rank
    assert max(Counter(from_ranks).values(), default=0) <= per_pair


def assert_copies(step, before, after):
    """Each rank receives what it has not held, once, from a rank that holds it before the step."""
    items = sent(step.transfers)
    wanted = [(rank, expert) for rank, held in enumerate(after) for expert in held - before[rank]]
    assert sorted((target, expert) for _, target, expert in items) == sorted(wanted)
    for source, _, expert in items:
        holders = [rank for rank, held in enumerate(before) if expert in held]
        assert source in (holders or [ELSEWHERE])


@given(SEEDS, LIMITS, KINDS)
def test_every_map_on_the_way_is_valid(seed, limits, kind):
    rng = np.random.default_rng(seed)
    instance = random_instance(rng, **kind)
    previous, placement = random_map(rng, instance), random_map(rng, instance)
    schedule = schedule_moves(placement, previous, instance, limits)
    maps = [schedule.start, *schedule.maps()]
    assert maps[0].phy2log.tolist() == previous.phy2log.tolist()
    assert maps[-1].phy2log.tolist() == placement.phy2log.tolist()
    for step, (before, after) in zip(schedule.steps, pairwise(maps), strict=True):
        assert after.violations(instance) == []
        assert step.imbalance == (after.objective(instance) / np.maximum(instance.mean, 1e-300))[step.layer] or (
            instance.mean[step.layer] == 0 and step.imbalance == 1
        )
        held = [held_by(expert_map, instance, step.layer) for expert_map in (before, after)]
        assert_copies(step, *held)
        if step.is_within_limits:
            assert_within(limits or MoveLimits(), step)
        else:
            assert instance.hierarchical
    copied = sum(len(step.transfers.target) for step in schedule.steps)
    costs = move_costs(placement, previous, instance)
    assert copied == sum(cost.moved - cost.repeated for cost in costs)


@given(SEEDS, LIMITS)
def test_from_a_map_of_other_ranks_no_expert_is_lost(seed, limits):
    rng = np.random.default_rng(seed)
    instance = random_instance(rng)
    previous, placement = elastic_map(rng, instance), random_map(rng, instance)
    schedule = schedule_moves(placement, previous, instance, limits)
    maps = [schedule.start, *schedule.maps()]
    assert maps[-1].phy2log.tolist() == placement.phy2log.tolist()
    for step, (before, after) in zip(schedule.steps, pairwise(maps), strict=True):
        held = [held_by(expert_map, instance, step.layer) for expert_map in (before, after)]
        assert set().union(*held[0]) <= set().union(*held[1])
        assert math.isinf(step.imbalance) == (len(set().union(*held[1])) < instance.num_experts)
        assert_copies(step, *held)
        assert_within(limits or MoveLimits(), step)


def test_without_redundancy_replicas_go_round():
    instance = Instance([[4, 3, 2, 1]], 4, num_ranks=4)
    schedule = schedule_moves(Placement([[1, 2, 3, 0]], 4), Placement([[0, 1, 2, 3]], 4), instance, MoveLimits(1))
    (step,) = schedule.steps
    assert sorted(sent(step.transfers)) == [(0, 3, 0), (1, 0, 1), (2, 1, 2), (3, 2, 3)]


def test_places_within_ranks_are_a_step_without_copies():
    instance = Instance([[4, 3, 2, 1]], 4, num_ranks=2)
    schedule = schedule_moves(Placement([[1, 0, 2, 3]], 4), Placement([[0, 1, 2, 3]], 4), instance, MoveLimits(1))
    (step,) = schedule.steps
    assert (step.slots.tolist(), step.experts.tolist(), sent(step.transfers)) == ([0, 1], [1, 0], [])


def test_lost_experts_arrive_first():
    # Another replica of 0 would make ranks more even than the only one of 2.
    instance = Instance([[100, 50, 1]], 4, num_ranks=2)
    schedule = schedule_moves(Placement([[0, 1, 0, 2]], 3), Placement([[0, 1, -1, -1]], 3), instance, MoveLimits(1))
    assert [sent(step.transfers) for step in schedule.steps] == [[(ELSEWHERE, 1, 2)], [(0, 1, 0)]]


def test_equal_maps_take_no_step():
    placement = Placement([[0, 1, 2, 3]], 4)
    schedule = schedule_moves(placement, placement, Instance([[4, 3, 2, 1]], 4, num_ranks=2))
    assert schedule.steps == ()
    assert list(schedule.maps()) == []


def test_groups_that_change_nodes_are_switched_at_once():
    instance = Instance([[4, 3, 2, 1]], 4, num_ranks=2, num_nodes=2, num_groups=2)
    schedule = schedule_moves(Placement([[2, 3, 0, 1]], 4), Placement([[0, 1, 2, 3]], 4), instance, MoveLimits(1))
    (step,) = schedule.steps
    assert not step.is_within_limits


def test_a_step_has_its_time():
    instance = Instance([[4, 3, 2, 1]], 4, num_ranks=2)
    links = Links(100, within_node=50.0)
    schedule = schedule_moves(Placement([[2, 1, 0, 3]], 4), Placement([[0, 1, 2, 3]], 4), instance, None, links)
    assert [step.busiest for step in schedule.steps] == [Busiest(2.0, "rank 0 out")]


@pytest.mark.parametrize("values", [(0,), (None, -1), (1.5,), (True,)])
def test_limits_that_are_none(values):
    with pytest.raises(OptionError, match="give a positive integer"):
        MoveLimits(*values)


def area(order, chains):
    """What is copied times the mean imbalance meanwhile."""
    now = [imbalance[0] for imbalance, _ in chains]
    done = [0] * len(chains)
    total = 0.0
    for layer in order:
        imbalance, copied = chains[layer]
        total += copied[done[layer]] * sum(now)
        done[layer] += 1
        now[layer] = imbalance[done[layer]]
    return total


def test_no_other_order_gains_more_for_what_it_copies():
    rng = np.random.default_rng(5)
    for _ in range(60):
        lengths = rng.integers(1, 4, 3)
        chains = [(rng.integers(1, 9, n + 1).tolist(), rng.integers(1, 4, n).tolist()) for n in lengths]
        blocks = in_order([block for row, chain in enumerate(chains) for block in blocks_of(row, *chain)])
        order = [block.layer for block in blocks for _ in range(block.start, block.end)]
        batches = [layer for layer, n in enumerate(lengths) for _ in range(n)]
        assert sorted(order) == batches
        assert area(order, chains) == min(area(other, chains) for other in set(permutations(batches)))


def test_rounding_changes_no_order():
    # Both gain as much for each replica; in floating point the second one more.
    first, second = in_order(blocks_of(0, [3.3548387096774193, 1.6774193548387097, 1.118279569892473], [3, 1]))
    assert (first.start, second.start) == (0, 1)


def test_gains_fall():
    load = recorded("deepseek_v2_lite_windows")[:2].astype(float)
    instance = Instance(load[1], 72, num_ranks=8)
    rng = np.random.default_rng(0)
    previous, placement = random_map(rng, instance), random_map(rng, instance)
    schedule = schedule_moves(placement, previous, instance, MoveLimits(2))
    now = dict(enumerate(schedule.imbalance))
    gains = {}
    for step in schedule.steps:
        gained, copied = gains.get(step.block, (0.0, 0))
        gains[step.block] = (gained + now[step.layer] - step.imbalance, copied + len(step.transfers.target))
        now[step.layer] = step.imbalance
    ratios = [gained / copied for gained, copied in gains.values()]
    assert all(then <= before + 1e-12 for before, then in pairwise(ratios))


@pytest.mark.parametrize("across", ["sum", "mean", "cvar", "max"])
def test_imbalance_is_the_objective_over_the_mean(across):
    rng = np.random.default_rng(1)
    instance = Instance(rng.integers(1, 50, (3, 2, 6)), 8, num_ranks=4, objective=Objective(across))
    placement = random_map(rng, instance)
    slots = placement.phy2log.reshape(2, 4, 2)
    expected = placement.objective(instance) / instance.mean
    assert imbalance_of(slots, instance).tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    wider = np.concatenate([slots, np.full((2, 4, 1), -1)], axis=2)
    assert imbalance_of(wider, instance).tolist() == imbalance_of(slots, instance).tolist()
    without = np.where(slots == 3, 4, slots)
    assert imbalance_of(without, instance).tolist() == [math.inf, math.inf]
