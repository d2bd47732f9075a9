"""What a report says of spare replicas: true reports pass `verify`, forged ones are found."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from eplb_opt import Instance, Limits, solve
from eplb_opt.certificates.names import CP_SAT, SPARE_REPLICA
from eplb_opt.certificates.spare import spare_replica_bound
from eplb_opt.claims.verify import verify_report
from eplb_opt.cli import main
from eplb_opt.problem.pool import Pool

from .instances import random_instance

HOT = Instance([[20.0, 1.0, 1.0, 1.0], [5.0, 4.0, 3.0, 2.0]], 8, num_ranks=4)  # (SP2) bounds the first layer


def report_of(result):
    return json.loads(json.dumps(result.to_dict()))


@pytest.fixture(scope="module")
def spared():
    return solve(HOT, "refined", spare="rank")


def check(result, report):
    return verify_report(result.instance, result.placement, report)


@pytest.mark.parametrize("number", range(10))
def test_true_reports(number):
    instance, spare = random_instance(np.random.default_rng([13, number]), windows=1 + number % 2)
    result = solve(instance, "refined", spare=spare)
    found = check(result, report_of(result))
    assert (found.exit_code, found.faults) == (0, ())
    assert all(layer.spare_proven for layer in found.layers)


def test_the_bound_of_counts(spared):
    """Eight slots, two an expert: half of the hot one is on a rank, which no map without that rule needs."""
    first, _ = spared.certificates
    assert (first.spare_bound, first.spare_bound_method) == (10.0, SPARE_REPLICA)
    assert first.lower_bound < 10.0 <= first.objective
    assert check(spared, report_of(spared)).exit_code == 0


def test_a_bound_of_a_search_is_not_proven_again():
    pytest.importorskip("ortools")
    pytest.importorskip("numba")
    instance = Instance([[9.0, 4.0, 2.0]], 8, num_ranks=4)
    result = solve(instance, "cpsat", Limits(seconds=None, work=2.0), spare="rank")
    assert result.certificates[0].spare_bound_method == CP_SAT
    found = check(result, report_of(result))
    assert (found.exit_code, found.faults) == (3, ())
    assert not any(layer.faults for layer in found.layers)


def test_a_map_that_is_not_spare(spared):
    free = solve(HOT, "refined")
    report = report_of(free)
    report["spare"] = "rank"
    for layer, true in zip(report["layers"], report_of(spared)["layers"], strict=True):
        layer["spare_bound"] = min(true["spare_bound"], layer["objective"])
        layer["spare_bound_method"] = true["spare_bound_method"]
    found = check(free, report)
    assert found.exit_code == 1
    assert any(fault.startswith("not spare: layer 0: expert ") for fault in found.faults)


FORGED = {
    "more than is proven": ("spare_bound", lambda layer: layer["spare_bound"] * (1 + 1e-6)),
    "less than is proven": ("spare_bound", lambda layer: layer["spare_bound"] * (1 - 1e-6)),
    "above the objective": ("spare_bound", lambda layer: layer["objective"] * 2),
    "none": ("spare_bound", lambda layer: None),
    "by nothing": ("spare_bound_method", lambda layer: None),
    "by something": ("spare_bound_method", lambda layer: "magic"),
    "by the mean": ("spare_bound_method", lambda layer: "L0a mean"),
}


@pytest.mark.parametrize("how", FORGED)
def test_forged_bounds(how, spared):
    key, forge = FORGED[how]
    report = report_of(spared)
    layer = report["layers"][0]
    layer[key] = forge(layer)
    assert check(spared, report).exit_code == 1


def test_a_searched_bound_is_within_what_can_be(spared):
    report = report_of(spared)
    layer = report["layers"][0]
    layer["spare_bound_method"] = CP_SAT
    for bound, code in ((9.9, 1), (10.0, 0), (layer["objective"], 3), (layer["objective"] * 1.001, 1)):
        layer["spare_bound"] = bound
        expected = 0 if bound == 10.0 else code
        assert check(spared, report).exit_code == expected, bound


def test_heads(spared):
    report = report_of(spared)
    for spare in (None, "node"):
        other = copy.deepcopy(report)
        other["spare"] = spare
        assert check(spared, other).exit_code == 1
    free = solve(HOT, "refined")
    other = report_of(free)
    other["spare"] = "rank"
    assert check(free, other).exit_code == 1
    other = report_of(free)
    other["layers"][0]["spare_bound"] = 1.0
    assert check(free, other).exit_code == 1


def test_the_command(tmp_path, capsys):
    np.savez(tmp_path / "loads.npz", load=HOT.load)
    files = [str(tmp_path / name) for name in ("map.npz", "report.json", "loads.npz")]
    topology = ["--ranks", "4", "--method", "refined"]
    arguments = ["solve", files[2], *topology, "-o", files[0], "--json", files[1], "--spare", "rank"]
    assert main([*arguments, "--replicas", "8"]) == 0
    said = capsys.readouterr().out
    assert "spare gap %" in said
    assert "any one rank may fail, and every expert still has a replica" in said
    assert json.loads((tmp_path / "report.json").read_text())["spare"] == "rank"
    assert main(["verify", *files]) == 0
    capsys.readouterr()
    by_node = [*arguments[:-1], "node", "--nodes", "2", "--replicas", "8"]
    assert main(by_node) == 0
    assert "no effect" not in capsys.readouterr().err
    assert main([*arguments, "--replicas", "4"]) == 2
    error = capsys.readouterr().err
    assert error == (
        "eplb-opt: error: --spare rank with --replicas 4 for 4 experts: every expert needs 2, use at least 8\n"
    )


def test_the_bound_in_fractions():
    """(SP2) is the least largest replica of all counts of at least two."""
    rng = np.random.default_rng(14)
    for _ in range(50):
        experts = int(rng.integers(1, 4))
        slots = 2 * experts + int(rng.integers(0, 5))
        loads = rng.integers(0, 20, experts).astype(float)
        bound = spare_replica_bound(Pool(loads, slots, slots))
        every = [counts for counts in np.ndindex(*[slots] * experts) if sum(counts) == slots and min(counts) >= 2]
        least = min(max(loads / np.array(counts)) for counts in every) if every else loads[0] / slots
        assert bound == pytest.approx(least)
