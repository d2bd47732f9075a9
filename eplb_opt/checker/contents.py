"""What one rank may hold within a target, listed in integers (X6): its prices (L2.2), and covers of all ranks (X11)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from .pool import NOWHERE, Bools, Ints, Pool, cheapest, integer, require

SCALE_BITS = 46  # a rank's limit has this many bits; loads are rounded down
MOST_TYPES = 400_000  # an expert and a count each
MOST_STEPS = 80_000_000  # beginnings of contents looked at
AT_ONCE = 200_000  # beginnings extended together: memory
MOST_HELD = 40_000_000  # contents times experts: memory
MOST_LOOKS = 500_000_000  # contents looked at in all, each child of a node by itself
NODE = 1_000  # looks that a node takes as long as, whatever it holds


class Model:
    """Types of replicas at a target, an expert and a count each, heaviest first; experts are in order of load (X7).

    Attributes
    ----------
    is_excluded : bool
        L0 excludes the target, and nothing else is there.
    order, least : arrays [experts]
        The pool's expert, and its least count.
    item, expert, copies, extra : arrays [types]
        Load of a replica, the expert's place in the order, its count, and that beyond the least.
    spare, slack, limit : int
        Slots beyond the least counts; what all ranks together may leave unused; most load of a rank.
    """

    def __init__(self, pool: Pool, target: float) -> None:
        scale = Fraction(2) ** (SCALE_BITS - math.frexp(target)[1])
        self.limit = math.floor(Fraction(target) * scale)
        self.order = np.argsort(-pool.loads, kind="stable")
        loads = [Fraction(load) * scale for load in pool.loads[self.order].tolist()]
        # Rounding hides less than 1 a replica.
        self.slack = pool.ranks * self.limit - math.floor(sum(loads)) + pool.slots
        self.least = np.array([int(load // (self.limit + 1)) + 1 for load in loads])
        self.spare = pool.slots - int(self.least.sum())
        is_too_many = self.least.max() > pool.max_count
        self.is_excluded = self.spare < 0 or self.slack < 0 or bool(is_too_many)
        if self.is_excluded:
            return
        size = self.least.size * (self.spare + 1)
        require(size <= MOST_TYPES, "more counts than anyone lists")
        top = np.minimum(self.least + self.spare, pool.max_count)
        expert = np.repeat(np.arange(self.least.size), top - self.least + 1)
        extra = np.concatenate([np.arange(n + 1) for n in top - self.least])
        pairs = zip(expert.tolist(), (self.least[expert] + extra).tolist(), strict=True)
        item = np.array([loads[e] // k for e, k in pairs], dtype=np.int64)
        first = np.argsort(-item, kind="stable")
        self.item, self.expert, self.extra = item[first], expert[first], extra[first]
        self.copies = self.least[self.expert] + self.extra


def contents(pool: Pool, model: Model) -> Iterator[Ints]:
    """All contents of ranks, in blocks of types [contents, slots], heaviest first."""
    stack = [np.zeros((1, 0), np.int64)]
    steps = 0
    while stack:
        rows = stack.pop()
        first, width = _next_types(pool, model, rows)
        total = int(width.sum())
        if total > AT_ONCE and len(rows) > 1:
            stack += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
            continue
        steps += total
        require(steps <= MOST_STEPS, "more contents than anyone lists")
        new = np.arange(total) - np.repeat(np.cumsum(width) - width - first, width)
        rows = np.column_stack((np.repeat(rows, width, axis=0), new))
        rows = rows[_may_be(pool, model, rows)]
        if rows.shape[1] < pool.width:
            stack.append(rows)
        elif len(rows):
            yield rows


def _next_types(pool: Pool, model: Model, rows: Ints) -> tuple[Ints, Ints]:
    """The first type that may come next, and how many do: the rest is as light, and a rank is full enough."""
    more = pool.width - 1 - rows.shape[1]
    room = model.limit - model.item[rows].sum(axis=1)
    lightest = -(-(room - min(model.slack, model.limit)) // (more + 1))
    heaviest = room - more * model.item[-1]
    first = np.searchsorted(-model.item, -heaviest, side="left")
    if rows.shape[1]:
        first = np.maximum(first, rows[:, -1])
    end = np.searchsorted(-model.item, -lightest, side="right")
    return first, np.maximum(end - first, 0)


def _may_be(pool: Pool, model: Model, rows: Ints) -> Bools:
    """Whether a packing may hold them: one count an expert, no more replicas than that, within the spare slots."""
    expert, last = model.expert[rows], rows[:, -1:]
    other_count = ((expert == expert[:, -1:]) & (rows != last)).any(axis=1)
    most = 1 if pool.distinct else model.copies[last[:, 0]]
    extra = model.extra[rows]
    extra[:, 1:][rows[:, 1:] == rows[:, :-1]] = 0
    fits = (extra.sum(axis=1) <= model.spare) & ((rows == last).sum(axis=1) <= most)
    return np.asarray(fits & ~other_count)


def prices_hold(pool: Pool, target: float, proof: Any) -> bool:
    """Whether all ranks, each at the most that a content can cost, cost less than any counts do (L2.2)."""
    listed = [tuple(map(integer, item)) for item in proof["prices"]]
    price_of = {(expert, count): price for expert, count, price in listed}
    most = max(map(abs, price_of.values()), default=0) * pool.slots
    require(most < 2**59 and len(price_of) == len(listed), "prices of no types")
    model = Model(pool, target)
    if model.is_excluded:
        return True
    experts = model.order[model.expert].tolist()
    types = zip(experts, model.copies.tolist(), strict=True)
    price = np.array([price_of.get(one, 0) for one in types])
    of_counts = np.zeros((model.least.size, int(model.copies.max())), np.int64)
    of_counts[model.expert, model.copies - 1] = model.copies * price
    least = cheapest(of_counts, model.least, pool.slots)
    # Where there are no contents, or no counts, there is no packing.
    dearest = [int(price[one].sum(axis=1).max()) for one in contents(pool, model)]
    return least > pool.ranks * max(dearest, default=-NOWHERE)


def cover_holds(pool: Pool, target: float, proof: Any) -> bool:
    """Whether no contents fill all ranks and hold all replicas (X7)."""
    model = Model(pool, target)
    if model.is_excluded:
        return True
    blocks = [np.zeros((0, pool.width), np.int64)]
    for block in contents(pool, model):
        blocks.append(block)
        size = sum(map(len, blocks)) * pool.loads.size
        require(size <= MOST_HELD, "more contents than anyone holds")
    tree = Tree(pool, model, np.concatenate(blocks))
    none = np.zeros(model.least.size, np.int64)
    every = np.arange(len(tree.load))
    return tree.is_refuted(0, every, model.slack, model.spare, none, none)


class Tree:
    """Every way to fill the ranks one by one, some expert that is not placed yet first (X7).

    A node is what is left: the contents ``listed`` that may come, fullest first, slack and spare slots; and of each
    expert the count decided on (0: none yet) and the replicas ``left``.
    """

    def __init__(self, pool: Pool, model: Model, types: Ints) -> None:
        load = model.item[types].sum(axis=1)
        types = types[np.argsort(-load, kind="stable")]
        self.model, self.ranks, self.load = model, pool.ranks, -np.sort(-load)
        self.expert, self.copies = model.expert[types], model.copies[types]
        # Equal types are neighbours: each has its number, and the first takes the spare slots.
        again = [(types[:, :q] == types[:, [q]]).sum(axis=1) for q in range(pool.width)]
        self.number = np.array(again).T
        self.extra = np.where(self.number == 0, model.extra[types], 0)
        self.holds = np.zeros((len(types), model.least.size), np.float32)
        np.put_along_axis(self.holds, self.expert, 1.0, axis=1)
        self.looks = 0

    def is_refuted(
        self, depth: int, listed: Ints, slack: int, spare: int, counts: Ints, left: Ints
    ) -> bool:
        """Whether no packing is below a node: a child for each content with the expert that is in the fewest."""
        tally = self.holds[listed].sum(axis=0)
        must_come = (counts == 0) | (left > 0)
        if (must_come & (tally == 0)).any():
            return True
        self.looks += NODE
        require(self.looks <= MOST_LOOKS, "a tree that is too long")
        if depth == self.ranks - 1:
            return False
        pivot = int(np.where(must_come, tally, np.inf).argmin())
        for row in listed[self.holds[listed, pivot] > 0].tolist():
            then, left_then = counts.copy(), left.copy()
            for expert, count in zip(self.expert[row], self.copies[row], strict=True):
                left_then[expert] += count * (then[expert] == 0) - 1
                then[expert] = count
            is_new = counts[self.expert[row]] == 0
            state = spare - int(self.extra[row][is_new].sum()), then, left_then
            unused = slack - (self.model.limit - int(self.load[row]))
            fits = self._fit(listed, unused, *state)
            if not self.is_refuted(depth + 1, fits, unused, *state):
                return False
            # All packings with it have been looked at.
            listed = listed[listed != row]
        return True

    def _fit(self, rows: Ints, room: int, spare: int, counts: Ints, left: Ints) -> Ints:
        """Those that fit: what is decided is kept, no more taken than is left, no rank is too light."""
        unused = self.model.limit - self.load[rows]
        rows = rows[: np.searchsorted(unused, room, side="right")]
        self.looks += rows.size
        decided, left = counts[self.expert[rows]], left[self.expert[rows]]
        is_left = (decided == self.copies[rows]) & (self.number[rows] < left)
        taken = np.where(decided == 0, self.extra[rows], 0).sum(axis=1)
        fits: Bools = (is_left | (decided == 0)).all(axis=1) & (taken <= spare)
        return np.asarray(rows[fits])
