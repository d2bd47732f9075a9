"""What steps take with a map, and what no map is below: against simulation by hand and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eplb_opt import Cost
from eplb_opt.errors import InstanceError, OptionError
from eplb_opt.sweeping.judge import Judge, least_work
from eplb_opt.sweeping.setting import Setting

ROOFLINE = Cost.roofline(3.0, 1.0, per_rank=0.5)  # reading an expert, or its tokens where they take longer


def setting(experts=4, layers=2, seed=0, **rest):
    load = np.random.default_rng(seed).lognormal(3, 1, (1, layers, experts)).round()
    given = {"replicas": [experts], "ranks": [2], "tokens_per_step": [8], "top_k": 2} | rest
    return Setting(load, **given)


def shared(tokens, count):
    """Mean cost of the replicas of an expert whose tokens are dealt to them one by one."""
    dealt = [tokens // count + (number < tokens % count) for number in range(count)]
    return float(np.mean(ROOFLINE(dealt)))


def by_hand(judge, placed):
    """The heaviest rank, the mean over steps and layers."""
    means = []
    for steps, slots in zip(judge.routed, placed, strict=True):
        counts = np.bincount(slots.ravel(), minlength=steps.shape[1])
        heaviest = [
            max(0.5 + sum(shared(tokens[e], counts[e]) for e in rank) for rank in slots.tolist())
            for tokens in steps.tolist()
        ]
        means.append(np.mean(heaviest))
    return np.mean(means)


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_the_heaviest_rank(seed):
    judge = Judge(setting(cost=ROOFLINE, seed=seed), 8, draws=20)
    placed = np.array([[[0, 1, 2], [3, 0, 0]], [[0, 2, 1], [3, 1, 1]]])
    assert judge.step(placed).mean == pytest.approx(by_hand(judge, placed), rel=1e-12)


def test_without_a_cost_a_step_is_an_imbalance():
    judge = Judge(setting(), 8, draws=50)
    placed = np.array([[[0, 1], [2, 3]]] * 2)
    loads = [steps.reshape(-1, 2, 2).sum(axis=2) for steps in judge.routed]
    expected = np.mean([(load.max(axis=1) / load.mean(axis=1)).mean() for load in loads])
    assert judge.step(placed).mean == pytest.approx(expected, rel=1e-12)


def all_maps(experts, ranks, slots):
    """Every map of a layer up to the order of slots on ranks."""
    for flat in itertools.product(range(experts), repeat=ranks * slots):
        if set(flat) == set(range(experts)):
            yield np.array(flat).reshape(ranks, slots)


@pytest.mark.parametrize("cost", [None, ROOFLINE])
@pytest.mark.parametrize("seed", range(3))
def test_no_map_is_below_the_bound(seed, cost):
    judge = Judge(setting(experts=3, layers=1, seed=seed, cost=cost, replicas=[4, 6]), 8, draws=10)
    for slots in (2, 3):
        least = min(judge.step(placed[None]).mean for placed in all_maps(3, 2, slots))
        bound = judge.bound(2 * slots, 2)
        assert 0 < bound <= least * (1 + 1e-12)


def test_without_spare_slots_the_dearest_expert_and_its_cheapest_company_bound_a_step():
    load = np.array([[[400.0, 1.0, 1.0, 1.0]]])
    judge = Judge(Setting(load, [4], [2], [64], cost=ROOFLINE), 64, draws=20)
    least = min(
        judge.step(np.array([[[0, other], rest]])).mean for other, rest in ((1, [2, 3]), (2, [1, 3]), (3, [1, 2]))
    )
    assert judge.bound(4, 2) == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_least_work_is_that_of_the_best_counts(seed):
    works = np.random.default_rng(seed).random((4, 3))
    expected = [
        min(
            sum(works[extra, expert] for expert, extra in enumerate(extras))
            for extras in itertools.product(range(4), repeat=3)
            if sum(extras) == spare
        )
        for spare in range(4)
    ]
    assert least_work(works) == pytest.approx(expected, rel=1e-12)


def test_steps_are_of_the_windows_where_these_are_not_added():
    from eplb_opt.problem.objective import Objective

    load = np.zeros((2, 1, 4))
    load[0, 0, 0] = load[1, 0, 3] = 5.0
    given = {"replicas": [4], "ranks": [2], "tokens_per_step": [8]}
    added = Judge(Setting(load, **given), 8, draws=40).routed[0]
    apart = Judge(Setting(load, **given, objective=Objective("mean")), 8, draws=40).routed[0]
    assert (added[:, [0, 3]] > 0).all()
    assert ((apart[:, 0] == 0) == (apart[:, 3] > 0)).all()
    assert (apart[:, 0] > 0).sum() == 20


def test_layers_without_traffic_take_nothing():
    silent = Setting(np.zeros((1, 2, 4)), [4], [2], [8])
    placed = np.array([[[0, 1], [2, 3]]] * 2)
    assert Judge(silent, 8).step(placed).mean == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"replicas": []}, "replicas names no number"),
        ({"ranks": [2, 0]}, "ranks=0: give integers >= 1"),
        ({"tokens_per_step": [2**30]}, "at most 16777216 routed tokens a step"),
    ],
)
def test_numbers_are_checked(given, said):
    with pytest.raises(OptionError, match=said):
        setting(**given)


def test_places_that_are_none_are_left_out_with_the_reason():
    places, left_out = setting(replicas=[4, 6, 8], ranks=[4, 2]).places()
    assert [(place.num_replicas, place.num_ranks) for place in places] == [(4, 4), (8, 4), (4, 2), (6, 2), (8, 2)]
    assert [(row["replicas"], row["ranks"]) for row in left_out] == [(6, 4)]
    assert "not a multiple" in left_out[0]["why"]
    with pytest.raises(InstanceError, match="not a multiple"):
        setting(replicas=[5], ranks=[4]).places()
