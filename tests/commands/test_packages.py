"""The command without its packages: one line that says what to install, and exit code 2, or all that was asked."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from eplb_opt.errors import EXTRAS
from eplb_opt.methods import METHODS

from .common import COMMAND, TOPOLOGY, write_loads

# `sitecustomize` of a process in which packages are not installed.
BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""
NAMES = ("numba", "loky", "pulp", "highspy", "ortools", "rich", "yaml", "safetensors")
# A message, whichever of them it names.
LINE = re.compile(r"eplb-opt: error: .* needs the package (?P<name>\S+): pip install (?P<install>\S+)\n")


def hint(package):
    return f'"eplb_opt[{EXTRAS[package]}]"'


@pytest.fixture
def run(tmp_path):
    """The command where packages are not installed, in a folder with loads."""
    write_loads(tmp_path)
    site = tmp_path / "site"
    site.mkdir()

    def run(names, *arguments):
        (site / "sitecustomize.py").write_text(BLOCKER.format(names=names))
        path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
        environ = os.environ | {"PYTHONPATH": path}
        return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=tmp_path, env=environ)

    return run


def solve(method, *more):
    return ["solve", "loads.npz", *TOPOLOGY, "--time-limit", "2", "--method", method, *more]


NEEDED = [(name, package) for name, method in METHODS.items() for package in (*method.needs, "loky") if method.improve]


@pytest.mark.parametrize(("method", "package"), NEEDED)
def test_what_a_method_needs_is_missed_before_any_work(method, package, run, tmp_path):
    result = run([package], *solve(method, "-o", "map.npz", "--json", "report.json"))
    assert result.returncode == 2
    assert result.stdout == ""
    said = f"eplb-opt: error: method {method!r} needs the package {package}: pip install {hint(package)}\n"
    assert result.stderr == said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loads.npz", "site"]


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (solve("greedy", "-o", "map.npz", "--json", "report.json"), "report.json"),
        (solve("refined", "-o", "map.npz"), "map.npz"),
        (solve("greedy", "--format", "tensorrt-llm", "-o", "map.yaml"), "map.yaml"),
        (["gap", "loads.npz", *TOPOLOGY, "--methods", "greedy,refined", "--json", "gap.json"], "gap.json"),
        (["convert", "loads.npz", "loads.json"], "loads.json"),
        (["demo", "--json", "demo.json"], "demo.json"),
    ],
)
def test_without_any_package_it_is_said_or_done(arguments, file, run, tmp_path):
    result = run(NAMES, *arguments)
    if result.returncode:
        assert result.returncode == 2
        line = LINE.fullmatch(result.stderr)
        assert line is not None
        assert line["install"] == hint(line["name"])
    else:
        assert result.stderr == ""
        assert (tmp_path / file).exists()


def test_rich_is_not_needed(run):
    assert run(["rich"], *solve("greedy")).returncode == 0


def test_the_name_to_install_is_pypis(run):
    result = run(["yaml"], *solve("greedy", "--format", "tensorrt-llm", "-o", "map.yaml"))
    assert result.returncode == 2
    assert result.stderr.endswith('needs the package pyyaml: pip install "eplb_opt[files]"\n')


def test_a_file_that_needs_a_package_to_be_read(run, tmp_path):
    (tmp_path / "map.yaml").write_text("num_slots: 2\ninitial_global_assignments:\n  1: [0, 1]\n")
    result = run(["yaml"], "convert", "map.yaml", "map.json")
    assert result.returncode == 2
    assert result.stderr.endswith('needs the package pyyaml: pip install "eplb_opt[files]"\n')
