"""Kinds of certificates: read by kind, named, and a new one takes a class and a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from eplb_opt import FormatError, Instance, solve
from eplb_opt.certificates.certificate import Certificate
from eplb_opt.certificates.cost import CostCertificate
from eplb_opt.certificates.count_tree import CountTreeCertificate, Node
from eplb_opt.certificates.cover import CoverCertificate
from eplb_opt.certificates.cuts import Cut, CutCertificate
from eplb_opt.certificates.groups import GroupCertificate
from eplb_opt.certificates.names import COUNTS, CUTS, MEAN, PATTERNS
from eplb_opt.certificates.patterns import PatternCertificate
from eplb_opt.certificates.registry import (
    KINDS,
    certified_names,
    not_certified,
    read_certificate,
    searched_names,
    true_name,
)
from eplb_opt.certificates.unequal import UnequalCertificate
from eplb_opt.checker.pool import Pool as PlainPool
from eplb_opt.checker.problem import KINDS as CHECKS
from eplb_opt.claims.verify import verify_report

from ..reports import CASES

EXAMPLES = {
    "cuts": CutCertificate(2.5, (Cut("threshold", 1.5, 0.5, 0.1),), -1.0),
    "patterns": PatternCertificate(0.1, ((0, 1, 7), (1, 2, -3))),
    "cost": CostCertificate(0.1, 3, (("aggregate", 9, 2, 1),)),
    "cover": CoverCertificate(0.1),
    "counts": CountTreeCertificate(0.1, (0.07,), (Node((((0, 5),), ()), 2, 4), Node(()))),
    "groups": GroupCertificate(0.3),
    "unequal": UnequalCertificate(0.1, (("short", 9, 2), ("heavy", 3, 1))),
}


def test_every_kind_has_an_example():
    assert EXAMPLES.keys() == KINDS.keys()
    assert len(set(certified_names())) == len(certified_names())
    assert not set(certified_names()) & set(searched_names())


@pytest.mark.parametrize("kind", EXAMPLES)
def test_json_keeps_a_certificate(kind):
    data = json.loads(json.dumps(EXAMPLES[kind].to_dict()))
    assert data["kind"] == kind
    assert read_certificate(data) == EXAMPLES[kind]
    assert read_certificate(EXAMPLES[kind].to_dict()) == EXAMPLES[kind]


@pytest.mark.parametrize("kind", ["cuts", "patterns"])
def test_files_of_before_kinds_are_read(kind):
    data = EXAMPLES[kind].to_dict()
    del data["kind"]
    assert read_certificate(data) == EXAMPLES[kind]


@pytest.mark.parametrize("kind", ["", "magic", "Cuts", None, 1, ["cuts"], {}])
def test_unknown_kinds_are_refused(kind):
    with pytest.raises(FormatError, match="known are cuts, patterns"):
        read_certificate({**EXAMPLES["cuts"].to_dict(), "kind": kind})


def test_a_kind_reads_its_own_keys_only():
    with pytest.raises(FormatError, match="not a certificate of kind patterns"):
        read_certificate({**EXAMPLES["cuts"].to_dict(), "kind": "patterns"})


def test_a_name_needs_its_certificate():
    case = CASES["cuts"]()
    layer = case.report["layers"][0]
    pool = case.instance.pool(0)
    bound = layer["lower_bound"]
    certificate = read_certificate(layer["proofs"][0])
    assert [true_name(pool, bound, name, certificate) for name in (CUTS, COUNTS, MEAN)] == [CUTS, COUNTS, MEAN]
    assert true_name(pool, bound, PATTERNS, certificate) == f"{PATTERNS}, not certified"
    assert true_name(pool, bound * 1.001, CUTS, certificate) == f"{CUTS}, not certified"
    assert true_name(pool, bound, COUNTS, None) == f"{COUNTS}, not certified"
    assert true_name(pool, bound, "rank patterns", None) == "rank patterns"


@dataclass(frozen=True)
class HalfTheMean(Certificate):
    """A toy: no packing is below half the mean rank load."""

    kind: ClassVar[str] = "half"
    names: ClassVar[tuple[str, ...]] = ("half the mean",)


def is_below_half(pool: PlainPool, target: float, proof: dict) -> bool:
    """What the checker does with it."""
    return target < pool.loads.sum() / pool.ranks / 2


def report_of(instance: Instance, target: float) -> dict:
    """The greedy's report, whose bound is a toy certificate's."""
    report = json.loads(json.dumps(solve(instance, "greedy").to_dict()))
    (layer,) = report["layers"]
    layer["lower_bound"] = target
    layer["bound_method"] = "half the mean"
    layer["gap"] = layer["objective"] / target - 1
    layer["status"] = "FEASIBLE"
    layer["stop"] = "heuristic completed"
    layer["reached"] = [None] * 3
    layer["proofs"] = [{"groups": [0], **HalfTheMean(target).to_dict()}]
    report["totals"] |= {"optimal": 0, "gap_mean": layer["gap"], "gap_max": layer["gap"]}
    for milestone in report["totals"]["reached"]:
        milestone |= {"layers": 0, "seconds": None}
    return report


def test_a_toy_kind_takes_a_class_and_a_line(monkeypatch):
    instance = Instance(np.ones((1, 12)), 12, num_ranks=4)  # mean 3
    placement = solve(instance, "greedy").placement
    with pytest.raises(FormatError, match="kind 'half'"):
        verify_report(instance, placement, report_of(instance, 1.4))
    monkeypatch.setitem(KINDS, HalfTheMean.kind, HalfTheMean)
    monkeypatch.setitem(CHECKS, HalfTheMean.kind, (HalfTheMean.names, is_below_half))
    check = verify_report(instance, placement, report_of(instance, 1.4))
    assert (check.exit_code, check.layers[0].faults) == (0, ())
    wrong = verify_report(instance, placement, report_of(instance, 1.6))
    assert wrong.exit_code == 1
    assert "does not hold" in wrong.layers[0].faults[0]
    assert not_certified("half the mean") == "half the mean, not certified"
    assert true_name(instance.pool(0), 1.4, "half the mean", HalfTheMean(1.4)) == "half the mean"
