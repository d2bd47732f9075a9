"""Steps of recorded traffic: who gets which token, what is measured of it, and what the page says of pairs of maps."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import step_time as bench
from benchmarks.step_time_cases import Placed, routed, tokens_of_slots
from benchmarks.step_time_page import interval, ordered_pairs, summary


def test_replicas_take_turns():
    random = np.random.default_rng(0)
    slots = np.array([[0, 1, 2], [0, 0, 3]])
    tokens = np.array([7, 5, 0, 1])
    shares = [tokens_of_slots(tokens, slots, random) for _ in range(200)]
    for found in shares:
        assert np.bincount(slots.ravel(), weights=found.ravel()).tolist() == tokens.tolist()
        assert sorted(found[slots == 0].tolist()) == [2, 2, 3]
    assert {tuple(found[slots == 0]) for found in shares} == {(3, 2, 2), (2, 3, 2), (2, 2, 3)}


def test_routed_tokens_follow_the_loads():
    load = np.array([[3.0, 0.0, 1.0], [1.0, 1.0, 2.0]])
    found = routed(load, 100_000, np.random.default_rng(1))
    assert found.sum(axis=1).tolist() == [100_000, 100_000]
    assert found / 100_000 == pytest.approx(load / 4, abs=0.01)
    assert found[0, 1] == 0


class Tiny(bench.Case):
    """Two layers of four experts."""

    def read(self):
        return np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 1.0, 1.0, 5.0]])


CASE = Tiny("tiny", "none.npz", None, "h100-deepseek-v3", 64, 32, 2, ((4, 2), (6, 2)), (8, 64))


def test_every_rank_of_every_map_is_measured_and_the_least_pass_counts():
    calls = []

    def clock(step):
        calls.append(step)
        return 1e-3 + 1e-6 * sum(step) + (1.0 if len(calls) % 3 == 0 else 0.0)

    lines = list(bench.measured(CASE, clock))
    names = ["contiguous 4/2", "greedy 4/2", "refined 4/2", "greedy 6/2", "refined 6/2"]
    assert [(line["map"], line["tokens"]) for line in lines] == [(name, n) for n in (8, 64) for name in names]
    for line in lines:
        seconds = np.array(line["seconds"])
        assert seconds.shape == (16, 2)
        working = (seconds > 0).sum(axis=1)
        undisturbed = seconds.max(axis=1) < 0.5
        total = seconds.sum(axis=1)[undisturbed]
        assert total == pytest.approx((working * 1e-3 + line["tokens"] * 2 * 1e-6)[undisturbed])
        assert undisturbed.mean() > 0.5


def test_all_maps_get_the_same_routed_tokens():
    load = CASE.read()
    maps = [Placed("a", 4, 2, np.array([[[0, 1], [2, 3]]] * 2)), Placed("b", 4, 2, np.array([[[3, 1], [2, 0]]] * 2))]
    found = list(bench.sampled(CASE, load, maps, 32))
    for (layer, one, left), (other_layer, other, right) in zip(found[::2], found[1::2], strict=True):
        assert layer == other_layer
        by_expert = [np.bincount(m.slots[layer].ravel(), weights=s.ravel()) for m, s in ((one, left), (other, right))]
        assert np.array_equal(*by_expert)
        assert left.sum() == 64


def test_an_interval_holds_the_mean():
    values = np.random.default_rng(2).normal(5, 1, 64)
    low, high = interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 8, rel=0.3)
    assert interval(values) == (low, high)


def cell(name, measured, predicted, tokens=8, width=1.0):
    bounds = {"low": measured - width, "high": measured + width}
    head = {"case": "c", "map": name, "tokens": tokens, "measured": measured}
    return head | bounds | {"predicted": predicted, "error": predicted / measured - 1}


def test_pairs_whose_intervals_overlap_are_not_ordered():
    cells = [cell("a 4/2", 10, 11), cell("b 6/2", 11, 10), cell("c 8/2", 20, 19)]
    cells += [cell("d 8/4", 5, 30), cell("a 4/2", 1, 9, tokens=16)]  # of other ranks, of another batch
    assert ordered_pairs(cells) == (3, 2, [])
    cells[2]["predicted"] = 10.5
    pairs, apart, wrong = ordered_pairs(cells)
    assert (pairs, apart, [(one["map"], other["map"]) for one, other in wrong]) == (3, 2, [("a 4/2", "c 8/2")])
    assert "a 4/2 10 us (predicted 11), c 8/2 20 us" in summary(cells)
