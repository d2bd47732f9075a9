"""One step of refinement for many packings at once: heavy ranks repartition their slots with light ones.

State: int32 [slots a rank, ranks, packings] of keys (`replicas`). A step sorts the ranks of each packing by load; each
of the h heaviest meets m light partners of its own, so that all moves can be made at once. For every such pair the
balanced re-splits of its slots (`splits`) are tried together as an outer sum of two small tables: all of them where a
rank has up to six slots, the exchanges slot by slot (of eight slots at a time) where it has more. The heavy rank takes
the partner and the split whose heavier side is lightest; keeping things as they are is split number 0, so no step makes
the heaviest rank heavier. Differences are exact in float32 (``models/README.md``, N1); the ten low bits of their
pattern make room for the number of the split, so that one minimum gives both.
"""

from __future__ import annotations

import functools

import numpy as np

from ..problem.pool import Ints
from . import arrays as xp
from .arrays import Array, Device, Numpy
from .differences import HIGH, LOW, differences_of_best
from .splits import EXCHANGED, FULL_SPLITS, split_arrays, splits

PARTNER_BITS = 6
MOST_PARTNERS = (1 << PARTNER_BITS) - 1
# Of a rank, that leave room for its load in 31 bits (``models/README.md``, N1).
SHORT_BITS = 8

# Of each step the heavy ranks, the partners of each, and `turn_above`.
Schedule = list[tuple[int, int, int]]


@functools.cache
def _order(ranks: int, heavy: int, partners: int, device: Device) -> Array:
    """Positions in ascending load: the heavy ranks, heaviest first, then partner by partner, then the rest."""
    heaviest_first = [ranks - 1 - i for i in range(heavy)]
    partner_by_partner = list(range(heavy * partners))
    rest = list(range(heavy * partners, ranks - heavy))
    return xp.asarray(np.array(heaviest_first + partner_by_partner + rest), device)


def rank_order(loads: Array) -> Array:
    """``load << bits | rank`` of each packing in ascending order, [packings, ranks], of loads [ranks, packings].

    The bits are those of `rank_bits`. int32 where that is enough (loads: ``models/README.md``, N1), else int64.
    """
    ranks = len(loads)
    bits = rank_bits(ranks)
    dtype = xp.int32 if bits <= SHORT_BITS else xp.int64
    number = xp.astype(xp.arange(0, ranks, xp.device(loads)), dtype)
    return xp.sort((xp.astype(loads, dtype) << bits).T + number)


def rank_bits(ranks: int) -> int:
    """Bits that hold a rank."""
    return max(1, (ranks - 1).bit_length())


def workspace(state: Array, schedule: Schedule) -> Array:
    """Room for the outer sums of any step of a schedule, float32 [any]."""
    slots, _, packings = state.shape
    _, _, swap = split_arrays(slots)
    most_pairs = max((heavy * partners for heavy, partners, _ in schedule), default=0)
    return xp.empty(
        (swap.shape[1] * most_pairs * packings,), xp.float32, xp.device(state)
    )


def exchanges(state: Array, bits: int, schedule: Schedule, goal: Array | int) -> Array:
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

    Returns
    -------
    array [slots, ranks, packings], int32 keys
    """
    room = workspace(state, schedule)
    if isinstance(state, np.ndarray) and isinstance(room, np.ndarray):
        return _exchanges_of_open(
            state, bits, schedule, np.broadcast_to(goal, state.shape[2]), room
        )
    for heavy, partners, turn_above in schedule:
        ordered = rank_order(xp.sum(state >> bits, 0, xp.int32)).T
        is_open = ordered[-1] >> rank_bits(state.shape[1]) > goal
        state = xp.where(
            is_open,
            exchange(state, ordered, bits, heavy, partners, turn_above, room),
            state,
        )
    return state


def _exchanges_of_open(
    state: Numpy, bits: int, schedule: Schedule, goal: Ints, room: Numpy
) -> Numpy:
    """`exchanges` of numpy arrays: work is spent on packings above the goal only."""
    result = state
    working = np.arange(state.shape[2])
    for heavy, partners, turn_above in schedule:
        ordered = xp.to_numpy(rank_order(xp.sum(state >> bits, 0, xp.int32))).T
        heaviest = ordered[-1] >> rank_bits(state.shape[1])
        still = np.flatnonzero(heaviest > goal[working])
        if len(still) < len(working):
            result[:, :, working] = state
            if not len(still):
                return result
            state = state[:, :, still]
            ordered = ordered[:, still]
            working = working[still]
        state = xp.to_numpy(
            exchange(state, ordered, bits, heavy, partners, turn_above, room)
        )
    result[:, :, working] = state
    return result


def exchange(
    state: Array,
    ordered: Array,
    bits: int,
    heavy: int,
    partners: int,
    turn_above: int,
    room: Array,
) -> Array:
    """One step of all packings.

    Parameters
    ----------
    state : array [slots, ranks, packings], int32 keys
    ordered : array [ranks, packings]
        The state's `rank_order`, transposed.
    bits : int
        Bits of a key that hold the expert.
    heavy, partners : int
        h and m, ``h * (m + 1) <= ranks``.
    turn_above : int
        Quantised rank load. In packings with a heavier rank, a slot of a heavy rank faces the next slot of the light
        one (only exchanges slot by slot depend on that): coarser changes, and slots of different rows mix.
    room : array of `workspace`

    Returns
    -------
    array [slots, ranks, packings], int32 keys
    """
    slots, ranks, packings = state.shape
    device = xp.device(state)
    shift = rank_bits(ranks)
    heaviest = ordered[-1] >> shift
    ordered = xp.take(ordered, _order(ranks, heavy, partners, device), 0)
    rank = xp.astype(ordered & ((1 << shift) - 1), xp.int64)
    column = rank * packings + xp.arange(0, packings, device)
    flat = xp.take(state.reshape(slots, -1), column.reshape(-1), 1)
    end_of_heavy = heavy * packings
    end_of_light = end_of_heavy + heavy * partners * packings
    if slots > FULL_SPLITS:
        _turn(flat[:, end_of_heavy:end_of_light], heaviest > turn_above)
    best = differences_of_best(flat[:, :end_of_light] >> bits, partners, room)
    split = (best & LOW).reshape(-1)
    pair = None
    if partners > 1:
        lightest = ordered[heavy : heavy * (1 + partners)] >> shift
        chosen = _choose(best, lightest, partners)
        split = xp.take(split, chosen, 0)
        pair = chosen + end_of_heavy
    _apply(flat, split, pair)
    state = flat.reshape(slots, ranks, packings)
    return roll(state, EXCHANGED) if slots > EXCHANGED + 1 else state


def _turn(light: Array, turns: Array) -> None:
    """Turn the slots of these columns, rank by rank, in the packings [packings] that ask for it."""
    if isinstance(turns, np.ndarray) and not turns.any():
        return
    by_packing = (len(light), -1, len(turns))
    turned = roll(light, 1).reshape(by_packing)
    light[:] = xp.where(turns, turned, light.reshape(by_packing)).reshape(light.shape)  # type: ignore[assignment]


def roll(state: Array, by: int) -> Array:
    """The first axis turned round."""
    return xp.concat((state[-by:], state[:-by]), 0)


def _choose(best: Array, lightest: Array, partners: int) -> Array:
    """Number of the pair of each heavy rank whose heavier side is lightest, int64, flat.

    Of `differences_of_best` and the partners' loads. Twice the heavier side is the load of both ranks and the
    difference; the heavy rank's own load is the same with every partner and is left out.
    """
    device = xp.device(best)
    difference = xp.astype(xp.reinterpreted(best & HIGH, xp.float32), xp.int32)
    side = difference.reshape(partners, -1) + xp.astype(lightest, xp.int32).reshape(
        partners, -1
    )
    columns = side.shape[1]  # heavy ranks of all packings
    number = xp.astype(xp.arange(0, partners, device), xp.int32)[:, None]
    # Of equal sides the first partner's.
    least = xp.min((side << PARTNER_BITS) | number, 0)
    partner = xp.astype(least & MOST_PARTNERS, xp.int64)
    return partner * columns + xp.arange(0, columns, device)


def _apply(flat: Array, split: Array, pair: Array | None) -> None:
    """Make the split of each heavy rank, the first columns, with these columns (None: with those that follow)."""
    slots = len(flat)
    number = len(split)
    table = splits(slots, xp.device(flat))
    mine = flat[:, :number]
    theirs = flat[:, number : 2 * number] if pair is None else xp.take(flat, pair, 1)
    change = xp.take(table.swap, xp.astype(split, xp.int64), 1)
    if slots > FULL_SPLITS:
        # Xor with the bits in which both differ exchanges them.
        crossed = (mine ^ theirs) & change
        new = mine ^ crossed
        others = theirs ^ crossed
    else:
        both = xp.take_along_axis(xp.concat((mine, theirs), 0), change, 0)
        new = both[:slots]
        others = both[slots:]
    flat[:, :number] = new  # type: ignore[assignment]
    if pair is None:
        flat[:, number : 2 * number] = others  # type: ignore[assignment]
    else:
        xp.put(flat, pair, others)
