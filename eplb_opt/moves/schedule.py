"""The way from one map to another: batches within limits, first those that gain most for what they copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from .batches import Batch, layer_batches, whole_batch
from .cost import widened
from .held import EMPTY, slots_in_use
from .links import Busiest, Links, Transfers, busiest_link, node_of_ranks
from .order import Block, blocks_of, in_order
from .traffic import MoveLimits
from .worth import imbalance_of


@dataclass(frozen=True, eq=False)
class Step:
    """One batch of one layer.

    Attributes
    ----------
    layer : int
        The layer's row.
    batch : int
        Its number in the layer, from 1.
    block : int
        Steps with one number follow each other as they gain most together; from 1.
    slots, experts : array, int64
        The slots of the layer that change, and the experts that they hold then; -1 empties a slot.
    transfers : Transfers
        What ranks receive for it.
    is_within_limits : bool
        False where whole groups go to other nodes, so that the layer can only be switched at once.
    busiest : Busiest or None
        The link that takes longest; None without links, or where a speed is unknown.
    imbalance : float
        The layer's after the step; infinite as long as an expert has no replica.
    mean_imbalance : float
        Its mean over layers then.
    """

    layer: int
    batch: int
    block: int
    slots: Ints
    experts: Ints
    transfers: Transfers
    is_within_limits: bool
    busiest: Busiest | None
    imbalance: float
    mean_imbalance: float


@dataclass(frozen=True, eq=False)
class Schedule:
    """The way from one map to another.

    Attributes
    ----------
    start : Placement
        The map in use on the ranks of the instance; -1 in slots that are empty.
    steps : tuple of Step
        In order.
    imbalance : array [layers], float64
        At the start; infinite where an expert has no replica.
    slots_per_rank : int
        Of the new map.
    """

    start: Placement
    steps: tuple[Step, ...]
    imbalance: Floats
    slots_per_rank: int

    def maps(self) -> Iterator[Placement]:
        """The map after each step, the new map at last.

        As long as ranks have more slots than in the new map, so have the maps: some ranks still hold replicas there.
        """
        slots = self.start.phy2log.copy()
        for step in self.steps:
            slots[step.layer, step.slots] = step.experts
            yield self._placement(slots)

    def _placement(self, slots: Ints) -> Placement:
        """A copy of the slots, without those a rank that the new map does not have, if all of these are empty."""
        start = self.start
        ranks = start.num_ranks or 1
        by_rank = _cut(slots.reshape(len(slots), ranks, -1), self.slots_per_rank)
        copied = by_rank.reshape(len(slots), -1).copy()
        return Placement(copied, start.num_experts, start.layer_ids, ranks)


def schedule_moves(
    placement: Placement,
    previous: Placement,
    instance: Instance,
    limits: MoveLimits | None = None,
    links: Links | None = None,
    failed_ranks: Sequence[int] = (),
) -> Schedule:
    """In which order to go from the map in use to another one.

    Without limits a layer is switched at once; with limits in batches, after each of which every expert that had a
    replica has one. Of all orders of these batches, the one with the least sum of what is copied times the imbalance
    meanwhile is taken.

    Parameters
    ----------
    placement : Placement
        Of the instance.
    previous : Placement
        The map in use; see `held.slots_in_use`.
    instance : Instance
        Its loads say what a step gains.
    limits : MoveLimits, optional
        None: a layer is one batch.
    links : Links, optional
        For the seconds of a step.
    failed_ranks : sequence of int
        Ranks of ``previous`` that hold nothing any more.

    Returns
    -------
    Schedule

    Raises
    ------
    InstanceError
        ``placement`` is not valid, ``previous`` is of another model, or nodes do not share the ranks equally.

    Examples
    --------
    >>> instance = Instance([[4, 2, 2], [9, 2, 1]], num_replicas=4, num_ranks=2)
    >>> previous = Placement([[0, 1, 0, 2], [0, 1, 1, 2]], num_experts=3)
    >>> now = Placement([[0, 2, 0, 1], [0, 1, 0, 2]], num_experts=3)
    >>> schedule = schedule_moves(now, previous, instance)
    >>> [(step.layer, round(step.imbalance, 2)) for step in schedule.steps]
    [(1, 1.08), (0, 1.0)]
    """
    placement.require_valid(instance)
    in_use = slots_in_use(previous, instance, failed_ranks)
    layers = _layers(placement, in_use, instance, limits or MoveLimits())
    blocks = [
        block
        for row, layer in enumerate(layers)
        for block in blocks_of(row, layer.imbalance, layer.copied)
    ]
    start = np.stack([layer.before for layer in layers])
    return Schedule(
        start=Placement(
            start.reshape(len(layers), -1),
            instance.num_experts,
            tuple(instance.layer_ids or ()),
            instance.num_ranks,
        ),
        steps=tuple(_steps(in_order(blocks), layers, node_of_ranks(instance), links)),
        imbalance=np.array([layer.imbalance[0] for layer in layers]),
        slots_per_rank=instance.slots_per_rank,
    )


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer's batches, and its imbalance before the first and after each."""

    before: Ints
    batches: Sequence[Batch]
    imbalance: Sequence[float]
    limits: MoveLimits

    @property
    def copied(self) -> list[int]:
        """Replicas that each batch copies."""
        return [len(batch.transfers.target) for batch in self.batches]

    def changes(self, number: int) -> tuple[Ints, Ints]:
        """The slots that a batch changes, and what they hold then."""
        earlier = self.batches[number - 1].slots if number else self.before
        then = self.batches[number].slots.ravel()
        slots = np.flatnonzero(earlier.ravel() != then)
        return slots, then[slots]


def _layers(
    placement: Placement, in_use: Ints, instance: Instance, limits: MoveLimits
) -> list[_Layer]:
    now = placement.phy2log.reshape(instance.num_layers, instance.num_ranks, -1)
    before = _cut(in_use, now.shape[2])
    width = max(before.shape[2], now.shape[2])
    return [
        _layer(
            widened(before[row], width),
            widened(now[row], width),
            instance.select([row]),
            limits,
        )
        for row in range(len(before))
    ]


def _cut(slots: Ints, width: int) -> Ints:
    """Slots [layers, ranks, slots a rank] without those beyond a width, if all of these are empty."""
    is_empty = (slots[:, :, width:] == EMPTY).all()
    return slots[:, :, :width] if is_empty else slots


def _layer(before: Ints, after: Ints, instance: Instance, limits: MoveLimits) -> _Layer:
    """The batches of an instance of one layer."""
    nodes = node_of_ranks(instance)
    if np.array_equal(before, after):
        batches = []
    elif limits.are_none or _moves_groups(before, after, instance):
        batches = [whole_batch(before, after, instance.num_experts, nodes)]
    else:
        batches = layer_batches(before, after, nodes, limits, instance.weight[0])
    stages = [before, *(batch.slots for batch in batches)]
    imbalance = [float(imbalance_of(slots[None], instance)[0]) for slots in stages]
    return _Layer(before, batches, imbalance, limits)


def _moves_groups(before: Ints, after: Ints, instance: Instance) -> bool:
    """Whether a node would hold too many groups between the two, so that a layer can only be switched at once."""
    if not instance.hierarchical:
        return False
    most = instance.num_groups // instance.num_nodes
    by_node = np.concatenate([before, after], axis=1).reshape(instance.num_nodes, -1)
    return any(
        len(set((held[held != EMPTY] // instance.group_size).tolist())) > most
        for held in by_node
    )


def _steps(
    blocks: Sequence[Block],
    layers: Sequence[_Layer],
    nodes: Ints,
    links: Links | None,
) -> Iterator[Step]:
    imbalance = np.array([layer.imbalance[0] for layer in layers])
    for place, block in enumerate(blocks, start=1):
        layer = layers[block.layer]
        for number in range(block.start, block.end):
            imbalance[block.layer] = layer.imbalance[number + 1]
            transfers = layer.batches[number].transfers
            slots, experts = layer.changes(number)
            yield Step(
                layer=block.layer,
                batch=number + 1,
                block=place,
                slots=slots,
                experts=experts,
                transfers=transfers,
                is_within_limits=layer.limits.allow(transfers),
                busiest=None
                if links is None
                else busiest_link(transfers, nodes, links),
                imbalance=layer.imbalance[number + 1],
                mean_imbalance=float(imbalance.mean()),
            )
