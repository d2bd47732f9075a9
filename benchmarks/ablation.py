"""What parts of the exact methods are worth: ``python -m benchmarks.ablation``.

*Counts from the linear program*: the search over ranges of counts with and without them, equal work and seed, from the
same start, on every other layer.

*Enumeration of counts* against rank patterns: which of them proves the pools that search and L1 leave open, each alone
and from the same packing and bound.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from eplb_opt import Limits, warm_up
from eplb_opt.bounds.cuts import cut_bound
from eplb_opt.budget import Budget
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.exact.counts import solve_counts
from eplb_opt.exact.cover import solve_patterns
from eplb_opt.problem.instance import Instance
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.problem.status import StopReason
from eplb_opt.search import count_ranges
from eplb_opt.search.search import search
from eplb_opt.starts import start_layers
from models.export import assignment

from .cases import cases
from .environment import ROOT, environment
from .gaps import markdown
from .store import Store

RESULTS = ROOT / "benchmarks" / "results" / "ablation.jsonl"
WINDOWS = ["gptoss-ep16-s3"]
PROOFS = ["gptoss-ep8", "gptoss-ep16-s3", "random-16-24-8", "random-16-32-8"]
SHAPES = [(24, 32, 8), (24, 48, 16), (64, 72, 24), (128, 144, 48), (256, 264, 88)]  # experts, slots, ranks
RANDOM = 6  # pools of each shape
PROVERS = {"rank patterns": solve_patterns, "count enumeration": solve_counts}
GAP = 1e-4
LIMITS = Limits(seconds=5.0, gap=GAP)  # of each method on each pool
FIRST_WORK, WORK = 6_000_000, 60_000_000  # of the search that both parts start from, and of the ranges


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--work", type=int, default=WORK)
    options = parser.parse_args()
    store = Store(options.output, ("case", "part"))
    for name, instance in cases(WINDOWS):
        store.put(environment(0) | {"case": name, "part": "windows"} | compare_ranges(instance, options.work))
        print(f"{name}: ranges compared", flush=True)
    warm_up()
    for name, pools in _pools():
        store.put(environment(0) | {"case": name, "part": "enumeration"} | compare_proofs(pools))
        print(f"{name}: proofs compared", flush=True)
    print(f"{ranges_table(list(store))}\n\n{enumeration_table(list(store))}")


def _pools() -> Iterator[tuple[str, list[Pool]]]:
    """Names and pools of every fourth layer of the cases, and of random shapes."""
    for name, instance in cases(PROOFS):
        yield name, [next(iter(layer.pools.values())).pool for layer in start_layers(instance)[::4]]
    for experts, slots, ranks in SHAPES:
        yield f"{experts} experts, {slots} slots, {ranks} ranks", random_pools(experts, slots, ranks)


def compare_ranges(instance: Instance, work: int) -> dict[str, Any]:
    """Excess over the mean rank load, mean and largest, and seconds a layer, with and without the program's counts."""
    count_ranges.compile_kernels()
    excess: dict[str, list[float]] = {"with": [], "without": [], "start": []}
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    for layer in start_layers(instance)[::2]:
        state = next(iter(layer.pools.values()))
        pool, target = state.pool, state.pool.mean * (1 + GAP)
        start = search(pool, state.bracket.packing, target=target, budget=Budget(work=FIRST_WORK))
        excess["start"].append(start.objective(pool) / pool.mean - 1)
        for name in seconds:
            with mock.patch.object(
                count_ranges, "PROGRAM_PATTERNS", count_ranges.PROGRAM_PATTERNS if name == "with" else 0
            ):
                began = time.perf_counter()
                found = count_ranges.search_count_ranges(pool, start, target=target, budget=Budget(work=work))
                seconds[name].append(time.perf_counter() - began)
            excess[name].append(found.objective(pool) / pool.mean - 1)
    return {
        "layers": len(excess["start"]), "work": work, "seconds": {n: float(np.mean(s)) for n, s in seconds.items()},
        "excess_mean": {n: float(np.mean(e)) for n, e in excess.items()},
        "excess_max": {n: float(np.max(e)) for n, e in excess.items()},
    }  # fmt: skip


def compare_proofs(pools: list[Pool], limits: Limits = LIMITS) -> dict[str, Any]:
    """Pools that search and L1 leave open, and of these how many each method proves, in how many seconds of all.

    ``limits`` are of each method on each pool.
    """
    start, lower = zip(*(_opened(pool) for pool in pools), strict=True)
    left = [i for i, pool in enumerate(pools) if start[i].objective(pool) > lower[i] * (1 + GAP)]
    proven, seconds = dict.fromkeys(PROVERS, 0), dict.fromkeys(PROVERS, 0.0)
    for i in left:
        for name, solve in PROVERS.items():
            began = time.perf_counter()
            proven[name] += solve(pools[i], start[i], limits, lower[i]).stop is StopReason.GAP
            seconds[name] += time.perf_counter() - began
    return {"pools": len(pools), "open": len(left), "proven": proven, "seconds": seconds, "limit": limits.seconds}


def _opened(pool: Pool) -> tuple[Packing, float]:
    """A packing of the search, and the bound of L1."""
    dealt = assignment(pool).incumbent
    found = search(pool, dealt, target=trivial_bound(pool)[0] * (1 + GAP), budget=Budget(work=FIRST_WORK))
    return found, cut_bound(pool, found.objective(pool), GAP)[0]


def random_pools(experts: int, slots: int, ranks: int) -> list[Pool]:
    """Lognormal loads, sigma 1 and 1.5 in turn."""
    rng = np.random.default_rng(0)
    loads = [np.rint(rng.lognormal(0, sigma, experts) * 1e6) for sigma in (1.0, 1.5) * (RANDOM // 2)]
    return [Pool(load, slots, ranks) for load in loads]


def ranges_table(rows: list[dict[str, Any]]) -> str:
    """The search over ranges of counts with and without the program's counts."""
    table = [["case", "start", "without the program's counts", "with them", "seconds a layer"]]
    for row in rows:
        if row["part"] == "windows":
            cells = [f"{row['excess_mean'][n] * 100:.4f} / {row['excess_max'][n] * 100:.4f}"
                     for n in ("start", "without", "with")]  # fmt: skip
            table.append([row["case"], *cells, f"{row['seconds']['without']:.1f}, {row['seconds']['with']:.1f}"])
    return markdown(table)


def enumeration_table(rows: list[dict[str, Any]]) -> str:
    """What the two proofs by enumeration do with the same pools."""
    table = [["pools", "left open", *(f"proven by {name}" for name in PROVERS)]]
    for row in rows:
        if row["part"] == "enumeration":
            proven = [f"{row['proven'][n]} ({row['seconds'][n]:.1f} s)" for n in PROVERS]
            table.append([f"{row['pools']} of {row['case']}", str(row["open"]), *proven])
    return markdown(table)


if __name__ == "__main__":
    main()
