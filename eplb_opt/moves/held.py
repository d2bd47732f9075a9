"""What ranks hold of a map in use, and the replicas of another map that move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import InstanceError, shown
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints
from ..problem.ranks import as_ranks

Bools = npt.NDArray[np.bool_]
EMPTY = -1  # a slot without an expert


def slots_in_use(
    previous: Placement, instance: Instance, failed_ranks: Sequence[int] = ()
) -> Ints:
    """The expert in every slot of a map in use, for the instance's layers and ranks.

    Parameters
    ----------
    previous : Placement
        It has the instance's slots a rank, unless its ``num_ranks`` says otherwise; another number of ranks is cut to
        the first ones, or filled with ranks that hold nothing. What is no expert is an empty slot.
    instance : Instance
    failed_ranks : sequence of int
        Ranks of ``previous`` that hold nothing any more. If the instance has fewer ranks, the others move up in order;
        otherwise each keeps its number, and the failed ones are empty.

    Returns
    -------
    array [layers, ranks, slots a rank of ``previous``], int64
        -1 for an empty slot.

    Raises
    ------
    InstanceError
        It is of other experts, a layer is not in it, or there is no rank of a number.
    """
    if previous.num_experts != instance.num_experts:
        raise InstanceError(
            f"the map in use is of {previous.num_experts} experts, the loads of {instance.num_experts}: "
            "give the map of the same model"
        )
    rows = previous.phy2log[_rows(previous, instance)]
    is_expert = (rows >= 0) & (rows < instance.num_experts)
    by_rank = _by_rank(np.where(is_expert, rows, EMPTY), previous, instance)
    by_rank = _without(by_rank, failed_ranks, instance.num_ranks)
    layers, ranks, slots = by_rank.shape
    result = np.full((layers, instance.num_ranks, slots), EMPTY, dtype=np.int64)
    common = min(ranks, instance.num_ranks)
    result[:, :common] = by_rank[:, :common]
    return result


def _without(by_rank: Ints, failed: Sequence[int], ranks_left: int) -> Ints:
    """Slots without those of failed ranks."""
    ranks = by_rank.shape[1]
    for rank in failed:
        if rank not in range(ranks):
            raise InstanceError(
                f"failed_ranks has {shown(rank)}: the map in use has ranks 0 to {ranks - 1}"
            )
    if ranks_left < ranks:
        return np.delete(by_rank, list(failed), axis=1)
    result = by_rank.copy()
    result[:, list(failed)] = EMPTY
    return result


def _rows(previous: Placement, instance: Instance) -> list[int]:
    """The row of each of the instance's layers in the map in use."""
    row_of = {layer_id: row for row, layer_id in enumerate(previous.layer_ids or ())}
    wanted = instance.layer_ids or ()
    missing = [layer_id for layer_id in wanted if layer_id not in row_of]
    if missing:
        raise InstanceError(
            f"the map in use has no layer {missing[0]}: give one with the layers of the loads"
        )
    return [row_of[layer_id] for layer_id in wanted]


def _by_rank(rows: Ints, previous: Placement, instance: Instance) -> Ints:
    """Slots [layers, replicas] by rank, [layers, ranks, slots a rank]; the last rank may have empty ones."""
    layers, replicas = rows.shape
    if previous.rank_slots is not None:
        ranks = len(previous.rank_slots)
        unequal = as_ranks(ranks, replicas, slots=previous.rank_slots)
        if unequal is not None:
            return unequal.by_rank(rows)
    if previous.num_ranks is not None:
        return rows.reshape(layers, previous.num_ranks, -1)
    per_rank = instance.slots_per_rank
    ranks = -(-replicas // per_rank)
    padded = np.full((layers, ranks * per_rank), EMPTY, dtype=np.int64)
    padded[:, :replicas] = rows
    return padded.reshape(layers, ranks, per_rank)


def held_experts(slots: Ints, num_experts: int) -> Bools:
    """Which experts each rank holds, [layers, ranks, experts], of slots [layers, ranks, slots a rank]."""
    layers, ranks, _ = slots.shape
    # One more for empty slots, which are cut off: -1 is the last.
    held = np.zeros((layers, ranks, num_experts + 1), dtype=np.bool_)
    np.put_along_axis(held, slots, True, axis=2)
    return held[:, :, :num_experts]


def moved_replicas(slots: Ints, held: Bools) -> Ints:
    """Replicas on a rank that did not hold their expert.

    Parameters
    ----------
    slots : array [..., ranks, slots a rank], int64
        Experts.
    held : array [..., ranks, experts], bool

    Returns
    -------
    array [...], int64
    """
    stays = np.take_along_axis(held, slots, axis=-1)
    return np.asarray((~stays).sum(axis=(-2, -1)), dtype=np.int64)


def moves(
    placement: Placement,
    previous: Placement,
    instance: Instance,
    failed_ranks: Sequence[int] = (),
) -> Ints:
    """Replicas of a map on a rank that did not hold their expert before, [layers].

    Parameters
    ----------
    placement : Placement
        Of the instance.
    previous : Placement
        The map in use; see `slots_in_use`.
    instance : Instance
    failed_ranks : sequence of int
        Ranks of ``previous`` that hold nothing any more.

    Returns
    -------
    array [layers], int64

    Raises
    ------
    InstanceError
        ``previous`` is of another model, or ranks are unequal.

    Examples
    --------
    >>> from eplb_opt import Instance, Placement
    >>> instance = Instance([[8, 3, 1]], num_replicas=4, num_ranks=2)
    >>> previous = Placement([[0, 1, 0, 2]], num_experts=3)
    >>> moves(Placement([[0, 2, 0, 1]], num_experts=3), previous, instance).tolist()
    [2]
    """
    instance.require_alike("counting moves")
    before = slots_in_use(previous, instance, failed_ranks)
    held = held_experts(before, instance.num_experts)
    layers = len(placement.phy2log)
    now = placement.phy2log.reshape(layers, instance.num_ranks, -1)
    return moved_replicas(now, held)
