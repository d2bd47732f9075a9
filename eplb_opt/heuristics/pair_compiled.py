"""The search of `pair_counts`, compiled for the CPU (numba): the same bits, pool by pool.

Sorted replicas are kept from trial to trial, and a move of one copy merges two short runs into them, where the torch
path sorts all replicas anew.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NO_CAP = -1
NEVER = float(1 << 50)
OVER, OVER_LOAD = 1 << 60, 1 << 40  # of a list with more copies of an expert than are allowed


@njit(cache=True)
def search(scaled, extra, most, opening, place, expert, add_noise, take_noise, setting):  # type: ignore[no-untyped-def]
    """Extra copies [pools, copies] that the search ends with.

    Parameters
    ----------
    scaled : float64 [pools, experts], loads with the pool's bound at a unit
    extra : int64 [variants * pools, copies], variant by variant
    most : most replicas of an expert, or `NO_CAP`
    opening : number of moves by prices
    place, expert : int64 [rounds, variants]
    add_noise, take_noise : float64 [opening, variants, experts or copies]
    setting : (a unit of load, bits of an expert, largest quantised load, bins, price of a shortage, generations,
        aims in 1024ths)
    """
    pools = len(scaled)
    found = np.empty((pools, extra.shape[1]), dtype=np.int64)
    for pool in range(pools):
        lists = extra[pool::pools].copy()
        found[pool] = _search_pool(scaled[pool], lists, most, opening, place, expert, add_noise, take_noise, setting)
    return found


@njit(cache=True)
def _search_pool(loads, lists, most, opening, place, expert, add_noise, take_noise, setting):  # type: ignore[no-untyped-def]
    unit, bits, limit, bins, one, generations, opening_aim, trial_aim = setting
    variants, copies = lists.shape
    experts, rounds = len(loads), len(place)
    slots = experts + copies
    counts = np.ones((variants, experts), dtype=np.int64)
    keys = np.empty((variants, slots), dtype=np.int32)
    new_keys = np.empty(slots, dtype=np.int32)
    above = np.zeros(variants, dtype=np.int64)
    heavy = np.zeros(variants, dtype=np.int64)
    best, best_list = np.int64(1) << 50, lists[0].copy()
    for v in range(variants):
        for e in lists[v]:
            counts[v, e] += 1
        _fill(loads, counts[v], keys[v], bits, limit)
        _, load, _ = _judge(keys[v], counts[v], unit, bits, most)
        if load < best:
            best, best_list[:] = load, lists[v]
    table = np.empty(bins)
    now = np.empty(experts)
    for number in range(opening):
        aim = _aim(best, opening_aim, unit)
        for v in range(variants):
            g, p = _by_price(
                loads,
                counts[v],
                lists[v],
                aim,
                most,
                add_noise[number, v],
                take_noise[number, v],
                table,
                now,
                limit,
                one,
            )
            h = lists[v, p]
            if g != h:
                _merge(loads, counts[v], keys[v], new_keys, g, h, bits, limit)
                keys[v] = new_keys
                counts[v, h] -= 1
                counts[v, g] += 1
                lists[v, p] = g
            _, load, _ = _judge(keys[v], counts[v], unit, bits, most)
            if load < best:
                best, best_list[:] = load, lists[v]
    aim = _aim(best, trial_aim, unit)
    for v in range(variants):
        above[v], _, heavy[v] = _judge(keys[v], counts[v], aim, bits, most)
    generation = max(1, rounds // generations)
    for number in range(rounds):
        if number and number % generation == 0:
            if variants > 1:
                _survive(above, lists, counts, keys)
            aim = _aim(best, trial_aim, unit)
            for v in range(variants):
                above[v], _, heavy[v] = _judge(keys[v], counts[v], aim, bits, most)
        for v in range(variants):
            p = place[number, v]
            g = heavy[v] if number % 2 else expert[number, v]
            h = lists[v, p]
            if g == h:
                continue
            _merge(loads, counts[v], keys[v], new_keys, g, h, bits, limit)
            counts[v, h] -= 1
            counts[v, g] += 1
            new_above, load, new_heavy = _judge(new_keys, counts[v], aim, bits, most)
            if load < best:
                best, best_list[:] = load, lists[v]
                best_list[p] = g
            if new_above <= above[v]:
                above[v], heavy[v], lists[v, p] = new_above, new_heavy, g
                keys[v] = new_keys
            else:
                counts[v, h] += 1
                counts[v, g] -= 1
    return best_list


@njit(cache=True)
def _aim(best, share, unit):  # type: ignore[no-untyped-def]
    return unit + (((best - unit) * share) >> 10)


@njit(cache=True)
def _load(loads, e, count, limit):  # type: ignore[no-untyped-def]
    return np.int64(np.rint(min(loads[e] / count, limit)))


@njit(cache=True)
def _fill(loads, counts, keys, bits, limit):  # type: ignore[no-untyped-def]
    at = 0
    for e in range(len(loads)):
        key = (_load(loads, e, counts[e], limit) << bits) | e
        for _ in range(counts[e]):
            keys[at] = key
            at += 1
    keys.sort()


@njit(cache=True)
def _merge(loads, counts, keys, new_keys, gains, loses, bits, limit):  # type: ignore[no-untyped-def]
    """Sorted keys after one copy has gone from an expert to another; counts are those before."""
    mask = (np.int64(1) << bits) - 1
    first = np.int32((_load(loads, gains, counts[gains] + 1, limit) << bits) | gains)
    second = np.int32((_load(loads, loses, counts[loses] - 1, limit) << bits) | loses)
    first_left, second_left = counts[gains] + 1, counts[loses] - 1
    if second < first:
        first, second = second, first
        first_left, second_left = second_left, first_left
    at = 0
    for key in keys:
        e = key & mask
        if e == gains or e == loses:  # noqa: SIM109  (a tuple would be built)
            continue
        while first_left and first < key:
            new_keys[at] = first
            at += 1
            first_left -= 1
        while second_left and second < key:
            new_keys[at] = second
            at += 1
            second_left -= 1
        new_keys[at] = key
        at += 1
    for _ in range(first_left):
        new_keys[at] = first
        at += 1
    for _ in range(second_left):
        new_keys[at] = second
        at += 1


@njit(cache=True)
def _judge(keys, counts, aim, bits, most):  # type: ignore[no-untyped-def]
    """Load above the aim over all ranks, the heaviest rank's load, and its heavier expert."""
    slots = len(keys)
    above, heaviest, place = np.int64(0), np.int64(-1), 0
    for i in range(slots // 2):
        load = np.int64(keys[i] >> bits) + np.int64(keys[slots - 1 - i] >> bits)
        above += max(load - aim, 0)
        if load >= heaviest:
            heaviest, place = load, i
    heavy = np.int64(keys[slots - 1 - place]) & ((np.int64(1) << bits) - 1)
    if most != NO_CAP and counts.max() > most:
        return np.int64(OVER), np.int64(OVER_LOAD), heavy
    return above, heaviest, heavy


@njit(cache=True)
def _survive(above, lists, counts, keys):  # type: ignore[no-untyped-def]
    variants = len(above)
    half = (variants + 1) // 2
    ranked = np.empty(variants, dtype=np.int64)
    for v in range(variants):
        ranked[v] = (min(above[v], np.int64(1) << 56) << 6) | v
    ranked.sort()
    old_lists, old_counts, old_keys = lists.copy(), counts.copy(), keys.copy()
    for v in range(variants):
        parent = ranked[v % half] & 63
        lists[v], counts[v], keys[v] = old_lists[parent], old_counts[parent], old_keys[parent]


@njit(cache=True)
def _position(load, aim, bins):  # type: ignore[no-untyped-def]
    away = 2 * load - aim
    return abs(away) * (bins / aim), away > 0


@njit(cache=True)
def _price(table, load, count, aim, one):  # type: ignore[no-untyped-def]
    bins = len(table)
    position, heavy = _position(load, aim, bins)
    each = table[min(np.int64(position), bins - 1)] + np.floor(max(position - bins, 0.0) * one)
    return (each if heavy else -each) * count


@njit(cache=True)
def _by_price(loads, counts, held, aim, most, add_noise, take_noise, table, now, limit, one):  # type: ignore[no-untyped-def]
    """Which expert gains a copy, and the place in the list that it takes (see `pair_counts._Table.move`)."""
    bins, experts = len(table), len(loads)
    table[:] = 0
    signs = 0
    for e in range(experts):
        position, heavy = _position(_load(loads, e, counts[e], limit), aim, bins)
        sign = counts[e] if heavy else -counts[e]
        table[min(np.int64(position), bins - 1)] += sign
        signs += sign
    spare, worth = np.int64(1 - signs), np.int64(0)
    for i in range(bins):
        here = np.int64(table[i])
        worth += one >> min(max(spare, 0), 31)
        table[i] = worth
        spare += here
    least, gains = np.int64(1) << 62, 0
    for e in range(experts):
        now[e] = _price(table, _load(loads, e, counts[e], limit), counts[e], aim, one)
        more = _price(table, _load(loads, e, counts[e] + 1, limit), counts[e] + 1, aim, one) - now[e]
        value = np.int64((NEVER if most != NO_CAP and counts[e] >= most else more) + add_noise[e])
        if value < least:
            least, gains = value, e
    least, place = np.int64(1) << 62, 0
    for i in range(len(held)):
        e = held[i]
        if e != gains:
            fewer = counts[e] - 1
            less = _price(table, _load(loads, e, fewer, limit), fewer, aim, one) - now[e]
            value = np.int64(less + take_noise[i])
            if value < least:
                least, place = value, i
    return gains, place
