"""What parts of the exact methods are worth: ``python -m benchmarks.ablation``.

*Counts from the linear program*: the search over windows of counts with and without them, equal work and seed, from the
same start, on every other layer.

*Enumeration of counts*: the size of the search tree that enumerates counts, heaviest expert first, and leaves out
every prefix that L1 proves impossible, by Knuth's estimator (Mathematics of Computation 29, 1975): random dives, each
of which counts the product of the children that it did not leave out. The target is the best bound that any run proved,
so the tree would have to be searched whole, and every count vector at its end packed. Beside it the same without L1.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from eplb_opt.bounds.certificate import count_range
from eplb_opt.bounds.cuts import CUTS_A_ROUND, NOISE, CountsModel, Cut
from eplb_opt.bounds.separation import Grid, violated_cuts
from eplb_opt.heuristics import windows
from eplb_opt.heuristics.search import search
from eplb_opt.instance import Instance
from eplb_opt.pool import Ints, Pool
from eplb_opt.solver import start_layers

from .bounds import Bounds, instance_key
from .cases import cases
from .environment import ROOT, environment
from .gaps import markdown
from .store import Store

RESULTS = ROOT / "benchmarks" / "results" / "ablation.jsonl"
WINDOWS, TREES = ["gptoss-ep16-s3"], ["gptoss-ep8", "gptoss-ep16-s3", "gptoss-ep16", "random-16-24-8", "random-16-32-8"]
GAP = 1e-4
FIRST_WORK, WORK = 6_000_000, 60_000_000  # of the search that the windows start from, and of the windows
LAYERS, DIVES = 4, 40  # trees: layers of a case, dives of a layer


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--work", type=int, default=WORK)
    parser.add_argument("--dives", type=int, default=DIVES)
    options = parser.parse_args()
    store, bounds = Store(options.output, ("case", "part")), Bounds()
    for name, instance in cases(WINDOWS):
        store.put(environment(0) | {"case": name, "part": "windows"} | compare_windows(instance, options.work))
        print(f"{name}: windows compared", flush=True)
    for name, instance in cases(TREES):
        best = bounds.lower_bound(instance)
        if best is not None:
            found = {"instance": instance_key(instance)} | tree_sizes(instance, best, options.dives)
            store.put(environment(0) | {"case": name, "part": "enumeration"} | found)
            print(f"{name}: trees estimated", flush=True)
    print(f"{windows_table(list(store))}\n\n{trees_table(list(store))}")


def compare_windows(instance: Instance, work: int) -> dict[str, Any]:
    """Excess over the mean rank load, mean and largest, and seconds a layer, with and without the program's counts."""
    windows.prepare()
    excess: dict[str, list[float]] = {"with": [], "without": [], "start": []}
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    for layer in start_layers(instance)[::2]:
        state = next(iter(layer.pools.values()))
        pool, target = state.pool, state.pool.mean * (1 + GAP)
        start = search(pool, state.packing, target=target, work=FIRST_WORK)
        excess["start"].append(start.objective(pool) / pool.mean - 1)
        for name in seconds:
            with mock.patch.object(windows, "PROGRAM_PATTERNS", windows.PROGRAM_PATTERNS if name == "with" else 0):
                began = time.perf_counter()
                found = windows.window_search(pool, start, target=target, work=work)
                seconds[name].append(time.perf_counter() - began)
            excess[name].append(found.objective(pool) / pool.mean - 1)
    return {
        "layers": len(excess["start"]), "work": work, "seconds": {n: float(np.mean(s)) for n, s in seconds.items()},
        "excess_mean": {n: float(np.mean(e)) for n, e in excess.items()},
        "excess_max": {n: float(np.max(e)) for n, e in excess.items()},
    }  # fmt: skip


def tree_sizes(instance: Instance, best: np.ndarray, dives: int) -> dict[str, Any]:
    """Median over layers of the estimated leaves, as logarithms to base 10, with and without L1; seconds a node."""
    rng = np.random.default_rng(0)
    plain, pruned, nodes, began = [], [], 0, time.perf_counter()
    chosen = np.linspace(0, len(best) - 1, LAYERS).round().astype(int)
    for layer in chosen:
        pool, target = instance.pool(int(layer), None), float(best[layer]) * (1 - 1e-9)
        plain.append(math.log10(max(1, _count_vectors(pool, target))))
        cuts: list[Cut] = []
        found = [_dive(pool, target, cuts, rng) for _ in range(dives)]
        nodes += sum(looked for _, looked in found)
        pruned.append(math.log10(max(1.0, float(np.mean([leaves for leaves, _ in found])))))
    return {
        "layers": len(chosen), "dives": dives, "log10_counts": float(np.median(plain)),
        "log10_leaves": float(np.median(pruned)), "seconds_a_node": (time.perf_counter() - began) / max(nodes, 1),
    }  # fmt: skip


def _count_vectors(pool: Pool, target: float) -> int:
    """How many count vectors the target allows: a dynamic program over slots, in exact integers."""
    least, top = count_range(pool, target)
    ways = [1] + [0] * pool.slots
    for low, high in zip(least.tolist(), top.tolist(), strict=True):
        ways = [sum(ways[p - k] for k in range(low, min(high, p) + 1)) for p in range(pool.slots + 1)]
    return ways[pool.slots]


def _dive(pool: Pool, target: float, cuts: list[Cut], rng: np.random.Generator) -> tuple[float, int]:
    """One random dive: estimated leaves, and linear programs solved. Cuts are kept from one to the next."""
    low, high = count_range(pool, target)
    leaves, looked = 1.0, 0
    for e in np.argsort(-pool.loads, kind="stable"):
        children = []
        for k in range(int(low[e]), int(high[e]) + 1):
            if not _fills(pool, low, high, int(e), k):
                continue
            looked += 1
            one, other = low.copy(), high.copy()
            one[e] = other[e] = k
            if _l1_allows(pool, target, one, other, cuts):
                children.append(k)
        if not children:
            return 0.0, looked
        leaves *= len(children)
        low[e] = high[e] = children[int(rng.integers(len(children)))]
    return leaves, looked


def _l1_allows(pool: Pool, target: float, low: Ints, high: Ints, cuts: list[Cut]) -> bool:
    """Whether L1 leaves it open that some counts within these ranges [experts] are within the target."""
    experts = np.arange(pool.num_experts)
    first = low.copy()
    for e in experts:
        first[e] += min(high[e] - low[e], pool.slots - first.sum())
    ranges = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    expert = np.concatenate([experts, np.repeat(experts, high - low + 1)])
    model = CountsModel(pool, target, expert, np.concatenate([first, *ranges]))
    for cut in cuts:
        model.add_cut(cut)
    while True:
        answer = model.solve(math.inf)
        if answer is None:
            return True
        excess, y, _ = answer
        if excess > NOISE:
            return False
        used = np.flatnonzero(y > NOISE / 100)
        value, mass = pool.loads[model.expert[used]] / model.count[used], y[used] * model.count[used]
        found = violated_cuts(Grid(target), target, pool.slots_per_rank, value, mass, CUTS_A_ROUND, NOISE)
        fresh = [cut for _, cut in found if cut not in model.cuts]
        if not fresh:
            return True
        for cut in fresh:
            model.add_cut(cut)
        cuts.extend(fresh)


def _fills(pool: Pool, low: Ints, high: Ints, e: int, k: int) -> bool:
    """Whether the other experts' counts can fill the slots that are left."""
    rest = pool.slots - k
    return bool(low.sum() - low[e] <= rest <= high.sum() - high[e])


def windows_table(rows: list[dict[str, Any]]) -> str:
    """The search over windows with and without the program's counts."""
    table = [["case", "start", "without the program's counts", "with them", "seconds a layer"]]
    for row in rows:
        if row["part"] == "windows":
            cells = [f"{row['excess_mean'][n] * 100:.4f} / {row['excess_max'][n] * 100:.4f}"
                     for n in ("start", "without", "with")]  # fmt: skip
            table.append([row["case"], *cells, f"{row['seconds']['without']:.1f}, {row['seconds']['with']:.1f}"])
    return markdown(table)


def trees_table(rows: list[dict[str, Any]]) -> str:
    """How large the trees are that enumerate counts."""
    table = [["case", "count vectors", "left by L1", "dives", "ms a node", "one node a leaf"]]
    for row in rows:
        if row["part"] == "enumeration":
            sizes = [f"10^{row[n]:.1f}" for n in ("log10_counts", "log10_leaves")]
            dives = str(row["layers"] * row["dives"])
            node = row["seconds_a_node"]
            least = f"{10 ** row['log10_leaves'] * node:.0f} s"
            table.append([row["case"], *sizes, dives, f"{node * 1e3:.1f}", least])
    return markdown(table)


if __name__ == "__main__":
    main()
