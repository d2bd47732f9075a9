"""Loads of every type and memory order give the bits of the plain ones; calls in threads change nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import POLICIES, Instance, Limits, solve
from eplb_opt.heuristics.greedy import greedy, greedy_maps
from eplb_opt.heuristics.refine import refine_maps, refined
from eplb_opt.problem.topology import Topology

from .. import any_input
from ..conftest import engine_instance


@st.composite
def kinds(draw):
    dtype = draw(st.sampled_from(list(any_input.EXACT)))
    return dtype, draw(st.sampled_from(list(any_input.LAYOUTS))), draw(st.sampled_from(any_input.cases(dtype)))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), kinds())
def test_any_type_and_memory_order_gives_the_same_maps(seed, kind):
    any_input.check(np.random.default_rng(seed), *kind)


def test_column_major_loads():
    tensor = torch.rand(256, 58, generator=torch.Generator().manual_seed(0)).double().T
    plain = tensor.contiguous()
    for policy in ("refined", "greedy"):
        expected, found = (POLICIES[policy].rebalance_experts(w, 256, 1, 1, 32)[0] for w in (plain, tensor))
        assert torch.equal(expected, found)
    topology = Topology(num_ranks=32)
    for maps in (refine_maps, greedy_maps):
        assert torch.equal(maps(tensor, 256, topology), maps(plain, 256, topology))
        columns_first = np.asfortranarray(plain.numpy())
        np.testing.assert_array_equal(maps(columns_first, 256, topology), maps(plain.numpy(), 256, topology))
    small = np.asfortranarray(plain.numpy()[:2, :8])
    found = solve(Instance(small, 12, num_ranks=4), "optimal", Limits(seconds=None, work=0.1))
    assert found.placement.violations(found.instance) == []


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_instance_keeps_its_loads_row_by_row(order):
    load = np.asarray(np.random.default_rng(0).integers(0, 9, (3, 4, 8)), dtype=np.float64, order=order)
    instance = Instance(load, 8, num_ranks=2)
    assert instance.load.flags.c_contiguous
    assert instance.weight.flags.c_contiguous
    assert instance.load.flags.owndata


def test_calls_in_threads_leave_torch_as_it_was_and_give_the_same_maps():
    random = np.random.default_rng(0)
    shapes = [(128, 144, 1, 1, 16), (64, 80, 1, 1, 16), (32, 48, 8, 4, 16), (64, 80, 1, 1, 40)]
    instances = [engine_instance(random.lognormal(size=(6, s[0])), *s[1:]) for s in shapes] * 6
    expected = [(refined(i).phy2log, greedy(i).phy2log, refined(i).maps()[1]) for i in instances]
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda i: (refined(i).phy2log, greedy(i).phy2log, refined(i).maps()[1]), instances))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(expected, found, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_no_process_wide_setting_is_touched(monkeypatch):
    def refuse(number):
        raise AssertionError(f"torch.set_num_threads({number})")

    monkeypatch.setattr(torch, "set_num_threads", refuse)
    instance = Instance(np.random.default_rng(0).lognormal(size=(3, 64)), 72, num_ranks=8)
    refined(instance, compiled=False).maps()
    greedy(instance).maps()
