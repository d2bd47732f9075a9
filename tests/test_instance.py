"""Validation: once, in Instance; every error names the value and the fix."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eplb_opt import EplbError, Instance, InstanceError, Limits, OptionError, solve
from eplb_opt.problem.pool import Pool

from .conftest import engine_instance

LOAD = [[3.0, 1, 2, 5], [0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("load", "topology", "message"),
    [
        ([[1, np.nan, 2, 3]], (4, 1, 1, 2), "expert 1 is NaN"),
        ([[1, np.inf, 2, 3]], (4, 1, 1, 2), "expert 1 is infinite"),
        ([[1, 2, -3, 3]], (4, 1, 1, 2), "expert 2 is negative"),
        ([1, 2, 3], (4, 1, 1, 2), "shape"),
        ([[]], (4, 1, 1, 2), "shape"),
        ([[1, 2], [3]], (4, 1, 1, 2), "rectangular"),
        ([["a", "b"]], (4, 1, 1, 2), "dtype"),
        ([[1j, 2]], (4, 1, 1, 2), "dtype"),
        (LOAD, (5, 1, 1, 2), "not a multiple of num_ranks=2: use 6"),
        (LOAD, (3, 1, 1, 3), "use at least 4"),
        (LOAD, (6, 3, 2, 3), "equal groups"),
        (LOAD, (6, 3, 1, 3), "equal groups"),
        (LOAD, (0, 1, 1, 2), "num_replicas=0"),
        (LOAD, (6, 1, 1, 2.0), "num_ranks=2.0"),
        (LOAD, (6, 1, 1, True), "num_ranks=True"),
        ([[2**53 + 1, 1, 1, 1]], (4, 1, 1, 2), r"2\^53"),
        ([[[2**53, 1]], [[2**53, 1]]], (2, 1, 1, 2), r"2\^53"),
        (torch.tensor([[2**60, 1]]), (2, 1, 1, 2), r"2\^53"),
        ([[1e308, 1e308, 1e308, 1]], (4, 1, 1, 2), "overflows"),
    ],
)
def test_bad_input_is_named(load, topology, message):
    with pytest.raises(InstanceError, match=message):
        engine_instance(load, *topology)


def test_errors_are_value_errors_of_one_family():
    assert issubclass(InstanceError, EplbError)
    assert issubclass(InstanceError, ValueError)


def test_ranks_are_required_and_given_by_name():
    with pytest.raises(TypeError, match="num_ranks"):
        Instance(LOAD, 4)
    with pytest.raises(TypeError, match="positional"):
        Instance(LOAD, 4, 2)


def test_mode_follows_the_engines_rule():
    assert Instance(LOAD, 8, num_groups=2, num_nodes=2, num_ranks=4).mode == "hierarchical"
    one_group = Instance(LOAD, 8, num_groups=1, num_nodes=2, num_ranks=4)
    assert one_group.mode == "global"
    assert Instance(LOAD, 8, num_groups=2, num_nodes=1, num_ranks=4).mode == "global"
    assert Instance(LOAD, 6, num_groups=2, num_nodes=2, num_ranks=3).mode == "global"  # three ranks cannot either
    assert Instance(LOAD, 4, num_groups=4, num_nodes=4, num_ranks=2).mode == "global"  # more nodes than ranks


def test_why_the_mode_is_global_is_said():
    assert Instance(LOAD, 8, num_groups=2, num_nodes=2, num_ranks=4).why_global == ""
    assert Instance(LOAD, 8, num_groups=2, num_nodes=1, num_ranks=4).why_global == ""
    assert (
        Instance(LOAD, 8, num_groups=1, num_nodes=2, num_ranks=4).why_global
        == "1 group cannot be shared out among 2 nodes"
    )
    instance = Instance(LOAD, 6, num_groups=2, num_nodes=2, num_ranks=3)
    assert instance.why_global == "3 ranks cannot be shared out among 2 nodes"
    assert "global mode (3 ranks cannot be shared out among 2 nodes)" in instance.describe()
    assert (instance.num_pools, instance.ranks_per_pool, instance.slots_per_pool, instance.group_size) == (1, 3, 6, 4)


def test_where_ranks_cannot_be_shared_out_the_solution_is_the_global_one():
    instance = Instance(LOAD, 6, num_groups=2, num_nodes=2, num_ranks=3)
    for method in ("greedy", "refined", "optimal"):
        result = solve(instance, method, Limits(seconds=None, work=0.2))
        expected = solve(Instance(LOAD, 6, num_ranks=3), method, Limits(seconds=None, work=0.2))
        assert result.placement.violations(instance) == []
        assert result.objective.tolist() == expected.objective.tolist()


def test_distinct_must_be_feasible():
    assert Instance(LOAD, 8, num_ranks=2, distinct=True).distinct
    with pytest.raises(InstanceError, match="use fewer replicas"):
        Instance(LOAD, 12, num_ranks=2, distinct=True)
    with pytest.raises(InstanceError, match="use fewer replicas"):
        Instance(LOAD, 12, num_groups=2, num_nodes=2, num_ranks=4, distinct=True)


@pytest.mark.parametrize("dtype", [torch.int16, torch.bfloat16, torch.float16, torch.float32, torch.bool])
def test_any_real_dtype(dtype):
    instance = Instance(torch.ones(3, 4).to(dtype), 4, num_ranks=2)
    assert instance.load.dtype == np.float64
    assert instance.load.shape == (1, 3, 4)


def test_windows_are_kept_and_summed():
    instance = Instance([LOAD, LOAD], 4, num_ranks=2, layer_ids=[3, 7])
    assert instance.num_windows == 2
    assert instance.weight.tolist() == (2 * np.array(LOAD)).tolist()
    assert instance.layer_ids == (3, 7)
    assert instance.mean.tolist() == [11, 2]


@pytest.mark.parametrize("ids", [[1], [1, 1], [-1, 2]])
def test_layer_ids_must_be_different_and_one_a_layer(ids):
    with pytest.raises(InstanceError, match="layer_ids"):
        Instance(LOAD, 4, num_ranks=2, layer_ids=ids)


def test_loads_are_copied_and_read_only():
    source = np.array(LOAD)
    instance = Instance(source, 4, num_ranks=2)
    source[0, 0] = 99
    assert instance.load[0, 0, 0] == 3
    with pytest.raises(ValueError, match="read-only"):
        instance.load[0, 0, 0] = 1


@pytest.mark.parametrize(
    "options",
    [{"seconds": 0}, {"seconds": -1}, {"seconds": float("nan")}, {"work": float("inf")}, {"gap": -1e-4},
     {"workers": 0}, {"workers": 1.5}, {"seed": -1}, {"seconds": "60"}],
)  # fmt: skip
def test_limits_are_validated(options):
    with pytest.raises(OptionError, match=f"Limits.{next(iter(options))}"):
        Limits(**options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], 2, 1), "vector"),
        (([1.0, -1], 2, 1), "finite"),
        (([1.0, 1], 3, 2), "multiple"),
        (([1.0, 1, 1], 2, 1), "every expert"),
        (([1.0], 4, 2, True), "fewer replicas"),
    ],
)
def test_pools_are_validated(arguments, message):
    with pytest.raises(InstanceError, match=message):
        Pool(*arguments)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([[1.0, 2, 3]]).to(torch.float8_e4m3fn),
        torch.tensor([[1.0, 2, 3]]).to_sparse(),
        torch._neg_view(-torch.tensor([[1.0, 2, 3]])),
        torch.tensor([[1, 2, 3]], dtype=torch.uint16),
    ],
    ids=["float8", "sparse", "negative view", "uint16"],
)
def test_unusual_tensors_are_their_numbers(tensor):
    assert Instance(tensor, 4, num_ranks=2).weight.tolist() == [[1, 2, 3]]


def test_a_tensor_without_values_is_named():
    with pytest.raises(InstanceError, match="no rectangular array of numbers"):
        Instance(torch.empty((1, 3), device="meta"), 4, num_ranks=2)
