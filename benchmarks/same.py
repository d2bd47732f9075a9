"""The same maps, bounds and certificates on two commits: ``python -m benchmarks.same FILE`` on each.

``refined`` on random instances of all kinds, and ``optimal`` under work limits on smaller ones: a line an instance,
with digests of the map and of everything that its certificates prove. ``python -m benchmarks.same --compare OLD NEW``
names what differs and exits 1 if anything does. Nothing here depends on a clock.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eplb_opt import Instance, Limits, solve
from eplb_opt.heuristics.refine import refined

REFINED, SOLVED = 2000, 60
SHAPES = ((128, 144, 16, 1, 1), (60, 72, 24, 1, 1), (256, 288, 32, 8, 4), (64, 128, 64, 1, 1), (32, 48, 8, 16, 2))


def random_instance(seed: int, largest: int) -> Instance:
    """An instance drawn by its number: any mode, skew, redundancy and number of slots a rank."""
    random = np.random.default_rng(seed)
    nodes = int(random.choice([1, 1, 2, 4]))
    ranks = nodes * int(random.integers(1, 9))
    groups = nodes * int(random.integers(1, 4))
    experts = groups * int(random.integers(1, 1 + max(1, largest // groups)))
    slots = ranks * (-(-experts // ranks) + int(random.integers(0, 4)))
    loads = np.rint(random.lognormal(0, random.uniform(0.2, 2.0), (int(random.integers(1, 4)), experts)) * 1000)
    return Instance(loads, slots, num_groups=groups, num_nodes=nodes, num_ranks=ranks)


def digest(*parts: object) -> str:
    """A short digest of arrays and plain values."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.tobytes() if isinstance(part, np.ndarray) else json.dumps(part, sort_keys=True).encode())
    return found.hexdigest()[:16]


def solved(instance: Instance, method: str, work: float) -> str:
    """Digest of a result: the map, the bounds and their names, statuses and proofs."""
    result = solve(instance, method, Limits(seconds=None, work=work, seed=1))
    layers = [[c.status.value, c.stop.value, c.method, c.bound_method, _proofs(c.proofs)] for c in result.certificates]
    return digest(result.placement.phy2log, result.objective, result.lower_bound, layers)


def _proofs(proofs: tuple[dict[str, object], ...]) -> list[dict[str, object]]:
    """Certificates without their ``kind``, which earlier versions do not write."""
    return [{key: value for key, value in proof.items() if key != "kind"} for proof in proofs]


def lines(count: int, solves: int) -> Iterator[dict[str, str]]:
    """A line an instance."""
    for seed in range(count):
        instance = random_instance(seed, 96)
        yield {"case": f"refined {seed}", "digest": digest(refined(instance).phy2log)}
    for number, (experts, slots, ranks, groups, nodes) in enumerate(SHAPES):
        loads = np.rint(np.random.default_rng(number).lognormal(0, 1, (3, experts)) * 1000)
        instance = Instance(loads, slots, num_groups=groups, num_nodes=nodes, num_ranks=ranks)
        yield {"case": f"optimal {experts}/{slots}/{ranks}", "digest": solved(instance, "optimal", 2.0)}
    for seed in range(solves):
        instance = random_instance(10_000 + seed, 24)
        yield {"case": f"optimal {seed}", "digest": solved(instance, "optimal", 0.5)}
        if instance.num_replicas <= 16:
            for method in ("milp", "cpsat"):
                yield {"case": f"{method} {seed}", "digest": solved(instance, method, 0.5)}


def compare(old: Path, new: Path) -> int:
    """Print what differs; 1 if anything does."""
    before, after = (
        {line["case"]: line["digest"] for line in map(json.loads, path.read_text().splitlines())} for path in (old, new)
    )
    differing = [case for case in before if before[case] != after.get(case)]
    for case in differing:
        print(case, before[case], after.get(case, "missing"))
    print(f"{len(before)} cases, {len(differing)} differ")
    return 1 if differing else 0


def main() -> int:
    """Write a file, or compare two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="+", help="the file to write, or the two to compare")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--refined", type=int, default=REFINED, help="random instances of refined")
    parser.add_argument("--solved", type=int, default=SOLVED, help="random instances of optimal, milp and cpsat")
    options = parser.parse_args()
    if options.compare:
        return compare(*options.file)
    with options.file[0].open("w") as out:
        for line in lines(options.refined, options.solved):
            out.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
