"""What a step costs, measured and predicted: ``python -m benchmarks.step_time`` on a machine with a GPU.

Steps are sampled from recorded loads; every rank's grouped products run on one GPU, for several maps, and the slowest
rank is what the step takes. ``--page`` makes the page of the results and of the shipped costs, without a GPU.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt.calibration.device import Measure, describe_gpu, gpu_clock
from eplb_opt.calibration.shape import ExpertShape

from .environment import ROOT, environment
from .step_time_cases import CASES, SEED, Case, Placed, maps_of, routed, sampled_layers, tokens_of_slots
from .store import Store

RESULTS = ROOT / "benchmarks" / "results" / "step_time.jsonl"
REPEATS = 5  # of a rank's step, in each pass over the ranks; the least of the passes' medians counts
PASSES = 2
KEY = ("case", "map", "tokens")


def sampled(case: Case, load: np.ndarray, maps: list[Placed], tokens: int) -> Iterator[tuple[int, Placed, np.ndarray]]:
    """Steps of a case: layer, map and its slots' tokens; all maps get the same routed tokens."""
    random = np.random.default_rng((SEED, tokens))
    all_routed = routed(load, tokens * case.top_k, random)
    for layer, of_experts in enumerate(all_routed):
        for placed in maps:
            yield layer, placed, tokens_of_slots(of_experts, placed.slots[layer], random)


def measured(case: Case, measure: Measure | None = None) -> Iterator[dict[str, Any]]:
    """A line for each map and batch: seconds of each rank in each step, [steps, ranks]."""
    load = sampled_layers(case)
    maps = list(maps_of(case, load))
    most_slots = max(placed.slots.shape[2] for placed in maps)
    steps = {tokens: list(sampled(case, load, maps, tokens)) for tokens in case.tokens}
    most = max(int(slots.sum(axis=1).max()) for found in steps.values() for _, _, slots in found)
    shape = ExpertShape(case.hidden, case.intermediate, most_slots)
    measure = measure or gpu_clock(shape, most, REPEATS)
    for tokens, found in steps.items():
        seconds: dict[str, list[list[float]]] = {placed.name: [] for placed in maps}
        for _, placed, slots in found:
            passes = [[rank_seconds(rank, measure) for rank in slots] for _ in range(PASSES)]
            seconds[placed.name].append(np.min(passes, axis=0).tolist())
        for name, rows in seconds.items():
            digest = tokens_digest([slots for _, placed, slots in found if placed.name == name])
            yield {"case": case.name, "map": name, "tokens": tokens, "tokens_sha256": digest, "seconds": rows}


def tokens_digest(steps: list[np.ndarray]) -> str:
    """Of the tokens of all slots, [ranks, slots a rank] a step: what is predicted is of the same steps."""
    return hashlib.sha256(np.stack(steps).astype("<i8").tobytes()).hexdigest()


def rank_seconds(tokens: np.ndarray, measure: Measure) -> float:
    """What a rank takes, to a hundredth of a microsecond; nothing, if it gets no token."""
    return round(measure(tuple(tokens.tolist())), 8) if tokens.any() else 0.0


def main(arguments: list[str] | None = None) -> None:
    """Measure, or make the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--page", action="store_true", help="make the page of the results instead of measuring")
    options = parser.parse_args(arguments)
    if options.page:
        from .step_time_page import write_page

        write_page(options.output)
        return
    store = Store(options.output, KEY)
    for case in CASES:
        if not case.is_recorded():
            print(f"{case.name}: no loads, left out")
            continue
        start = time.monotonic()
        made_by = environment(SEED) | describe_gpu() | {"repeats": REPEATS}
        for line in measured(case):
            store.put(made_by | line)
            slowest = np.max(line["seconds"], axis=1)
            print(f"{case.name} {line['map']:20} {line['tokens']:6} {slowest.mean() * 1e6:8.1f} us", flush=True)
        print(f"{case.name}: {time.monotonic() - start:.0f} s, {os.environ.get('EPLB_OPT_COMMIT', '')}")


if __name__ == "__main__":
    main()
