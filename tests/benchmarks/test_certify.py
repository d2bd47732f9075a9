"""Certificates of stored bounds: what is found suffices, and no bound changes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from benchmarks.bounds import check
from benchmarks.certify import certified
from eplb_opt import Instance, Limits, solve
from eplb_opt.certificates.names import COUNT_TREE, COVER, GROUP_TREE, GROUPS
from eplb_opt.exact.matching import MATCHING

WORK = Limits(seconds=None, work=0.3)
SHAPES = {
    "rank patterns": (10, {"num_replicas": 15, "num_ranks": 5}, COVER),
    MATCHING: (24, {"num_replicas": 32, "num_ranks": 16}, COUNT_TREE),
    GROUPS: (64, {"num_replicas": 96, "num_ranks": 16, "num_nodes": 4, "num_groups": 16}, GROUP_TREE),
}


@pytest.mark.parametrize("name", SHAPES)
def test_searched_bounds_get_their_certificates(name):
    experts, topology, proven_by = SHAPES[name]
    load = np.random.default_rng(0).lognormal(0, 0.8, (1, experts))
    instance = Instance(load, **topology)
    (layer,) = solve(instance, "optimal", WORK).to_dict()["layers"]
    entry = {"layer_id": 0, "lower_bound": layer["lower_bound"], "bound_method": name, "proofs": []}
    assert check(instance, [entry]) == (0, [])
    new = certified(instance, 0, entry)
    assert (new["bound_method"], new["lower_bound"]) == (proven_by, entry["lower_bound"])
    assert check(instance, [new]) == (1, [])
    above = {**entry, "lower_bound": layer["objective"] * 1.0001}
    assert certified(instance, 0, above) == above
