"""The search of `pair_counts`, compiled for the CPU (numba): the same bits, pool by pool.

Sorted replicas are kept from trial to trial, and a move of one copy merges two short runs into them, where the torch
path sorts all replicas anew.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .pair_counts import NEVER, OVER, OVER_LOAD


@njit(cache=True)
def search(scaled, extra, most, place, expert, add_noise, take_noise, setting):  # type: ignore[no-untyped-def]
    """Extra copies [pools, copies] that the search ends with.

    Parameters
    ----------
    scaled : float64 [pools, experts], loads with the pool's bound at a unit
    extra : int64 [variants * pools, copies], variant by variant
    most : most replicas of an expert; more than the slots if there is no cap
    place, expert : int64 [trials, variants]
    add_noise, take_noise : float64 [moves by prices, variants, experts or copies]
    setting : (a unit of load, bits of an expert, largest quantised load, bins, price of a shortage, generations,
        aims in 1024ths)
    """
    pools = len(scaled)
    found = np.empty((pools, extra.shape[1]), dtype=np.int64)
    for pool in range(pools):
        loads, lists = scaled[pool], extra[pool::pools].copy()
        counts, keys = _start(loads, lists, setting)
        best, best_list = np.full(1, OVER_LOAD + 1), found[pool]
        for v in range(len(lists)):
            _note(_judge(keys[v], counts[v], setting[0], setting[1], most)[1], lists[v], best, best_list)
        _by_prices(loads, lists, counts, keys, best, best_list, most, add_noise, take_noise, setting)
        _by_trial(loads, lists, counts, keys, best, best_list, most, place, expert, setting)
    return found


@njit(cache=True)
def _start(loads, lists, setting):  # type: ignore[no-untyped-def]
    """Counts [variants, experts] and sorted keys [variants, slots] of lists of extra copies."""
    bits, limit = setting[1], setting[2]
    variants, copies = lists.shape
    counts = np.ones((variants, len(loads)), dtype=np.int64)
    keys = np.empty((variants, len(loads) + copies), dtype=np.int32)
    for v in range(variants):
        for e in lists[v]:
            counts[v, e] += 1
        at = 0
        for e in range(len(loads)):
            for _ in range(counts[v, e]):
                keys[v, at] = (_load(loads, e, counts[v, e], limit) << bits) | e
                at += 1
        keys[v].sort()
    return counts, keys


@njit(cache=True)
def _note(load, held, best, best_list):  # type: ignore[no-untyped-def]
    if load < best[0]:
        best[0], best_list[:] = load, held


@njit(cache=True)
def _by_prices(loads, lists, counts, keys, best, best_list, most, add_noise, take_noise, setting):  # type: ignore[no-untyped-def]
    unit, bits, limit, bins, one, _, share, _ = setting
    new_keys, table, now = np.empty_like(keys[0]), np.empty(bins), np.empty(len(loads))
    for number in range(len(add_noise)):
        aim = _aim(best[0], share, unit)
        for v in range(len(lists)):
            add, take = add_noise[number, v], take_noise[number, v]
            _price_table(loads, counts[v], aim, table, limit, one)
            g, p = _move(loads, counts[v], lists[v], aim, most, add, take, table, now, limit, one)
            if lists[v, p] != g:
                _merge(loads, counts[v], keys[v], new_keys, g, lists[v, p], bits, limit)
                keys[v], lists[v, p] = new_keys, g
            _note(_judge(keys[v], counts[v], aim, bits, most)[1], lists[v], best, best_list)


@njit(cache=True)
def _by_trial(loads, lists, counts, keys, best, best_list, most, place, expert, setting):  # type: ignore[no-untyped-def]
    unit, bits, limit, _, _, generations, _, share = setting
    variants, trials = len(lists), len(place)
    new_keys = np.empty_like(keys[0])
    above, heavy = np.zeros(variants, dtype=np.int64), np.zeros(variants, dtype=np.int64)
    aim, generation = unit, max(1, trials // generations)
    for number in range(trials):
        if number % generation == 0:
            if number and variants > 1:
                _survive(above, lists, counts, keys)
            aim = _aim(best[0], share, unit)
            for v in range(variants):
                above[v], _, heavy[v] = _judge(keys[v], counts[v], aim, bits, most)
        for v in range(variants):
            p = place[number, v]
            g, h = heavy[v] if number % 2 else expert[number, v], lists[v, p]
            if g == h:
                continue
            _merge(loads, counts[v], keys[v], new_keys, g, h, bits, limit)
            new_above, load, new_heavy = _judge(new_keys, counts[v], aim, bits, most)
            lists[v, p] = g
            _note(load, lists[v], best, best_list)
            if new_above <= above[v]:
                above[v], heavy[v], keys[v] = new_above, new_heavy, new_keys
            else:
                lists[v, p] = h
                counts[v, h] += 1
                counts[v, g] -= 1


@njit(cache=True)
def _aim(best, share, unit):  # type: ignore[no-untyped-def]
    return unit + (((best - unit) * share) >> 10)


@njit(cache=True)
def _load(loads, e, count, limit):  # type: ignore[no-untyped-def]
    return np.int64(np.rint(min(loads[e] / count, limit)))


@njit(cache=True)
def _merge(loads, counts, keys, new_keys, gains, loses, bits, limit):  # type: ignore[no-untyped-def]
    """One copy goes from an expert to another: the sorted keys after that, and its counts in place."""
    mask = (np.int64(1) << bits) - 1
    first = np.int32((_load(loads, gains, counts[gains] + 1, limit) << bits) | gains)
    second = np.int32((_load(loads, loses, counts[loses] - 1, limit) << bits) | loses)
    counts[gains] += 1
    counts[loses] -= 1
    first_left, second_left = counts[gains], counts[loses]
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
    if most < slots and counts.max() > most:
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
def _price_table(loads, counts, aim, table, limit, one):  # type: ignore[no-untyped-def]
    """`pair_prices.prices`."""
    bins = len(table)
    table[:] = 0
    signs = 0
    for e in range(len(loads)):
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


@njit(cache=True)
def _move(loads, counts, held, aim, most, add_noise, take_noise, table, now, limit, one):  # type: ignore[no-untyped-def]
    """Which expert gains a copy, and the place in the list that it takes (see `pair_counts._Table.move`)."""
    least, gains = np.int64(1) << 62, 0
    for e in range(len(loads)):
        now[e] = _price(table, _load(loads, e, counts[e], limit), counts[e], aim, one)
        more = _price(table, _load(loads, e, counts[e] + 1, limit), counts[e] + 1, aim, one) - now[e]
        value = np.int64((NEVER if counts[e] >= most else more) + add_noise[e])
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
