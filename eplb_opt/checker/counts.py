"""Trees over counts whose leaves are closed by prices of cuts, in integers (L1.1-L1.4, X12): many leaves, or one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .pool import Bools, Ints, Pool, integer, integers_of, number, require

THRESHOLD = "threshold"
SLOT = 27_720  # price of a slot in a tree
MOST_SLOTS = 2**16
MOST_COUNTS = 500_000  # of all experts
MOST_PRICED = 2_000_000_000  # counts priced, each at each cut
MOST_PRICE = 2**28  # of all cuts of a vector of a tree: sums stay in 64 bits

Exact = npt.NDArray[Any]  # integers: of 64 bits in a tree, of any size in a leaf
# Kind, v, and u; None: what v leaves of the target.
Cut = tuple[str, float, float | None]
Vector = Sequence[tuple[int, int]]  # cuts by their number, and their prices


# Of a tree, in preorder: price vectors that narrow the counts; then, unless these leave none, an expert (-1: a leaf)
# and the most replicas of it in the child that comes first.
Node = tuple[Sequence[Vector], int, int]


def leaf_holds(pool: Pool, target: float, proof: Any) -> bool:
    """Whether the cheapest counts cost more than those of a packing within the target may (L1.4)."""
    cuts = [(cut["kind"], number(cut["v"]), number(cut["u"])) for cut in proof["cuts"]]
    weights = [number(cut["multiplier"]) for cut in proof["cuts"]]
    (slot, *prices), _ = integers_of([number(proof["slot_price"]), *weights])
    table = Table(pool, target, cuts, slot)
    return table.is_closed([([list(enumerate(prices))], -1, 0)])


def tree_holds(pool: Pool, target: float, proof: Any) -> bool:
    """Whether prices of levels close every leaf, with two slots a rank (X12)."""
    cuts = [(THRESHOLD, number(level), None) for level in proof["levels"]]
    nodes = [_node(*row) for row in proof["nodes"]]
    return pool.width == 2 and Table(pool, target, cuts).is_closed(nodes)


def _node(expert: Any, most: Any, *vectors: Any) -> Node:
    """Of a report: each vector is a list of a level and its multiplier, in turn."""
    flat = [[integer(x) for x in vector] for vector in vectors]
    pairs = [list(zip(v[::2], v[1::2], strict=True)) for v in flat]
    return pairs, integer(expert), integer(most)


def allowed_counts(pool: Pool, target: float) -> tuple[Ints, Ints] | None:
    """The least and the most count of each expert that a target > 0 allows (L1.3); None: L0 excludes it."""
    (limit, *loads), _ = integers_of([target, *pool.loads.tolist()])
    least = [max(1, -(-load // limit)) for load in loads]
    spare = pool.slots - sum(least)
    is_above_mean = sum(loads) > pool.ranks * limit
    if is_above_mean or spare < 0 or max(least) > pool.max_count:
        return None
    top = [min(count + spare, pool.max_count) for count in least]
    return np.array(least), np.array(top)


class Table:
    """The counts that a target allows, and what prices of cuts say of them.

    Attributes
    ----------
    count : array [experts, range], int64
        From each expert's least count on.
    allowed : array [experts, range], bool
        Those that the target allows: none if L0 excludes it.
    """

    def __init__(
        self, pool: Pool, target: float, cuts: Sequence[Cut], slot: int | None = None
    ) -> None:
        require(pool.slots <= MOST_SLOTS, "more slots than are looked at")
        ones = np.ones(pool.loads.size, np.int64)
        least, top = allowed_counts(pool, target) or (ones, 0 * ones)
        options = max(int((top - least).max()), 0) + 1
        require(ones.size * options <= MOST_COUNTS, "more counts than are looked at")
        self.count = least[:, None] + np.arange(options)
        self.allowed: Bools = self.count <= top[:, None]
        levels = [x for _, v, u in cuts for x in (v, u or 0.0)]
        values = [target, *levels, *pool.loads.tolist()]
        (self.limit, *numbers), bits = integers_of(values)
        pairs, self.loads = numbers[: len(levels)], numbers[len(levels) :]
        self.others = pool.width - 1
        # An aggregate cut has the unit of the loads, and what is a count is brought to it.
        self.is_leaf = slot is not None
        self.one = 1 << bits if self.is_leaf else 1
        self.k: Exact = self.count.astype(object if self.is_leaf else np.int64)
        self.slot = (SLOT if slot is None else slot) * self.one
        self.most = self.slot * pool.slots
        of_cuts = zip(cuts, pairs[::2], pairs[1::2], strict=True)
        self.cuts = [self._levels(*one) for one in of_cuts]
        self.priced = 0

    def _levels(self, cut: Cut, v: int, u: int) -> tuple[int, int, Ints, Ints]:
        """Of a cut that is valid: u, how many light replicas a heavy one has beside it (0: aggregate), and of each
        expert the last count whose replicas are heavy, and the first whose are light (L1.1, L1.2).
        """
        kind, _, given = cut
        u = self.limit - v if given is None else u
        require(2 * v > self.limit, "a cut of replicas of which a rank may hold two")
        heavy = [min(load // v, MOST_SLOTS) for load in self.loads]
        never = MOST_SLOTS + 1
        first = [-(-load // u) if u > 0 else never * (load > u) for load in self.loads]
        light = [min(count, never) for count in first]
        # More others than so many would exceed the target.
        larger = (self.limit - v - 1) // u if u > 0 else never * (v < self.limit)
        beside = self.others - min(max(larger, 0), self.others)
        is_sum = kind == "aggregate" and u >= 0
        require(is_sum or (kind == THRESHOLD and beside > 0), "a cut of nothing")
        levels = np.array([heavy, light])[:, :, None]
        return u, 0 if is_sum else beside, levels[0], levels[1]

    def narrowed(self, allowed: Bools, prices: Vector) -> Bools | None:
        """The counts that may be in a packing, of some; None: there is no packing with counts among these."""
        cost = self.k * self.slot
        for cut, price in prices:
            u, beside, heavy_until, light_from = self.cuts[cut]
            is_heavy = self.count <= heavy_until
            is_light = (self.count >= light_from).astype(np.int64)
            if beside:
                value = self.k * (is_heavy * beside - is_light) * self.one
            else:
                load = np.array(self.loads, dtype=object)[:, None]
                above = load + self.k * (self.others * u - self.limit)
                value = is_heavy * above - is_light * (self.k * u - load)
            cost = cost + price * value
        self.priced += self.count.size * (len(prices) + 1)
        if not allowed.any(axis=1).all():
            return None
        least = np.where(allowed, cost, cost.max()).min(axis=1)
        slack = self.most - sum(least.tolist())
        left = allowed & (cost - least[:, None] <= slack)
        return left.astype(np.bool_) if slack >= 0 else None

    def halves(self, allowed: Bools, expert: int, most: int) -> tuple[Bools, Bools]:
        """The counts with more than so many replicas of an expert, and the others."""
        many, few = allowed.copy(), allowed.copy()
        many[expert] &= self.count[expert] > most
        few[expert] &= self.count[expert] <= most
        return many, few

    def is_closed(self, nodes: Sequence[Node]) -> bool:
        """Whether every open child has its node, and every leaf nothing left."""
        stack = [self.allowed] if self.allowed.any() else []
        for vectors, expert, most in nodes if stack else ():
            require(bool(stack) and self.priced <= MOST_PRICED, "a longer tree")
            left: Bools | None = stack.pop()
            for prices in vectors:
                known = range(len(self.cuts))
                are_right = all(cut in known and m >= 0 for cut, m in prices)
                is_short = self.is_leaf or sum(m for _, m in prices) < MOST_PRICE
                require(are_right and is_short, "prices of no cuts")
                left = None if left is None else self.narrowed(left, prices)
            if left is not None:
                require(0 <= expert < len(self.count), "an open leaf")
                stack += self.halves(left, expert, most)
        return not stack
