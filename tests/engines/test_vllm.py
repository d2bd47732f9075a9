"""Inside vLLM 0.33.0: its own tests of the policy, the plug-in, and `EplbState` on two ranks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from eplb_opt.formats import read_loads

from .common import NAMES, SOURCES

ROOT = Path(__file__).parents[2]
OWN = "tests/distributed/test_eplb_algo.py"
# vLLM's tests that ask for its greedy's own choices: our policies may fail them, but only at these assertions.
GREEDYS_CHOICES = {
    "test_basic_rebalance": "assert torch.all(phy2log == expected_phy2log)",  # this very map
    "test_extreme_weight_imbalance": "assert logcnt[0, 0] > logcnt[0, 1], (",  # more replicas for the heaviest expert
    "test_additional_cases": "assert logcnt2[layer, max_weight_idx] >= 2",  # two for the heaviest expert
}
# The loads and topologies of these tests
CASES = """
import torch
from vllm.distributed.eplb.policy.default import DefaultEplbPolicy
from eplb_opt import POLICIES, Instance, Placement
from eplb_opt.moves.held import moves
from eplb_opt.plugins.planning import plan
two = [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86], [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]
wide = [[50, 100, 75, 120, 90, 60, 80, 110, 40, 70, 95, 85, 65, 55, 45, 35]]
cases = [(two, 16, 4, 2, 8), ([[1000] + [1] * 7], 12, 2, 2, 4), (wide, 24, 8, 4, 8),
         ([[200, 150, 100, 50, 25, 12], [12, 25, 50, 100, 150, 200]], 10, 3, 1, 2)]
"""
NOT_WORSE = (
    CASES
    + """
for load, *topology in cases:
    replicas, groups, nodes, ranks = topology
    instance = Instance(load, replicas, num_ranks=ranks, num_groups=groups, num_nodes=nodes)
    weight = torch.tensor(load)
    theirs = Placement(DefaultEplbPolicy.rebalance_experts(weight, *topology).numpy(), len(load[0])).objective(instance)
    for name in {names}:
        ours = Placement(plan(POLICIES[name], weight, *topology), len(load[0])).objective(instance)
        assert (ours <= theirs * (1 + 1e-12)).all(), (name, ours, theirs)
        print("heaviest rank:", name, ours.round(2).tolist(), "vLLM", theirs.round(2).tolist())
"""
)
# From vLLM's map for these loads to one for those of each expert's neighbour
FROM_AN_OLD_MAP = (
    CASES
    + """
for load, *topology in cases:
    replicas, groups, nodes, ranks = topology
    weight = torch.tensor(load)
    old = DefaultEplbPolicy.rebalance_experts(weight, *topology)
    later = weight.roll(1, dims=1)
    instance = Instance(later, replicas, num_ranks=ranks, num_groups=groups, num_nodes=nodes)

    def judged(phy2log):
        placement = Placement(phy2log, len(load[0]))
        moved = moves(placement, Placement(old.numpy(), len(load[0])), instance)
        return int(moved.sum()), placement.objective(instance)

    theirs_moved, theirs = judged(DefaultEplbPolicy.rebalance_experts(later, *topology, old).numpy())
    for name in {names}:
        policy = POLICIES[name]
        ours_moved, ours = judged(plan(policy, later, *topology, old))
        assert (ours <= theirs * (1 + (policy.slack or 0))).all(), (name, ours, theirs)
        assert ours_moved <= theirs_moved, (name, ours_moved, theirs_moved)
        what = [f"{name} {ours_moved}", f"vLLM {theirs_moved} of {old.numel()}"]
        heaviest = [name, ours.round(2).tolist(), "vLLM", theirs.round(2).tolist()]
        print("replicas moved:", *what, "heaviest rank:", *heaviest)
"""
)


def run(arguments: list[str], policy: str, **more: str) -> subprocess.CompletedProcess:
    environ = os.environ | {"EPLB_OPT_POLICY": policy, "PYTHONPATH": str(ROOT)} | more
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environ, timeout=500)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    with tarfile.open(next(SOURCES.glob("vllm-*.tar.gz"))) as archive:
        member = next(m for m in archive if m.name.endswith(OWN))
        (folder / "test_eplb_algo.py").write_bytes(archive.extractfile(member).read())
    return folder / "test_eplb_algo.py"


def own_tests(path: Path, policy: str) -> tuple[dict[str, str], str]:
    """Outcome of each of vLLM's own tests, with a policy of ours in place of theirs (``off``: theirs)."""
    swap = [] if policy == "off" else ["-p", "tests.engines.swap"]
    result = run(["-m", "pytest", "--noconftest", "-p", "no:cacheprovider", *swap, "-v", str(path)], policy)
    found = re.findall(r"::(\S+) (PASSED|FAILED|SKIPPED|ERROR)", result.stdout)
    for name, outcome in found:
        print(f"{policy}: {outcome} {name}")
    return dict(found), result.stdout + result.stderr


def test_vllms_own_tests_pass_with_vllms_policy(own):
    outcomes, output = own_tests(own, "off")
    assert set(outcomes.values()) == {"PASSED", "SKIPPED"}, output
    assert set(GREEDYS_CHOICES) <= set(outcomes)


@pytest.mark.parametrize("policy", NAMES)
def test_vllms_own_tests_pass_with_our_policy(own, policy):
    outcomes, output = own_tests(own, policy)
    failed = {name for name, outcome in outcomes.items() if outcome not in ("PASSED", "SKIPPED")}
    assert len(outcomes) >= 15, output
    assert failed <= set(GREEDYS_CHOICES), output
    assert sorted(re.findall(r"^>\s+(.*)$", output, re.M)) == sorted(GREEDYS_CHOICES[name] for name in failed), output


def test_no_rank_is_heavier_than_with_vllms_policy_where_the_choices_differ():
    result = run(["-c", NOT_WORSE.replace("{names}", repr(NAMES))], "off")
    print("\n".join(line for line in result.stdout.splitlines() if line.startswith("heaviest rank")))
    assert result.returncode == 0, result.stdout + result.stderr


def test_from_an_old_map_no_more_replicas_move_than_with_vllms_policy():
    result = run(["-c", FROM_AN_OLD_MAP.replace("{names}", repr(NAMES))], "off")
    print("\n".join(line for line in result.stdout.splitlines() if line.startswith("replicas moved")))
    assert result.returncode == 0, result.stdout + result.stderr


def test_figures_reach_the_metrics_of_the_server(tmp_path):
    program = """
import sys
import torch
import vllm.v1.worker.gpu_worker
assert "prometheus_client" in sys.modules, "a worker's process has not imported it"
from vllm.distributed.eplb.policy import EPLB_POLICIES
from vllm.plugins import load_general_plugins
from vllm.v1.metrics.prometheus import get_prometheus_registry
load_general_plugins()
old = torch.arange(8).remainder(4).repeat(3, 1)
EPLB_POLICIES["default"].rebalance_experts(torch.tensor([[9, 5, 3, 1]] * 3), 8, 1, 1, 4, old)
from prometheus_client import generate_latest
print(generate_latest(get_prometheus_registry()).decode())
"""
    result = run(["-c", program], "greedy", PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    series = [line for line in result.stdout.splitlines() if line.startswith("eplb_opt_")]
    print("\n".join(f"series: {line.rpartition(' ')[0]}" for line in sorted(series)))
    assert 'eplb_opt_plans_total{model="3x4"} 1.0' in series
    assert len(series) == 9  # eight of the model, one of failures


def test_the_asynchronous_path_stays_legal():
    program = """
from vllm.config.parallel import EPLBConfig
from vllm.distributed.eplb.policy import EPLB_POLICIES
from vllm.plugins import load_general_plugins
load_general_plugins()
config = EPLBConfig(use_async=True)
print(config.policy, EPLB_POLICIES[config.policy].__name__, sorted(EPLB_POLICIES))
"""
    result = run(["-c", program], "greedy")
    assert result.stdout.split("\n")[-2] == "default EplbOptPolicy ['default']", result.stdout + result.stderr


def rounds_on_two_ranks(policy: str, folder: Path) -> list[str]:
    """What rank 0 says of each round, with a policy of ours in place of theirs (``off``: theirs)."""
    more = {"EPLB_OPT_RECORD": str(folder / "record"), "EPLB_OPT_LOG": str(folder / "calls.jsonl")}
    result = run(["-m", "tests.engines.vllm_ranks"], policy, **more)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("weights follow the map") == 2 * 4, result.stdout
    return [line for line in result.stdout.splitlines() if line.startswith("rank 0: round")]


def numbers(what: str, rounds: list[str]) -> list[int]:
    """Of each round, how many replicas have moved, or experts were received."""
    return [int(re.search(rf"(\d+) {what}", line)[1]) for line in rounds]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """How many experts' weights ranks receive with vLLM's own policy, of which our plug-in tells nothing."""
    folder = tmp_path_factory.mktemp("theirs")
    rounds = rounds_on_two_ranks("off", folder)
    assert list(folder.iterdir()) == []
    print("\n".join(line.replace("rank 0:", "rank 0: vLLM's policy,") for line in rounds))
    return numbers("received", rounds)


@pytest.mark.parametrize("policy", NAMES)
def test_weights_follow_the_map_on_two_ranks(policy, theirs, tmp_path):
    rounds = rounds_on_two_ranks(policy, tmp_path)
    print("\n".join(line.replace("rank 0:", f"rank 0: {policy},") for line in rounds))
    assert ("round 2, 3 window(s)" in rounds[2]) == (policy == "refined")
    received = numbers("received", rounds)
    print(f"weights of experts received: {policy} {sum(received)}, vLLM's policy {sum(theirs)}")
    # The most even maps may take more moves than vLLM's.
    assert policy == "optimal" or sum(received) < sum(theirs)
    recorded = read_loads(tmp_path / "record")
    assert recorded.load.shape == (3, 3, 8)  # a window a round, of rank 0 alone
    assert (recorded.load.sum(axis=2) > 0).all()
    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    moved = numbers("of 36 replicas moved", rounds)
    assert [(call["outcome"], call["replicas_moved"]) for call in calls] == [("planned", count) for count in moved]


def test_elastic_expert_parallelism_is_recognised():
    program = """
from types import SimpleNamespace
from vllm.distributed import parallel_state
from vllm.distributed.stateless_coordinator import StatelessGroupCoordinator
from eplb_opt.plugins.vllm import ranks_may_join
found = [ranks_may_join()]
for group in (SimpleNamespace(), StatelessGroupCoordinator.__new__(StatelessGroupCoordinator)):
    parallel_state._EP = group
    found.append(ranks_may_join())
print(found)
"""
    result = run(["-c", program], "refined")
    assert result.stdout.split("\n")[-2] == "[False, False, True]", result.stdout + result.stderr
