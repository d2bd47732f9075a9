"""The first plan of a shape where nothing is compiled: ``python -m benchmarks.cold``.

Every shape is planned twice in two fresh processes: with an empty cache of numba, and with the cache that the first one
left. Times are of the processor, as other processes add little to it: imports, the first plan, the second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from .environment import environment
from .options import chosen

SHAPES = {  # what is compiled: experts, replicas, ranks
    "nine slots a rank": (256, 288, 32),
    "three slots a rank": (128, 192, 64),
    "two slots a rank": (60, 120, 60),
}
PLAN = """
import time
import numpy
experts, replicas, ranks = map(int, input().split())
start = time.process_time()
from eplb_opt import Instance
from eplb_opt.heuristics.refine import refined
loads = numpy.random.default_rng(0).lognormal(0, 1, (12, experts))
instance = Instance(loads, replicas, num_ranks=ranks)
times = [time.process_time() - start]
for _ in range(2):
    start = time.process_time()
    refined(instance)
    times.append(time.process_time() - start)
print(*(f"{seconds:.3f}" for seconds in times))
"""


def seconds(shape: tuple[int, int, int], cache: str) -> list[str]:
    """Of imports, the first plan and the second one, in a fresh process."""
    command = [sys.executable, "-c", PLAN]
    told = " ".join(map(str, shape))
    run = subprocess.run(
        command, input=told, env=os.environ | {"NUMBA_CACHE_DIR": cache}, capture_output=True, text=True, check=True
    )
    return run.stdout.split()


def main() -> None:
    """Print two lines a shape."""
    chosen(__doc__, {})
    print(environment(0))
    for name, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as cache:
            for state in ("empty cache", "with the cache"):
                imports, first, second = seconds(shape, cache)
                print(f"{name:20} {state:15} imports {imports} s, first plan {first} s, second {second} s", flush=True)


if __name__ == "__main__":
    main()
