"""Two slots a rank: prices of moves, and what the search over counts makes of them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import Instance
from eplb_opt.heuristics import pair_counts
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.greedy_check import heaviest_load, packing_bound
from eplb_opt.heuristics.pair_counts import AIM, HEAVIEST, MOST_ABOVE, TENURE, search_pairs, sizes
from eplb_opt.heuristics.pair_prices import FAR, ONE, cost, num_bins, prices
from eplb_opt.heuristics.refine import refine_maps, refined
from eplb_opt.heuristics.replicas import SCALE, UNIT, extra_copies
from eplb_opt.problem.topology import Topology

from ..oracle import pool_optimum


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=12).filter(lambda x: len(x) % 2 == 0), st.integers(0, 20))
def test_load_above_an_aim_is_the_integral_of_what_is_short(loads, more):
    """N2 of models/README.md, in fractions."""
    aim, ordered = max(loads) + more, sorted(loads)
    pairs = zip(ordered, reversed(ordered), strict=True)  # every pair twice
    above = Fraction(sum(max(a + b - aim, 0) for a, b in pairs), 2)
    ends = sorted({Fraction(0), Fraction(aim, 2)} | {Fraction(min(x, aim - x)) for x in loads})
    integral = Fraction(0)
    for left, right in pairwise(ends):
        x = (left + right) / 2
        short = sum(load > aim - x for load in loads) - sum(load <= x for load in loads)
        integral += max(short, 0) * (right - left)
    assert integral == above


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=2, max_size=24), st.integers(1, 4000), st.integers(0, 4500))
def test_prices_are_those_of_one_replica_more(loads, aim, load):
    bins = num_bins(len(loads))
    row, target, one = (np.array([x], dtype=np.int32) for x in (loads, [aim], [load]))
    table = prices(row, target, bins)
    found = cost(table, one, np.array([[3]]), target)
    row, target, one = map(torch.from_numpy, (row, target, one))
    assert cost(prices(row, target, bins), one, torch.tensor([[3]]), target).tolist() == found.tolist()

    def place(x):  # the bin of a load, counted from the middle, and what it weighs
        away = np.float32(abs(2 * x - aim)) * np.float32(bins / aim)
        return away, 1 if 2 * x > aim else -1

    here = [0] * bins
    for x in loads:
        away, sign = place(x)
        here[min(int(away), bins - 1)] += sign
    away, sign = place(load)
    expected = 0
    for k in range(min(int(away), bins - 1) + 1):
        short = sum(here[k:])
        expected += ONE >> min(31, max(0, 1 - short))
    expected += int(min(max(away - np.float32(bins), np.float32(0)), np.float32(FAR)) * np.float32(ONE))
    assert found.item() == 3 * sign * expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=3), st.integers(1, 3))
def test_no_packing_is_below_the_packing_bound(loads, each):
    replicas = sorted(loads * each, reverse=True)
    bound = packing_bound(np.array([replicas], dtype=np.float64), len(loads))[0]
    optimum = pool_optimum(tuple(map(float, replicas)), len(replicas), len(loads))
    assert bound <= float(optimum) * (1 + 1e-12)


@st.composite
def pools(draw):
    ranks = draw(st.integers(1, 24))
    experts = draw(st.integers(1, 2 * ranks - 1))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loads = {
        "lognormal": random.lognormal(0, 1.5, (3, experts)), "ties": random.integers(0, 5, (3, experts)),
        "sparse": random.lognormal(0, 1, (3, experts)) * (random.random((3, experts)) < 0.4),
    }[draw(st.sampled_from(["lognormal", "ties", "sparse"]))]  # fmt: skip
    most = draw(st.sampled_from([2 * ranks, max(ranks, -(-2 * ranks // experts))]))
    return loads.astype(np.float64), 2 * ranks, most, draw(st.integers(1, 8))


def plain_search(loads, slots, most, steps):
    """The search over the counts of one pool, from every start."""
    whole = np.rint(loads / (loads.max() or 1.0) * SCALE)
    tried, starts = sizes(slots, len(loads))
    lists = extra_copies(whole[None], slots - len(loads), most, starts).tolist()
    count = [1 + lists[0].count(e) for e in range(len(loads))]
    bound = max(whole.sum() / (slots // 2), max(w / k for w, k in zip(whole, count, strict=True)))
    found = [plain_start(whole * (UNIT / (bound or 1.0)), extra, most, steps, tried) for extra in lists]
    return min(found, key=lambda pair: pair[0])[1]


def plain_start(scaled, extra, most, steps, tried):
    """Load of the heaviest rank and counts that one start ends with, replica by replica; prices as tested above."""
    experts, slots = len(scaled), len(scaled) + len(extra)
    ranks = slots // 2
    owner = [*range(experts), *extra]
    count = [owner.count(e) for e in range(experts)]

    def load(e, k):
        return int(np.rint(min(scaled[e] / max(k, 1), HEAVIEST)))

    def rank_loads(counts):
        replicas = sorted(load(e, k) for e, k in enumerate(counts) for _ in range(k))
        return [replicas[i] + replicas[slots - 1 - i] for i in range(ranks)]

    def at_prices(aim, more):
        counts = np.array(count) + more
        alone = np.array([[load(e, k) for e, k in enumerate(counts.tolist())]], dtype=np.int32)
        here = np.array([[load(e, count[e]) for e in owner]], dtype=np.int32)
        aim = np.array([[aim]], dtype=np.int32)
        return cost(prices(here, aim, num_bins(slots)), alone, np.maximum(counts[None], 1), aim)[0]

    def moved(counts, gains, loses):
        return [k + (e == gains) - (e == loses) for e, k in enumerate(counts)]

    best, best_count = max(rank_loads(count)), count
    gained, lost = [-TENURE] * experts, [-TENURE] * experts
    for step in range(steps):
        aim = UNIT + ((best - UNIT) * AIM >> 10)
        more, fewer = ((at_prices(aim, d) - at_prices(aim, 0)).tolist() for d in (1, -1))
        gains = [e for e in range(experts) if count[e] < most and lost[e] <= step - TENURE]
        loses = [e for e in range(experts) if count[e] > 1 and gained[e] <= step - TENURE]
        gains, loses = sorted(gains, key=more.__getitem__)[:tried], sorted(loses, key=fewer.__getitem__)[:tried]
        candidates = [(g, h) for g in gains for h in loses if g != h]
        if not candidates:
            continue
        ranks_of = [rank_loads(moved(count, g, h)) for g, h in candidates]
        lightest = min(range(len(candidates)), key=lambda i: max(ranks_of[i]))
        if max(ranks_of[lightest]) < best:
            best, best_count = max(ranks_of[lightest]), moved(count, *candidates[lightest])
        above = [sum(min(max(x - aim, 0), MOST_ABOVE) for x in r) for r in ranks_of]
        g, h = candidates[above.index(min(above))]
        count = moved(count, g, h)
        owner[max(i for i, e in enumerate(owner) if e == h)] = g
        gained[g], lost[h] = step, step
    return best, best_count


@settings(max_examples=150, deadline=None)
@given(pools())
def test_the_search_is_what_plain_code_does(arguments):
    load, slots, most, steps = arguments
    found = search_pairs(load, slots, most, steps)
    counts = [1 + np.bincount(row, minlength=load.shape[1]) for row in found]
    assert np.array(counts).tolist() == [plain_search(row, slots, most, steps) for row in load]
    assert search_pairs(torch.from_numpy(load), slots, most, steps).tolist() == found.tolist()


def test_pools_searched_in_parts_end_as_together(monkeypatch):
    load = np.random.default_rng(2).lognormal(size=(7, 24))
    together = search_pairs(load, 32, 32, 8)
    monkeypatch.setattr(pair_counts, "CHUNK", 2 * 3 * 64 * 32)  # two pools of three starts
    np.testing.assert_array_equal(search_pairs(load, 32, 32, 8), together)


def test_most_of_the_greedys_gap_to_the_optimum_is_closed():
    load = np.random.default_rng(5).lognormal(size=(40, 5)).round(3)
    optimum = np.array([float(pool_optimum(tuple(map(float, row)), 10, 5)) for row in load])
    topology = Topology(num_ranks=5)
    maps = [refine_maps(load, 10, topology, steps=steps) for steps in (0, 16)]
    start, found = (heaviest_load(load, phy2log, 5) / optimum - 1 for phy2log in maps)
    assert found.min() > -1e-12
    assert found.mean() < 0.2 * start.mean()


@pytest.mark.parametrize(("experts", "ranks"), [(200, 104), (300, 200), (600, 400)])
def test_a_hot_expert_keeps_its_copies(experts, ranks):
    load = np.random.default_rng(1).lognormal(size=(4, experts))
    load[:, 0] = [experts, experts / 10, 10 * experts, 2.0]
    topology = Topology(num_ranks=ranks)
    start, found = (refine_maps(load, 2 * ranks, topology, steps=s) for s in (0, 8))
    assert (heaviest_load(load, found, ranks) <= heaviest_load(load, start, ranks) * (1 + 1e-5)).all()


def test_the_search_beats_the_greedys_counts():
    load = np.random.default_rng(3).lognormal(sigma=1.2, size=(8, 128))
    instance = Instance(load, 160, num_ranks=80)
    found, start = refined(instance).objective(instance), greedy(instance).objective(instance)
    assert (found <= start * (1 + 1e-12)).all()
    assert found.sum() < 0.999 * start.sum()
