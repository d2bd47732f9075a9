"""A map made spare with few changes: experts on one unit only get a replica on another one."""

from __future__ import annotations

import numpy as np

from ..moves.held import Bools
from ..problem.pool import Floats, Ints
from ..problem.spare import COPIES
from .layer_map import Frame, LayerMap


def mended(frame: Frame, slots: Ints) -> Ints | None:
    """A map near a valid one in which every expert is on two units at least; None where no change helps one of them.

    An expert with one replica takes the slot of another that has more than two, one with several exchanges a replica;
    no step takes a second unit from another expert. Of the changes, those with the fewest moves are taken, then the one
    that leaves the ranks lightest.

    Parameters
    ----------
    frame : Frame
    slots : array [ranks, slots a rank], int64

    Returns
    -------
    array [ranks, slots a rank], int64, or None
    """
    layer = LayerMap(frame, slots)
    for expert in layer.lost().tolist():
        if layer.spread[expert] >= COPIES:  # a change for another one has helped
            continue
        helps = _takes_slot(layer, expert) or _exchanges(layer, expert)
        if not helps:
            return None
    return None if len(layer.lost()) else layer.slots


def _takes_slot(layer: LayerMap, expert: int) -> bool:
    """Have a further replica on another unit, in the place of an expert that can spare one."""
    others = layer.slots
    counts = layer.counts
    rank_of_slot = np.arange(len(others))[:, None]
    here = _home(layer, expert)
    may = _is_elsewhere(layer, here) & (counts[others] > COPIES)
    may &= _stays_spread(layer, others, rank_of_slot)
    if not may.any():
        return False
    shares = layer.shares()
    share = layer.frame.weight[expert] / (counts[expert] + 1)
    growth = layer.frame.weight / np.maximum(counts - 1, 1) - shares
    loads = shares[others].sum(axis=1, keepdims=True)
    cost = loads - shares[others] + share + growth[others]
    moves = layer.moves_of(expert)[:, None] - _moves_in(layer)
    rank, slot = _best(may, moves, cost)
    layer.put(rank, slot, expert)
    return True


def _exchanges(layer: LayerMap, expert: int) -> bool:
    """Exchange one of its replicas for one on another unit."""
    if layer.counts[expert] < COPIES:
        return False
    others = layer.slots
    here = _home(layer, expert)
    rank_of_slot = np.arange(len(others))[:, None]
    shares = layer.shares()
    loads = shares[others].sum(axis=1)
    found = []
    for rank in np.flatnonzero(layer.on_rank[expert]).tolist():
        goes = _is_elsewhere(layer, here) & _keeps_units(layer, others, rank)
        if layer.frame.distinct:
            goes &= layer.on_rank[others, rank] == 0
        if not goes.any():
            continue
        shift = shares[expert] - shares[others]
        cost = np.maximum(loads[rank_of_slot] + shift, loads[rank] - shift)
        moves = layer.moves_of(expert)[:, None] - _moves_in(layer)
        moves += (~layer.frame.held[rank])[others]
        place = _best(goes, moves, cost)
        found.append((moves[place], cost[place], rank, place))
    if not found:
        return False
    _, _, rank, place = min(found)
    slot = int(np.flatnonzero(layer.slots[rank] == expert)[0])
    other = int(layer.slots[place])
    layer.put(*place, expert)
    layer.put(rank, slot, other)
    return True


def _home(layer: LayerMap, expert: int) -> int:
    """The only unit that holds an expert."""
    return int(layer.on_unit[expert].argmax())


def _is_elsewhere(layer: LayerMap, unit: int) -> Bools:
    """Which ranks are in the pool of a unit, but not in it, [ranks, 1]."""
    frame = layer.frame
    pool = frame.pools[frame.units == unit][0]
    return np.asarray((frame.pools == pool) & (frame.units != unit))[:, None]


def _stays_spread(layer: LayerMap, others: Ints, ranks: Ints) -> Bools:
    """Whether an expert that loses this slot is on two units still, [ranks, slots a rank]."""
    is_last = layer.on_unit[others, layer.frame.units[ranks]] == 1
    return np.asarray(layer.spread[others] - is_last >= COPIES)


def _keeps_units(layer: LayerMap, others: Ints, rank: int) -> Bools:
    """Whether an expert that goes from this slot to a rank is on two units still, or was not."""
    units = layer.frame.units[:, None]
    is_last = layer.on_unit[others, units] == 1
    is_new = layer.on_unit[others, layer.frame.units[rank]] == 0
    after = layer.spread[others] - is_last + is_new
    return np.asarray(after >= np.minimum(layer.spread[others], COPIES))


def _moves_in(layer: LayerMap) -> Ints:
    """Whether the replica in each slot is a move, [ranks, slots a rank]: 1 or 0."""
    ranks = np.arange(len(layer.slots))[:, None]
    return (~layer.frame.held[ranks, layer.slots]).astype(np.int64)


def _best(may: Bools, moves: Ints, cost: Floats) -> tuple[int, int]:
    """The slot with the fewest moves, then the least cost, of those that may be taken."""
    fewest = moves[may].min()
    price = np.where(may & (moves == fewest), cost, np.inf)
    rank, slot = np.unravel_index(int(price.argmin()), price.shape)
    return int(rank), int(slot)
