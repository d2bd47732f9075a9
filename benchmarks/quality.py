"""Quality, case by case against the certified bound: ``python -m benchmarks.quality``.

Exact methods run first, within the time limit; the bounds that they prove are kept with their certificates
(`benchmarks.bounds`). Heuristics, peers and policies are then called once each, their maps validated and judged by the
best bound stored. One JSON line a case and method, with commit, date, CPU, versions and seed; a line that is there for
the same code and settings is not computed again, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt import FallbackWarning, Limits, solve
from eplb_opt.errors import PolicyError
from eplb_opt.external import call_policy
from eplb_opt.problem.instance import Instance
from eplb_opt.problem.placement import Placement

from .bounds import PATH as BOUNDS
from .bounds import Bounds, contradictions, instance_key
from .cases import QUICK, cases
from .environment import ROOT, environment
from .gaps import gap_table
from .methods import EXACT, HEURISTICS, Entry, add_arguments, chosen, split
from .store import Store

OUTPUT = ROOT / "benchmarks" / "results" / "quality.jsonl"
KEY = ("case", "method")
SAME = ("commit", "instance", "version", "workers", "time_limit", "cpu", "versions", "seed")
OPTIMAL_GAP = 1e-4


def main() -> int:
    """Run the benchmark; the exit code is 1 if a bound lies above a map's objective."""
    options = _options()
    found = chosen(options)
    limits = Limits(seconds=options.seconds, gap=OPTIMAL_GAP, workers=options.workers, seed=options.seed)
    store, bounds = Store(options.output, KEY), Bounds(options.bounds)
    names = split(options.cases) or (list(QUICK) if options.quick else [])
    if any(entry.kind == "exact" for entry in found):
        warm_up()
    wrong = 0
    for name, instance in cases(names):
        for entry in found:
            if entry.absent:
                continue
            head = _head(name, instance, entry, limits)
            if store.has(head, SAME) and bounds.layers(instance) is not None:
                print(f"{name}, {entry.name}: already there", flush=True)
                continue
            store.put(head | _run(entry, instance, limits, bounds, head))
            print(summary(store.get(**head) or {}), flush=True)
        wrong += judge(store, name, instance, bounds)
    shown = [line for line in store if not names or line["case"] in names]
    print("\n" + gap_table(shown, [(entry.name, entry.absent) for entry in found]))
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, (*EXACT, *HEURISTICS))
    parser.add_argument("--quick", action="store_true", help="a few cases of every kind")
    parser.add_argument("--seconds", type=float, default=60.0, help="a case and exact method; default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="processes of exact methods; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--bounds", type=Path, default=BOUNDS, help="the store of bounds; default: %(default)s")
    return parser.parse_args()


def _head(case: str, instance: Instance, entry: Entry, limits: Limits) -> dict[str, Any]:
    """Everything that is known before the run."""
    exact = entry.kind == "exact"
    mean = instance.weight.mean(axis=1)
    skew = np.divide(instance.weight.max(axis=1), mean, out=np.ones_like(mean), where=mean > 0)
    return {
        "case": case, "method": entry.name, "kind": entry.kind, "version": entry.version,
        "instance": instance_key(instance), **environment(limits.seed),
        "workers": limits.workers if exact else None, "time_limit": limits.seconds if exact else None,
        "mode": instance.mode, "num_experts": instance.num_experts, "num_replicas": instance.num_replicas,
        "num_ranks": instance.num_ranks, "num_nodes": instance.num_nodes, "num_groups": instance.num_groups,
        "skew": float(skew.mean()), "layer_skew": [round(float(x), 4) for x in skew],
    }  # fmt: skip


def _run(entry: Entry, instance: Instance, limits: Limits, bounds: Bounds, head: dict[str, Any]) -> dict[str, Any]:
    """What an entry gives: objectives of all layers, seconds; of an exact method also what it proved."""
    if entry.kind == "exact":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FallbackWarning)  # the certificates say the same
            result = solve(instance, entry.name, limits)
        report = result.to_dict()
        bounds.update(head["case"], instance, report["layers"], head["commit"])
        for layer in report["layers"]:
            del layer["proofs"]  # they are in the store of bounds
        return {"seconds": result.seconds, **_imbalance(result.placement, instance), "layers": report["layers"],
                "totals": report["totals"]}  # fmt: skip
    try:
        call_policy(entry.call, instance, entry.name)  # warm-up
        start = time.perf_counter()
        placement = call_policy(entry.call, instance, entry.name)
    except PolicyError as error:
        return {"error": str(error.__cause__ or error)}
    seconds = time.perf_counter() - start
    layers = [{"layer_id": i, "objective": float(o)}
              for i, o in zip(instance.layer_ids or (), placement.objective(instance), strict=True)]  # fmt: skip
    return {"seconds": seconds, **_imbalance(placement, instance), "layers": layers}


def _imbalance(placement: Placement, instance: Instance) -> dict[str, float]:
    imbalance = placement.objective(instance) / np.where(instance.mean > 0, instance.mean, 1.0)
    return {"imbalance_mean": float(imbalance.mean()), "imbalance_max": float(imbalance.max())}


def warm_up() -> None:
    """Compile what exact methods call, once for this machine: compiling is in nobody's time."""
    random = np.random.default_rng(0)
    for replicas, ranks in ((24, 8), (24, 12), (16, 4)):
        instance = Instance(random.lognormal(0, 1, (1, 16)), replicas, num_ranks=ranks)
        solve(instance, "optimal", Limits(seconds=None, work=1.0))


def judge(store: Store, case: str, instance: Instance, bounds: Bounds) -> int:
    """Gaps of a case's lines to the bounds stored now; the number of layers that contradict a bound."""
    bound, wrong = bounds.lower_bound(instance), 0
    for line in [line for line in store if line["case"] == case and line.get("instance") == instance_key(instance)]:
        if bound is None or "error" in line:
            continue
        objective = np.array([layer["objective"] for layer in line["layers"]])
        for layer in contradictions(objective, bound):
            wrong += 1
            print(f"WRONG: {case}, {line['method']}, row {layer}: {objective[layer]} below the bound {bound[layer]}")
        gap = np.where(objective > bound, objective / np.where(bound > 0, bound, 1.0) - 1, 0.0)
        judged = {"gap_mean": float(gap.mean()), "gap_max": float(gap.max()), "gaps": [float(f"{g:.4g}") for g in gap],
                  "optimal": int((gap <= OPTIMAL_GAP).sum())}  # fmt: skip
        if any(line.get(field) != value for field, value in judged.items()):
            store.put(line | judged)
    return wrong


def summary(line: dict[str, Any]) -> str:
    """One line for people."""
    name = f"{line['case']:32s} {line['method']:16s}"
    if "error" in line:
        return f"{name} {line['error'][:90]}"
    text = (
        f"{name} imbalance mean {line['imbalance_mean']:.5f} max {line['imbalance_max']:.5f}  {line['seconds']:.3f} s"
    )
    if "totals" not in line:
        return text
    t = line["totals"]
    gaps = f"own gap % mean {t['gap_mean'] * 100:.4f} max {t['gap_max'] * 100:.4f}"
    return f"{text}  {gaps}  proven {t['optimal']}/{t['layers']}"


if __name__ == "__main__":
    raise SystemExit(main())
