"""The comparison of proofs, on pools small enough for brute force."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from benchmarks import ablation
from eplb_opt import Limits
from eplb_opt.problem.pool import Pool

from ..oracle import pool_optimum


def test_every_open_pool_is_counted_and_small_ones_are_proven_by_both():
    rng = np.random.default_rng(1)
    pools = [Pool(np.rint(rng.lognormal(0, 1.5, 5) * 100), 9, 3) for _ in range(8)]
    gaps = [float(pool_optimum(tuple(p.loads.tolist()), 9, 3)) / ablation._opened(p)[1] - 1 for p in pools]
    found = ablation.compare_proofs(pools, Limits(seconds=None, work=5.0))
    assert found["pools"] == 8
    assert 0 < sum(gap > 1e-3 for gap in gaps) <= found["open"] <= 8
    assert set(found["proven"].values()) == {found["open"]}
    assert all(seconds > 0 for seconds in found["seconds"].values())
    assert "| 8 of tiny | " in ablation.enumeration_table([found | {"case": "tiny", "part": "enumeration"}])


def test_random_pools_are_the_same_every_time():
    first, second = (ablation.random_pools(6, 9, 3) for _ in range(2))
    assert len(first) == ablation.RANDOM
    assert all((a.loads == b.loads).all() for a, b in zip(first, second, strict=True))
