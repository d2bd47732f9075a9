"""verify: a true report passes, and every way of tampering with it is found."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import numpy as np
import pytest

from eplb_opt import FormatError, Instance, Limits, Placement, solve
from eplb_opt.certificates.names import COVER
from eplb_opt.certificates.registry import certified_names, searched_names
from eplb_opt.claims.verify import verify, verify_report
from eplb_opt.cli import main
from eplb_opt.formats import write_map

from .conftest import KNOWN
from .reports import CASES

CERTIFIED = certified_names()
SEARCHED = searched_names()
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
    assert [c.bound_method for c in result.certificates] == [COVER] * 3
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
    assert "is recorded loads, not a report of solve" in capsys.readouterr().err


def test_an_invalid_map_is_refused(skewed, result):
    wrong = Placement(np.zeros_like(result.placement.phy2log), 48)
    with pytest.raises(ValueError, match="no replica"):
        verify(skewed, wrong, layers_of(result))


def test_a_report_whose_map_is_not_valid_is_contradicted(skewed, result):
    rows = result.placement.phy2log.copy()
    rows[1, 0] = rows[1, 1]
    found = verify_report(skewed, Placement(rows, 48), result.to_dict())
    assert found.exit_code == 1
    assert not found.map_valid
    assert [bool(layer.faults) for layer in found.layers] == [False, True, False, False]
    assert [layer.bound_proven for layer in found.layers] == [True] * 4
    wider = Placement(np.concatenate([rows, rows], axis=1), 48)
    assert all(
        "slots" in f or "shape" in f for c in verify_report(skewed, wider, result.to_dict()).layers for f in c.faults
    )


def test_a_report_of_another_topology_is_contradicted(result):
    other = Instance(result.instance.load, 48, num_ranks=12)
    assert verify_report(other, result.placement, result.to_dict()).exit_code == 1


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The command's arguments for a true report, a forged one, an unreadable one and one that nothing short proves."""
    made = {}
    for code, name in ((0, "patterns"), (1, "patterns"), (2, "patterns"), (3, "searched")):
        folder = tmp_path_factory.mktemp(f"exit{code}")
        made[code] = CASES[name]().write(folder)
        report = json.loads((folder / "report.json").read_text())
        if code == 1:
            report["layers"][0]["objective"] *= 0.9
        if code == 2:
            del report["layers"]
        (folder / "report.json").write_text(json.dumps(report))
    return made


@pytest.mark.parametrize("code", range(4))
def test_exit_codes(code, files, capsys):
    assert main(["verify", *files[code]]) == code
    assert ("NOT PROVEN" in capsys.readouterr().out) == (code == 3)


WITHOUT = ("numba", "ortools", "highspy", "pulp", "loky", "rich", "yaml", "safetensors", "torch", "triton", "scipy")
PROVERS = ("bounds", "exact", "foresight", "search", "heuristics", "solver", "layer", "policies", "workers", "compiled")
FORBIDDING = f"""import sys

class Forbidding:
    names = {{*{WITHOUT}, *(f"eplb_opt.{{name}}" for name in {PROVERS})}}

    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise AssertionError(f"{{name}} is imported")

sys.meta_path.insert(0, Forbidding())
from eplb_opt.cli import main
code = main(sys.argv[1:])
assert not Forbidding.names & set(sys.modules)
sys.exit(code)"""


def verified_without(arguments):
    run = subprocess.run([sys.executable, "-c", FORBIDDING, "verify", *arguments], capture_output=True, text=True)
    assert "Traceback" not in run.stderr
    assert "is imported" not in run.stderr
    return run


@pytest.mark.parametrize("code", range(4))
def test_no_solver_and_no_compiler_is_needed(code, files):
    run = verified_without(files[code])
    assert run.returncode == code
    assert ("with faults" in run.stdout) == (code != 2)


def write_npz(path, load):
    np.savez(path, load=load)


def write_json_loads(path, load):
    path.write_text(json.dumps({"load": load.tolist()}))


def write_csv(path, load):
    header = ["layer", *(f"e{expert}" for expert in range(load.shape[1]))]
    lines = [",".join(header)]
    for layer, row in enumerate(load.tolist()):
        lines.append(",".join(map(repr, [layer, *row])))
    path.write_text("\n".join(lines))


WRITERS = {"loads.npz": write_npz, "loads.json": write_json_loads, "loads.csv": write_csv}


@pytest.mark.parametrize("map_name", ["map.npz", "map.json"])
@pytest.mark.parametrize("loads_name", WRITERS)
def test_loads_of_every_kind_need_no_solver(loads_name, map_name, tmp_path):
    case = CASES["counts"]()  # whose certificates are of two slots a rank
    case.write(tmp_path)
    loads = tmp_path / loads_name
    WRITERS[loads_name](loads, case.instance.weight)
    write_map(tmp_path / map_name, case.placement, None, case.instance.num_ranks, None)
    arguments = [str(tmp_path / name) for name in (map_name, "report.json", loads_name)]
    assert verified_without(arguments).returncode == 0
    WRITERS[loads_name](loads, case.instance.weight * 2)
    run = verified_without(arguments)
    assert run.returncode == 1
    assert "the report is of other loads" in run.stdout


@pytest.mark.parametrize("code", range(4))
@pytest.mark.parametrize("output", [">/dev/full", ">&-", "| true"])
def test_the_verdict_survives_its_printing(output, code, files):
    command = " ".join((sys.executable, "-m", "eplb_opt.cli", "verify", *files[code], output))
    run = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, env={"PYTHONIOENCODING": "ascii"}
    )
    assert "Traceback" not in run.stderr
    assert run.returncode == code


def test_many_groups_are_looked_at(capsys):
    """More than 500 node sets: every proof is checked against its own pool."""
    case = CASES["many groups"]()
    assert verify_report(case.instance, case.placement, case.report).exit_code == 0
    proof = case.report["layers"][0]["proofs"][1]
    proof["target"] *= 1.2
    (first, _) = verify_report(case.instance, case.placement, case.report).layers
    assert first.faults == (f"a proof of groups {proof['groups']} does not hold",)


def test_names_of_searches_are_those_of_the_methods():
    pytest.importorskip("numba")
    from eplb_opt.exact import counts, matching
    from eplb_opt.exact import cover as patterns

    assert {counts.METHOD, matching.MATCHING, patterns.METHOD} < set(SEARCHED)
    result = solve(Instance([[5.0, 3, 2, 1]], 6, num_ranks=2), "cpsat", WORK)
    assert {c.bound_method for c in result.certificates} <= {*SEARCHED, *CERTIFIED}
    result = solve(Instance([[5.0, 3, 2, 1]], 6, num_ranks=2), "milp", WORK)
    assert {c.bound_method for c in result.certificates} <= {*SEARCHED, *CERTIFIED}


def test_a_layers_bound_needs_all_partitions_certified():
    """The pool that decides is certified, those of the other partitions are not: nor is the layer's bound."""
    from eplb_opt.certificates.names import REPLICA
    from eplb_opt.starts import start_layers

    instance = Instance(np.random.default_rng(0).lognormal(size=(1, 16)), 16, num_groups=4, num_nodes=2, num_ranks=8)
    (layer,) = start_layers(instance)
    high = 2.0 * layer.lower_bound
    for node_set, state in layer.pools.items():
        state.bracket.lower = 0.0 if node_set == (2, 3) else high
        state.bracket.bound_method = REPLICA if node_set == (0, 1) else "rank patterns"
    layer.refresh()
    assert (layer.lower_bound, layer.bound_method) == (high, REPLICA)
    assert layer.certificate(2 * high, 1e-4).bound_method == "rank patterns"


def test_a_false_objective_is_one_fault_of_its_layer_and_names_both(result):
    report = json.loads(json.dumps(result.to_dict()))
    true = report["layers"][0]["objective"]
    report["layers"][0]["objective"] = 1.0
    check = verify_report(result.instance, result.placement, report)
    assert list(check.layers[0].faults) == [f"objective 1.0, the map's is {true}"]
