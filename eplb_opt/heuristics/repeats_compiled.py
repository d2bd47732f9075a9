"""The exchanges of `repeats`, compiled for the CPU (numba): the same bits."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .greedy_check import TINY
from .repeats import MOST_FAILURES, TRIED_FIRST, choices


def part(loads, maps, limits):  # type: ignore[no-untyped-def]
    """As `repeats._part`."""
    loads = np.array(loads, dtype=np.float64, order="C")
    maps = np.array(maps, dtype=np.int64, order="C")
    limits = np.array(limits, dtype=np.float64)
    _, ranks, slots = maps.shape
    experts = loads.shape[1]
    # Of an expert the rank that it was last seen on, counted over all pools.
    seen = np.full(experts, -1)
    every = choices(slots)
    most = max(len(places) for _, places in every)
    room = (
        np.empty(experts),
        np.empty(ranks),
        np.empty((2, slots)),
        np.empty((2, most)),
    )
    failures = _part(loads, maps, limits, every, seen, room)
    return maps, failures > 0


@compiled
def _part(loads, maps, limits, every, seen, room):  # type: ignore[no-untyped-def]
    """As `part`, with room for what is worked on."""
    sizes, rank_loads, _, _ = room
    pools, ranks, _ = maps.shape
    nodes = pools // len(loads)
    mark = 0
    all_failures = 0
    for pool in range(pools):
        held = maps[pool]
        limit = -1.0
        failures = 0
        for rank in range(ranks):
            mark += 1
            slot = _first_repeated(held[rank], seen, mark)
            while slot >= 0 and failures < MOST_FAILURES:
                if limit < 0:
                    heaviest = _weigh(loads[pool // nodes], held, sizes, rank_loads)
                    limit = max(limits[pool // nodes], heaviest)
                if 0 < limit < TINY:
                    break
                first = min(TRIED_FIRST, len(every))
                numbers = (0, first)
                is_done = _is_exchanged(held, rank, slot, limit, every, numbers, room)
                if not is_done:
                    numbers = (first, len(every))
                    is_done = _is_exchanged(
                        held, rank, slot, limit, every, numbers, room
                    )
                if not is_done:
                    failures += 1
                    break
                mark += 1
                slot = _first_repeated(held[rank], seen, mark)
        all_failures += failures
    return all_failures


@compiled
def _first_repeated(held, seen, mark):  # type: ignore[no-untyped-def]
    """The first slot whose expert is in an earlier one, or -1."""
    for slot in range(len(held)):
        if seen[held[slot]] == mark:
            return slot
        seen[held[slot]] = mark
    return -1


@compiled
def _weigh(loads, held, sizes, rank_loads):  # type: ignore[no-untyped-def]
    """Loads of replicas and of ranks; that of the heaviest rank."""
    ranks, slots = held.shape
    for expert in range(len(sizes)):
        sizes[expert] = 0
    for rank in range(ranks):
        for slot in range(slots):
            sizes[held[rank, slot]] += 1
    for expert in range(len(sizes)):
        sizes[expert] = loads[expert] / max(sizes[expert], 1.0)
    heaviest = 0.0
    for rank in range(ranks):
        rank_loads[rank] = _load(held[rank], sizes)
        heaviest = max(heaviest, rank_loads[rank])
    return heaviest


@compiled
def _load(held, sizes):  # type: ignore[no-untyped-def]
    total = 0.0
    for slot in range(len(held)):
        total += sizes[held[slot]]
    return total


@compiled
def _is_exchanged(held, rank, slot, limit, every, numbers, room):  # type: ignore[no-untyped-def]
    """As `repeats._Pool._is_exchanged_by`, of the choices from one number on up to another."""
    sizes, rank_loads, replicas, totals = room
    expert = held[rank, slot]
    for other in range(len(held)):
        if _is_on(expert, held[other]):
            continue
        _may_go(held[rank], held[other], expert, sizes, replicas[0])
        _may_go(held[other], held[rank], expert, sizes, replicas[1])
        for number in range(numbers[0], numbers[1]):
            mates, places = every[number]
            _add(held[rank], replicas[0], mates, sizes[expert], totals[0])
            _add(held[other], replicas[1], places, 0.0, totals[1])
            for mate in range(len(mates)):
                if totals[0, mate] == np.inf:
                    continue
                for place in range(len(places)):
                    shift = totals[1, place] - totals[0, mate]
                    is_within = rank_loads[rank] + shift <= limit
                    if not (is_within and rank_loads[other] - shift <= limit):
                        continue
                    _swap(held, rank, slot, other, places[place, 0])
                    for at in range(mates.shape[1]):
                        _swap(held, rank, mates[mate, at], other, places[place, at + 1])
                    rank_loads[rank] = _load(held[rank], sizes)
                    rank_loads[other] = _load(held[other], sizes)
                    return True
    return False


@compiled
def _is_on(expert, held):  # type: ignore[no-untyped-def]
    slot = 0
    while slot < len(held) and held[slot] != expert:
        slot += 1
    return slot < len(held)


@compiled
def _may_go(held, theirs, expert, sizes, replicas):  # type: ignore[no-untyped-def]
    """As `repeats._Pool._may_go`."""
    for slot in range(len(held)):
        stays = held[slot] == expert or _is_on(held[slot], theirs)
        replicas[slot] = np.inf if stays else sizes[held[slot]]


@compiled
def _add(held, replicas, chosen, total, totals):  # type: ignore[no-untyped-def]
    """As `repeats._totals`."""
    number = chosen.shape[1]
    for choice in range(len(chosen)):
        sum_of_choice = total
        for at in range(number):
            sum_of_choice += replicas[chosen[choice, at]]
            for before in range(at):
                if held[chosen[choice, before]] == held[chosen[choice, at]]:
                    sum_of_choice = np.inf
        totals[choice] = sum_of_choice


@compiled
def _swap(held, rank, slot, other, place):  # type: ignore[no-untyped-def]
    mine = held[rank, slot]
    held[rank, slot] = held[other, place]
    held[other, place] = mine
