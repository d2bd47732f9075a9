"""Judging by hand: imbalance in what was served, moves, percentiles; and the players' maps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from eplb_opt import POLICIES, Instance, Objective, OptionError, Placement, PolicyError
from eplb_opt.plugins.past import planned_over
from eplb_opt.replayer.judge import Outcome, imbalance_in
from eplb_opt.replayer.players import NAMES, Player, chosen_players, contiguous
from eplb_opt.replayer.rounds import OwnRounds, Rounds
from eplb_opt.replayer.trace import turns_by_time


def brute_force_moves(old, new, ranks):
    """By the definition, of one layer: a replica moves unless its rank held its expert."""
    size = len(new) // ranks
    before = [set(old[r * size : (r + 1) * size]) for r in range(ranks)]
    return sum(expert not in before[slot // size] for slot, expert in enumerate(new))


def brute_force_renamed(old, new, ranks):
    """Fewest over all orders of the new ranks."""
    by_rank = np.reshape(new, (ranks, -1))
    orders = itertools.permutations(range(ranks))
    return min(brute_force_moves(old, by_rank[list(order)].ravel().tolist(), ranks) for order in orders)


@pytest.mark.parametrize("name", NAMES[:-2])
def test_moves_of_every_player(name):
    """Counted by the definition, on the maps that follow each other."""
    load = np.random.default_rng(0).integers(1, 90, (9, 2, 6))
    instance = Instance(load, 8, num_ranks=4)
    (player,) = chosen_players([name], 1)
    rounds = Rounds(player, instance)
    turns = turns_by_time(9, 2, 1)
    outcome = rounds.outcome(turns, 1)
    maps = [planned.placement.phy2log.tolist() for planned in rounds.chain(turns)]
    for number, (old, new) in enumerate(itertools.pairwise(maps)):
        pairs = list(zip(old, new, strict=True))
        assert outcome.moves[number].tolist() == [brute_force_moves(*pair, 4) for pair in pairs]
        assert outcome.renamed_moves[number].tolist() == [brute_force_renamed(*pair, 4) for pair in pairs]


def test_unchanged_loads_move_nothing():
    instance = Instance(np.random.default_rng(1).integers(1, 90, (1, 2, 6)).repeat(6, axis=0), 8, num_ranks=4)
    for player in chosen_players(["refined", "refined-windows", "optimal"], 1):
        assert not Rounds(player, instance).outcome(turns_by_time(6, 2, 2), 2).moves.any()


def test_refined_plans_from_its_own_last_map():
    """As its policy does, and over windows as the plug-ins do."""
    load = np.random.default_rng(2).lognormal(3, 1, (8, 2, 12)).round()
    instance = Instance(load, 16, num_ranks=4)
    policy = POLICIES["refined"]
    turns = turns_by_time(8, 3, 1)
    one, other = chosen_players(["refined", "refined-windows"], 1)
    of_sum = Rounds(one, instance).chain(turns)
    over_windows = Rounds(other, instance).chain(turns)
    old = None
    for planned, turn in zip(of_sum, turns, strict=True):
        weight = torch.from_numpy(load[list(turn.seen)])
        old = policy.rebalance_experts(weight, 16, 1, 1, 4, old)[0]
        assert planned.placement.phy2log.tolist() == old.tolist()
    before = None
    for planned, turn in zip(over_windows, turns, strict=True):
        seen = Instance(load[list(turn.seen)], 16, num_ranks=4, objective=Objective("mean"))
        before = planned_over(seen, policy, before)
        assert planned.placement.phy2log.tolist() == before.tolist()


def test_plans_without_a_map_in_use_are_made_once():
    made = []

    def plan(instance, in_use):
        made.append(in_use)
        return contiguous(instance)

    instance = Instance(np.ones((8, 1, 6)), 8, num_ranks=4)
    rounds = Rounds(Player("mine", plan), instance)
    for interval in (1, 2, 4):
        rounds.outcome(turns_by_time(8, 2, interval), interval)
    assert made == [None] * 6
    rounds = Rounds(Player("mine", plan, looks_at_map=True), instance)
    rounds.outcome(turns_by_time(8, 2, 2), 2)
    assert [in_use is None for in_use in made[6:]] == [True, False, False]


def test_imbalance_in_some_windows():
    instance = Instance([[[3, 1]], [[1, 1]], [[0, 0]], [[0, 5]]], 2, num_ranks=2)
    placement = Placement([[0, 1]], 2)
    assert imbalance_in(placement, instance, [0, 2, 3]).tolist() == [[1.5], [1.0], [2.0]]


def test_figures():
    imbalance = np.array([[1.0, 2.0], [2.0, 4.0], [1.5, 1.5]])
    moved = np.array([[2, 4], [0, 2]])
    figures = Outcome("greedy", 8, 4, imbalance, 1.25, moved, moved // 2, 0.5, 3).figures([3, 9])
    assert figures["imbalance_mean"] == 2.0
    assert figures["imbalance_p50"] == 1.5
    assert figures["imbalance_p95"] == pytest.approx(2.85)
    assert figures["imbalance_p99"] == pytest.approx(2.97)
    assert (figures["worst_layer"], figures["worst_layer_imbalance"]) == (9, 2.5)
    assert (figures["moves_mean"], figures["moves_share"], figures["renamed_moves_mean"]) == (2.0, 0.25, 1.0)
    assert figures["window_imbalance"] == [1.5, 3.0, 1.5]
    assert figures["layer_imbalance"] == [1.5, 2.5]


@pytest.mark.parametrize("topology", [{}, {"num_groups": 4, "num_nodes": 2}, {"distinct": True}])
def test_contiguous_maps_are_valid(topology):
    instance = Instance(np.ones((2, 8)), 12, num_ranks=4, **topology)
    placement = contiguous(instance)
    placement.require_valid(instance)
    assert (placement.phy2log[0] == placement.phy2log[1]).all()
    assert placement.counts().max() == 2


def test_rounds_by_hand():
    """Two experts and a spare slot: the first is hot at first, then the second."""
    load = [[[8.0, 2.0]], [[8.0, 2.0]], [[2.0, 8.0]], [[2.0, 8.0]]]
    instance = Instance(load, 3, num_ranks=3)
    (greedy,) = chosen_players(["greedy"], 1)
    rounds = Rounds(greedy, instance)
    once = rounds.outcome(turns_by_time(4, 1, None), None)
    np.testing.assert_allclose(once.imbalance[:, 0], [1.2, 2.4, 2.4])
    assert (once.plans, once.moves.shape, once.seen) == (1, (0, 1), pytest.approx(1.2))
    always = rounds.outcome(turns_by_time(4, 1, 1), 1)
    np.testing.assert_allclose(always.imbalance[:, 0], [1.2, 2.4, 1.2])
    assert always.plans == 3
    assert always.seconds >= 0
    # The map [0, 1, 0] becomes [0, 1, 1] once.
    assert always.moves.tolist() == always.renamed_moves.tolist() == [[0], [1]]
    own = OwnRounds(instance).outcome(turns_by_time(4, 1, 1), 1)
    np.testing.assert_allclose(own.imbalance[:, 0], [1.2, 1.2, 1.2])


def test_own_plans_are_those_of_each_window():
    random = np.random.default_rng(5)
    instance = Instance(random.integers(1, 90, (40, 2, 8)), 12, num_ranks=4, num_groups=4, num_nodes=2)
    turns = turns_by_time(40, 2, 7)
    rounds = OwnRounds(instance)
    outcome = rounds.outcome(turns, 7)
    for row, window in enumerate(range(2, 40)):
        placement = rounds.placement_at(window, turns)
        np.testing.assert_allclose(outcome.imbalance[row], imbalance_in(placement, instance, [window])[0])


def test_names():
    assert [player.name for player in chosen_players([*NAMES, "own"], 1)] == list(NAMES[:-1])
    with pytest.raises(OptionError, match="policy 'gredy': choose from contiguous, greedy"):
        chosen_players(["gredy"], 1)
    with pytest.raises(OptionError, match="give one beside own"):
        chosen_players(["own"], 1)
    with pytest.raises(PolicyError, match="cannot import no_such_module"):
        chosen_players(["no_such_module:Policy"], 1)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_players_place(name):
    random = np.random.default_rng(2)
    instance = Instance(random.integers(1, 90, (3, 2, 6)), 8, num_ranks=4)
    (player,) = chosen_players([name], 1)
    placement = player.plan(player.seeing(instance), None)
    placement.require_valid(instance)
    again = player.plan(player.seeing(instance), None)
    np.testing.assert_array_equal(placement.phy2log, again.phy2log)
