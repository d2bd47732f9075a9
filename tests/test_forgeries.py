"""Adversarial: every field of true reports forged in many ways, through the command. None may pass, none may crash."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eplb_opt import Status
from eplb_opt.certificates.layer import LayerCertificate, totals_of
from eplb_opt.certificates.names import COUNTS, CUTS, MEAN, PATTERNS, REPLICA
from eplb_opt.checker.schema import HEAD, NAME, NUMBER, SCHEMA
from eplb_opt.checker.verify import verify_report
from eplb_opt.cli import main

from .forging import CERTIFIED, HOSTILE, SEARCHED, Judge, Report, is_proof, may_be_true, parent_of, paths_of, value_at
from .reports import CASES, Case

TREES = ("covers", "assigned", "pairs")
NEW = [
    field.name for field in HEAD.fields if field.is_needed(1) and field.since == 1
]  # what reports before schemas do not have


@pytest.fixture(scope="module")
def cases() -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in made:
            made[name] = CASES[name]()
        return made[name]

    return case


@pytest.fixture(params=CASES)
def judge(request, cases, tmp_path, capsys) -> Judge:
    found = Judge(cases(request.param), tmp_path)
    found.capsys = capsys
    return found


def test_true_reports(judge):
    found = verify_report(judge.case.instance, judge.case.placement, judge.case.report)
    assert found.exit_code == judge.case.code == judge.report(judge.case.report)
    assert (found.faults, found.unknown) == ((), ())
    assert all(layer.faults == () for layer in found.layers)
    assert all(layer["proofs"] for layer in judge.case.report["layers"])


# Every place gets one value of so many, and every value comes to many places.
PARTS = 7


def test_hostile_values_everywhere(judge, request):
    passed = []
    is_of_trees = request.node.callspec.params["judge"] in TREES
    for number, path in enumerate(paths_of(judge.case.report)):
        if is_of_trees and not is_proof(path):  # the rest is as in the other cases
            continue
        for value in HOSTILE[number % PARTS :: PARTS]:
            code = judge.forged(path, value)
            assert code in (0, 1, 2, 3)
            if code in (0, judge.case.code) and not may_be_true(judge.case, path, value):
                passed.append((path, value[:20], code))
    assert passed == []


def test_every_key_is_needed(judge):
    for path in paths_of(judge.case.report):
        if isinstance(path[-1], str):
            report = copy.deepcopy(judge.case.report)
            del parent_of(report, path)[path[-1]]
            assert judge.report(report) == 2, path


def test_no_key_twice(judge):
    text = json.dumps(judge.case.report)
    for key in {path[-1] for path in paths_of(judge.case.report) if isinstance(path[-1], str)}:
        assert judge.text(text.replace(f'"{key}":', f'"{key}": 0, "{key}":', 1)) == 2, key


def test_better_figures(judge):
    """Each figure alone, better by a millionth: it no longer follows from the others."""
    factors = {"objective": 1 - 1e-6, "lower_bound": 1 + 1e-6, "imbalance": 1 - 1e-6, "balancedness": 1 + 1e-6}
    totals = {"imbalance_mean": 1 - 1e-6, "imbalance_max": 1 - 1e-6, "balancedness_mean": 1 + 1e-6}
    for where, figures in ((("layers", 0), factors), (("layers", 1), factors), (("totals",), totals)):
        for key, factor in figures.items():
            assert judge.forged((*where, key), repr(value_at(judge.case.report, (*where, key)) * factor)) == 1, key
    for path in (("layers", 0, "gap"), ("layers", 1, "gap"), ("totals", "gap_mean"), ("totals", "gap_max")):
        gap = value_at(judge.case.report, path)
        assert judge.forged(path, repr(gap - 1e-9 if gap > 1e-9 else 1e-9)) == 1, path
    for key in ("layers", "optimal"):
        assert judge.forged(("totals", key), str(judge.case.report["totals"][key] + 1)) == 1


def test_status(judge):
    for i, layer in enumerate(judge.case.report["layers"]):
        other = "FEASIBLE" if layer["status"] == "OPTIMAL" else "OPTIMAL"
        assert judge.forged(("layers", i, "status"), f'"{other}"') == 1
        if layer["status"] == "OPTIMAL":
            assert judge.forged(("layers", i, "stop"), '"time limit"') == 1
            assert judge.forged(("layers", i, "gap_limit"), repr(layer["gap"] / 2)) == 1


def test_head(judge):
    report = judge.case.report
    other = {"global": "hierarchical", "hierarchical": "global"}[report["mode"]]
    assert judge.forged(("mode",), f'"{other}"') == 1
    for key in ("num_replicas", "num_ranks", "num_nodes", "num_groups"):
        for value in (report[key] + 1, report[key] * 2, report[key] * 3, 2**62, 10**18):
            code = judge.forged((key,), str(value))
            ignored = report["mode"] == "global" and key in ("num_nodes", "num_groups")
            assert code in ((0, 1, 2, 3) if ignored else (1, 2)), (key, value)
    assert judge.forged(("windows",), '"1"') == 2


def test_schemas(judge):
    assert judge.case.report["schema"] == SCHEMA == next(iter(judge.case.report.values()))
    for number in (NUMBER + 1, 10**8):
        assert judge.forged(("schema",), f'"{NAME}/{number}"') == 2
    for text in (f"{NAME}/0", f"{NAME}/1.0", f"{NAME}/-1", f"{NAME}/", f"{NAME}/\u0661", f"{NAME}/{10**30}", "other/1"):
        assert judge.forged(("schema",), json.dumps(text)) == 2, text
    Path(judge.arguments[1]).write_text(json.dumps({"schema": f"{NAME}/{NUMBER + 1}", "anything": "else"}))
    assert main(["verify", *judge.arguments]) == 2
    assert f"newer than {SCHEMA}, which this version reads: update eplb_opt" in judge.capsys.readouterr().err


def test_reports_before_schemas(judge):
    """Those of version 0.1: no schema and nothing that came with it, certificates without kind; read as ever."""
    report = copy.deepcopy(judge.case.report)
    for key in NEW:
        del report[key]
    for layer in report["layers"]:
        kinds = {proof.pop("kind") for proof in layer["proofs"]}
    if not kinds <= {"cuts", "patterns"}:  # those that there were
        assert judge.report(report) == 2
        return
    assert judge.report(report) == judge.case.code
    for key in NEW:  # but not half and half
        assert judge.report({**report, key: judge.case.report[key]}) == 2, key
    report["layers"][0]["objective"] *= 0.9
    assert judge.report(report) == 1


def test_other_loads(judge):
    digest = judge.case.report["loads_sha256"]
    other = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    assert judge.forged(("loads_sha256",), json.dumps(other)) == 1
    for text in (digest.upper(), digest[1:], f"{digest}0", f"{digest}\n", ""):
        assert judge.forged(("loads_sha256",), json.dumps(text)) == (2 if text != digest else judge.case.code)
    instance = judge.case.instance
    load = instance.load.copy()
    load[0, 0, load[0, 0].argmin()] *= 1 - 1e-14  # nothing else that is recomputed differs by more than rounding
    np.savez(judge.arguments[2], load=load)
    Path(judge.arguments[1]).write_text(json.dumps(judge.case.report))
    assert main(["verify", *judge.arguments]) == 1
    said = judge.capsys.readouterr().out
    assert f"report: FAULT: the report is of other loads: their SHA-256 is {digest}, not " in said
    assert said.count("FAULT") == 1


def test_objective_and_limits(judge):
    for across in ("mean", "cvar", "max"):  # another objective than the one that was minimised
        assert judge.forged(("objective", "across"), json.dumps(across)) == 1
    assert judge.forged(("objective", "across"), '"Sum"') == 2
    for level, verdict in (("0.5", 1), ("1", 2), ("-1", 2), ('"high"', 2), ("NaN", 2)):
        assert judge.forged(("objective", "level"), level) == verdict
    for weights, verdict in (("[]", 2), ("[-1]", 2), ("[2e400]", 2), ("[1, 1, 1, 1, 1, 1, 1]", 2), ("[[1]]", 2)):
        assert judge.forged(("objective", "weights"), weights) == verdict
    limit = judge.case.report["limits"]["gap"]
    assert judge.forged(("limits", "gap"), repr(limit * 2)) == 1
    assert judge.forged(("num_experts",), str(judge.case.report["num_experts"] + 1)) == 1
    report = copy.deepcopy(judge.case.report)
    for layer in report["layers"]:
        layer["gap_limit"] *= 1 + 1e-9
    assert judge.report(report) == 1


def test_kinds_of_certificates(judge):
    for kind in ("cuts", "patterns", "Cuts", "", "L0a mean", 1, None, ["cuts"]):
        report = copy.deepcopy(judge.case.report)
        (proof, *_) = report["layers"][0]["proofs"]
        is_true = kind == proof["kind"]
        proof["kind"] = kind
        assert judge.report(report) == (judge.case.code if is_true else 2), kind


def test_layers(judge):
    report = copy.deepcopy(judge.case.report)
    report["layers"].reverse()
    assert judge.report(report) == 2
    for i in range(2):  # a layer twice, under either number
        report = copy.deepcopy(judge.case.report)
        report["layers"][i] = copy.deepcopy(report["layers"][1 - i])
        assert judge.report(report) == 2
        report["layers"][i]["layer_id"] = i
        assert judge.report(report) == 1
    for change in (lambda layers: layers.pop(), lambda layers: layers.append(layers[0])):
        report = copy.deepcopy(judge.case.report)
        change(report["layers"])
        assert judge.report(report) == 2


def test_an_unknown_key_is_named(judge):
    report = copy.deepcopy(judge.case.report)
    report["layers"][0]["truly_optimal"] = True
    assert judge.report(report) == judge.case.code
    main(["verify", *judge.arguments])
    assert "not checked, as not known: keys 'truly_optimal'\n" in judge.capsys.readouterr().out


def coherent(case: Case, factor: float, method: str) -> Report:
    """A forgery without an inner contradiction: bounds nearer to the objective, and all that follows from them."""
    report = copy.deepcopy(case.report)
    for layer in report["layers"]:
        layer["lower_bound"] += (layer["objective"] - layer["lower_bound"]) * factor
        layer["gap"] = layer["objective"] / layer["lower_bound"] - 1
        layer["bound_method"] = method
        layer["status"], layer["stop"] = "FEASIBLE", "time limit"
        if layer["gap"] <= layer["gap_limit"]:
            layer["status"], layer["stop"] = "OPTIMAL", "gap reached"
    figures = [LayerCertificate(**{**layer, "status": Status(layer["status"])}) for layer in report["layers"]]
    report["totals"] = json.loads(json.dumps(totals_of(figures, report["totals"]["seconds"])))
    return report


STRANGE = ("", "magic", "L0a mean ", "l0a mean", "optimal", "\ud800", "x\nlayer 0: fine", "L2" * 4000)


@pytest.mark.parametrize("factor", [0.5, 1.0])
@pytest.mark.parametrize("name", [name for name in CASES if name not in ("counts", "pairs")])  # which have no gap
def test_bounds_that_are_not_proven(name, factor, cases, tmp_path, capsys):
    judge = Judge(cases(name), tmp_path)
    for method in (*CERTIFIED, *STRANGE):
        assert judge.report(coherent(judge.case, factor, method)) == 1, method
    for method in SEARCHED:
        assert judge.report(coherent(judge.case, factor, method)) == 3, method
    capsys.readouterr()
    main(["verify", *judge.arguments])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": claimed bound")[0] for line in lines[1:3]] == [f"layer {i}: NOT PROVEN" for i in (0, 1)]
    assert all(" re-proven: " in line and SEARCHED[-1] in line for line in lines[1:3])


OTHERS = {"cuts": {CUTS, COUNTS}, "counts": {CUTS, COUNTS}, "patterns": {PATTERNS}, "hierarchical": {CUTS, COUNTS}}


@pytest.mark.parametrize("name", OTHERS)
def test_bounds_by_another_name(name, cases, tmp_path, capsys):
    judge = Judge(cases(name), tmp_path)
    for method in (*CERTIFIED, *STRANGE):
        expected = 0 if method in OTHERS[name] else 1  # certificates of cuts prove either
        assert judge.report(coherent(judge.case, 0.0, method)) == expected, method


def test_proofs_of_others(judge):
    layers = judge.case.report["layers"]
    has_certificate = layers[0]["bound_method"] not in (MEAN, REPLICA)
    report = copy.deepcopy(judge.case.report)
    for layer, other in zip(report["layers"], reversed(layers), strict=True):  # of the other layer
        layer["proofs"] = copy.deepcopy(other["proofs"])
    assert judge.report(report) in (1, 3)
    for i, layer in enumerate(layers):
        report = copy.deepcopy(judge.case.report)
        report["layers"][i]["proofs"] *= 2
        assert judge.report(report) == 1
        report["layers"][i]["proofs"] = []
        assert judge.report(report) == ({0: 1, 3: 3}[judge.case.code] if has_certificate else 0)
        for groups in ([7], [0, 0], [3, 1], [], [-1], [0, 1, 2, 3, 4, 5, 6, 7, 99], list(range(1000))):
            report = copy.deepcopy(judge.case.report)
            report["layers"][i]["proofs"][0]["groups"] = groups
            assert judge.report(report) == 1, groups
        if len(layer["proofs"]) > 1:  # of one node set for another
            report = copy.deepcopy(judge.case.report)
            first, second, *_ = report["layers"][i]["proofs"]
            first["groups"], second["groups"] = second["groups"], first["groups"]
            assert judge.report(report) == 1


def test_proofs_of_too_much(judge):
    for i, layer in enumerate(judge.case.report["layers"]):
        for j in range(len(layer["proofs"])):
            for factor in (1.5, 2.0, 1e9, 1e300):
                path = ("layers", i, "proofs", j, "target")
                assert judge.forged(path, repr(value_at(judge.case.report, path) * factor)) in (1, 2)
