"""Random elastic steps: slots and ranks come and go, ranks fail, and no expert is lost.

A step is one of `replanned`, of `solve` with the map in use and failed ranks, or of a policy with a map of any width.

``python -m tests.elastic 10000 SEED`` takes so many steps and says what it has found.
"""

from __future__ import annotations

import sys
from dataclasses import asdict

import numpy as np
import torch

from eplb_opt import POLICIES, Instance, Placement, configure, solve
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.moves.held import EMPTY, held_experts, moves, slots_in_use
from eplb_opt.moves.rule import MoveRule
from eplb_opt.replanning import replanned

RULES = (MoveRule(), MoveRule(slack=0.02), MoveRule(max_moves=3), MoveRule(move_price=1e-3), MoveRule(max_moves=0))
EXPERTS = 12
LAYERS = 2


def random_step(random: np.random.Generator, used: Placement | None) -> Placement:
    """A map for another topology and other loads, from the one in use; what is wrong with it raises."""
    instance = _instance(random)
    rule = RULES[random.integers(len(RULES))]
    fresh = greedy(instance)
    if used is None:
        return Placement(fresh.phy2log, EXPERTS, None, instance.num_ranks)
    ranks = used.num_ranks or 1
    lost = random.permutation(ranks)[: random.integers(0, ranks)].tolist() if random.random() < 0.5 else []
    way = WAYS[random.integers(len(WAYS))]
    found = way(instance, fresh, used, rule, lost)
    faults = found.violations(instance)
    assert not faults, faults
    if way is not _by_policy:  # which cannot say how many ranks the map in use has
        _check_moves(instance, found, used, lost, rule)
    return Placement(found.phy2log, EXPERTS, None, instance.num_ranks)


def _by_replanned(instance: Instance, fresh: Placement, used: Placement, rule: MoveRule, lost: list[int]) -> Placement:
    return replanned(instance, fresh, used, rule, failed_ranks=lost)


def _by_solve(instance: Instance, fresh: Placement, used: Placement, rule: MoveRule, lost: list[int]) -> Placement:
    """What `solve` returns; it counts the moves right, and bounds them from below."""
    limits = {name: value for name, value in asdict(rule).items() if name != "min_gain"}
    result = solve(instance, "greedy", previous=used, failed_ranks=lost, **limits)
    counted = moves(result.placement, used, instance, lost)
    assert np.array_equal(result.moves, counted), (result.moves, counted)
    assert (np.array(result.moves_bound) <= counted).all(), (result.moves_bound, counted)
    return result.placement


def _by_policy(instance: Instance, fresh: Placement, used: Placement, rule: MoveRule, lost: list[int]) -> Placement:
    """What the policy makes of a map of any width, as engines pass it; lost slots are empty."""
    old = used.phy2log.reshape(LAYERS, used.num_ranks or 1, -1).copy()
    old[:, lost] = EMPTY
    policy = configure(POLICIES["greedy"], distinct=instance.distinct, **asdict(rule))
    maps = policy.rebalance_experts(
        torch.from_numpy(instance.weight.copy()),
        instance.num_replicas,
        instance.num_groups,
        instance.num_nodes,
        instance.num_ranks,
        torch.from_numpy(old.reshape(LAYERS, -1)),
    )
    return Placement(maps[0].numpy(), EXPERTS)


WAYS = (_by_replanned, _by_solve, _by_policy)


def _instance(random: np.random.Generator) -> Instance:
    nodes = int(random.integers(1, 4))
    ranks = nodes * int(random.integers(1, 4))
    per_rank = -(-EXPERTS // ranks) + int(random.integers(0, 3))
    groups = nodes * int(random.choice([1, 2])) if 12 % (2 * nodes) == 0 else nodes
    return Instance(
        random.lognormal(0, 1, (LAYERS, EXPERTS)) * (random.random() > 0.05),
        ranks * per_rank,
        num_ranks=ranks,
        num_nodes=nodes,
        num_groups=groups,
        distinct=bool(random.random() < 0.3) and per_rank <= EXPERTS // nodes,
    )


def _check_moves(instance: Instance, found: Placement, used: Placement, lost: list[int], rule: MoveRule) -> None:
    """Where nothing is asked but few moves, no more move than have to: experts without a holder, slots that cannot be
    filled with what is held."""
    if rule.max_moves != 0 or instance.hierarchical or instance.distinct:
        return
    held = held_experts(slots_in_use(used, instance, lost), EXPERTS)
    by_rank = found.phy2log.reshape(LAYERS, instance.num_ranks, -1)
    moved = (~np.take_along_axis(held, by_rank, axis=2)).sum(axis=(1, 2))
    homeless = (~held.any(axis=1)).sum(axis=1)
    if (held.sum(axis=2) <= instance.slots_per_rank).all() and held.any(axis=2).all():
        assert (moved == homeless).all(), (moved, homeless)


def main(steps: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    used = None
    for _ in range(steps):
        used = random_step(random, used)
    print(f"{steps} elastic steps, seed {seed}: every map valid, no expert lost, no move without need")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
