"""What proved the bounds, in words for people who have not read the mathematics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..certificates import names
from .content import Cell, Section, Table
from .study import Study
from .tables import layer_table
from .words import percentage

MEANING = {
    names.MEAN: "the heaviest rank carries at least the mean of all ranks",
    names.REPLICA: "some rank carries the largest replica, however experts are copied",
    names.CUTS: "the hottest experts cannot all have as many replicas as they need",
    names.PATTERNS: "a linear program over everything that a rank may hold",
    names.COUNTS: "a linear program over the pairs of replicas on ranks of two slots",
    names.CP_SAT: "the constraint solver CP-SAT searched all maps",
    names.COVER: "all covers of the experts by what ranks may hold, looked through again",
    names.COUNT_TREE: "all pairs of replicas, in a tree whose leaves are closed by prices",
    names.GROUP_TREE: "the mean of nodes, over all ways to give groups to nodes, looked through again",
    names.GROUPS: "the mean of nodes, over all ways to give groups to nodes",
    "rank patterns": "all covers of the experts by what ranks may hold were searched",
    "count enumeration": "all numbers of replicas were searched",
    "s=2 matching CP-SAT": "CP-SAT searched all pairs of replicas",
    "MILP (HiGHS)": "the solver HiGHS searched all maps",
    "MILP (CBC)": "the solver CBC searched all maps",
}


def proof_section(study: Study) -> Section:
    """What proved the bounds, and each layer in numbers."""
    words = [
        "A bound says what no map can be below, and why. A certified one is proven again, without a solver, by "
        "eplb-opt verify; a searched one rests on a solver that looked at all possibilities.",
    ]
    return Section("What is proven", words, [_proofs(study), layer_table(study)])


def _proofs(study: Study) -> Table:
    columns = ["proved by", "layers", "largest gap", "kind", "what it says"]
    return Table("Bounds", columns, list(_rows(study)))


def _rows(study: Study) -> Iterator[list[Cell]]:
    gaps = study.gaps(study.map_named(study.after))
    for proof in dict.fromkeys(study.proofs):
        is_its = np.array([other == proof for other in study.proofs])
        kind = "searched" if proof in names.SEARCHED else "certified"
        yield [
            proof,
            int(is_its.sum()),
            percentage(float(gaps[is_its].max())),
            kind,
            MEANING.get(proof, ""),
        ]
