"""Policies that plan for several windows of loads: which count, and what is made of them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from eplb_opt import POLICIES, FallbackWarning, Instance, Limits, Objective, OptionError, Placement, configure
from eplb_opt.errors import MissingPackageError
from eplb_opt.foresight import plan as plan_module
from eplb_opt.plugins.options import read_options
from eplb_opt.problem.across import ACROSS

# Experts 0 and 1 are hot in the same windows, and so are 2 and 3: their sum cannot tell them apart.
TOGETHER = [[[9, 9, 1, 1]], [[1, 1, 9, 9]]]
WINDOWS = torch.from_numpy(np.random.default_rng(5).lognormal(3, 1, (6, 2, 12)).round())
SMALL = Limits(seconds=None, work=0.05)


def of(name: str, **options):
    policy = POLICIES[name]
    if hasattr(policy, "limits"):
        options["limits"] = SMALL
    return configure(policy, **options)


def objective(maps, across: str, windows=WINDOWS, level: float = 0.9):
    instance = Instance(windows, 16, num_ranks=4, objective=Objective(across, level=level))
    placement = Placement(maps[0].numpy(), 12)
    assert placement.violations(instance) == []
    return placement.objective(instance)


@pytest.mark.parametrize("name", ["refined", "optimal", "milp", "cpsat"])
def test_windows_tell_what_their_sum_does_not(name):
    maps = of(name, across="mean").rebalance_experts(torch.tensor(TOGETHER), 4, 1, 1, 2)
    placement = Placement(maps[0].numpy(), 4)
    instance = Instance(TOGETHER, 4, num_ranks=2, objective=Objective("mean"))
    assert placement.objective(instance).tolist() == [1.0]


@pytest.mark.parametrize("across", ACROSS)
@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_takes_every_way(name, across):
    topology = (16, 1, 1, 4)
    maps = of(name, across=across, level=0.5).rebalance_experts(WINDOWS, *topology)
    greedy = POLICIES["greedy"].rebalance_experts(WINDOWS, *topology)
    ours = objective(maps, across, level=0.5)
    if name != "greedy":  # which places the windows' mix here
        assert (ours <= objective(greedy, across, level=0.5) * (1 + 1e-12)).all()


@pytest.mark.parametrize("name", POLICIES)
def test_history_is_the_newest_windows(name):
    topology = (16, 1, 1, 4)
    policy = of(name, across="mean", history=2)
    maps = policy.rebalance_experts(WINDOWS, *topology)
    want = of(name, across="mean").rebalance_experts(WINDOWS[-2:], *topology)
    assert torch.equal(maps[0], want[0])
    as_lists = policy.rebalance_experts(WINDOWS.tolist(), *topology)
    assert torch.equal(as_lists[0], want[0])
    longer = of(name, across="mean", history=100).rebalance_experts(WINDOWS, *topology)
    assert torch.equal(longer[0], of(name, across="mean").rebalance_experts(WINDOWS, *topology)[0])
    one = policy.rebalance_experts(WINDOWS[-1], *topology)  # loads without windows
    assert torch.equal(one[0], of(name, across="mean").rebalance_experts(WINDOWS[-1:], *topology)[0])


def test_from_the_map_in_use_over_windows():
    policy = of("refined", across="mean")
    before = policy.rebalance_experts(WINDOWS, 16, 1, 1, 4)[0]
    again = policy.rebalance_experts(WINDOWS, 16, 1, 1, 4, before)[0]
    assert torch.equal(again, before)


def test_without_numba_refined_takes_the_better_of_two_maps_and_says_so(monkeypatch):
    def require(purpose, *names):
        raise MissingPackageError("numba", purpose)

    monkeypatch.setattr(plan_module, "require", require)
    with pytest.warns(FallbackWarning, match="numba"):
        maps = of("refined", across="mean").rebalance_experts(WINDOWS, 16, 1, 1, 4)
    greedy = POLICIES["greedy"].rebalance_experts(WINDOWS, 16, 1, 1, 4)
    assert (objective(maps, "mean") <= objective(greedy, "mean")).all()


def test_more_ranks_than_a_search_takes():
    experts = plan_module.MOST_RANKS + 1
    loads = torch.ones(2, 1, experts)
    with pytest.warns(FallbackWarning, match=f"num_ranks={experts}"):
        maps = of("refined", across="max").rebalance_experts(loads, experts, 1, 1, experts)
    assert sorted(maps[0][0].tolist()) == list(range(experts))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("across", "median"), ("across", 3), ("level", 1.0), ("level", True), ("level", "high"),
        ("history", 0), ("history", 2.0), ("history", True), ("history", -4),
    ],
)  # fmt: skip
def test_values_that_are_none_are_refused(option, value):
    with pytest.raises(OptionError, match=f"RefinedPolicy.{option}=.*: give "):
        configure(POLICIES["refined"], **{option: value})


def test_a_subclass_says_it_as_a_class_attribute():
    class Ours(POLICIES["refined"]):
        across = "mean"
        history = 3

    maps = Ours.rebalance_experts(WINDOWS, 16, 1, 1, 4)
    want = of("refined", across="mean").rebalance_experts(WINDOWS[-3:], 16, 1, 1, 4)
    assert torch.equal(maps[0], want[0])


def test_the_default_is_the_sum():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = of("refined").rebalance_experts(WINDOWS, 16, 1, 1, 4)
        want = of("refined").rebalance_experts(WINDOWS.sum(dim=0), 16, 1, 1, 4)
    assert torch.equal(maps[0], want[0])


def test_engines_read_it_from_the_environment():
    options = read_options({"EPLB_OPT_ACROSS": "cvar", "EPLB_OPT_LEVEL": "0.5"})
    assert options["across"] == "cvar"
    assert options["level"] == 0.5
    with pytest.raises(
        OptionError, match=r"EPLB_OPT_ACROSS='median': not a value of this option, give one of sum, mean"
    ):
        read_options({"EPLB_OPT_ACROSS": "median"})
