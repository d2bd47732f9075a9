"""What it costs to go from one map to another."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eplb_opt import Instance, InstanceError, OptionError, Placement
from eplb_opt.moves.cost import move_costs
from eplb_opt.moves.held import moves
from eplb_opt.moves.links import ELSEWHERE, Busiest, Links

from .pools import elastic_map, held_by, random_instance, random_map

# Two nodes with two ranks each, two slots a rank.
INSTANCE = Instance([[9, 8, 7, 6]], 8, num_ranks=4, num_nodes=2)
LINKS = Links(1000, within_node=500.0, across_nodes=100.0)


def cost_of(now, before, links=LINKS, **others):
    (cost,) = move_costs(Placement([now], 4), Placement([before], 4, **others), INSTANCE, links)
    return cost


def sent(cost):
    return [tuple(int(part) for part in item) for item in zip(*cost.transfers, strict=True)]


BEFORE = (0, 1, 2, 3, 0, 1, 2, 3)


def test_nothing_changes():
    cost = cost_of(BEFORE, BEFORE)
    assert (cost.changed, cost.moved, cost.in_place, cost.sent_bytes) == (0, 0, 0, 0)
    assert cost.busiest == Busiest(0.0, "-")


def test_places_within_a_rank_cost_nothing():
    cost = cost_of((1, 0, 2, 3, 0, 1, 3, 2), BEFORE)
    assert (cost.changed, cost.moved, cost.in_place) == (4, 0, 4)
    assert cost.busiest == Busiest(0.0, "-")


def test_the_own_node_sends_if_it_can():
    # Rank 0 gets 2, which rank 1 and rank 3 hold.
    cost = cost_of((0, 2, 1, 3, 0, 1, 2, 3), BEFORE)
    assert sent(cost) == [(1, 0, 2), (0, 1, 1)]
    assert (cost.moved, cost.within_node, cost.across_nodes) == (2, 2, 0)
    assert (cost.sent_bytes, cost.loaded_bytes) == (2000, 0)
    assert cost.busiest == Busiest(2.0, "rank 0 out")


def test_another_node_sends_where_the_own_cannot():
    cost = cost_of((0, 3, 2, 1, 0, 1, 2, 3), (0, 1, 2, 2, 0, 1, 2, 3))
    assert sent(cost) == [(3, 0, 3), (0, 1, 1)]
    assert (cost.within_node, cost.across_nodes) == (1, 1)
    assert cost.busiest == Busiest(10.0, "node 1 out")


def test_senders_share_the_work():
    # Ranks 0 and 1 hold 0 and 1, and both ranks of the other node get both.
    cost = cost_of((0, 1, 2, 3, 0, 1, 0, 1), (0, 1, 0, 1, 2, 3, 2, 3))
    senders = Counter(source for source, target, _ in sent(cost) if target > 1)
    assert senders == {0: 2, 1: 2}
    assert cost.busiest == Busiest(40.0, "node 0 out")


def test_a_rank_receives_an_expert_once():
    cost = cost_of((0, 0, 2, 3, 0, 1, 2, 3), (1, 3, 2, 3, 0, 1, 2, 3))
    assert (cost.moved, cost.across_nodes, cost.repeated, cost.sent_bytes) == (2, 1, 1, 1000)


def test_lost_experts_come_from_elsewhere():
    cost = cost_of(BEFORE, (0, 1, 2, -1, 0, 1, 2, -1))
    assert sent(cost) == [(ELSEWHERE, 1, 3), (ELSEWHERE, 3, 3)]
    assert (cost.moved, cost.loaded, cost.sent_bytes, cost.loaded_bytes) == (2, 2, 0, 2000)
    assert cost.busiest == Busiest(0.0, "-")


def test_ranks_that_left_send_nothing():
    cost = cost_of(BEFORE, (0, 1, 2, 2, 0, 1, 2, 2, 3, 3))
    assert cost.loaded == 2


def test_without_links_or_speeds():
    now = (0, 3, 2, 1, 0, 1, 2, 3)
    before = (0, 1, 2, 2, 0, 1, 2, 3)
    bare = cost_of(now, before, None)
    assert (bare.sent_bytes, bare.loaded_bytes, bare.busiest) == (None, None, None)
    slow = cost_of(now, before, Links(1000, within_node=500.0))
    assert (slow.sent_bytes, slow.busiest) == (2000, None)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((0,), "bytes_per_expert=0: give a positive integer"),
        ((1.5,), "bytes_per_expert=1.5"),
        ((True,), "bytes_per_expert=True"),
        ((1, 0.0), "within_node=0.0: give bytes a second"),
        ((1, None, float("inf")), "across_nodes=inf"),
        ((1, None, "fast"), "across_nodes='fast'"),
    ],
)
def test_links_that_are_none(values, told):
    with pytest.raises(OptionError, match=told):
        Links(*values)


def test_nodes_that_do_not_share_the_ranks():
    instance = Instance([[9, 8, 7, 6]], 8, num_ranks=4, num_nodes=3)
    with pytest.raises(InstanceError, match="num_ranks=4 on num_nodes=3"):
        move_costs(Placement([BEFORE], 4), Placement([BEFORE], 4), instance)


def test_a_map_that_is_not_valid():
    with pytest.raises(InstanceError, match="expert 3 has no replica"):
        cost_of((0, 1, 2, 2, 0, 1, 2, 2), BEFORE)


def seconds_of(items, nodes, links):
    """The time of the busiest link, counted one transfer after the other."""
    bytes_on = Counter()
    for source, target, _ in items:
        if source == ELSEWHERE:
            continue
        is_near = nodes[source] == nodes[target]
        ends = (source, target) if is_near else (nodes[source], nodes[target])
        for direction, end in zip(("out", "in"), ends, strict=True):
            bytes_on[is_near, direction, end] += links.bytes_per_expert
    speeds = {True: links.within_node, False: links.across_nodes}
    return max((size / speeds[link[0]] for link, size in bytes_on.items()), default=0.0)


@given(st.integers(0, 2**32), st.booleans())
def test_random_maps(seed, is_elastic):
    rng = np.random.default_rng(seed)
    instance = random_instance(rng)
    previous = (elastic_map if is_elastic else random_map)(rng, instance)
    placement = random_map(rng, instance)
    costs = move_costs(placement, previous, instance, LINKS)
    assert [cost.moved for cost in costs] == moves(placement, previous, instance).tolist()
    nodes = np.repeat(np.arange(instance.num_nodes), instance.num_ranks // instance.num_nodes)
    for layer, cost in enumerate(costs):
        before = held_by(previous, instance, layer)
        now = held_by(placement, instance, layer)
        assert cost.moved == cost.within_node + cost.across_nodes + cost.loaded + cost.repeated
        assert cost.in_place >= 0
        items = sent(cost)
        wanted = [(rank, expert) for rank, held in enumerate(now) for expert in held - before[rank]]
        assert sorted((target, expert) for _, target, expert in items) == sorted(wanted)
        for source, target, expert in items:
            holders = [rank for rank, held in enumerate(before) if expert in held]
            near = [rank for rank in holders if nodes[rank] == nodes[target]]
            assert source in (near or holders or [ELSEWHERE])
        assert cost.busiest.seconds == seconds_of(items, nodes, LINKS)
