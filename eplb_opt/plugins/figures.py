"""The figures of a call that planned: what changes, and what that does to the imbalance of the planning loads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..moves.held import moves
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints


@dataclass(frozen=True)
class Imbalance:
    """Imbalances of a map's layers, heaviest over mean rank load: 1 is perfect.

    Attributes
    ----------
    mean, worst : float
        Over the layers with a token; 1 where there are none.
    """

    mean: float
    worst: float


@dataclass(frozen=True)
class Figures:
    """What a call came to: as many figures for a model of any size.

    Attributes
    ----------
    layers, experts, replicas, ranks, windows : int
        The size of the call: replicas a layer, and windows of loads that were planned for.
    objective : str
        What these windows were planned for, as ``across`` of `Objective`.
    after : Imbalance
        Of the new map.
    before : Imbalance or None
        Of the map in use; None where there is none, or it is not valid.
    layers_changed, replicas_moved : int or None
        None where no map is in use. A replica moves to a rank that did not hold its expert.
    """

    layers: int
    experts: int
    replicas: int
    ranks: int
    windows: int
    objective: str
    after: Imbalance
    before: Imbalance | None = None
    layers_changed: int | None = None
    replicas_moved: int | None = None


def figures_of(instance: Instance, phy2log: Ints, old: Ints | None) -> Figures:
    """The figures of the map [layers, replicas] that was planned for an instance.

    Parameters
    ----------
    instance : Instance
    phy2log : array [layers, replicas], int64
    old : array [layers, slots], int64; optional
        The map in use, of any width.

    Examples
    --------
    >>> import numpy as np
    >>> instance = Instance([[3.0, 1.0]], 2, num_ranks=2)
    >>> figures = figures_of(instance, np.array([[0, 1]]), np.array([[1, 0]]))
    >>> figures.after, figures.layers_changed, figures.replicas_moved
    (Imbalance(mean=1.5, worst=1.5), 1, 2)
    """
    after = Placement(phy2log, instance.num_experts)
    fresh = Figures(
        layers=instance.num_layers,
        experts=instance.num_experts,
        replicas=instance.num_replicas,
        ranks=instance.num_ranks,
        windows=instance.num_windows,
        objective=instance.objective.across,
        after=_imbalance(after, instance),
    )
    if old is None:
        return fresh
    before = Placement(old, instance.num_experts)
    is_valid = not before.violations(instance)
    changed = (phy2log != old).any(axis=1).sum() if is_valid else instance.num_layers
    return replace(
        fresh,
        before=_imbalance(before, instance) if is_valid else None,
        layers_changed=int(changed),
        replicas_moved=int(moves(after, before, instance).sum()),
    )


def _imbalance(placement: Placement, instance: Instance) -> Imbalance:
    of_layers = _of_layers(placement, instance)
    if not len(of_layers):
        return Imbalance(1.0, 1.0)
    return Imbalance(float(of_layers.mean()), float(of_layers.max()))


def _of_layers(placement: Placement, instance: Instance) -> Floats:
    """What the objective makes of the map in each layer with a token, in units of the mean rank load."""
    is_busy = instance.mean > 0
    objective = placement.objective(instance)[is_busy]
    if instance.objective.adds_windows:
        return objective / instance.mean[is_busy]
    return objective
