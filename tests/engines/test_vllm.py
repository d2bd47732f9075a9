"""Inside vLLM 0.33.0: its own tests of the policy, the plug-in, and `EplbState` on two ranks."""

from __future__ import annotations

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
NOT_WORSE = """
import torch
from vllm.distributed.eplb.policy.default import DefaultEplbPolicy
from eplb_opt import POLICIES, Instance, Placement
from eplb_opt.plugins.planning import plan
two = [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86], [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]
wide = [[50, 100, 75, 120, 90, 60, 80, 110, 40, 70, 95, 85, 65, 55, 45, 35]]
cases = [(two, 16, 4, 2, 8), ([[1000] + [1] * 7], 12, 2, 2, 4), (wide, 24, 8, 4, 8),
         ([[200, 150, 100, 50, 25, 12], [12, 25, 50, 100, 150, 200]], 10, 3, 1, 2)]
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


@pytest.mark.parametrize("policy", NAMES)
def test_weights_follow_the_map_on_two_ranks(policy, tmp_path):
    result = run(["-m", "tests.engines.vllm_ranks"], policy, EPLB_OPT_RECORD=str(tmp_path))
    print("\n".join(line for line in result.stdout.splitlines() if line.startswith("rank 0:")))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("weights follow the map") == 2 * 4, result.stdout
    assert ("round 2, 3 window(s)" in result.stdout) == (policy == "refined")
    recorded = read_loads(tmp_path)
    assert recorded.load.shape == (3, 3, 8)  # a window a round, of rank 0 alone
    assert (recorded.load.sum(axis=2) > 0).all()


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
