"""One step of refinement for many packings at once: heavy ranks repartition their slots with light ones.

State: int32 [slots a rank, ranks, packings] of keys (`replicas`). A step sorts the ranks of each packing by load; each
of the h heaviest meets m light partners of its own, so that all moves can be made at once. For every such pair the
balanced re-splits of its slots are tried together as an outer sum of two small tables: all of them where a rank has up
to six slots, the exchanges slot by slot (of eight slots at a time) where it has more. The heavy rank takes the partner
and the split whose heavier side is lightest; keeping things as they are is split number 0, so no step makes the
heaviest rank heavier. Differences are exact in float32 (``models/README.md``, N1); the ten low bits of their pattern
make room for the number of the split, so that one minimum gives both.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from . import arrays as xp
from .arrays import Array, Device

FULL_SPLITS = 6  # slots a rank up to which all balanced splits are tried
EXCHANGED = 8  # slots exchanged at a time beyond that
LOW = (1 << 10) - 1
HIGH = 0x7FFFFFFF - LOW
MOST_PARTNERS = 63
SHORT_BITS = 8  # of a rank, that leave room for its load in 31 bits (``models/README.md``, N1)


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of a pair of ranks: ``weights`` turns a rank's loads into its side of the outer sums."""

    weights: Array  # float32 [rows, slots]: a rank's load with some slots counted negative
    blocks: tuple[tuple[int, int, int, int], ...]  # rows (start, number) of the heavy side, then of the light one
    swap: Array  # int64 [2 * slots, splits], the order of both ranks' slots; or int32 [slots, splits], masks of keys
    number: Array  # int32 [splits, 1]


@functools.cache
def splits(slots: int, at: Device) -> Splits:
    """All splits that a step tries for ranks of ``slots`` slots; number 0 changes nothing."""
    weights, blocks, swap = split_arrays(slots)
    number = np.arange(swap.shape[1], dtype=np.int32)[:, None]
    swap = swap if slots <= FULL_SPLITS else swap.astype(np.int32)
    return Splits(
        xp.asarray(weights, at), tuple(map(tuple, blocks.tolist())), xp.asarray(swap, at), xp.asarray(number, at)
    )


@functools.cache
def split_arrays(slots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``weights``, ``blocks`` and ``swap`` of `splits` as arrays."""
    weights, blocks, swap = _all_splits(slots) if slots <= FULL_SPLITS else _exchanges(slots)
    return weights, np.array(blocks, dtype=np.int64), swap.astype(np.int64)


def _all_splits(slots: int) -> tuple[np.ndarray, list[tuple[int, int, int, int]], np.ndarray]:
    """Exchange any t slots of one rank with any t of the other, t <= slots / 2 (more is the same pair mirrored)."""
    rows, blocks, orders = [np.ones(slots)], [(0, 1, 0, 1)], [list(range(2 * slots))]
    for t in range(1, slots // 2 + 1):
        subsets = list(itertools.combinations(range(slots), t))
        blocks.append((len(rows), len(subsets), len(rows), len(subsets)))
        for subset in subsets:
            row = np.ones(slots)
            row[list(subset)] = -1
            rows.append(row)
        for mine, theirs in itertools.product(subsets, subsets):
            order = list(range(2 * slots))
            for i, j in zip(mine, theirs, strict=True):
                order[i], order[slots + j] = slots + j, i
            orders.append(order)
    return np.array(rows, dtype=np.float32), blocks, np.array(orders, dtype=np.int64).T.copy()


def _exchanges(slots: int) -> tuple[np.ndarray, list[tuple[int, int, int, int]], np.ndarray]:
    """Exchange any of the first slots with the same slots of the other rank; the weights apply to differences."""
    number = min(slots - 1, EXCHANGED)
    first = number // 2
    here, there = _subsets(first), _subsets(number - first)
    weights = np.zeros((len(here) + len(there), slots), dtype=np.float32)
    weights[: len(here), :first] = -2 * here
    weights[len(here) :] = 1
    weights[len(here) :, first:number] -= 2 * there
    swap = np.zeros((slots, len(here), len(there)), dtype=np.int32)
    swap[:first] = -here.T[:, :, None]
    swap[first:number] = -there.T[:, None, :]
    return weights, [(0, len(here), len(here), len(there))], swap.reshape(slots, -1)


def _subsets(slots: int) -> np.ndarray:
    return np.array(list(itertools.product((0, 1), repeat=slots)), dtype=np.int64).reshape(2**slots, slots)


@functools.cache
def _order(ranks: int, heavy: int, partners: int, at: Device) -> Array:
    """Positions in ascending load: the heavy ranks, heaviest first, then partner by partner, then the rest."""
    chosen = [ranks - 1 - i for i in range(heavy)] + list(range(heavy * partners))
    rest = sorted(set(range(ranks)) - set(chosen))
    return xp.asarray(np.array(chosen + rest), at)


def rank_order(loads: Array) -> Array:
    """``load << bits | rank`` of each packing in ascending order, [packings, ranks], of loads [ranks, packings].

    The bits are those of `rank_bits`. int32 where that is enough (loads: ``models/README.md``, N1), else int64.
    """
    ranks = len(loads)
    bits = rank_bits(ranks)
    kind = xp.int32 if bits <= SHORT_BITS else xp.int64
    return xp.sort((xp.astype(loads, kind) << bits).T + xp.astype(xp.arange(0, ranks, xp.device(loads)), kind))


def rank_bits(ranks: int) -> int:
    """Bits that hold a rank."""
    return max(1, (ranks - 1).bit_length())


def workspace(state: Array, schedule: list[tuple[int, int, int]]) -> Array:
    """Room for the outer sums of any step of a schedule (heavy ranks, partners, ...)."""
    most = max((heavy * partners for heavy, partners, _ in schedule), default=0)
    return xp.empty((split_arrays(len(state))[2].shape[1] * most * state.shape[2],), xp.float32, xp.device(state))


def exchanges(state: Array, bits: int, schedule: list[tuple[int, int, int]], goal: Array | int) -> Array:
    """The state after the steps of a schedule; a packing whose heaviest rank is within ``goal`` stays as it is.

    Parameters
    ----------
    state : array [slots, ranks, packings], int32 keys
    bits : int
        Bits of a key that hold the expert.
    schedule : list of (heavy, partners, turn_above)
        See `exchange`; a step a line.
    goal : int or array [packings]
        Quantised rank load that is good enough.
    """
    room = workspace(state, schedule)
    if xp.device(state) is None:
        goal = np.broadcast_to(goal, state.shape[2])
        return _exchanges_of_open(state, bits, schedule, goal, room)
    for heavy, partners, turn_above in schedule:
        ordered = rank_order(xp.sum(state >> bits, 0, xp.int32)).T
        is_open = ordered[-1] >> rank_bits(state.shape[1]) > goal
        state = xp.where(is_open, exchange(state, ordered, bits, heavy, partners, turn_above, room), state)
    return state


def _exchanges_of_open(
    state: np.ndarray, bits: int, schedule: list[tuple[int, int, int]], goal: np.ndarray, room: np.ndarray
) -> np.ndarray:
    """`exchanges` of numpy arrays: work is spent on packings above the goal only."""
    result, working = state, np.arange(state.shape[2])
    for heavy, partners, turn_above in schedule:
        ordered = rank_order(xp.sum(state >> bits, 0, xp.int32)).T
        still = np.flatnonzero(ordered[-1] >> rank_bits(state.shape[1]) > goal[working])
        if len(still) < len(working):
            result[:, :, working] = state
            if not len(still):
                return result
            state, ordered, working = state[:, :, still], ordered[:, still], working[still]
        state = exchange(state, ordered, bits, heavy, partners, turn_above, room)
    result[:, :, working] = state
    return result


def exchange(state: Array, ordered: Array, bits: int, heavy: int, partners: int, turn_above: int, room: Array) -> Array:
    """One step of all packings.

    Parameters
    ----------
    state : array [slots, ranks, packings], int32 keys
    ordered : array [ranks, packings]
        The state's `rank_order`, transposed.
    bits : bits of a key that hold the expert
    heavy, partners : h and m, ``h * (m + 1) <= ranks``
    turn_above : quantised rank load
        In packings with a heavier rank, a slot of a heavy rank faces the next slot of the light one (only exchanges
        slot by slot depend on that): coarser changes, and slots of different rows mix.
    room : array of `workspace`
    """
    slots, ranks, packings = state.shape
    shift, at = rank_bits(ranks), xp.device(state)
    heaviest = ordered[-1] >> shift
    ordered = xp.take(ordered, _order(ranks, heavy, partners, at), 0)
    column = xp.astype(ordered & ((1 << shift) - 1), xp.int64) * packings + xp.arange(0, packings, at)
    flat = xp.take(state.reshape(slots, -1), column.reshape(-1), 1)
    pairs = heavy * partners * packings
    light = flat[:, heavy * packings :][:, :pairs]
    if slots > FULL_SPLITS:
        _turn(light, heaviest > turn_above)
    best = _differences(flat[:, : heavy * packings + pairs] >> bits, partners, room)
    split = (best & LOW).reshape(-1, packings)
    pair = None
    if partners > 1:
        lightest = ordered[heavy : heavy * (1 + partners)] >> shift
        pair = _choose(best, lightest, partners).reshape(-1)
        split, pair = xp.take(split.reshape(-1), pair, 0), pair + heavy * packings
    _apply(flat, split.reshape(-1), pair)
    state = flat.reshape(slots, ranks, packings)
    return roll(state, EXCHANGED) if slots > EXCHANGED + 1 else state


def _turn(light: Array, turns: Array) -> None:
    """Turn the slots of these columns, rank by rank, in the packings [packings] that ask for it."""
    if xp.device(light) is None and not turns.any():
        return
    turned, as_is = (x.reshape(len(light), -1, len(turns)) for x in (roll(light, 1), light))
    light[:] = xp.where(turns, turned, as_is).reshape(light.shape)


def roll(state: Array, by: int) -> Array:
    """The first axis turned round."""
    return xp.concat((state[-by:], state[:-by]), 0)


def _differences(loads: Array, partners: int, room: Array) -> Array:
    """For each pair, |difference of its loads| after its best split and that split's number, int32 [pairs].

    Of the loads [slots, heavy ranks of all packings and then their partners].
    """
    table = splits(len(loads), xp.device(loads))
    pairs = loads.shape[1] // (1 + partners) * partners
    sums = room[: len(table.number) * pairs].reshape(-1, pairs)
    (_sum_splits if len(loads) <= FULL_SPLITS else _sum_exchanges)(table, xp.astype(loads, xp.float32), partners, sums)
    ranked = xp.reinterpreted(sums, xp.int32)
    ranked &= HIGH
    ranked |= table.number
    return xp.min(ranked, 0)


def _sum_splits(table: Splits, loads: Array, partners: int, out: Array) -> None:
    """Differences [splits, pairs] after all splits."""
    sides = _sides(table.weights, loads).reshape(len(table.weights), 1 + partners, -1)
    mine, theirs = sides[:, :1], sides[:, 1:]
    end = 0
    for start, number, other, others in table.blocks:
        sums = out[end : end + number * others].reshape(number, others, *theirs.shape[1:])
        xp.subtract(mine[start : start + number, None], theirs[other : other + others], sums)
        end += number * others


def _sum_exchanges(table: Splits, loads: Array, partners: int, out: Array) -> None:
    """Differences [splits, pairs] after all exchanges slot by slot."""
    slots, pairs = len(loads), out.shape[1]
    heavy = pairs // partners
    differences = loads[:, None, :heavy] - loads[:, heavy:].reshape(slots, partners, heavy)
    sides = _sides(table.weights, differences.reshape(slots, pairs))
    ((_, here, _, there),) = table.blocks
    xp.add(sides[:here, None], sides[here:], out.reshape(here, there, pairs))


def _sides(weights: Array, loads: Array) -> Array:
    """The matrix product ``weights @ loads`` of `Splits`, [rows, any], whose sums are exact.

    numpy's own product would start the threads of a library, so there rows are made of earlier ones.
    """
    if not isinstance(loads, np.ndarray):
        return xp.matmul(weights, loads)
    plain, steps = _row_steps(len(loads))
    sides = np.empty((len(weights), loads.shape[1]), dtype=np.float32)
    sides[0] = 0
    np.add.reduce(loads, 0, out=sides[plain])
    twice = loads + loads
    for rows, earlier, slots in steps:
        np.subtract(sides[earlier], twice[slots], out=sides[rows])
    return sides


@functools.cache
def _row_steps(slots: int) -> tuple[int, list[tuple[slice, slice, slice]]]:
    """Which row of `Splits.weights` is all ones, and how others follow: rows = earlier rows - 2 * slots.

    Row 0 is the other one without an earlier one: all ones as well, or all zeros.
    """
    steps = []
    rows = 1
    if slots <= FULL_SPLITS:
        subsets = [(0, 0)]  # row, and the first slot that a larger subset may have besides
        for _ in range(slots // 2):
            larger = []
            for row, first in subsets:
                steps.append((slice(rows, rows + slots - first), slice(row, row + 1), slice(first, slots)))
                larger += [(rows + slot - first, slot + 1) for slot in range(first, slots)]
                rows += slots - first
            subsets = larger
        return 0, steps
    number = min(slots - 1, EXCHANGED)
    rows = 0
    for first, end in ((0, number // 2), (number // 2, number)):
        plain, size = rows, 1
        for slot in reversed(range(first, end)):  # as `_subsets`, where the last slot changes fastest
            steps.append((slice(rows + size, rows + 2 * size), slice(rows, rows + size), slice(slot, slot + 1)))
            size *= 2
        rows += size
    return plain, steps


def _choose(best: Array, lightest: Array, partners: int) -> Array:
    """Number of the pair of each heavy rank whose heavier side is lightest, int64, flat."""
    difference = xp.astype(xp.reinterpreted(best & HIGH, xp.float32), xp.int32)
    side = difference.reshape(partners, -1) + xp.astype(lightest, xp.int32).reshape(partners, -1)
    number = xp.astype(xp.arange(0, partners, xp.device(best)), xp.int32)[:, None]
    partner = xp.astype(xp.min((side << 6) | number, 0) & 63, xp.int64)
    return partner * side.shape[1] + xp.arange(0, side.shape[1], xp.device(best))


def _apply(flat: Array, split: Array, pair: Array | None) -> None:
    """Make the split of each heavy rank, the first columns, with these columns (None: with those that follow)."""
    slots, number = len(flat), len(split)
    table = splits(slots, xp.device(flat))
    mine = flat[:, :number]
    theirs = flat[:, number : 2 * number] if pair is None else xp.take(flat, pair, 1)
    change = xp.take(table.swap, xp.astype(split, xp.int64), 1)
    if slots > FULL_SPLITS:
        crossed = (mine ^ theirs) & change
        new, others = mine ^ crossed, theirs ^ crossed
    else:
        both = xp.take_along_axis(xp.concat((mine, theirs), 0), change, 0)
        new, others = both[:slots], both[slots:]
    flat[:, :number] = new
    if pair is None:
        flat[:, number : 2 * number] = others
    else:
        xp.put(flat, pair, others)
