"""How far calls run over their time, and what a worker takes: ``python -m benchmarks.overruns 1000``.

Limits from 0.05 to 30 s and shapes up to 94 layers x 1024 experts, 2048 slots, 1024 ranks, in random order of a seed. A
call may take a tenth more than its limit and 0.2 s, or the time of the greedy's map, which is made whatever the limit
is. What numba has to compile first counts against no limit.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eplb_opt import Instance, Limits, Objective, solve

SHORTEST, LONGEST = 0.05, 30.0  # seconds
WORKERS = 2
PART, MORE = 0.1, 0.2  # of the limit, and seconds
SHAPES = {  # layers, experts, slots, ranks, nodes, groups, windows
    "mixtral": (32, 8, 16, 8, 1, 1, 1),
    "small": (4, 16, 24, 8, 1, 1, 1),
    "v2-lite windows": (26, 64, 80, 16, 1, 1, 16),
    "gpt-oss": (24, 32, 48, 16, 1, 1, 1),
    "qwen": (94, 128, 160, 32, 1, 1, 1),
    "deepseek": (58, 256, 288, 32, 1, 1, 1),
    "deepseek nodes": (58, 256, 288, 32, 4, 8, 1),
    "deepseek windows": (58, 256, 288, 32, 1, 1, 8),
    "deepseek two slots": (58, 256, 288, 144, 1, 1, 1),
    "wide": (61, 512, 1024, 256, 1, 1, 1),
    "largest": (94, 1024, 2048, 1024, 1, 1, 1),
}


@dataclass(frozen=True)
class Overrun:
    """What a call took, in seconds."""

    shape: str
    limit: float
    taken: float
    greedy: float

    @property
    def over(self) -> float:
        """Of what it may take beyond its limit, 1 being all; the greedy's map is made whatever the limit is."""
        allowed = max(self.limit * PART + MORE, self.greedy - self.limit)
        return (self.taken - self.limit) / allowed


def instance_of(shape: str, seed: int) -> Instance:
    layers, experts, slots, ranks, nodes, groups, windows = SHAPES[shape]
    load = np.random.default_rng(seed).lognormal(4, 1, (windows, layers, experts)).round()
    return Instance(
        load,
        slots,
        num_ranks=ranks,
        num_nodes=nodes,
        num_groups=groups,
        objective=Objective("mean" if windows > 1 and nodes == 1 else "sum"),
    )


def seconds_of(call, *arguments) -> tuple[float, float]:
    """Wall-clock time, and how much of it was compiling."""
    start = time.monotonic()
    result = call(*arguments)
    return time.monotonic() - start - result.compile_seconds, result.compile_seconds


def runs(count: int, seed: int, longest: float, workers: int) -> Iterator[Overrun]:
    source = random.Random(seed)
    greedy: dict[str, float] = {}
    for number in range(count):
        shape = source.choice(list(SHAPES))
        limit = math.exp(source.uniform(math.log(SHORTEST), math.log(longest)))
        instance = instance_of(shape, number)
        if shape not in greedy:
            greedy[shape], _ = seconds_of(solve, instance, "greedy")
        taken, _ = seconds_of(solve, instance, "optimal", Limits(seconds=limit, workers=workers))
        yield Overrun(shape, limit, taken, greedy[shape])


def memory_of_workers() -> int:
    """The most that a process below this one has ever taken, in bytes."""
    peaks = [0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:  # it has just ended
            continue
        found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if int(found["PPid"]) == os.getpid() and "VmHWM" in found:
            peaks.append(int(found["VmHWM"].split()[0]) * 1024)
    return max(peaks)


def main() -> None:
    """Run calls, say each that ran over, and at the end what one in a hundred exceeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=30, help="calls; default: %(default)s")
    parser.add_argument("--longest", type=float, default=LONGEST, help="seconds; default: %(default)s")
    parser.add_argument("--workers", type=int, default=WORKERS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args()
    found = []
    memory = 0
    for run in runs(options.count, options.seed, options.longest, options.workers):
        found.append(run)
        memory = max(memory, memory_of_workers())
        said = f"{run.shape}: limit {run.limit:.2f} s, {run.taken:.2f} s (greedy {run.greedy:.2f} s)"
        print(f"{said}, {run.over:.0%} of what may be over", flush=True)
    over = np.array([run.over for run in found])
    p50, p99 = np.quantile(over, [0.5, 0.99])
    latest = max(run.taken - run.limit for run in found)
    print(f"{len(found)} calls: p50 {p50:.0%}, p99 {p99:.0%}, most {over.max():.0%}")
    print(f"of what may be over, a tenth of the limit and 0.2 s; the latest {latest:.2f} s")
    print(f"memory of a worker at most {memory / 2**20:.0f} MiB")
    sys.exit(bool(p99 > 1))


if __name__ == "__main__":
    main()
