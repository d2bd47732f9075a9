"""The certificate of the pattern bound L2 and its exact check, without a solver or compiled code (L2.2).

The check shares with the prover (`bounds.patterns`) the replica types and the program over counts; it lists rank
contents by itself, in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..problem.pool import Ints, Pool
from ..strict import integer, number
from .certificate import Certificate
from .names import PATTERNS
from .rank_model import Model, rank_model
from .window_model import WindowModel, window_model

MOST_STEPS = 40_000_000  # partial rank contents looked at: as many as the prover's listing may take
AT_ONCE = 200_000  # partial contents extended together: memory
MOST_CELLS = 400_000_000  # of the program over counts: types times slots
MOST_COST = 2**59  # of all replicas: sums stay within int64


@dataclass(frozen=True)
class PatternCertificate(Certificate):
    """Proves that no packing of a pool is within ``target`` by prices of replica types (L2.2).

    Parameters
    ----------
    target : float
        T, in units of load.
    prices : tuple of (expert, count, price), integers
        Multiplier of each replica type; types that are not listed cost nothing.
    """

    kind: ClassVar[str] = "patterns"
    names: ClassVar[tuple[str, ...]] = (PATTERNS,)

    prices: tuple[tuple[int, int, int], ...]

    def holds(self, pool: Pool) -> bool:
        """Whether no packing of the pool is within the target: in integers, without a solver (L2.2)."""
        if not (math.isfinite(self.target) and self.target > 0):
            return False
        price_of = {(expert, count): price for expert, count, price in self.prices}
        if len(price_of) < len(self.prices):  # a type with two prices
            return False
        largest = max((abs(price) for price in price_of.values()), default=0)
        if largest * pool.slots >= MOST_COST:
            return False
        model = rank_model(pool, self.target)
        if model is None:
            return True  # L0
        if model.item.size * pool.slots > MOST_CELLS:
            return False
        experts = model.order[model.expert].tolist()
        types = zip(experts, model.count.tolist(), strict=True)
        prices = np.array([price_of.get(replica_type, 0) for replica_type in types])
        windows = window_model(pool, model, self.target)
        return _ranks_cost_less(pool, model, prices, windows)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> PatternCertificate:
        """The certificate of ``to_dict``; a value of the wrong type raises what it raises."""
        prices = tuple(
            (integer(e), integer(k), integer(price)) for e, k, price in data["prices"]
        )
        return cls(number(data["target"]), prices)


def _ranks_cost_less(
    pool: Pool, model: Model, prices: Ints, windows: WindowModel | None
) -> bool:
    """Whether all ranks together, each at the most that its content can cost, cost less than any counts do."""
    cheapest = cheapest_counts(pool, model, prices)
    try:
        for types in contents(pool, model, windows=windows):
            dearest = int(prices[types].sum(axis=1).max())
            if cheapest <= pool.ranks * dearest:
                return False
    except TooManyError:
        return False
    return True


def cheapest_counts(pool: Pool, model: Model, prices: Ints) -> float:
    """The least of ``sum_e c_e * price(e, c_e)`` over all counts that fill the slots; a dynamic program over slots.

    Parameters
    ----------
    prices : array [types], int64
        With ``slots * max |price| < 2**59``.

    Returns
    -------
    float
        An integer, or infinite if no counts fill the slots.
    """
    # No counts use so many slots; sums of two stay within int64.
    nowhere = np.iinfo(np.int64).max // 4
    least = np.full(pool.slots + 1, nowhere)
    least[0] = 0
    for expert in range(pool.num_experts):
        after = np.full(pool.slots + 1, nowhere)
        for t in np.flatnonzero(model.expert == expert):
            k = int(model.count[t])
            with_type = least[: pool.slots + 1 - k] + k * prices[t]
            after[k:] = np.minimum(after[k:], with_type)
        least = np.where(after >= nowhere // 2, nowhere, after)
    cheapest = least[-1]
    return math.inf if cheapest >= nowhere // 2 else float(cheapest)


class TooManyError(Exception):
    """More rank contents than anyone lists."""


class _Partial(NamedTuple):
    """Beginnings of rank contents: types [n, depth], heaviest first; load, spare slots used and last type's copies."""

    types: Ints
    load: Ints
    used: Ints
    copies: Ints


def contents(
    pool: Pool,
    model: Model,
    most: int | None = None,
    windows: WindowModel | None = None,
) -> Iterator[Ints]:
    """All rank contents, in blocks of types [patterns, slots a rank], heaviest type first (X6).

    With windows only those that each window allows (W4).

    Depth first over blocks of beginnings, so that memory stays bounded.

    Raises
    ------
    TooManyError
        More than ``most`` beginnings, by default MOST_STEPS, would be looked at.
    """
    most = MOST_STEPS if most is None else most
    zero = np.zeros(1, np.int64)
    stack = [_Partial(np.zeros((1, 0), np.int64), zero, zero, zero)]
    steps = 0
    while stack:
        partial = stack.pop()
        first, width = _extensions(pool, model, partial)
        total = int(width.sum())
        if total > AT_ONCE and len(width) > 1:
            stack += _halves(partial)
            continue
        steps += total
        if steps > most:
            raise TooManyError
        longer = _extend(pool, model, partial, first, width)
        if windows is not None:
            longer = _seen_by(windows, longer, pool.slots_per_rank)
        if longer.types.shape[1] == pool.slots_per_rank and len(longer.load):
            yield longer.types
        elif len(longer.load):
            stack.append(longer)


def _rows(partial: _Partial, which: slice) -> _Partial:
    return _Partial(*(array[which] for array in partial))


def _extensions(pool: Pool, model: Model, partial: _Partial) -> tuple[Ints, Ints]:
    """The next type of each beginning: the first that the limits allow, and how many follow it, [n] each.

    The rest of the rank is at least as light as the next type, and at least the lightest there is.
    """
    depth = partial.types.shape[1]
    more = pool.slots_per_rank - 1 - depth
    heaviest = model.limit - partial.load - more * model.item[-1]
    missing = max(model.limit - model.slack, 0) - partial.load
    lightest = -(-missing // (more + 1))
    falling = -model.item
    first = np.searchsorted(falling, -heaviest, side="left")
    if depth:
        first = np.maximum(first, partial.types[:, -1])
    end = np.searchsorted(falling, -lightest, side="right")
    return first, np.maximum(end - first, 0)


def _halves(partial: _Partial) -> tuple[_Partial, _Partial]:
    """Beginnings in two blocks, the first ones last: they are looked at next."""
    half = len(partial.load) // 2
    return _rows(partial, slice(half, None)), _rows(partial, slice(half))


def _seen_by(windows: WindowModel, partial: _Partial, slots: int) -> _Partial:
    """The beginnings that every window allows, and whole contents only if the objective of them alone is within."""
    loads = windows.loads_of(partial.types)
    fits = (loads <= windows.most[:, None]).all(axis=0)
    if partial.types.shape[1] == slots:
        fits &= (loads >= windows.least[:, None]).all(axis=0)
        fits &= windows.within(loads)
    return _Partial(*(array[fits] for array in partial))


def _extend(
    pool: Pool, model: Model, partial: _Partial, first: Ints, width: Ints
) -> _Partial:
    """The beginnings with one more replica, without those that no packing has."""
    parent = np.repeat(np.arange(len(width)), width)
    start = np.cumsum(width) - width
    new = np.arange(parent.size) - start[parent] + first[parent]
    before = partial.types[parent]
    # A type is repeated in a row, as types are in order; its expert anywhere else is the expert with another count.
    again = before[:, -1] == new if before.shape[1] else np.zeros(new.size, np.bool_)
    copies = np.where(again, partial.copies[parent] + 1, 1)
    beyond_least = (model.count - model.least[model.expert])[new]
    used = partial.used[parent] + np.where(again, 0, beyond_least)
    is_same_expert = model.expert[before] == model.expert[new][:, None]
    has_other_count = (is_same_expert & (before != new[:, None])).any(axis=1)
    most = 1 if pool.distinct else model.count[new]
    fits = (copies <= most) & (used <= model.spare) & ~has_other_count
    types = np.concatenate([before, new[:, None]], axis=1)
    load = partial.load[parent] + model.item[new]
    return _Partial(
        types[fits],
        load[fits],
        used[fits],
        copies[fits],
    )
