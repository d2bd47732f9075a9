"""Random elastic steps: slots and ranks come and go, ranks fail, and no expert is lost.

``python -m tests.elastic 10000 SEED`` takes so many steps and says what it has found.
"""

from __future__ import annotations

import sys

import numpy as np

from eplb_opt import Instance, Placement
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.moves.held import held_experts, slots_in_use
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
    found = replanned(instance, fresh, used, rule, failed_ranks=lost)
    faults = found.violations(instance)
    assert not faults, faults
    _check_moves(instance, found, used, lost, rule)
    return Placement(found.phy2log, EXPERTS, None, instance.num_ranks)


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
