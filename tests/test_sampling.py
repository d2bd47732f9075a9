"""Bounds on the expected imbalance of finite steps, against every outcome of tiny ones in exact fractions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from eplb_opt import Instance, OptionError
from eplb_opt.heuristics.refine import refined
from eplb_opt.sampling import carried_shares, copies_of, step_imbalance

from .conftest import recorded

# loads, the expert in every slot of every rank
CASES = {
    "a rank each": ([1, 1, 1], [[0], [1], [2]]),
    "uneven": ([5, 2, 1], [[0], [1], [2]]),
    "two slots": ([3, 2, 2, 1], [[0, 3], [1, 2]]),
    "an expert on two ranks": ([4, 1, 1], [[0, 1], [0, 2]]),
    "shared unevenly": ([3, 2, 1], [[0, 0], [0, 1], [2, 1]]),
    "all shared": ([3, 2], [[0, 1], [0, 1]]),
    "repeated on its rank": ([2, 1, 1], [[0, 0], [1, 2]]),
    "an idle expert": ([2, 0, 1], [[0, 1], [2, 0]]),
    "one rank": ([2, 1], [[0, 1]]),
}


def exact_shares(loads, placed):
    """Probability of each expert, and the share of its tokens on each rank, by the definition."""
    total = sum(loads)
    slots = [expert for rank in placed for expert in rank]
    shares = [[Fraction(rank.count(e), slots.count(e)) for rank in placed] for e in range(len(loads))]
    return [Fraction(load, total) for load in loads], shares


def exact(loads, placed, tokens):
    """The expected heaviest over mean rank load of so many independent tokens."""
    probabilities, shares = exact_shares(loads, placed)
    expected = Fraction(0)
    for experts in itertools.product(range(len(loads)), repeat=tokens):
        heaviest = max(sum(shares[e][r] for e in experts) for r in range(len(placed)))
        expected += math.prod(probabilities[e] for e in experts) * heaviest
    return expected * len(placed) / tokens


@pytest.mark.parametrize("copies", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("name", CASES)
def test_bounds_hold_for_every_outcome(name, copies):
    loads, placed = CASES[name]
    expectation = float(exact(loads, placed, copies))
    found = step_imbalance(np.array(loads, dtype=float), np.array(placed), copies, draws=2000)
    assert found.lower <= expectation * (1 + 1e-9)
    assert found.upper >= expectation * (1 - 1e-9)
    assert abs(found.estimate - expectation) <= 5 * found.error + 1e-9
    probabilities, shares = exact_shares(loads, placed)
    heaviest = max(sum(p * s[r] for p, s in zip(probabilities, shares, strict=True)) for r in range(len(placed)))
    assert found.expected_loads == pytest.approx(float(heaviest * len(placed)))
    assert found.expected_loads <= found.lower * (1 + 1e-9)


def test_bounds_hold_on_random_tiny_layers():
    random = np.random.default_rng(3)
    for _ in range(60):
        ranks, slots = random.integers(2, 4), random.integers(1, 4)
        experts = random.integers(1, min(4, ranks * slots) + 1)
        spare = random.integers(0, experts, ranks * slots - experts)
        placed = random.permutation(np.concatenate([np.arange(experts), spare])).reshape(ranks, slots)
        loads = random.integers(1, 9, experts)
        copies = int(random.integers(1, 6))
        expectation = float(exact(loads.tolist(), placed.tolist(), copies))
        found = step_imbalance(loads.astype(float), placed, copies, draws=2)
        assert found.lower <= expectation * (1 + 1e-9)
        assert found.upper >= expectation * (1 - 1e-9)


def subsets_with(loads, top_k):
    """Weights of all sets of experts of a token, a joint law whose experts depend on each other."""
    sets = list(itertools.combinations(range(len(loads)), top_k))
    weights = [math.prod(loads[e] for e in chosen) + (chosen == sets[0]) for chosen in sets]
    return sets, [Fraction(weight, sum(weights)) for weight in weights]


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_one_copy_a_token_bounds_every_joint_law(tokens):
    placed = [[0, 3], [1, 2], [0, 1]]
    sets, weights = subsets_with([3, 2, 2, 1], 2)
    marginal = [sum(w for chosen, w in zip(sets, weights, strict=True) if e in chosen) for e in range(4)]
    loads = [int(m * math.lcm(*(w.denominator for w in weights))) for m in marginal]
    _, shares = exact_shares(loads, placed)
    expected = Fraction(0)
    for step in itertools.product(range(len(sets)), repeat=tokens):
        copies = [expert for index in step for expert in sets[index]]
        heaviest = max(sum(shares[e][r] for e in copies) for r in range(3))
        expected += math.prod(weights[index] for index in step) * heaviest
    imbalance = expected * 3 / (2 * tokens)
    assert imbalance <= exact(loads, placed, tokens)
    found = step_imbalance(np.array(loads, dtype=float), np.array(placed), tokens, draws=2)
    assert found.upper >= float(imbalance) * (1 - 1e-9)


# Of a DeepSeek-V3 map, 288 slots on 32 ranks, top-8: measured with the experts of a token different
@pytest.mark.parametrize(("tokens", "measured"), [(256, 1.24), (1024, 1.11), (4096, 1.06), (16384, 1.03)])
@pytest.mark.recorded
def test_a_balanced_large_map(tokens, measured):
    load = recorded("deepseek_v3")[0][:3]
    instance = Instance(load, 288, num_ranks=32)
    placed = refined(instance).phy2log.reshape(3, 32, 9)
    found = [step_imbalance(instance.weight[i], placed[i], copies_of(tokens, 8)) for i in range(3)]
    assert np.mean([step.estimate for step in found]) == pytest.approx(measured, abs=0.015)
    for step in found:
        assert step.expected_loads < step.lower < step.estimate < step.upper
        # Neither bound is further from the estimate than half of what sampling adds.
        assert max(step.estimate - step.lower, step.upper - step.estimate) < (step.estimate - 1) / 2


def test_large_steps_show_the_map():
    loads, placed = np.array([3.0, 2.0, 1.0]), np.array([[0], [1], [2]])
    found = step_imbalance(loads, placed, 2**30)
    assert found.expected_loads == 1.5
    assert found.lower == pytest.approx(1.5, abs=1e-3)
    assert found.upper == pytest.approx(1.5, abs=1e-3)
    assert found.estimate == pytest.approx(1.5, abs=1e-3)


def test_the_same_in_every_run():
    loads, placed = np.array([3.0, 2.0, 1.0]), np.array([[0], [1], [2]])
    assert step_imbalance(loads, placed, 64) == step_imbalance(loads, placed, 64)
    assert step_imbalance(loads, placed, 64) != step_imbalance(loads, placed, 64, seed=1)


def test_nothing_routed_is_even():
    found = step_imbalance(np.zeros(2), np.array([[0], [1]]), 8)
    assert (found.lower, found.upper, found.estimate, found.error) == (1, 1, 1, 0)


def test_shares():
    shares = carried_shares(np.array([[0, 0], [0, 1], [2, 1]]), 3)
    np.testing.assert_allclose(shares, [[2 / 3, 1 / 3, 0], [0, 0.5, 0.5], [0, 0, 1]])


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "8"])
def test_a_step_has_whole_tokens(value):
    with pytest.raises(OptionError, match=r"tokens_per_step=.*give an integer >= 1"):
        copies_of(value)
    with pytest.raises(OptionError, match=r"top_k=.*give an integer >= 1"):
        copies_of(1, value)


def test_steps_have_a_largest_size():
    with pytest.raises(OptionError, match="at most 4294967296 routed tokens a step"):
        copies_of(2**32, 2)
