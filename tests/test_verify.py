"""verify: a true report passes, and every way of tampering with it is found."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from eplb_opt import FormatError, Instance, Limits, Placement, solve
from eplb_opt.bounds.names import CERTIFIED
from eplb_opt.cli import main
from eplb_opt.verify import verify

from .conftest import KNOWN

WORK = Limits(seconds=None, work=1.0)


@pytest.fixture(scope="module")
def skewed():
    """Pools whose bounds need L1: no redundancy, heavy tails."""
    load = np.random.default_rng(2).lognormal(sigma=1.0, size=(4, 48))
    return Instance(load, 48, num_ranks=16)


@pytest.fixture(scope="module")
def result(skewed):
    return solve(skewed, "optimal", WORK)


def layers_of(result):
    return json.loads(json.dumps(result.to_dict()))["layers"]


def test_a_true_report_holds_and_certificates_carry_it(skewed, result):
    checks = verify(skewed, result.placement, layers_of(result))
    assert all(check.faults == () for check in checks)
    assert [check.objective for check in checks] == result.objective.tolist()
    by_cuts = [c.bound_method == "L1 cuts on counts" for c in result.certificates]
    assert any(by_cuts)
    for check, certificate, cuts in zip(checks, result.certificates, by_cuts, strict=True):
        assert check.bound <= certificate.lower_bound * (1 + 1e-9)
        if cuts:
            assert certificate.proofs
            assert check.bound_proven


@pytest.mark.parametrize("known", KNOWN)
def test_known_instances(known):
    instance, optimum, _ = KNOWN[known]
    result = solve(instance, "optimal", Limits(seconds=None, work=5.0))
    checks = verify(instance, result.placement, layers_of(result))
    for check, best in zip(checks, optimum, strict=True):
        assert check.faults == ()
        assert check.bound <= best * (1 + 1e-12)


def test_matching_bounds_from_the_relaxation_are_certified():
    load = np.random.default_rng(0).lognormal(sigma=0.8, size=(3, 24))
    instance = Instance(load, 32, num_ranks=16)
    result = solve(instance, "optimal", WORK)
    checks = verify(instance, result.placement, layers_of(result))
    assert all(check.faults == () for check in checks)
    assert all(c.proofs for c in result.certificates)
    trivial = solve(instance, "greedy").lower_bound
    assert all(check.bound > low for check, low in zip(checks, trivial, strict=True))


def test_pattern_bounds_are_certified():
    load = np.random.default_rng(0).lognormal(sigma=1.0, size=(3, 16))
    instance = Instance(load, 24, num_ranks=8)
    result = solve(instance, "optimal", WORK)
    layers = layers_of(result)
    checks = verify(instance, result.placement, layers)
    assert all(check.faults == () for check in checks)
    trivial = solve(instance, "greedy").lower_bound
    assert all(check.bound > low * (1 + 1e-4) for check, low in zip(checks, trivial, strict=True))
    assert [c.bound_method for c in result.certificates] == ["rank patterns"] * 3
    layers[0]["proofs"][0]["target"] = layers[0]["objective"]
    assert verify(instance, result.placement, layers)[0].faults


@pytest.mark.parametrize("name", CERTIFIED)
def test_a_bound_is_proven_as_it_is_said_to_be(name):
    instance = Instance(np.random.default_rng(0).lognormal(size=(1, 24)), 32, num_ranks=8)
    result = solve(instance, "greedy")
    layers = layers_of(result)
    assert layers[0]["bound_method"] in CERTIFIED
    assert verify(instance, result.placement, layers)[0].faults == ()
    layers[0] |= {"lower_bound": layers[0]["objective"], "bound_method": name}
    assert name in verify(instance, result.placement, layers)[0].faults[0]


def proof_of(layers):
    return next(layer["proofs"][0] for layer in layers if layer["proofs"])


TAMPERING = {
    "objective": lambda layers: layers[0].update(objective=layers[0]["objective"] * 0.99),
    "bound above the objective": lambda layers: layers[0].update(lower_bound=layers[0]["objective"] * 1.01),
    "target": lambda layers: proof_of(layers).update(target=proof_of(layers)["target"] * 1.05),
    "multiplier": lambda layers: [c.update(multiplier=-c["multiplier"]) for c in proof_of(layers)["cuts"]],
    "no cuts": lambda layers: proof_of(layers).update(cuts=[]),
    "groups": lambda layers: proof_of(layers).update(groups=[7]),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found(how, skewed, result):
    layers = copy.deepcopy(layers_of(result))
    TAMPERING[how](layers)
    assert any(check.faults for check in verify(skewed, result.placement, layers))


def test_a_claimed_bound_without_a_proof_is_not_repeated(skewed, result):
    layers = layers_of(result)
    for layer in layers:
        layer["proofs"] = []
    checks = verify(skewed, result.placement, layers)
    assert not all(check.bound_proven for check in checks)


@pytest.mark.parametrize(
    "change", [{"layer_id": 99}, {"objective": None}, {"proofs": [{"groups": [0]}]}, {"proofs": 3}]
)
def test_unreadable_reports(change, skewed, result):
    layers = layers_of(result)
    layers[0].update(change)
    with pytest.raises(FormatError):
        verify(skewed, result.placement, layers)


def test_the_command(tmp_path, capsys, skewed):
    loads, out, report = (str(tmp_path / name) for name in ("loads.npz", "map.npz", "report.json"))
    np.savez(loads, load=skewed.load)
    assert main(["solve", loads, "--replicas", "48", "--ranks", "16", "-o", out, "--json", report]) == 0
    assert main(["verify", out, report, loads]) == 0
    assert "0 with faults" in capsys.readouterr().out
    content = json.loads((tmp_path / "report.json").read_text())
    content["layers"][1]["objective"] *= 0.9
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert main(["verify", out, report, loads]) == 1
    assert "FAULT: objective" in capsys.readouterr().out
    assert main(["verify", out, loads, loads]) == 2
    assert "no 'windows'" in capsys.readouterr().err


def test_an_invalid_map_is_refused(skewed, result):
    wrong = Placement(np.zeros_like(result.placement.phy2log), 48)
    with pytest.raises(ValueError, match="no replica"):
        verify(skewed, wrong, layers_of(result))
