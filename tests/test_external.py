"""Policies from outside: what is loaded, what is accepted, and what every error says."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from eplb_opt import POLICIES, EplbError, Instance, PolicyError
from eplb_opt.cli import main
from eplb_opt.external import as_placement, as_policy, call_policy, load_policy

from .conftest import KNOWN, TWO_LAYERS, engine_instance

MODULE = '''
import torch
from eplb_opt import POLICIES

def plain(weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None):
    """vLLM's form: the map alone."""
    return POLICIES["greedy"].rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_ranks)[0]

class OfClass:
    @classmethod
    def rebalance_experts(cls, *arguments):
        return POLICIES["greedy"].rebalance_experts(*arguments)

class OfInstance:
    def rebalance_experts(self, *arguments):
        return plain(*arguments).numpy()

class Nested:
    inner = OfClass

class Needy:
    def __init__(self, model):
        pass
    def rebalance_experts(self, *arguments):
        return plain(*arguments)

def careless(weight, *topology):
    return torch.zeros((len(weight), topology[0]), dtype=torch.int64)

def floats(weight, *topology):
    return plain(weight, *topology).double()

def short(weight, *topology):
    return plain(weight, *topology)[:1]

def narrow(weight):
    return weight

constant = 7
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "outside_policies.py").write_text(MODULE)
    (tmp_path / "broken_policies.py").write_text("raise RuntimeError('no accelerator')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "outside_policies", raising=False)
    return "outside_policies"


@pytest.mark.parametrize("name", ["plain", "OfClass", "OfInstance", "Nested.inner"])
@pytest.mark.parametrize("known", KNOWN)
def test_every_form_gives_its_map(name, known, module):
    instance, _, greedy = KNOWN[known]
    placement = call_policy(load_policy(f"{module}:{name}"), instance)
    assert placement.objective(instance).tolist() == greedy
    assert placement.layer_ids == instance.layer_ids


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{}", "write package.module:Name"),
        (":plain", "write package.module:Name"),
        ("no_such_module:plain", "cannot import no_such_module .*ModuleNotFoundError"),
        ("broken_policies:plain", "RuntimeError: no accelerator"),
        ("{}:missing", "has no 'missing'"),
        ("{}:constant", "is int"),
        ("{}:Needy", r"Needy\(\) failed"),
    ],
)
def test_what_cannot_be_loaded_is_named(spec, message, module):
    with pytest.raises(PolicyError, match=message):
        load_policy(spec.format(module))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("careless", "invalid map: layer 0: expert 1 has no replica .and 21 more"),
        ("floats", "dtype float64"),
        ("short", "1 layers for 2"),
        ("narrow", "failed .TypeError"),
    ],
)
def test_what_is_no_valid_map_is_named(name, message, module):
    with pytest.raises(PolicyError, match=message):
        call_policy(load_policy(f"{module}:{name}"), KNOWN["global"][0], name)


@pytest.mark.parametrize("output", [None, (), [], "map", [[1, 2], [3]], torch.zeros(4, dtype=torch.int64)])
def test_any_other_output_is_a_typed_error(output):
    with pytest.raises(PolicyError):
        as_placement(output, KNOWN["pool"][0])


def test_a_map_that_splits_a_group_is_refused_in_hierarchical_mode():
    instance = KNOWN["hierarchical"][0]
    with pytest.raises(PolicyError, match="hierarchical mode"):
        call_policy(lambda w, p, g, n, r: POLICIES["greedy"].rebalance_experts(w, p, 1, 1, r), instance)


def test_a_class_without_the_method_is_no_policy():
    with pytest.raises(PolicyError, match="give a function or a class with rebalance_experts"):
        as_policy(dict)


def test_a_policy_cannot_change_the_instance():
    instance = Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=1, num_ranks=8)

    def greedy_that_writes(weight, *topology):
        maps = POLICIES["greedy"].rebalance_experts(weight.clone(), *topology)
        weight.zero_()
        return maps

    assert call_policy(greedy_that_writes, instance).objective(instance).tolist() == [138.5, 172]


def test_gap_judges_a_policy(module, tmp_path, capsys):
    loads, report = tmp_path / "loads.npz", tmp_path / "gap.json"
    np.savez(loads, load=np.array([TWO_LAYERS]))
    command = ["gap", str(loads), "--replicas", "16", "--ranks", "8", "--json", str(report)]
    assert main([*command, "--policy", f"{module}:plain", "--policy", f"{module}:OfClass"]) == 0
    rows = {row["method"]: row for row in json.loads(report.read_text())["methods"]}
    for name in ("plain", "OfClass"):
        row = rows[f"policy {module}:{name}"]
        assert row["layer_objective"] == [138.5, 172]
        assert row["gap_max"] == pytest.approx(138.5 / 136 - 1, abs=2e-4)
        assert row["seconds"] >= 0
    capsys.readouterr()
    assert main([*command, "--policy", f"{module}:careless"]) == 2
    assert main([*command, "--policy", f"{module}:missing"]) == 2
    streams = capsys.readouterr()
    assert streams.err.count("\n") == 2
    assert "has no replica" in streams.err
    assert "has no 'missing'" in streams.err
    assert issubclass(PolicyError, EplbError)


def test_gap_finds_a_policy_in_the_current_folder(module, tmp_path, monkeypatch, capsys):
    loads = tmp_path / "loads.npz"
    np.savez(loads, load=np.array([TWO_LAYERS]))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "local_policy.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    command = ["gap", str(loads), "--replicas", "16", "--ranks", "8", "--methods", "greedy"]
    assert main([*command, "--policy", "local_policy:plain"]) == 0
    assert "policy local_policy:plain" in capsys.readouterr().out


def test_nodes_that_do_not_divide_the_ranks_are_one_as_in_the_engines():
    calls = []

    def noting(weight, *topology):
        calls.append(topology)
        return POLICIES["greedy"].rebalance_experts(weight, *topology)

    for topology in ((16, 12, 3, 8), (16, 4, 2, 8)):
        call_policy(noting, engine_instance(TWO_LAYERS, *topology))
    assert calls == [(16, 12, 1, 8), (16, 4, 2, 8)]


def test_a_policy_that_exits_is_an_error_of_the_policy():
    def leaving(weight, *topology):
        raise SystemExit(0)

    with pytest.raises(PolicyError, match="SystemExit"):
        call_policy(leaving, Instance(TWO_LAYERS, 16, num_ranks=8))
