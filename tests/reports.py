"""True reports of every kind of bound, with their files: what `verify` must accept, and forgeries start from."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt import Instance, Limits, Placement, Result, StopReason, solve
from eplb_opt.bounds.cuts import cut_bound
from eplb_opt.bounds.patterns import pattern_bound
from eplb_opt.certificates.layer import Findings, certify
from eplb_opt.certificates.names import PATTERNS
from eplb_opt.certificates.registry import Certificate
from eplb_opt.claims.schema import in_order
from eplb_opt.exact.matching import MATCHING
from eplb_opt.formats import write_json, write_map
from eplb_opt.problem.hierarchy import NodeSet, members

WORK = Limits(seconds=None, work=0.3)


@dataclass(frozen=True)
class Case:
    """A true report: its files, and the exit code of `verify`."""

    instance: Instance
    placement: Placement
    report: dict[str, Any]
    code: int

    def write(self, folder: Path) -> list[str]:
        """The files, as arguments of ``verify``: the map, the report and the loads."""
        np.savez(folder / "loads.npz", load=self.instance.load)
        write_map(folder / "map.npz", self.placement, "npz", self.instance.num_ranks, None)
        write_json(folder / "report.json", self.report)
        return [str(folder / name) for name in ("map.npz", "report.json", "loads.npz")]


def of_result(result: Result, code: int) -> Case:
    report = json.loads(json.dumps(in_order({"windows": "all"} | result.to_dict())))
    return Case(result.instance, result.placement, report, code)


def lognormal(seed: int, layers: int, experts: int, sigma: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(sigma=sigma, size=(layers, experts))


def built(instance: Instance, bounds: list[tuple[float, str, dict[NodeSet, Certificate]]]) -> Result:
    """The result of the greedy with given bounds, one (bound, name, certificates) a layer."""
    greedy = solve(instance, "greedy")
    certificates = [
        certify(
            instance, i, float(greedy.objective[i]),
            Findings(
                bound, name, method="greedy", stop=StopReason.WORK, seconds=0.5,
                proofs=tuple({"groups": list(s)} | certificate.to_dict() for s, certificate in proofs.items()),
            ),
            1e-4,
        )
        for i, (bound, name, proofs) in enumerate(bounds)
    ]  # fmt: skip
    return Result(greedy.placement, tuple(certificates), instance, "greedy", 1.0, limits=WORK)


def cuts() -> Case:
    """L1 in global mode."""
    return of_result(solve(Instance(lognormal(2, 2, 48), 48, num_ranks=16), "optimal", WORK), 0)


def counts() -> Case:
    """The relaxation for two slots a rank, in hierarchical mode: several proofs a layer."""
    instance = Instance(lognormal(3, 2, 24, 0.8), 32, num_groups=4, num_nodes=2, num_ranks=16)
    return of_result(solve(instance, "optimal", WORK), 0)


def patterns() -> Case:
    """L2 in global mode."""
    instance = Instance(lognormal(0, 2, 16), 24, num_ranks=8)
    bounds = []
    for layer in range(2):
        bound, certificate = pattern_bound(instance.pool(layer), 1.1 * float(instance.mean[layer]))
        assert certificate is not None
        bounds.append((bound, PATTERNS, {(0,): certificate}))
    return of_result(built(instance, bounds), 0)


def hierarchical() -> Case:
    """L1 in hierarchical mode: several proofs a layer."""
    instance = Instance(lognormal(0, 2, 48), 48, num_groups=4, num_nodes=2, num_ranks=16)
    return of_result(solve(instance, "optimal", WORK), 0)


def many_groups() -> Case:
    """More than 500 node sets: bounds of single nodes are proven, L0 is the layer's."""
    instance = Instance(lognormal(1, 2, 48), 48, num_groups=16, num_nodes=2, num_ranks=16)
    greedy = solve(instance, "greedy")
    bounds = []
    for layer, row in enumerate(greedy.placement.phy2log):
        proofs = {}
        for node in row.reshape(2, -1):
            node_set = tuple(np.unique(node // instance.group_size).tolist())
            certificate = cut_bound(instance.pool(layer, members(instance, node_set)), np.inf)[1]
            if certificate is not None:
                proofs[node_set] = certificate
        certificate = greedy.certificates[layer]
        bounds.append((certificate.lower_bound, certificate.bound_method, proofs))
    return of_result(built(instance, bounds), 0)


def covers() -> Case:
    """Trees over rank contents."""
    return of_result(solve(Instance(lognormal(4, 2, 10), 15, num_ranks=5), "optimal", WORK), 0)


def assigned() -> Case:
    """More than 500 node sets: the bound of all assignments of groups is the layer's."""
    instance = Instance(lognormal(1, 2, 64, 0.8), 96, num_groups=16, num_nodes=4, num_ranks=16)
    return of_result(solve(instance, "optimal", WORK), 0)


def pairs() -> Case:
    """Trees over counts, of two slots a rank."""
    return of_result(solve(Instance(lognormal(0, 2, 24, 0.8), 32, num_ranks=16), "optimal", WORK), 0)


def searched() -> Case:
    """The same bounds, on a solver's word: what is certified is less."""
    case = pairs()
    for i, layer in enumerate(case.report["layers"]):
        certificate = cut_bound(case.instance.pool(i), np.inf)[1]
        assert certificate is not None
        layer["bound_method"] = MATCHING
        layer["proofs"] = [{"groups": [0]} | certificate.to_dict()]
    return replace(case, code=3)


CASES = {
    "cuts": cuts, "counts": counts, "patterns": patterns, "hierarchical": hierarchical, "many groups": many_groups,
    "covers": covers, "assigned": assigned, "pairs": pairs, "searched": searched,
}  # fmt: skip
