"""One contract for every policy."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from eplb_opt import (
    POLICIES,
    FallbackWarning,
    Instance,
    InstanceError,
    Limits,
    OptionError,
    Placement,
    SolverError,
    TopologyWarning,
    configure,
)
from eplb_opt.methods import METHODS

from .conftest import EDGES, KNOWN, TWO_LAYERS, engine_instance

pytestmark = pytest.mark.parametrize("name", POLICIES)


def quick(name: str, **options):
    policy = POLICIES[name]
    if hasattr(policy, "limits"):
        options.setdefault("limits", Limits(seconds=None, work=0.2))
    return configure(policy, **options)


def check(maps, instance: Instance) -> Placement:
    """The three tensors are int64, consistent with each other, and valid."""
    phy2log, log2phy, count = maps
    assert {t.dtype for t in maps} == {torch.int64}
    placement = Placement(phy2log.numpy(), instance.num_experts)
    assert placement.violations(instance) == []
    assert log2phy.shape == (instance.num_layers, instance.num_experts, int(count.max()))
    assert int(count.sum()) == phy2log.numel()
    for layer in range(instance.num_layers):
        for expert in range(instance.num_experts):
            slots = torch.nonzero(phy2log[layer] == expert).flatten().tolist()
            padding = [-1] * (log2phy.shape[2] - len(slots))
            assert log2phy[layer, expert].tolist() == slots + padding
            assert count[layer, expert] == len(slots)
    return placement


@pytest.mark.filterwarnings("ignore::eplb_opt.TopologyWarning")
@pytest.mark.parametrize("edge", EDGES)
def test_edges(name, edge):
    instance = engine_instance(*EDGES[edge])
    weight = torch.tensor(EDGES[edge][0], dtype=torch.float64)
    check(quick(name).rebalance_experts(weight, *EDGES[edge][1:]), instance)


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("distinct", [False, True])
def test_never_worse_than_greedy(name, known, distinct):
    instance, optimum, _ = KNOWN[known]
    topology = (instance.num_replicas, instance.num_groups, instance.num_nodes, instance.num_ranks)
    weight = torch.from_numpy(instance.weight.copy())
    strict = engine_instance(weight, *topology, distinct=distinct)
    placement = check(quick(name, distinct=distinct).rebalance_experts(weight, *topology), strict)
    greedy = configure(POLICIES["greedy"], distinct=distinct).rebalance_experts(weight, *topology)[0]
    assert (placement.objective(strict) <= Placement(greedy.numpy(), instance.num_experts).objective(strict)).all()
    assert (placement.objective(strict) >= np.array(optimum) * (1 - 1e-12)).all()


@pytest.mark.parametrize(
    "dtype", [torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8]
)
def test_any_real_dtype_gives_the_same_map(name, dtype):
    weight = torch.tensor([[8, 6, 4, 2, 1, 1]])
    expected = quick(name).rebalance_experts(weight, 8, 1, 1, 4)
    for got, want in zip(quick(name).rebalance_experts(weight.to(dtype), 8, 1, 1, 4), expected, strict=True):
        assert torch.equal(got, want)


def test_old_map_of_any_width_is_accepted(name):
    weight = torch.tensor([[8, 6, 4, 2, 1, 1]])
    old = torch.full((1, 12), -1)
    maps = quick(name).rebalance_experts(weight, 8, 1, 1, 4, old)
    instance = Instance(weight, 8, num_ranks=4)
    fresh = quick(name).rebalance_experts(weight, 8, 1, 1, 4)
    found, expected = (Placement(phy2log.numpy(), 6) for phy2log, *_ in (maps, fresh))
    assert found.objective(instance).tolist() == expected.objective(instance).tolist()


def test_loads_may_be_nested_lists(name):
    loads = [[8.0, 6, 4, 2, 1, 1]]
    expected = quick(name).rebalance_experts(torch.tensor(loads), 8, 1, 1, 4)
    for got, want in zip(quick(name).rebalance_experts(loads, 8, 1, 1, 4), expected, strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize(
    ("loads", "message"),
    [
        ([[8, 6], [4]], "no rectangular array of numbers"),
        ([["8", "6"]], "dtype <U1: give real numbers"),
        ({"layer": [8, 6]}, "dtype object: give real numbers"),
    ],
)
def test_what_is_no_array_of_loads_is_told(name, loads, message):
    with pytest.raises(InstanceError, match=message):
        POLICIES[name].rebalance_experts(loads, 8, 1, 1, 4)


def test_a_name_that_is_not_there_is_told_with_the_nearest_one(name):
    wrong = name[:-1]
    assert wrong not in POLICIES
    assert POLICIES.get(wrong) is None
    with pytest.raises(OptionError) as caught:
        POLICIES[wrong]
    assert isinstance(caught.value, KeyError)
    assert str(caught.value) == f"policy {wrong!r}: did you mean {name!r}? choose from {', '.join(POLICIES)}"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (type(caught.value), str(caught.value))
    with pytest.raises(KeyError, match=r"^policy 7: choose from greedy, "):
        POLICIES[7]


def test_policies_are_a_dict(name):
    again = pickle.loads(pickle.dumps(POLICIES))
    assert isinstance(POLICIES, dict)
    assert again == POLICIES == dict(POLICIES)
    assert list(again) == list(POLICIES)
    assert {**POLICIES}[name] is POLICIES[name]


def test_bad_input(name):
    weight = torch.tensor([[8.0, 6, 4, 2, 1, 1]])
    for arguments in [(weight, 9, 1, 1, 4), (weight, 4, 1, 1, 4), (weight[0], 8, 1, 1, 4),
                      (weight * torch.nan, 8, 1, 1, 4), (-weight, 8, 1, 1, 4), (weight, 8, 4, 1, 4),
                      (weight, 8, 4, 2, 4)]:  # fmt: skip
        with pytest.raises(InstanceError):
            POLICIES[name].rebalance_experts(*arguments)


@pytest.mark.parametrize(
    ("groups", "nodes", "num_ranks", "reason"),
    [
        (3, 2, 8, "3 groups cannot be shared out among 2 nodes"),
        (1, 2, 8, "1 group cannot be shared out among 2 nodes"),
        (3, 3, 8, "8 ranks cannot be shared out among 3 nodes"),
        (12, 12, 4, "4 ranks cannot be shared out among 12 nodes"),
    ],
)
def test_where_groups_cannot_stay_on_nodes_the_mode_is_global_and_said_once(name, groups, nodes, num_ranks, reason):
    weight = torch.tensor(TWO_LAYERS)
    policy = quick(name)
    with pytest.warns(TopologyWarning, match=f"global mode: {reason}") as caught:
        maps = policy.rebalance_experts(weight, 16, groups, nodes, num_ranks)
    assert len(caught) == 1
    again = policy.rebalance_experts(weight, 16, groups, nodes, num_ranks)  # without a warning, which is an error here
    for one, two, want in zip(maps, again, policy.rebalance_experts(weight, 16, 1, 1, num_ranks), strict=True):
        assert torch.equal(one, want)
        assert torch.equal(two, want)


def test_configure_knows_its_options(name):
    assert configure(POLICIES[name], distinct=True).distinct
    assert not POLICIES[name].distinct
    with pytest.raises(OptionError, match="no option 'speed'"):
        configure(POLICIES[name], speed=1)
    with pytest.raises(OptionError, match="distinct"):
        configure(POLICIES[name], distinct=1)


NO_VALUES = {
    "steps": (-3, True, 2.0, "8", 10**18, 10**5000),
    "greedy_check": (-0.5, float("nan"), True, "0", 10**400, None),
    "compiled": (1,),
}


def test_values_that_are_no_option_are_refused(name):
    if name != "refined":
        pytest.skip("has no such options")
    for option, values in NO_VALUES.items():
        for value in values:
            with pytest.raises(OptionError, match=f"RefinedPolicy.{option}=.*: give a"):
                configure(POLICIES[name], **{option: value})


def test_values_of_any_number_type_are_taken(name):
    if name != "refined":
        pytest.skip("has no such option")
    policy = configure(POLICIES[name], steps=np.int64(4), greedy_check=1)
    assert (policy.steps, policy.greedy_check) == (4, 1.0)
    assert configure(POLICIES[name], greedy_check=float("inf"), steps=0).steps == 0


AGAIN = """
import pickle, sys
policy = pickle.loads(sys.stdin.buffer.read())
sys.stdout.buffer.write(pickle.dumps((policy, {name: getattr(policy, name) for name in policy.configured[1]})))
"""


def test_a_configured_policy_can_be_pickled(name):
    policy = configure(quick(name), distinct=True)
    again = pickle.loads(pickle.dumps(policy))
    assert again == policy
    assert hash(again) == hash(policy)
    assert again != POLICIES[name]
    assert again != configure(quick(name), distinct=False)
    run = subprocess.run([sys.executable, "-c", AGAIN], input=pickle.dumps(policy), capture_output=True, check=True)
    returned, options = pickle.loads(run.stdout)
    assert returned == policy
    assert options["distinct"] is True
    assert pickle.loads(pickle.dumps({policy: 1}))[policy] == 1


def test_a_subclass_of_a_configured_policy_is_a_policy_of_its_own(name):
    parent = configure(POLICIES[name], distinct=True)
    child = type("Child", (parent,), {"__module__": __name__})
    assert child != parent
    assert child == child
    assert child.distinct
    with pytest.raises(pickle.PicklingError):  # as any class that no module holds
        pickle.dumps(child)


IMPORTS = """
import sys
from eplb_opt import POLICIES, configure
import torch
for policy in (POLICIES["greedy"], configure(POLICIES["refined"], compiled=False)):
    policy.rebalance_experts(torch.tensor([[3, 1, 2]]), 4, 1, 1, 2)
    policy.rebalance_experts(torch.rand(2, 64), 80, 1, 1, 16)
loaded = {m.split(".")[0] for m in sys.modules}
print(sorted(loaded & {"ortools", "pulp", "highspy", "numba", "loky", "rich", "google", "pandas"}))
"""


def test_importing_policies_loads_no_solver(name):
    if name not in ("greedy", "refined"):
        pytest.skip("uses solvers")
    run = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


PROGRAM = """
import hashlib, torch
from eplb_opt import POLICIES, Limits, configure
policy = POLICIES[{name!r}]
if hasattr(policy, "limits"):
    policy = configure(policy, limits=Limits(seconds=None, work=0.2))
torch.set_num_threads({threads})
maps = policy.rebalance_experts(torch.tensor({weight}), 16, 4, 1, 8)
print(hashlib.sha256(maps[0].numpy().tobytes()).hexdigest())
"""


def test_the_map_is_bit_identical_across_processes_and_threads(name):
    hashes = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(name=name, threads=threads, weight=TWO_LAYERS)],
            capture_output=True, text=True, check=True,
        ).stdout
        for threads in (1, 2)
    }  # fmt: skip
    assert len(hashes) == 1


def test_a_failing_solver_falls_back_and_says_so(name, monkeypatch):
    if not hasattr(POLICIES[name], "limits"):
        pytest.skip("uses no solver")

    def fails(*_):
        raise SolverError("no answer")

    monkeypatch.setitem(METHODS, name, replace(METHODS[name], improve=fails))
    instance, _, greedy = KNOWN["pool"]
    with pytest.warns(FallbackWarning, match="kept the best map so far"):
        maps = quick(name).rebalance_experts(torch.from_numpy(instance.weight.copy()), 16, 1, 1, 8)
    assert (check(maps, instance).objective(instance) <= greedy).all()
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        certificate = POLICIES[name].result(instance.weight, 16, 1, 1, 8).certificates[0]
    assert "no answer" in certificate.note


def test_a_policy_configured_again_has_all_options(name):
    once = configure(POLICIES[name], distinct=True)
    again = configure(configure(POLICIES[name], distinct=False), distinct=True)
    assert again == once
    assert again.__name__ == once.__name__
    with pytest.raises(OptionError, match="is no policy"):
        configure(name, distinct=True)
