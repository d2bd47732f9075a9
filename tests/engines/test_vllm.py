"""Inside vLLM 0.33.0: its own tests of the policy, the plug-in, and `EplbState` on two ranks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from .common import NAMES, SOURCES

ROOT = Path(__file__).parents[2]
OWN = "tests/distributed/test_eplb_algo.py"
EXACT = "test_basic_rebalance"  # asserts the very map of vLLM's greedy


def run(arguments: list[str], policy: str) -> subprocess.CompletedProcess:
    environ = os.environ | {"EPLB_OPT_POLICY": policy, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environ, timeout=500)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    with tarfile.open(next(SOURCES.glob("vllm-*.tar.gz"))) as archive:
        member = next(m for m in archive if m.name.endswith(OWN))
        (folder / "test_eplb_algo.py").write_bytes(archive.extractfile(member).read())
    return folder / "test_eplb_algo.py"


def own_tests(path: Path, policy: str, *more: str) -> tuple[dict[str, int], str]:
    """Outcomes of vLLM's own tests, with a policy of ours in place of theirs (``off``: theirs)."""
    swap = [] if policy == "off" else ["-p", "tests.engines.swap"]
    result = run(["-m", "pytest", "--noconftest", "-p", "no:cacheprovider", *swap, "-rA", "-q", *more, str(path)], policy)
    for line in re.findall(r"^(?:PASSED|SKIPPED|FAILED).*$", result.stdout, re.M):
        print(f"{policy}: {line.replace(str(path), path.name)}")
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", result.stdout)}
    return counts, result.stdout + result.stderr


def test_vllms_own_tests_pass_with_vllms_policy(own):
    counts, output = own_tests(own, "off")
    assert counts.get("passed", 0) >= 15, output
    assert "failed" not in counts, output


@pytest.mark.parametrize("policy", NAMES)
def test_vllms_own_tests_pass_with_our_policy(own, policy):
    counts, output = own_tests(own, policy, "--deselect", f"{own}::{EXACT}")
    assert counts.get("passed", 0) >= 14, output
    assert not {"failed", "error"} & set(counts), output


@pytest.mark.parametrize("policy", NAMES)
def test_the_test_that_is_left_out_fails_only_at_the_exact_map(own, policy):
    counts, output = own_tests(own, policy, "-k", EXACT)
    assert counts.get("failed", 0) == 0 or "assert torch.all(phy2log == expected_phy2log)" in output, output


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
def test_weights_follow_the_map_on_two_ranks(policy):
    result = run(["-m", "tests.engines.vllm_ranks"], policy)
    print("\n".join(line for line in result.stdout.splitlines() if line.startswith("rank 0:")))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("weights follow the map") == 2 * 4, result.stdout
