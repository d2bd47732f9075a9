"""Where `refined` is weak: ``python -m benchmarks.weak``, the gaps to stored bounds of `optimal`, and the time.

``--bounds`` solves every case with `optimal` first and keeps the better bound of each layer (minutes). ``--old FOLDER``
compares with another version of the package, a checkout of this repository: both take turns in one process, the ratio
is that of the medians.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from eplb_opt import FallbackWarning, Instance, Limits, solve

from .environment import ROOT, environment
from .store import Store
from .weak_cases import SEED, weak_cases

PATH = ROOT / "benchmarks" / "results" / "weak.jsonl"
CALLS, LEAST_SECONDS, SECONDS = 15, 0.2, 60

Refine = Callable[[], Any]


def refine_of(package: str, instance: Instance) -> Refine:
    """A call of `refined` of a package by its name, which gives the objectives of its map, [layers], when asked."""
    module = importlib.import_module(f"{package}.heuristics.refine")
    own = importlib.import_module(f"{package}.problem.instance").Instance(
        instance.weight, instance.num_replicas, num_groups=instance.num_groups,
        num_nodes=instance.num_nodes, num_ranks=instance.num_ranks,
    )  # fmt: skip
    return lambda: partial(module.refined(own).objective, own)


def import_checkout(folder: Path, name: str = "eplb_opt_old") -> ModuleType:
    """The package of another checkout under another name: it imports its own modules relatively only."""
    source = folder / "eplb_opt" / "__init__.py"
    spec = importlib.util.spec_from_file_location(name, source, submodule_search_locations=[str(source.parent)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def milliseconds(refines: list[Refine]) -> list[list[float]]:
    """Processor time of calls, in turns, the first ones left out: other processes add little to it."""
    times: list[list[float]] = [[] for _ in refines]
    begin = time.perf_counter()
    while len(times[0]) <= CALLS or time.perf_counter() - begin < LEAST_SECONDS:
        for refine, taken in zip(refines, times, strict=True):
            start = time.process_time()
            refine()
            taken.append((time.process_time() - start) * 1e3)
    return [taken[1:] for taken in times]


def prove(store: Store, seconds: float) -> None:
    """Keep the better bound, and the lighter map's objective, of every layer of every case."""
    for name, instance in weak_cases():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FallbackWarning)
            found = solve(instance, "optimal", Limits(seconds=seconds, workers=2, seed=SEED))
        known = store.get(case=name) or {"bounds": [0.0] * instance.num_layers, "best": [np.inf] * instance.num_layers}
        bounds = np.maximum(found.lower_bound, known["bounds"])
        best = np.minimum(found.objective, known["best"])
        store.put({"case": name, "bounds": bounds.tolist(), "best": best.tolist(), **environment(SEED)})
        print(f"{name:40} optimal: mean gap {_percent(best, bounds)}", flush=True)


def compare(store: Store, packages: dict[str, str]) -> None:
    """Print a line a case: gaps to the bound, in percent, and milliseconds, of each version."""
    for name, instance in weak_cases():
        known = store.get(case=name)
        if known is None:
            print(f"{name:40} no bound: run with --bounds first")
            continue
        bounds = np.array(known["bounds"])
        refines = {version: refine_of(package, instance) for version, package in packages.items()}
        times = milliseconds(list(refines.values()))
        parts = [f"{name:40} optimal {_percent(np.array(known['best']), bounds)}"]
        for (version, refine), taken in zip(refines.items(), times, strict=True):
            parts.append(f"{version} {_percent(refine()(), bounds)} {np.median(taken):7.2f} ms of CPU")
        if len(times) == 2:
            parts.append(f"new/old {np.median(times[1]) / np.median(times[0]):.2f}")
        print("; ".join(parts), flush=True)


def _percent(objective: np.ndarray, bounds: np.ndarray) -> str:
    gap = (objective / bounds - 1) * 100
    return f"{gap.mean():6.3f} / {gap.max():6.3f} %"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bounds", action="store_true", help="solve every case with optimal, and store the bounds")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="a case, for the bounds; default: %(default)s")
    parser.add_argument("--old", type=Path, help="another checkout, to compare with")
    options = parser.parse_args()
    print(environment(SEED))
    store = Store(PATH, ("case",))
    if options.bounds:
        prove(store, options.seconds)
    packages = {"refined": "eplb_opt"}
    if options.old is not None:
        import_checkout(options.old)
        packages = {"old": "eplb_opt_old", "new": "eplb_opt"}
    compare(store, packages)


if __name__ == "__main__":
    main()
