"""Maps near the one in use that are as light as any method's may have to be: no other plan is needed to tell."""

from __future__ import annotations

import numpy as np

from ..problem.instance import Instance
from ..problem.pool import Floats, Ints
from .held import Bools, moved_replicas
from .node_pools import repaired_rows
from .repair import heaviest_ranks
from .rule import MoveRule
from .start import valid_layers

ROUNDING = (
    1e-12  # relative: what objectives may differ by that were added in another order
)
# How far above its bound a map is that no method would make: where it is nearer, the method's plan may be that map.
FAR_ABOVE = 0.05
FAR = 0.5  # of the slots: with more moves than that, a method's own map may have as few


def near_bound(
    instance: Instance,
    before: Ints,
    held: Bools,
    bound: Floats,
    rule: MoveRule,
    searches: int,
) -> tuple[Ints, Ints]:
    """The layers for which a map near the one in use is within the slack of a bound, and these maps.

    Parameters
    ----------
    instance : Instance
    before : array [layers, ranks, any slots a rank], int64
        The map in use, of `held.slots_in_use`.
    held : array [layers, ranks, experts], bool
        What ranks hold of it.
    bound : array [layers], float64
        No map has a lighter heaviest rank.
    rule : MoveRule
        With a slack, and without other limits.
    searches : int
        See `repair.repaired`.

    Returns
    -------
    layers : array [any], int64
        By row.
    rows : array [any, replicas], int64
    """
    layers, start, of_start = _far_layers(instance, before, bound)
    if not len(layers):
        return layers, start
    part = some_layers(instance, layers)
    most = bound[layers] * (1 + (rule.slack or 0.0))
    rows = repaired_rows(part, start, held[layers], most, searches=searches)
    by_rank = rows.reshape(len(rows), instance.num_ranks, -1)
    objective = heaviest_ranks(part.weight, by_rank)
    moves = moved_replicas(by_rank, held[layers])
    is_good = objective <= most * (1 + ROUNDING)
    is_good &= moves <= FAR * instance.num_replicas
    too_little = of_start - objective < rule.min_gain * of_start
    rows[too_little] = start[too_little]
    return layers[is_good], rows[is_good]


def some_layers(instance: Instance, layers: Ints) -> Instance:
    """The instance of some layers, in order.

    Parameters
    ----------
    instance : Instance
    layers : array [any], int64
        By row.

    Returns
    -------
    Instance
    """
    is_whole = len(layers) == instance.num_layers
    return instance if is_whole else instance.select(layers.tolist())


def _far_layers(
    instance: Instance, before: Ints, bound: Floats
) -> tuple[Ints, Ints, Floats]:
    """Layers whose map in use is valid and far above its bound, these maps, and their objectives."""
    rows = before.reshape(len(before), -1)
    layers = np.flatnonzero(valid_layers(instance, before) & (instance.mean > 0))
    if not len(layers):
        return layers, rows[layers], np.zeros(0)
    objective = heaviest_ranks(instance.weight[layers], before[layers])
    is_far = objective > bound[layers] * (1 + FAR_ABOVE)
    return layers[is_far], rows[layers[is_far]], objective[is_far]
