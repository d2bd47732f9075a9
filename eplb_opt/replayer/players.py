"""Players: what makes a map of the windows that it sees, by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import OptionError, did_you_mean
from ..external import PolicyCall, call_policy, load_policy
from ..limits import Limits
from ..moves.rule import MoveRule
from ..problem.instance import Instance
from ..problem.objective import Objective
from ..problem.placement import Placement
from ..problem.pool import Ints

Plan = Callable[[Instance, Placement | None], Placement]
WORK = 0.1  # of `optimal`, for each pool
GAP = 1e-3  # of `optimal`: what a smaller one gains on the past is lost on what comes
OWN = "own"
IN_USE = "old_global_expert_indices"  # what engines call the map in use


@dataclass(frozen=True)
class Player:
    """A policy that plays.

    Attributes
    ----------
    name : str
    plan : callable
        From the instance of the windows that are seen, and the map in use or None, to a map.
    is_slow : bool
        A plan takes seconds, so that few of them are made.
    over_windows : bool
        It looks at the windows, not at their sum.
    rule : MoveRule or None
        How its map is changed into one near the map in use; None: not at all.
    workers : int
        Threads of that, where it looks at windows.
    looks_at_map : bool
        ``plan`` looks at the map in use; otherwise it is given None.
    """

    name: str
    plan: Plan
    is_slow: bool = False
    over_windows: bool = False
    rule: MoveRule | None = None
    workers: int = 1
    looks_at_map: bool = False

    def seeing(self, instance: Instance) -> Instance:
        """The instance as the player sees it: for the windows' mean imbalance, or for their sum."""
        if not self.over_windows:
            return instance
        return replace(instance, objective=Objective("mean"))


def contiguous(instance: Instance, in_use: Placement | None = None) -> Placement:
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
    ids = tuple(instance.layer_ids or ())
    return Placement(phy2log, instance.num_experts, ids, rank_slots=instance.rank_slots)


def _greedy(instance: Instance, in_use: Placement | None) -> Placement:
    from ..heuristics.greedy import greedy

    return greedy(instance)


def _refined(instance: Instance, in_use: Placement | None) -> Placement:
    return own(instance)


def _over_windows(workers: int) -> Plan:
    """`plan_windows` for the mean; the map is the same with any number of workers."""

    def plan(instance: Instance, in_use: Placement | None) -> Placement:
        from ..foresight.plan import plan_windows

        return plan_windows(instance, workers=workers)

    return plan


def _optimal(workers: int) -> Plan:
    """`solve`, which is limited by its work: the same map in every run."""
    limits = Limits(seconds=None, work=WORK, gap=GAP, workers=workers)

    def plan(instance: Instance, in_use: Placement | None) -> Placement:
        from ..solver import solve

        return solve(instance, "optimal", limits).placement

    return plan


def _players(workers: int) -> dict[str, Player]:
    """The players of this package by name, the simplest first; the greedy is the engines', which renames no ranks."""
    from ..policies.registry import POLICIES

    near = POLICIES["refined"].move_rule()
    renamed = POLICIES["optimal"].move_rule()
    over_windows = _over_windows(workers)
    players = (
        Player("contiguous", contiguous),
        Player("greedy", _greedy),
        Player("refined", _refined, rule=near),
        Player(
            "refined-windows",
            over_windows,
            over_windows=True,
            rule=near,
            workers=workers,
        ),
        Player("optimal", _optimal(workers), is_slow=True, rule=renamed),
    )
    return {player.name: player for player in players}


NAMES = ("contiguous", "greedy", "refined", "refined-windows", "optimal", OWN)


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
            near = did_you_mean(name, NAMES)
            raise OptionError(
                f"policy {name!r}: choose from {', '.join(NAMES)}, or write package.module:Name{near}"
            )
    if not players:
        raise OptionError(
            "policies: give one beside own, which plans on what it serves"
        )
    return players


def _external(name: str) -> Player:
    """A policy from outside: it gets the sum of the windows, or with ``takes_windows`` the windows.

    It gets the map in use, too, if it has an argument of that name, as the engines' interface has.
    """
    policy = load_policy(name)
    owner = getattr(policy, "__self__", policy)

    def plan(instance: Instance, in_use: Placement | None) -> Placement:
        told = policy if in_use is None else _with_map(policy, in_use)
        if getattr(owner, "takes_windows", False):
            told = _with_windows(told, instance)
        return call_policy(told, instance, name)

    return Player(name, plan, looks_at_map=_looks_at_map(policy))


def _looks_at_map(policy: PolicyCall) -> bool:
    """Whether a policy has an argument for the map in use."""
    try:
        return IN_USE in inspect.signature(policy).parameters
    except (TypeError, ValueError):  # some functions tell nothing of themselves
        return False


def _with_map(policy: PolicyCall, in_use: Placement) -> PolicyCall:
    """The policy, told the map in use."""
    phy2log, _, _ = in_use.maps()
    return functools.partial(policy, **{IN_USE: phy2log})


def _with_windows(policy: PolicyCall, instance: Instance) -> PolicyCall:
    """The policy, called with the loads of each window, [windows, layers, experts], instead of their sum."""

    def call(weight: Any, *arguments: int) -> Any:
        return policy(weight.new_tensor(instance.load.copy()), *arguments)

    return call


def own(instance: Instance) -> Placement:
    """The floor: a map that `refined` makes of the very window that it serves."""
    from ..heuristics.refine import refined

    return refined(instance)
