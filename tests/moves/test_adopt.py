"""The valid map nearest to one that is not, against all maps of tiny layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eplb_opt.moves.adopt import adopted


def least_moves(before, ranks, slots, experts, distinct):
    """Of all valid maps the least number of replicas whose rank does not hold their expert."""
    held = [set(row) for row in before]
    rows = list(itertools.combinations_with_replacement(range(experts), slots))
    if distinct:
        rows = [row for row in rows if len(set(row)) == slots]
    least = ranks * slots
    for choice in itertools.product(rows, repeat=ranks):
        if len(set(itertools.chain(*choice))) == experts:
            moved = sum(e not in held[r] for r, row in enumerate(choice) for e in row)
            least = min(least, moved)
    return least


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("seed", range(400))
def test_no_valid_map_moves_fewer(seed, distinct):
    random = np.random.default_rng(seed)
    ranks, slots = int(random.integers(1, 4)), int(random.integers(1, 4))
    experts = int(random.integers(slots if distinct else 1, ranks * slots + 1))
    before = random.integers(-1, experts, (ranks, int(random.integers(1, 5))))
    loads = random.lognormal(0, 1, experts)
    found = adopted(before, loads, np.ones((ranks, experts), dtype=bool), slots, distinct=distinct)
    assert found.shape == (ranks, slots)
    assert set(found.ravel().tolist()) == set(range(experts))
    if distinct:
        assert all(len(set(row)) == slots for row in found.tolist())
    moved = sum(e not in before[r] for r, row in enumerate(found.tolist()) for e in row)
    assert moved == least_moves(before.tolist(), ranks, slots, experts, distinct)
