"""What an engine's call becomes: any policy, any old map, idle layers, kept slots."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import POLICIES, Instance, InstanceError, Limits, Placement, configure
from eplb_opt.plugins.planning import keep_slots, plan

from ..conftest import TWO_LAYERS

WEIGHT = torch.tensor(TWO_LAYERS)
INITIAL = torch.tensor([[*range(12), 0, 1, 2, 3]] * 2)  # vLLM's first map
NAMES = [name for name in POLICIES if name in ("greedy", "refined", "optimal")]


def quick(name, **options):
    policy = POLICIES[name]
    return configure(policy, limits=Limits(seconds=None, work=0.1), **options) if hasattr(policy, "limits") else (
        configure(policy, **options)
    )  # fmt: skip


def ranks(phy2log, num_ranks=8):
    return np.sort(phy2log.reshape(len(phy2log), num_ranks, -1), axis=2).tolist()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize(
    "old",
    [None, INITIAL, INITIAL[:, :12], torch.cat([INITIAL, INITIAL], dim=1), torch.full((2, 16), -1), INITIAL[:1]],
    ids=["none", "same", "narrower", "wider", "empty", "other layers"],
)
def test_valid_with_any_old_map(name, nodes, old):
    phy2log = plan(quick(name), WEIGHT, 16, 4, nodes, 8, old)
    assert Placement(phy2log, 12).violations(Instance(TWO_LAYERS, 16, 4, nodes, 8)) == []
    fresh = quick(name).rebalance_experts(WEIGHT, 16, 4, nodes, 8)[0].numpy()
    assert ranks(phy2log) == ranks(fresh)
    assert phy2log.dtype == np.int64
    if old is not None and old.shape == (2, 16):
        assert np.array_equal(plan(quick(name), WEIGHT, 16, 4, nodes, 8, torch.from_numpy(phy2log)), phy2log)


@pytest.mark.parametrize(("groups", "nodes"), [(None, 2), (0, 2), (3, 2), (5, 1), (1, 2)])
def test_groups_that_cannot_stay_on_nodes_are_ignored(groups, nodes):
    assert np.array_equal(
        plan(quick("greedy"), WEIGHT, 16, groups, nodes, 8), plan(quick("greedy"), WEIGHT, 16, 1, 1, 8)
    )


def test_steps_are_summed_without_wrapping():
    steps = torch.full((3, 2, 12), 2**31 - 1, dtype=torch.int32)
    steps[:, :, 5] = 0
    expected = plan(quick("greedy"), steps.long().sum(dim=0), 16, 1, 1, 8)
    assert np.array_equal(plan(quick("greedy"), steps, 16, 1, 1, 8), expected)


@pytest.mark.parametrize("nodes", [1, 2])
def test_layers_without_tokens_stay(nodes):
    class Forbidden(POLICIES["greedy"]):
        @classmethod
        def rebalance_experts(cls, *arguments):
            raise RuntimeError("a solver was asked about all-zero loads")

    old = torch.from_numpy(plan(quick("greedy"), WEIGHT, 16, 4, nodes, 8))
    assert np.array_equal(plan(Forbidden, WEIGHT * 0, 16, 4, nodes, 8, old), old.numpy())
    phy2log = plan(Forbidden, WEIGHT * 0, 16, 4, nodes, 8)
    assert Placement(phy2log, 12).violations(Instance(TWO_LAYERS, 16, 4, nodes, 8)) == []
    weight = WEIGHT.clone()
    weight[0] = 0
    changed = plan(quick("greedy"), weight, 16, 4, nodes, 8, old.flip(0))
    assert np.array_equal(changed[0], old[1].numpy())
    broken = torch.full_like(old, 3)  # not valid: must not be kept
    phy2log = plan(quick("greedy"), weight, 16, 4, nodes, 8, broken)
    assert Placement(phy2log, 12).violations(Instance(TWO_LAYERS, 16, 4, nodes, 8)) == []


def test_distinct_maps_stay_distinct():
    policy = quick("greedy", distinct=True)
    crowded = torch.tensor([[0, 0, *range(12), 1, 2]] * 2)  # valid, but rank 0 holds an expert twice
    phy2log = plan(policy, WEIGHT * 0, 16, 1, 1, 8, crowded)
    assert Placement(phy2log, 12).violations(Instance(TWO_LAYERS, 16, 1, 1, 8, distinct=True)) == []


@pytest.mark.parametrize("arguments", [(WEIGHT[0], 16, 1, 1, 8), (WEIGHT, 15, 1, 1, 8), (WEIGHT, 8, 1, 1, 8)])
def test_bad_calls(arguments):
    with pytest.raises(InstanceError):
        plan(quick("greedy"), *arguments)
    with pytest.raises(InstanceError, match="NaN"):
        plan(quick("greedy"), WEIGHT * float("nan"), 16, 1, 1, 8)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_keep_slots_against_a_plain_loop(data):
    layers, num_ranks, slots, experts = (data.draw(st.integers(1, n)) for n in (3, 3, 4, 6))
    matrix = lambda low: np.array(  # noqa: E731
        data.draw(st.lists(st.integers(low, experts - 1), min_size=layers * num_ranks * slots,
                           max_size=layers * num_ranks * slots))).reshape(layers, -1)  # fmt: skip
    new, old = matrix(0), matrix(-1)
    kept = keep_slots(new, old, num_ranks)
    assert ranks(kept, num_ranks) == ranks(new, num_ranks)
    for layer in range(layers):
        for rank in range(num_ranks):
            part = slice(rank * slots, (rank + 1) * slots)
            before, after = old[layer, part].tolist(), kept[layer, part].tolist()
            possible = sum(min(before.count(e), after.count(e)) for e in range(experts))
            assert sum(a == b for a, b in zip(before, after, strict=True)) == possible
