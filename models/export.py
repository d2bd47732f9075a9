"""Export the reference models of the tiny instances, for any solver: ``make models``.

Each ``tiny/NAME.json`` holds a pool and its proven optimum. Written beside it: ``NAME.lp`` and ``NAME.mps`` (the MILP,
loads scaled by ``scale``) and ``NAME.cpsat.pbtxt`` (the CP-SAT model, loads scaled and rounded down). The scales and
the optimum in the models' own units are added to the JSON file.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from eplb_opt.exact import assignment_cpsat, assignment_milp
from eplb_opt.exact.assignment import Assignment
from eplb_opt.heuristics.greedy import greedy_pools
from eplb_opt.problem.pool import Packing, Pool

TINY = Path(__file__).parent / "tiny"


def read_pool(path: Path) -> Pool:
    """The pool of a tiny instance."""
    content = json.loads(path.read_text())
    return Pool(
        content["loads"], content["slots"], content["ranks"], content["distinct"]
    )


def assignment(pool: Pool) -> Assignment:
    """The formulation's data, started from the greedy."""
    loads = np.asarray(pool.loads)[None]  # a batch of one
    slots = greedy_pools(loads, pool.slots, pool.ranks, distinct=pool.distinct)
    by_rank = slots.reshape(pool.ranks, -1)
    return Assignment.of(pool, Packing(by_rank))


def export(path: Path, folder: Path) -> None:
    """Write the models of one tiny instance into a folder."""
    data = assignment(read_pool(path))
    milp = assignment_milp.build(data)
    cpsat = assignment_cpsat.build(data)
    stem = str(folder / path.stem)
    milp.problem.writeLP(f"{stem}.lp")
    milp.problem.writeMPS(f"{stem}.mps")
    cpsat.model.export_to_file(f"{stem}.cpsat.pbtxt")
    content = json.loads(path.read_text())
    content["scale"] = {"milp": milp.scale, "cpsat": float(cpsat.scale)}
    text = json.dumps(content, indent=1)
    (folder / path.name).write_text(text + "\n")


def main() -> None:
    """Export all."""
    for path in sorted(TINY.glob("*.json")):
        export(path, TINY)
        print(f"exported {path.stem}")


if __name__ == "__main__":
    main()
