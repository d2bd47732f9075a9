"""``python -m tests.never_worse [LAYERS]``: `refined` against `greedy` on random layers of all shapes; a long run.

The greedy has the published rules and ties (``tests/heuristics/test_greedy.py`` compares maps). With ``--peer NAME``
the published one itself is run, from an engine's package (``python -m benchmarks.peers fetch``); ``sglang-deepseek`` is
the original text. Shapes, skews and modes vary from batch to batch. Prints how many layers are worse than the greedy's
at all, by how much at most, and how many kept the greedy's own map; exit code 1 if one is worse by more than rounding.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from eplb_opt import Instance, Placement
from eplb_opt.external import as_placement, engine_arguments
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.refine import refined

BATCH = 100


def instance(random: np.random.Generator) -> Instance:
    """A batch of layers of one random shape."""
    nodes = int(random.choice([1, 1, 1, 2, 4]))
    ranks = nodes * int(random.choice([1, 2, 3, 4, 8, 16] if nodes > 1 else [2, 3, 4, 6, 8, 16, 32, 64]))
    groups = nodes * int(random.integers(1, 4))
    most = max(1, min(512, ranks * int(random.integers(1, 12))) // groups)
    experts = groups * int(random.integers(max(1, most // 2), most + 1))
    slots = ranks * (-(-experts // ranks) + int(random.choice([0, 0, 1, 1, 2, 3])))
    shape = (BATCH, experts)
    kind = random.integers(7)
    if kind == 0:
        load = random.lognormal(0, random.uniform(0.1, 2.5), shape)
    elif kind == 1:
        load = random.integers(0, int(random.choice([2, 5, 50, 10_000])), shape).astype(float)
    elif kind == 2:
        load = random.lognormal(0, 1, shape) * (random.random(shape) < random.uniform(0.1, 0.9))
    elif kind == 3:
        load = 1 + random.uniform(0, random.choice([1e-3, 0.1, 1.0]), shape)
    elif kind == 4:
        load = 1e6 / (1 + np.argsort(random.random(shape), axis=1)) ** random.uniform(0.3, 1.5)
    elif kind == 5:  # some experts have most of the load
        load = random.lognormal(0, 1, shape)
        load[:, : int(random.integers(1, 4))] *= experts * random.uniform(0.1, 10)
    else:  # the smallest numbers there are
        load = random.integers(0, int(random.choice([2, 20, 1000])), shape) * 5e-324
    return Instance(load, slots, num_groups=groups, num_nodes=nodes, num_ranks=ranks)


def peer(name: str) -> Callable[[Instance], Placement]:
    """An engine's own greedy, called as its engine does."""
    from benchmarks.peers import PEERS

    call = PEERS[name].load()
    return lambda batch: as_placement(
        call(torch.from_numpy(np.array(batch.weight)), *engine_arguments(batch)), batch, name
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", type=int, nargs="?", default=100_000)
    parser.add_argument("--peer", help="run this engine's greedy instead of ours")
    options = parser.parse_args()
    place = peer(options.peer) if options.peer else greedy
    random = np.random.default_rng(0)
    worse = repaired = seen = 0
    most = 0.0
    start = time.monotonic()
    while seen < options.layers:
        batch = instance(random)
        ours = refined(batch)
        theirs = place(batch)
        if ours.violations(batch):
            raise SystemExit(f"invalid map: {ours.violations(batch)[0]} ({batch.describe()})")
        value = ours.objective(batch)
        floor = theirs.objective(batch)
        excess = np.where(value > floor, value / np.where(floor > 0, floor, 5e-324), 1.0) - 1
        if options.peer:  # engines take loads in float32, which holds no smaller ones
            excess = np.where(batch.weight.max(axis=1) < np.finfo(np.float32).tiny, 0.0, excess)
        worse += int((excess > 1e-12).sum())
        most = max(most, float(excess.max()))
        repaired += int((ours.phy2log == theirs.phy2log).all(axis=1).sum())
        seen += BATCH
    print(f"{seen} layers: {worse} worse than the greedy's, by {most:.3g} at most; "
          f"{repaired} with the greedy's own map; {time.monotonic() - start:.0f} s")  # fmt: skip
    sys.exit(worse > 0)


if __name__ == "__main__":
    main()
