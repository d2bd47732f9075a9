"""Players: what makes a map of the windows that it sees, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import OptionError
from ..external import PolicyCall, call_policy, load_policy
from ..limits import Limits
from ..problem.instance import Instance
from ..problem.objective import Objective
from ..problem.placement import Placement
from ..problem.pool import Ints

Plan = Callable[[Instance], Placement]
WORK = 0.1  # of `optimal`, for each pool
GAP = 1e-3  # of `optimal`: what a smaller one gains on the past is lost on what comes
OWN = "own"


@dataclass(frozen=True)
class Player:
    """A policy that plays.

    Attributes
    ----------
    name : str
    plan : callable
        From the instance of the windows that are seen, whose loads are added, to a map.
    is_slow : bool
        A plan takes seconds, so that few of them are made.
    over_windows : bool
        It looks at the windows, not at their sum.
    """

    name: str
    plan: Plan
    is_slow: bool = False
    over_windows: bool = False


def contiguous(instance: Instance) -> Placement:
    """The experts in order, then their further replicas in order: where engines start, whatever the loads are.

    In hierarchical mode each node so holds its share of the groups.

    Examples
    --------
    >>> contiguous(Instance([[9, 1, 1]], 4, num_ranks=2)).phy2log.tolist()
    [[0, 1, 2, 0]]
    """
    pools = instance.num_pools
    experts = instance.num_experts // pools
    of_pool = np.arange(instance.slots_per_pool) % experts
    row: Ints = np.concatenate([of_pool + pool * experts for pool in range(pools)])
    phy2log = np.tile(row, (instance.num_layers, 1))
    return Placement(phy2log, instance.num_experts, tuple(instance.layer_ids or ()))


def _greedy(instance: Instance) -> Placement:
    from ..heuristics.greedy import greedy

    return greedy(instance)


def _refined(instance: Instance) -> Placement:
    from ..heuristics.refine import refined

    return refined(instance)


def _over_windows(workers: int) -> Plan:
    """`plan_windows` for the mean; the map is the same with any number of workers."""

    def plan(instance: Instance) -> Placement:
        from ..foresight.plan import plan_windows

        over_windows = replace(instance, objective=Objective("mean"))
        return plan_windows(over_windows, workers=workers)

    return plan


def _optimal(workers: int) -> Plan:
    """`solve`, which is limited by its work: the same map in every run."""
    limits = Limits(seconds=None, work=WORK, gap=GAP, workers=workers)

    def plan(instance: Instance) -> Placement:
        from ..solver import solve

        return solve(instance, "optimal", limits).placement

    return plan


def _players(workers: int) -> dict[str, Player]:
    """The players of this package by name, the simplest first."""
    players = (
        Player("contiguous", contiguous),
        Player("greedy", _greedy),
        Player("refined", _refined),
        Player("refined-windows", _over_windows(workers), over_windows=True),
        Player("optimal", _optimal(workers), is_slow=True),
    )
    return {player.name: player for player in players}


NAMES = (*_players(1), OWN)


def chosen_players(names: Sequence[str], workers: int) -> list[Player]:
    """The players of some names, in that order; ``own`` is none, as it plans on what it serves.

    Parameters
    ----------
    names : sequence of str
        Of `NAMES`, or ``package.module:Name`` of a policy from outside.
    workers : int
        Processes of ``optimal``, threads of ``refined-windows``.

    Raises
    ------
    OptionError
        A name is none of these, or there is none.
    PolicyError
        A policy from outside cannot be loaded.
    """
    known = _players(workers)
    players = []
    for name in dict.fromkeys(names):
        if ":" in name:
            players.append(_external(name))
        elif name in known:
            players.append(known[name])
        elif name != OWN:
            raise OptionError(
                f"policy {name!r}: choose from {', '.join(NAMES)}, or write package.module:Name"
            )
    if not players:
        raise OptionError(
            "policies: give one beside own, which plans on what it serves"
        )
    return players


def _external(name: str) -> Player:
    """A policy from outside: it gets the sum of the windows, or with ``takes_windows`` the windows."""
    policy = load_policy(name)
    owner = getattr(policy, "__self__", policy)

    def plan(instance: Instance) -> Placement:
        if not getattr(owner, "takes_windows", False):
            return call_policy(policy, instance, name)
        return call_policy(_with_windows(policy, instance), instance, name)

    return Player(name, plan)


def _with_windows(policy: PolicyCall, instance: Instance) -> PolicyCall:
    """The policy, called with the loads of each window, [windows, layers, experts], instead of their sum."""

    def call(weight: Any, *arguments: int) -> Any:
        return policy(weight.new_tensor(instance.load.copy()), *arguments)

    return call


def own(instance: Instance) -> Placement:
    """The floor: a map that `refined` makes of the very window that it serves."""
    return _refined(instance)
