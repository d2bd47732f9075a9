"""Speed, warm and paired: ``python -m benchmarks.speed``.

Every method and peer takes its turn in every round, in one process, so that what the machine does meanwhile falls on
all of them alike; ratios are medians over rounds of the two times of one round. What is timed is the call that an
engine makes, from the loads to the maps. Needs numpy and torch only; ``--device cuda`` gives loads on the GPU and waits
for it. One JSON line a case, method, thread count and device, with commit, date, CPU, versions and seed.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eplb_opt.errors import EplbError
from eplb_opt.external import as_placement, engine_arguments
from eplb_opt.problem.instance import Instance
from eplb_opt.problem.placement import Placement

from .bounds import Bounds, contradictions, instance_key
from .cases import QUICK, cases
from .environment import ROOT, environment, origin
from .methods import HEURISTICS, Entry, add_arguments, chosen, split
from .store import Store

OUTPUT = ROOT / "benchmarks" / "results" / "speed.jsonl"
KEY = ("case", "method", "threads", "device")
SAME = ("commit", "instance", "version", "repeats", "seconds", "cpu", "cores", "versions", "seed")
WARM_UP = 2  # calls before the clock: compilation, allocation, caches
LEAST = 5  # rounds of a method that is over its time


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = _options(arguments)
    found = [entry for entry in chosen(options) if not entry.absent]
    refused = [entry.name for entry in found if entry.call is None]
    if refused:
        raise SystemExit(f"{', '.join(refused)}: exact methods have a time limit, not a speed; see benchmarks.quality")
    store, bounds = Store(options.output, KEY), Bounds()
    shown: list[dict[str, Any]] = []
    for name, instance in cases(split(options.cases) or (QUICK if options.quick else ())):
        for threads in map(int, split(options.threads)):
            head = environment(0) | {
                "case": name, "instance": instance_key(instance), "threads": threads, "device": _device(options.device),
                "repeats": options.repeats, "seconds": options.seconds,
            }  # fmt: skip
            lines = [head | {"method": e.name, "kind": e.kind, "version": e.version} for e in found]
            if all(store.has(line, SAME) for line in lines):
                print(f"{name}, {threads} threads: already there", flush=True)
                shown += [store.get(**line) or line for line in lines]
                continue
            torch.set_num_threads(threads)
            measured = measure(found, instance, bounds.lower_bound(instance), options)
            for line, result in zip(lines, measured, strict=True):
                store.put(line | result)
                shown.append(line | result)
            print(f"{name}, {threads} threads: done", flush=True)
    print("\n".join(table(shown)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, HEURISTICS)
    parser.add_argument("--quick", action="store_true", help="a few cases of every kind")
    parser.add_argument("--threads", default="1,2", help="torch threads, comma-separated; default: %(default)s")
    parser.add_argument("--repeats", type=int, default=20, help="rounds; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=1.0, help="after these a method stops; default: %(default)s")
    parser.add_argument("--device", default="cpu", help="where the loads are: cpu or cuda; default: %(default)s")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser.parse_args(arguments)


def measure(
    found: list[Entry], instance: Instance, bound: np.ndarray | None, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Times, quality and ratios of every entry on one instance."""
    weight = torch.from_numpy(instance.weight.copy()).to(options.device)
    results: list[dict[str, Any]] = []
    for entry in found:
        try:
            results.append(_quality(_map(entry, weight, instance), instance, bound))
        except (EplbError, NotImplementedError) as error:
            results.append({"error": str(error)})
    running = [i for i, result in enumerate(results) if "error" not in result]
    times = _rounds([found[i] for i in running], weight, instance, options.repeats, options.seconds)
    for i, taken in zip(running, times, strict=True):
        milliseconds = [1000 * t for t in taken]
        p10, median, p90 = np.percentile(milliseconds, [10, 50, 90]).tolist()
        results[i] |= {"ms": median, "ms_p10": p10, "ms_p90": p90, "ms_least": min(milliseconds), "rounds": len(taken)}
    _compare_with_peers(found, running, results, times)
    return results


def _map(entry: Entry, weight: torch.Tensor, instance: Instance) -> Placement:
    """The warm-up calls, and the last one's map, validated."""
    for _ in range(WARM_UP):
        try:
            output = entry.call(weight.clone(), *engine_arguments(instance))
        except NotImplementedError:
            raise
        except Exception as error:  # a peer may raise anything
            raise NotImplementedError(f"{type(error).__name__}: {error}") from error
    return as_placement(output, instance, entry.name)


def _quality(placement: Placement, instance: Instance, bound: np.ndarray | None) -> dict[str, Any]:
    """Imbalance over layers, and the gap to the stored bound where there is one."""
    objective = placement.objective(instance)
    imbalance = objective / np.where(instance.mean > 0, instance.mean, 1.0)
    result: dict[str, Any] = {"imbalance_mean": float(imbalance.mean()), "imbalance_max": float(imbalance.max())}
    if bound is not None:
        if contradictions(objective, bound):
            raise SystemExit(f"a stored bound lies above a map's objective: layers {contradictions(objective, bound)}")
        gap = np.maximum(objective / bound - 1, 0.0)
        result |= {"gap_mean": float(gap.mean()), "gap_max": float(gap.max())}
    return result


def _rounds(
    found: list[Entry], weight: torch.Tensor, instance: Instance, repeats: int, seconds: float
) -> list[list[float]]:
    """Seconds of each entry's calls, round by round; the order rotates, so nobody always follows the same one."""
    times: list[list[float]] = [[] for _ in found]
    wait = torch.cuda.synchronize if weight.is_cuda else lambda: None
    gc.collect()
    gc.disable()
    try:
        for turn in range(repeats):
            for i in (*range(turn % len(found), len(found)), *range(turn % len(found))) if found else ():
                if len(times[i]) >= LEAST and sum(times[i]) > seconds:
                    continue
                loads = weight.clone()
                wait()
                start = time.perf_counter()
                found[i].call(loads, *engine_arguments(instance))
                wait()
                times[i].append(time.perf_counter() - start)
    finally:
        gc.enable()
    return times


def _compare_with_peers(
    found: list[Entry], running: list[int], results: list[dict[str, Any]], times: list[list[float]]
) -> None:
    """How many times faster than the fastest peer, and than the one with the best balance."""
    peers = [(i, taken) for i, taken in zip(running, times, strict=True) if found[i].kind == "peer"]
    if not peers:
        return
    fastest = min(peers, key=lambda peer: results[peer[0]]["ms"])
    best = min(peers, key=lambda peer: (results[peer[0]]["imbalance_mean"], results[peer[0]]["ms"]))
    for i, taken in zip(running, times, strict=True):
        for field, (other, theirs) in (("fastest_peer", fastest), ("best_peer", best)):
            rounds = min(len(taken), len(theirs))
            ratio = float(np.median(np.array(theirs[:rounds]) / np.array(taken[:rounds])))
            results[i] |= {field: found[other].name, f"times_faster_than_{field}": ratio}


def _device(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else device


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The results as lines for a terminal."""
    head = ("case", "method", "threads", "ms", "p10", "p90", "imbalance", "max", "gap %", "max", "x fastest peer",
            "x best peer")  # fmt: skip
    cells = [head] + [_cells(row) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    aligned = [[cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
               for row in cells]  # fmt: skip
    lines = ["  ".join(row) for row in aligned]
    return [*lines, "", "x: times faster than the fastest peer, and than the peer with the best balance",
            *([origin(rows[-1])] if rows else [])]  # fmt: skip


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    left = (row["case"], row["method"], str(row["threads"]))
    if "error" in row:
        return (*left, row["error"][:60], *[""] * 8)
    gap = [f"{row[name] * 100:.3f}" if name in row else "-" for name in ("gap_mean", "gap_max")]
    faster = [
        f"{row[name]:.2f}" if name in row else "-"
        for name in ("times_faster_than_fastest_peer", "times_faster_than_best_peer")
    ]
    times = [f"{row[name]:.2f}" for name in ("ms", "ms_p10", "ms_p90")]
    return (*left, *times, f"{row['imbalance_mean']:.5f}", f"{row['imbalance_max']:.5f}", *gap, *faster)


if __name__ == "__main__":
    main()
