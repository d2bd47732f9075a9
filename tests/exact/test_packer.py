"""The exact packer against plain enumeration."""

from __future__ import annotations

import functools

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.exact.packer import EXHAUSTED, IMPOSSIBLE, PACKED, pack, pack_distinct


def optimum(items, owners, ranks, slots):
    """Least heaviest rank by giving items to ranks one by one; None if owners make it impossible."""

    @functools.cache
    def best(i, state):
        if i == len(items):
            return max(load for load, _, _ in state)
        found = []
        for r, (load, room, held) in enumerate(state):
            if not room or (owners and owners[i] in held):
                continue
            rank = (load + items[i], room - 1, held | {owners[i]} if owners else held)
            found.append(best(i + 1, tuple(sorted((*state[:r], rank, *state[r + 1 :]), key=repr))))
        found = [value for value in found if value is not None]
        return min(found) if found else None

    return best(0, ((0, slots, frozenset()),) * ranks)


def check_packed(items, ranks, slots, limit, out, owners=None):
    assert (np.bincount(out, minlength=ranks) == slots).all()
    assert np.bincount(out, weights=items, minlength=ranks).max() <= limit
    if owners is not None:
        assert len({(r, o) for r, o in zip(out.tolist(), owners.tolist(), strict=True)}) == len(items)


SHAPES = [(1, 1), (1, 4), (2, 2), (3, 1), (2, 3), (3, 2), (4, 2), (2, 4), (3, 3), (2, 5)]


@pytest.mark.parametrize(("ranks", "slots"), SHAPES)
@pytest.mark.parametrize("top", [3, 20, 1000])
def test_agrees_with_enumeration(ranks, slots, top):
    rng = np.random.default_rng(ranks * 1000 + slots * 100 + top)
    for _ in range(15):
        items = np.sort(rng.integers(0, top, ranks * slots))[::-1].astype(np.int64)
        if rng.random() < 0.3:
            items[0] += 2 * top
        best = optimum(tuple(items.tolist()), None, ranks, slots)
        out = np.full(items.size, -9, np.int64)
        for limit in {best, best + 1, best + top}:
            assert pack(items, ranks, slots, limit, 10**6, out) == PACKED
            check_packed(items, ranks, slots, limit, out)
        for limit in {best - 1, best // 2, 0} - {best}:
            assert pack(items, ranks, slots, limit, 10**6, out) == IMPOSSIBLE


@pytest.mark.parametrize(("ranks", "slots"), [(2, 2), (3, 2), (2, 3), (3, 3), (2, 4)])
def test_distinct_agrees_with_enumeration(ranks, slots):
    rng = np.random.default_rng(ranks * 10 + slots)
    impossible = 0
    for _ in range(40):
        owners = np.sort(rng.integers(0, max(2, ranks * slots - 2), ranks * slots)).astype(np.int64)
        items = rng.integers(0, 30, owners.max() + 1)[owners].astype(np.int64)
        order = np.lexsort((owners, -items))
        items, owners = items[order], owners[order]
        best = optimum(tuple(items.tolist()), tuple(owners.tolist()), ranks, slots)
        out = np.zeros(items.size, np.int64)
        if best is None:
            impossible += 1
            assert pack_distinct(items, owners, ranks, slots, 10**6, 10**6, out) == IMPOSSIBLE
            continue
        assert pack_distinct(items, owners, ranks, slots, best, 10**6, out) == PACKED
        check_packed(items, ranks, slots, best, out, owners)
        assert pack_distinct(items, owners, ranks, slots, best - 1, 10**6, out) == IMPOSSIBLE
    assert impossible < 40


def test_known_answer_with_its_best_counts():
    """600,560,120,120,20,10,10,10 on 8 ranks: 590/3 is reached by counts 4,4,2,2,1,1,1,1 or others; in sixths."""
    found, limit = False, 1180  # 590 / 3 in sixths
    out = np.zeros(16, np.int64)
    loads = [600, 560, 120, 120, 20, 10, 10, 10]
    for a in range(1, 9):
        for b in range(1, 9):
            for c in range(1, 9):
                d = 12 - a - b - c
                counts = [a, b, c, d, 1, 1, 1, 1]
                if d < 1 or any(w * 6 % k for w, k in zip(loads, counts, strict=True)):
                    continue
                items = [w * 6 // k for w, k in zip(loads, counts, strict=True) for _ in range(k)]
                ordered = np.array(sorted(items, reverse=True), np.int64)
                found |= pack(ordered, 8, 2, limit, 10**6, out) == PACKED
                assert pack(ordered, 8, 2, limit - 1, 10**6, out) == IMPOSSIBLE
    assert found


def test_budget_and_shape():
    rng = np.random.default_rng(0)
    items = np.sort(rng.integers(10**8, 10**9, 48))[::-1].astype(np.int64)
    out = np.zeros(48, np.int64)
    limit = -(-int(items.sum()) // 8)
    assert pack(items, 8, 6, limit, 0, out) == EXHAUSTED
    assert pack(items, 8, 6, limit, 1000, out) == EXHAUSTED
    assert pack(items, 8, 6, int(limit * 1.01), 10**6, out) == PACKED
    check_packed(items, 8, 6, int(limit * 1.01), out)
    with pytest.raises(ValueError, match="fill every slot"):
        pack(items[:-1], 8, 6, limit, 10, out)
