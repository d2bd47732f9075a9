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
import math
from dataclasses import dataclass

import numpy as np
import torch

from .replicas import sort_rows

FULL_SPLITS = 6  # slots a rank up to which all balanced splits are tried
EXCHANGED = 8  # slots exchanged at a time beyond that
LOW = (1 << 10) - 1
HIGH = 0x7FFFFFFF - LOW
MOST_PARTNERS = 63


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of a pair of ranks: ``weights`` turns a rank's loads into its side of the outer sums."""

    weights: torch.Tensor  # float32 [rows, slots]: a rank's load with some slots counted negative
    blocks: tuple[tuple[int, int, int, int], ...]  # rows (start, number) of the heavy side, then of the light one
    swap: torch.Tensor  # int32 [slots, splits], all ones where a slot is exchanged; or the order of both ranks' slots
    number: torch.Tensor  # int32 [splits, 1]


@functools.lru_cache(maxsize=32)
def splits(slots: int, device: torch.device) -> Splits:
    """All splits that a step tries for ranks of ``slots`` slots; number 0 changes nothing."""
    weights, blocks, swap = split_arrays(slots)
    number = np.arange(swap.shape[1], dtype=np.int32)[:, None]
    swap = swap if slots <= FULL_SPLITS else swap.astype(np.int32)  # an order, or masks of keys
    weights_t, swap_t, number_t = (torch.from_numpy(a).to(device) for a in (weights, swap, number))
    return Splits(weights_t, tuple(map(tuple, blocks.tolist())), swap_t, number_t)


@functools.lru_cache(maxsize=32)
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


@functools.lru_cache(maxsize=256)
def _order(ranks: int, heavy: int, partners: int, device: torch.device) -> torch.Tensor:
    """Positions in ascending load: the heavy ranks, heaviest first, then partner by partner, then the rest."""
    chosen = [ranks - 1 - i for i in range(heavy)] + list(range(heavy * partners))
    rest = sorted(set(range(ranks)) - set(chosen))
    return torch.tensor(chosen + rest, device=device)


def rank_order(loads: torch.Tensor) -> torch.Tensor:
    """``load << bits | rank`` of each packing in ascending order, int64 [packings, ranks], of loads [ranks, packings].

    The bits are those of `rank_bits`.
    """
    ranks = len(loads)
    keys = loads.to(torch.int64).bitwise_left_shift_(rank_bits(ranks)).t()
    return sort_rows(keys + torch.arange(ranks, device=loads.device))


def rank_bits(ranks: int) -> int:
    """Bits that hold a rank."""
    return max(1, (ranks - 1).bit_length())


def workspace(state: torch.Tensor, schedule: list[tuple[int, int, int]]) -> torch.Tensor:
    """Room for the outer sums of any step of a schedule (heavy ranks, partners, ...)."""
    most = max((heavy * partners for heavy, partners, _ in schedule), default=0)
    splits_of_a_pair = splits(len(state), state.device).number.shape[0]
    return torch.empty(splits_of_a_pair * most * state.shape[2], device=state.device)


def exchange(
    state: torch.Tensor, bits: int, heavy: int, partners: int, goal: int, turn_above: int, room: torch.Tensor
) -> torch.Tensor:
    """One step; packings whose heaviest rank is within ``goal`` stay as they are.

    Parameters
    ----------
    state : tensor [slots, ranks, packings], int32 keys
    bits : bits of a key that hold the expert
    heavy, partners : h and m, ``h * (m + 1) <= ranks``
    goal : quantised rank load that is good enough
    turn_above : quantised rank load
        In packings with a heavier rank, a slot of a heavy rank faces the next slot of the light one (only exchanges
        slot by slot depend on that): coarser changes, and slots of different rows mix.
    room : tensor of `workspace`
    """
    slots, ranks, packings = state.shape
    table = splits(slots, state.device)
    ordered = rank_order((state >> bits).sum(0, dtype=torch.int32)).t()
    shift = rank_bits(ranks)
    heaviest = ordered[-1] >> shift
    is_open = heaviest > goal
    ordered = ordered.index_select(0, _order(ranks, heavy, partners, state.device))
    column = (ordered & ((1 << shift) - 1)).mul_(packings).add_(torch.arange(packings, device=state.device))
    state = _columns(state.view(slots, -1), column.view(-1)).view(slots, ranks, packings)
    if slots > FULL_SPLITS:
        light = state[:, heavy : heavy * (1 + partners)]
        light.copy_(torch.where(heaviest > turn_above, light.roll(1, 0), light))
    best = _differences(state, bits, heavy, partners, table, room)
    split = (best & LOW).view(partners, heavy, packings)
    if partners == 1:
        return _apply(state, split * is_open, None, heavy, slots)
    lightest = (ordered[heavy : heavy * (1 + partners)] >> shift).to(torch.int32).view(partners, heavy, packings)
    heavier = (best & HIGH).view(torch.float32).to(torch.int32).view(partners, heavy, packings).add_(lightest)
    number = torch.arange(partners, dtype=torch.int32, device=state.device).view(-1, 1, 1)
    partner = heavier.bitwise_left_shift_(6).bitwise_or_(number).amin(0, keepdim=True).bitwise_and_(63)
    return _apply(state, split * is_open, partner, heavy, slots)


def _columns(state: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    if state.device.type == "cpu":  # numpy's take is the faster one
        return torch.from_numpy(np.take(state.numpy(), index.numpy(), axis=1, mode="clip"))
    return state.index_select(1, index)


def _differences(
    state: torch.Tensor, bits: int, heavy: int, partners: int, table: Splits, room: torch.Tensor
) -> torch.Tensor:
    """For each pair, |difference of its loads| after its best split and that split's number, int32 [pairs]."""
    slots = state.shape[0]
    loads = (state[:, : heavy * (1 + partners)] >> bits).to(_exact(state.device))
    weights = table.weights.to(loads.dtype)
    if slots > FULL_SPLITS:
        light = loads[:, heavy:].view(slots, partners, heavy, -1)
        sides = weights @ (loads[:, :heavy].unsqueeze(1) - light).view(slots, -1)
        mine = theirs = sides.to(torch.float32).view(len(weights), 1, -1)
    else:
        sides = (weights @ loads.reshape(slots, -1)).to(torch.float32).view(len(weights), 1 + partners, -1)
        mine, theirs = sides[:, :1], -sides[:, 1:]
    shape = (table.number.shape[0], theirs.shape[1], theirs.shape[2])
    sums = room[: math.prod(shape)].view(shape)
    at = 0
    for start, number, other, others in table.blocks:
        out = sums[at : at + number * others].view(number, others, *sums.shape[1:])
        torch.add(mine[start : start + number].unsqueeze(1), theirs[other : other + others].unsqueeze(0), out=out)
        at += number * others
    pattern = sums.view(len(sums), -1).view(torch.int32)
    return pattern.bitwise_and_(HIGH).bitwise_or_(table.number).amin(0)


def _exact(device: torch.device) -> torch.dtype:
    """A type whose matrix products are exact: on CUDA a process may have allowed TF32 for float32."""
    return torch.float64 if device.type == "cuda" else torch.float32


def _apply(
    state: torch.Tensor, split: torch.Tensor, partner: torch.Tensor | None, heavy: int, slots: int
) -> torch.Tensor:
    """Make each heavy rank's split [partners, heavy, packings] with its partner (None: the only one)."""
    partners, _, packings = split.shape
    table = splits(slots, state.device)
    mine = state[:, :heavy].unsqueeze(1)
    light = state[:, heavy : heavy * (1 + partners)].view(slots, partners, heavy, packings)
    if partner is not None:
        index = partner.to(torch.int64)
        split = split.gather(0, index)
        index = index.unsqueeze(0).expand(slots, 1, heavy, packings)
        theirs = light.gather(1, index)
    else:
        theirs = light
    if slots > FULL_SPLITS:
        crossed = (mine ^ theirs).bitwise_and_(table.swap.index_select(1, split.view(-1)).view_as(theirs))
        new_mine, new_theirs = mine ^ crossed, theirs ^ crossed
    else:
        order = table.swap.index_select(1, split.view(-1))
        new_mine, new_theirs = torch.cat((mine, theirs)).view(2 * slots, -1).gather(0, order).view(2, *theirs.shape)
    mine.copy_(new_mine)
    if partner is not None:
        light.scatter_(1, index, new_theirs)
    else:
        light.copy_(new_theirs)
    return state
