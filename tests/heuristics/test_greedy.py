"""The greedy against a plain Python statement of the published rules."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt.heuristics.greedy import greedy_pools, replicate
from eplb_opt.heuristics.separate import separate_ranks


def counts_by_the_rules(loads, slots, most):
    counts = [1] * len(loads)
    for _ in range(slots - len(loads)):
        open_experts = [e for e in range(len(loads)) if counts[e] < most]
        best = max(open_experts, key=lambda e: (loads[e] / counts[e], -counts[e], -e))
        counts[best] += 1
    return counts


def objective_by_the_rules(loads, slots, ranks):
    counts = counts_by_the_rules(loads, slots, slots)
    items = sorted((w / c for w, c in zip(loads, counts, strict=True) for _ in range(c)), reverse=True)
    load, filled = [0.0] * ranks, [0] * ranks
    for item in items:
        rank = min((r for r in range(ranks) if filled[r] < slots // ranks), key=lambda r: (load[r], r))
        load[rank] += item
        filled[rank] += 1
    return max(load)


pools = st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(1, 6), st.integers(0, 3)).map(
    lambda p: (list(map(float, p[0])), p[1] * (-(-len(p[0]) // p[1]) + p[2]), p[1])
)


@settings(max_examples=300, deadline=None)
@given(pools)
def test_counts_follow_the_rules(pool):
    loads, slots, ranks = pool
    for most in (slots, ranks):
        if most * len(loads) >= slots:
            counts = replicate(torch.tensor([loads], dtype=torch.float64), slots, most)[0].tolist()
            assert counts == counts_by_the_rules(loads, slots, most)


@settings(max_examples=300, deadline=None)
@given(pools)
def test_packing_follows_the_rules(pool):
    loads, slots, ranks = pool
    placed = greedy_pools(torch.tensor([loads], dtype=torch.float64), slots, ranks)[0]
    counts = np.bincount(placed.numpy(), minlength=len(loads))
    assert (counts >= 1).all()
    load = (np.array(loads) / counts)[placed.numpy()].reshape(ranks, -1).sum(1).max()
    np.testing.assert_allclose(load, objective_by_the_rules(loads, slots, ranks), rtol=1e-12)


@settings(max_examples=200, deadline=None)
@given(pools)
def test_distinct_always_has_an_answer(pool):
    loads, slots, ranks = pool
    if slots > len(loads) * ranks:
        return
    placed = greedy_pools(torch.tensor([loads], dtype=torch.float64), slots, ranks, distinct=True)[0]
    rows = placed.view(ranks, -1).sort(1).values
    assert not (rows[:, 1:] == rows[:, :-1]).any()
    assert len(placed.unique()) == len(loads)


def test_repair_of_ranks_that_share_all_their_experts():
    ranks = separate_ranks([[0, 0, 1, 1], [2, 2, 3, 3], [0, 1, 2, 3]], [4.0, 3.0, 2.0, 1.0])
    assert all(len(set(held)) == 4 for held in ranks)


def test_batches_do_not_interact():
    loads = torch.from_numpy(np.random.default_rng(0).lognormal(size=(20, 16)))
    together = greedy_pools(loads, 24, 8)
    alone = torch.cat([greedy_pools(row[None], 24, 8) for row in loads])
    assert torch.equal(together, alone)
