"""What it costs to go from one map to another: replicas, bytes and seconds, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints
from .held import EMPTY, Bools, held_experts, slots_in_use
from .links import (
    ELSEWHERE,
    Busiest,
    Links,
    Senders,
    Transfers,
    busiest_link,
    node_of_ranks,
    transfers_of,
)


@dataclass(frozen=True)
class LayerCost:
    """What one layer's moves cost.

    Attributes
    ----------
    changed : int
        Slots that hold another expert than before; those that did not move one only change place within their rank.
    moved : int
        Replicas on a rank that did not hold their expert before: the sum of the next four.
    within_node, across_nodes : int
        Replicas copied from a rank of the same node, and from another node where none on it holds the expert.
    loaded : int
        Replicas of experts that no rank holds: loaded from elsewhere.
    repeated : int
        Further replicas of an expert that their rank receives anyway: copied there.
    transfers : Transfers
        Who sends what to whom.
    sent_bytes, loaded_bytes : int or None
        Over links, and from elsewhere; None without `Links`.
    busiest : Busiest or None
        The link that takes longest; its seconds are the layer's. None where a speed is unknown.
    """

    changed: int
    moved: int
    within_node: int
    across_nodes: int
    loaded: int
    repeated: int
    transfers: Transfers
    sent_bytes: int | None = None
    loaded_bytes: int | None = None
    busiest: Busiest | None = None

    @property
    def in_place(self) -> int:
        """Slots that change their expert without a move: replicas that change place within a rank."""
        return self.changed - self.moved


def move_costs(
    placement: Placement,
    previous: Placement,
    instance: Instance,
    links: Links | None = None,
    failed_ranks: Sequence[int] = (),
) -> list[LayerCost]:
    """What it costs to go from the map in use to another one, if each layer is switched at once.

    A rank receives an expert once, from a rank of its own node if one holds it, otherwise from another node; of several
    ranks one sends so that the busiest of them sends little (see `links.Senders`).

    Parameters
    ----------
    placement : Placement
        Of the instance.
    previous : Placement
        The map in use; see `held.slots_in_use`. Ranks that the instance has no longer send nothing.
    instance : Instance
    links : Links, optional
        Without it bytes and seconds are None.
    failed_ranks : sequence of int
        Ranks of ``previous`` that hold nothing any more.

    Returns
    -------
    list of LayerCost
        One a layer.

    Raises
    ------
    InstanceError
        ``placement`` is not valid, ``previous`` is of another model, or nodes do not share the ranks equally.

    Examples
    --------
    >>> instance = Instance([[8, 3, 1, 1]], num_replicas=4, num_ranks=4, num_nodes=2)
    >>> previous = Placement([[0, 1, 2, 3]], num_experts=4)
    >>> now = Placement([[1, 0, 3, 2]], num_experts=4)
    >>> (cost,) = move_costs(now, previous, instance, Links(1000, within_node=500.0))
    >>> cost.moved, cost.within_node, cost.sent_bytes, cost.busiest
    (4, 4, 4000, Busiest(seconds=2.0, name='rank 0 out'))
    """
    placement.require_valid(instance)
    nodes = node_of_ranks(instance)
    before = slots_in_use(previous, instance, failed_ranks)
    held = held_experts(before, instance.num_experts)
    layers = len(before)
    now = placement.phy2log.reshape(layers, instance.num_ranks, -1)
    return [
        layer_cost(now[layer], before[layer], held[layer], nodes, links)
        for layer in range(layers)
    ]


def layer_cost(
    now: Ints, before: Ints, held: Bools, nodes: Ints, links: Links | None
) -> LayerCost:
    """The cost of one layer.

    Parameters
    ----------
    now, before : array [ranks, slots a rank], int64
        The expert in every slot; -1 in an empty one of ``before``, which may have other slots a rank.
    held : array [ranks, experts], bool
        Which experts each rank holds before.
    nodes : array [ranks], int64
        The node of each rank.
    links : Links or None
    """
    moved = int(new_on_rank(now, held).sum())
    transfers = transfers_to(now, held, nodes)
    loaded = int((transfers.source == ELSEWHERE).sum())
    is_far = nodes[transfers.source] != nodes[transfers.target]
    across = int((is_far & (transfers.source != ELSEWHERE)).sum())
    sent = len(transfers.source) - loaded
    size = None if links is None else links.bytes_per_expert
    return LayerCost(
        changed=int((widened(before, now.shape[1])[:, : now.shape[1]] != now).sum()),
        moved=moved,
        within_node=sent - across,
        across_nodes=across,
        loaded=loaded,
        repeated=moved - len(transfers.source),
        transfers=transfers,
        sent_bytes=None if size is None else sent * size,
        loaded_bytes=None if size is None else loaded * size,
        busiest=None if links is None else busiest_link(transfers, nodes, links),
    )


def widened(slots: Ints, width: int) -> Ints:
    """Slots [ranks, slots a rank] with at least so many a rank, the further ones empty."""
    ranks, own = slots.shape
    wide = np.full((ranks, max(own, width)), EMPTY, dtype=np.int64)
    wide[:, :own] = slots
    return wide


def new_on_rank(now: Ints, held: Bools) -> Bools:
    """Which slots [ranks, slots a rank] hold an expert that their rank did not hold; empty ones do not."""
    is_held = np.take_along_axis(held, np.maximum(now, 0), axis=1)
    return np.asarray((now != EMPTY) & ~is_held)


def transfers_to(now: Ints, held: Bools, nodes: Ints) -> Transfers:
    """Who sends what to whom, if all is switched at once: experts that few ranks can send are decided first.

    Parameters
    ----------
    now : array [ranks, slots a rank], int64
        The expert in every slot afterwards; -1 where it is empty.
    held : array [ranks, experts], bool
        Which experts each rank holds before.
    nodes : array [ranks], int64
        The node of each rank.
    """
    rank, slot = np.nonzero(new_on_rank(now, held))
    wanted = sorted(set(zip(rank.tolist(), now[rank, slot].tolist(), strict=True)))
    senders = Senders(nodes)
    able = {}
    for target, expert in wanted:
        holders = np.flatnonzero(held[:, expert]).tolist()
        able[target, expert] = senders.cheapest(holders, target)
    items = []
    for target, expert in sorted(wanted, key=lambda pair: len(able[pair])):
        source = senders.choose(able[target, expert], target)
        senders.note(source, target)
        items.append((source, target, expert))
    return transfers_of(items)
