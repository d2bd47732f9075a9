"""Proven lower bounds, stored with their certificates: a heuristic is judged again without a new proof.

``python -m benchmarks.bounds [CASES]`` re-checks the store against the loads, as ``eplb-opt verify`` does.
The store holds one line an instance, named by a hash of its loads and topology; of every layer the best bound that any
run proved, what proved it, the commit that did, and the certificates that `verify` re-checks, where there are any.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt.problem.instance import Instance

from .environment import ROOT
from .store import Store

PATH = ROOT / "benchmarks" / "results" / "bounds.jsonl"
ROUNDING = 1e-9  # sums of loads in another order


def instance_key(instance: Instance) -> str:
    """A hash of the summed loads and the topology."""
    numbers = [instance.num_replicas, instance.num_groups, instance.num_nodes, instance.num_ranks]
    head = json.dumps([list(instance.weight.shape), *numbers, instance.distinct])
    return hashlib.sha256(head.encode() + np.ascontiguousarray(instance.weight).tobytes()).hexdigest()[:16]


class Bounds:
    """The store of bounds. A store elsewhere starts from the committed one, which it leaves as it is."""

    def __init__(self, path: Path = PATH) -> None:
        self.store = Store(path, ("instance",))
        self.base = Store(PATH, ("instance",))

    def layers(self, instance: Instance) -> list[dict[str, Any]] | None:
        """What is stored of each layer: ``lower_bound``, ``bound_method``, ``commit``, ``proofs``."""
        key = instance_key(instance)
        line = self.store.get(instance=key) or self.base.get(instance=key)
        return None if line is None else line["layers"]

    def lower_bound(self, instance: Instance) -> np.ndarray | None:
        """Proven lower bound of every layer in tokens, [layers]; None if the instance is not in the store."""
        layers = self.layers(instance)
        return None if layers is None else np.array([layer["lower_bound"] for layer in layers])

    def update(self, case: str, instance: Instance, report: list[dict[str, Any]], commit: str) -> None:
        """Keep the better bound of every layer: the stored one, or that of a result's report."""
        layers = self.layers(instance) or [{"lower_bound": -1.0}] * instance.num_layers
        kept = []
        for old, new in zip(layers, report, strict=True):
            better = new["lower_bound"] > old["lower_bound"] * (1 + ROUNDING)
            kept.append(_entry(new, commit) if better else old)
        self.store.put({"instance": instance_key(instance), "case": case, **_shape(instance), "layers": kept})


def _entry(layer: dict[str, Any], commit: str) -> dict[str, Any]:
    names = ("layer_id", "lower_bound", "bound_method")
    return {name: layer[name] for name in names} | {"commit": commit, "proofs": layer["proofs"]}


def _shape(instance: Instance) -> dict[str, Any]:
    names = ("num_replicas", "num_ranks", "num_nodes", "num_groups", "distinct", "mode")
    return {name: getattr(instance, name) for name in names}


def contradictions(objective: np.ndarray, bound: np.ndarray) -> list[int]:
    """Layers whose bound lies above a map's objective: one of the two is wrong."""
    return np.flatnonzero(bound > objective * (1 + ROUNDING)).tolist()


def check(instance: Instance, layers: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Re-prove stored bounds without a solver: how many layers in full, and what is wrong."""
    from eplb_opt.claims.verify import verify
    from eplb_opt.heuristics.greedy import greedy

    placement = greedy(instance)
    names = ("lower_bound", "bound_method", "proofs")  # what is said of bounds; the map is the greedy's
    report = [
        {name: layer[name] for name in names} | {"layer_id": layer_id, "objective": float(value)}
        for layer, layer_id, value in zip(
            layers, instance.layer_ids or (), placement.objective(instance), strict=True
        )
    ]  # fmt: skip
    checks = verify(instance, placement, report)
    return sum(c.bound_proven for c in checks), [f"layer {c.layer_id}: {fault}" for c in checks for fault in c.faults]


def main() -> int:
    """Re-check; the exit code is 1 if a certificate does not hold or a bound lies above a map's objective."""
    from .cases import cases

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="default: all")
    parser.add_argument("--bounds", type=Path, default=PATH)
    options = parser.parse_args()
    bounds, wrong = Bounds(options.bounds), 0
    for name, instance in cases(options.cases):
        layers = bounds.layers(instance)
        if layers is None:
            print(f"{name:32s} no bound stored")
            continue
        proven, faults = check(instance, layers)
        wrong += len(faults)
        print(f"{name:32s} {proven} of {len(layers)} bounds re-proven, the others rest on a search tree; "
              f"{len(faults)} faults", flush=True)  # fmt: skip
        for fault in faults:
            print(f"    {fault}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
