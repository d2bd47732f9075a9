"""Ranks renamed, so that as few replicas as possible move; the objective stays the same.

Ranks of a node are alike, and so are the nodes of a layer and the slots of a rank: their names are free.
"""

from __future__ import annotations

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints
from .assignment import best_assignments
from .held import Bools, held_experts, slots_in_use
from .slots import keep_slots


def match_ranks(
    placement: Placement, previous: Placement, instance: Instance
) -> Placement:
    """A placement with its nodes, ranks and slots renamed, so that fewest replicas move from the map in use.

    A replica moves unless its rank held its expert. In hierarchical mode ranks are renamed within nodes, and nodes
    within a layer; in global mode all ranks are alike. Experts that stay keep their slots.

    Parameters
    ----------
    placement : Placement
        Valid for the instance.
    previous : Placement
        The map in use. -1 is an empty slot; another width, or another number of ranks, is fine.
    instance : Instance

    Returns
    -------
    Placement
        With the same objective.

    Raises
    ------
    InstanceError
        ``placement`` does not fit the instance, or ``previous`` is of another model.

    Examples
    --------
    The same map with its ranks the other way round: nothing moves.

    >>> from eplb_opt import Instance, Placement, match_ranks
    >>> instance = Instance([[8, 3, 1]], num_replicas=4, num_ranks=2)
    >>> previous = Placement([[0, 1, 0, 2]], num_experts=3)
    >>> match_ranks(Placement([[2, 0, 1, 0]], num_experts=3), previous, instance).phy2log.tolist()
    [[0, 1, 0, 2]]
    """
    instance.require_alike("match_ranks")
    placement.require_valid(instance)
    before = slots_in_use(previous, instance)
    rows = renamed(placement.phy2log, before, instance)
    return Placement(rows, placement.num_experts, placement.layer_ids)


def renamed(
    phy2log: Ints, before: Ints, instance: Instance, nodes: int | None = None
) -> Ints:
    """`match_ranks` on arrays.

    Parameters
    ----------
    phy2log : array [layers, replicas], int64
    before : array [layers, ranks, any slots a rank], int64
        The map in use, of `slots_in_use`.
    instance : Instance
        Its topology counts.
    nodes : int, optional
        Whose ranks stay together; by default those that have whole groups.

    Returns
    -------
    array [layers, replicas], int64
    """
    layers = len(phy2log)
    ranks = instance.num_ranks
    by_rank = phy2log.reshape(layers, ranks, -1)
    held = held_experts(before, instance.num_experts)
    stays = _staying(by_rank, held)
    order = _order(stays, instance.num_pools if nodes is None else nodes)
    rows = np.take_along_axis(by_rank, order[:, :, None], axis=1)
    return keep_slots(rows, before).reshape(layers, -1)


def _staying(by_rank: Ints, held: Bools) -> Ints:
    """Replicas of each new rank that would not move if it were a rank of before, [layers, new rank, old rank]."""
    layers, ranks, _ = by_rank.shape
    staying = np.empty((layers, ranks, ranks), dtype=np.int64)
    for old in range(ranks):
        has = np.take_along_axis(held[:, old, None, :], by_rank, axis=2)
        staying[:, :, old] = has.sum(axis=2)
    return staying


def _order(staying: Ints, nodes: int) -> Ints:
    """Which new rank each rank becomes, [layers, ranks]: the sum of what stays is largest; among equals what is."""
    layers, ranks, _ = staying.shape
    size = ranks // nodes
    # Twice what stays, and one more for a rank that keeps its name: more than all of these never outweighs a replica.
    gains = staying * (ranks + 1) + np.eye(ranks, dtype=np.int64)
    blocks = gains.reshape(layers, nodes, size, nodes, size).swapaxes(2, 3)
    inner = best_assignments(blocks.reshape(-1, size, size))
    of_block = inner.reshape(layers, nodes, nodes, size)
    blocks = blocks.reshape(layers, nodes, nodes, size, size)
    values = np.take_along_axis(blocks, of_block[..., None], axis=4)[..., 0]
    outer = best_assignments(values.sum(axis=3))
    order = np.empty((layers, ranks), dtype=np.int64)
    for node in range(nodes):  # of the new map
        old_node = outer[:, node]
        old_rank = (
            of_block[np.arange(layers), node, old_node] + old_node[:, None] * size
        )
        new_rank = np.broadcast_to(np.arange(size) + node * size, old_rank.shape)
        np.put_along_axis(order, old_rank, new_rank, axis=1)
    return order
