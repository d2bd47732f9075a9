"""What an engine's call becomes: any policy, any old map, idle layers, kept slots."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import POLICIES, Instance, InstanceError, Limits, Placement, configure
from eplb_opt.moves.held import moves
from eplb_opt.moves.slots import keep_slots
from eplb_opt.plugins import said
from eplb_opt.plugins.planning import plan

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
    instance = Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=nodes, num_ranks=8)
    fresh = Placement(quick(name).rebalance_experts(WEIGHT, 16, 4, nodes, 8)[0].numpy(), 12)
    planned = Placement(phy2log, 12)
    slack = quick(name).slack or 0.0
    assert (planned.objective(instance) <= fresh.objective(instance) * (1 + slack + 1e-9)).all()
    assert phy2log.dtype == np.int64
    if old is not None and len(old) == 2:
        in_use = Placement(old.numpy(), 12)
        assert (moves(planned, in_use, instance) <= moves(fresh, in_use, instance)).all()
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
    assert Placement(phy2log, 12).violations(Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=nodes, num_ranks=8)) == []
    weight = WEIGHT.clone()
    weight[0] = 0
    changed = plan(quick("greedy"), weight, 16, 4, nodes, 8, old.flip(0))
    assert np.array_equal(changed[0], old[1].numpy())
    broken = torch.full_like(old, 3)  # not valid: must not be kept
    phy2log = plan(quick("greedy"), weight, 16, 4, nodes, 8, broken)
    assert Placement(phy2log, 12).violations(Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=nodes, num_ranks=8)) == []


def test_distinct_maps_stay_distinct():
    policy = quick("greedy", distinct=True)
    crowded = torch.tensor([[0, 0, *range(12), 1, 2]] * 2)  # valid, but rank 0 holds an expert twice
    phy2log = plan(policy, WEIGHT * 0, 16, 1, 1, 8, crowded)
    assert (
        Placement(phy2log, 12).violations(
            Instance(TWO_LAYERS, 16, num_groups=1, num_nodes=1, num_ranks=8, distinct=True)
        )
        == []
    )


@pytest.mark.parametrize("arguments", [(15, 1, 1, 8), (8, 1, 1, 8), (16, 1, 1, 0)])
def test_calls_without_a_valid_map_are_named(arguments):
    with pytest.raises(InstanceError, match="num_r"):
        plan(quick("greedy"), WEIGHT, *arguments)


HUGE = torch.full((2, 12), 2**60)
UNUSABLE = {
    "NaN": torch.where(WEIGHT == 183, float("nan"), WEIGHT.double()),
    "infinite": torch.where(WEIGHT == 183, float("inf"), WEIGHT.double()),
    "negative": torch.where(WEIGHT == 183, -1, WEIGHT),
    "beyond 2^53": HUGE,
    "steps beyond 2^53": torch.stack([HUGE, HUGE, HUGE, HUGE]),  # 0 as int64
    "huge floats": HUGE.double(),
    "complex": WEIGHT * 1j,
    "four axes": WEIGHT[None, None].repeat(2, 3, 1, 1),
}


@pytest.fixture
def log(caplog, monkeypatch):
    """The log, of a process that has said nothing yet."""
    monkeypatch.setattr(said, "_said", set())
    return caplog


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("kind", UNUSABLE)
def test_loads_that_cannot_be_planned_for_keep_the_map_in_use(name, nodes, kind, log):
    in_use = INITIAL.flip(1)
    for _ in range(2):
        assert np.array_equal(plan(quick(name), UNUSABLE[kind], 16, 4, nodes, 8, in_use), in_use.numpy())
    assert [record.levelname for record in log.records] == ["ERROR"]
    assert log.text.count("\n") == 1
    for old in (None, torch.full((2, 16), -1), INITIAL[:, :12], INITIAL % 11, INITIAL[0], "no map"):
        phy2log = plan(quick(name), UNUSABLE[kind], 16, 4, nodes, 8, old)
        assert (
            Placement(phy2log, 12).violations(Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=nodes, num_ranks=8))
            == []
        )


def test_loads_of_another_shape_give_a_valid_map(log):
    assert np.array_equal(plan(quick("greedy"), WEIGHT[0], 16, 4, 1, 8, INITIAL), INITIAL.numpy())
    phy2log = plan(quick("greedy"), WEIGHT[0], 16, 4, 1, 8)
    assert Placement(phy2log, 12).violations(Instance(TWO_LAYERS[:1], 16, num_ranks=8)) == []


@pytest.mark.parametrize("error", [RuntimeError("at 1"), MemoryError(), AssertionError(), InstanceError("of 7")])
def test_a_policy_that_raises_costs_the_plan_alone(error, log):
    class Broken(POLICIES["greedy"]):
        @classmethod
        def rebalance_experts(cls, *arguments):
            raise error

    for _ in range(2):
        assert np.array_equal(plan(Broken, WEIGHT, 16, 4, 2, 8, INITIAL), INITIAL.numpy())
        assert np.array_equal(plan(Broken, WEIGHT, 16, 4, 2, 8), plan(quick("greedy"), WEIGHT, 16, 4, 2, 8))
    assert len(log.records) == 1
    assert type(error).__name__ in log.text


def test_distinct_where_it_leaves_no_map_costs_distinct_alone(log):
    weight = torch.tensor([[5, 4]])
    phy2log = plan(quick("greedy", distinct=True), weight, 6, 1, 1, 2)
    assert Placement(phy2log, 2).violations(Instance(weight, 6, num_ranks=2)) == []
    assert "distinct=True leaves no valid map" in log.text


@pytest.mark.parametrize(
    ("groups", "nodes", "num_ranks", "reason"),
    [
        (3, 2, 8, "3 groups cannot be shared out among 2 nodes"),
        (None, 2, 8, "1 group cannot"),
        (3, 3, 8, "8 ranks cannot be shared out among 3 nodes"),
        (12, 12, 4, "4 ranks cannot be shared out among 12 nodes"),
        (8, 2, 8, "12 experts cannot be divided into 8 equal groups"),
    ],
)
def test_global_mode_is_said_once(groups, nodes, num_ranks, reason, log):
    expected = plan(quick("greedy"), WEIGHT, 16, 1, 1, num_ranks)
    for _ in range(2):
        assert np.array_equal(plan(quick("greedy"), WEIGHT, 16, groups, nodes, num_ranks), expected)
    assert [record.levelname for record in log.records] == ["WARNING"]
    assert reason in log.text


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8])
def test_steps_of_small_types_are_summed_without_loss(dtype):
    weight = torch.tensor([[250, 120, 60, 30, 16, 8]])
    steps = weight.to(dtype).repeat(1000, 1, 1)  # 250,000 is beyond what half floats hold
    expected = plan(quick("greedy"), steps[0].double() * 1000, 8, 1, 1, 4)
    assert np.array_equal(plan(quick("greedy"), steps, 8, 1, 1, 4), expected)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_keep_slots_against_a_plain_loop(data):
    layers, num_ranks, slots, experts = (data.draw(st.integers(1, n)) for n in (3, 3, 4, 6))
    matrix = lambda low: np.array(  # noqa: E731
        data.draw(st.lists(st.integers(low, experts - 1), min_size=layers * num_ranks * slots,
                           max_size=layers * num_ranks * slots))).reshape(layers, -1)  # fmt: skip
    new, old = matrix(0), matrix(-1)
    by_rank = (layers, num_ranks, slots)
    kept = keep_slots(new.reshape(by_rank), old.reshape(by_rank)).reshape(layers, -1)
    assert ranks(kept, num_ranks) == ranks(new, num_ranks)
    for layer in range(layers):
        for rank in range(num_ranks):
            part = slice(rank * slots, (rank + 1) * slots)
            before, after = old[layer, part].tolist(), kept[layer, part].tolist()
            possible = sum(min(before.count(e), after.count(e)) for e in range(experts))
            assert sum(a == b for a, b in zip(before, after, strict=True)) == possible


def small_counts():
    return torch.arange(1, 17).reshape(1, 16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "float8_e4m3fn", "float16", "bfloat16"])
def test_every_type_of_tensor_is_planned_for(dtype, log):
    expected = plan(POLICIES["refined"], small_counts().double(), 24, 1, 1, 8)
    loads = small_counts().to(getattr(torch, dtype))
    np.testing.assert_array_equal(plan(POLICIES["refined"], loads, 24, 1, 1, 8), expected)
    np.testing.assert_array_equal(plan(POLICIES["refined"], loads.expand(3, 1, 16), 24, 1, 1, 8), expected)
    assert log.records == []


def test_sparse_and_backwards_loads_are_planned_for(log):
    expected = plan(POLICIES["refined"], small_counts().double(), 24, 1, 1, 8)
    sparse = small_counts().double().to_sparse()
    backwards = small_counts().numpy()[:, ::-1].copy()[:, ::-1]
    for loads in (sparse, backwards):
        np.testing.assert_array_equal(plan(POLICIES["refined"], loads, 24, 1, 1, 8), expected)
    assert log.records == []


def test_an_engine_that_does_not_know_its_map_costs_nothing():
    def unknown():
        raise RuntimeError("no metadata yet")

    loads = small_counts().double() * float("nan")
    found = plan(POLICIES["refined"], loads, 24, 1, 1, 8, in_use=unknown)
    assert not Placement(found, 16).violations(Instance(np.ones((1, 16)), 24, num_ranks=8))
