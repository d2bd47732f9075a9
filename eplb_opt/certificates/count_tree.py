"""The certificate of a tree over counts, of two slots a rank: prices close every leaf (``models/README.md``, X12)."""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from ..problem.pool import Ints, Pool
from ..strict import number, text
from .certificate import Certificate
from .cuts import common_integers, exact_range
from .names import COUNT_TREE

SLOT = 27_720  # price of a slot; the multipliers of levels are whole numbers in the same unit
MOST_PACKED = 2_000_000  # characters of a packed tree
MOST_UNPACKED = 16_000_000
MOST_COUNTS = 500_000  # of all experts
MOST_MULTIPLIER = 2**28  # of all levels of a price vector together
MOST_SLOTS = 2**16
MOST_STEPS = 4_000_000_000  # counts priced, each at each level

Bools = npt.NDArray[np.bool_]
Prices = Sequence[tuple[int, int]]  # level and multiplier


class Node(NamedTuple):
    """Of a tree, in preorder: price vectors that narrow the counts, and the branch unless they leave none.

    The child with at most ``most`` replicas of the expert comes first; ``expert`` is -1 at a leaf.
    """

    prices: Sequence[Prices]
    expert: int = -1
    most: int = 0


@dataclass(frozen=True)
class CountTreeCertificate(Certificate):
    """Proves that no packing of two slots a rank is within ``target``, by a tree over counts that prices close (X12).

    Parameters
    ----------
    target : float
        T, in units of load.
    levels : tuple of float
        Replicas of load v or more are heavy, v > T / 2, each with a companion of at most T - v.
    packed : str
        The nodes: `pack_nodes`.
    """

    kind: ClassVar[str] = "counts"
    names: ClassVar[tuple[str, ...]] = (COUNT_TREE,)

    levels: tuple[float, ...]
    packed: str

    def holds(self, pool: Pool) -> bool:
        """Whether every leaf of the tree is closed: in integers, without a solver (X12)."""
        if not (pool.slots_per_rank == 2 and self._is_well_formed()):
            return False
        nodes = unpack_nodes(self.packed)
        if nodes is None or pool.slots > MOST_SLOTS:
            return False
        counts = exact_range(pool, self.target)
        if counts is None:
            return True  # L0
        least, top = counts
        if int((top - least).max() + 1) * least.size > MOST_COUNTS:
            return False
        return is_closed(CountTable(pool, self.target, self.levels, counts), nodes)

    def _is_well_formed(self) -> bool:
        numbers = (self.target, *self.levels)
        is_finite = all(math.isfinite(x) and x > 0 for x in numbers)
        return is_finite and all(2 * v > self.target for v in self.levels)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> CountTreeCertificate:
        """The certificate of ``to_dict``; a value of the wrong type raises what it raises."""
        levels = tuple(number(v) for v in data["levels"])
        return cls(number(data["target"]), levels, text(data["packed"]))


class CountTable:
    """The counts that a target allows, and what price vectors say of them, in integers.

    Parameters
    ----------
    pool : Pool
        Of two slots a rank.
    target : float
        T > 0, which L0 does not exclude.
    levels : sequence of float
        All > T / 2.
    counts : arrays [experts], int64
        The least and the most of each expert that T allows (`cuts.exact_range`).

    Attributes
    ----------
    count : array [experts, range], int64
        From each expert's least count on.
    allowed : array [experts, range], bool
        Those that the target allows (L1.3).
    steps : int
        Counts priced so far, each at each level.
    """

    def __init__(
        self,
        pool: Pool,
        target: float,
        levels: Sequence[float],
        counts: tuple[Ints, Ints],
    ) -> None:
        least, top = counts
        width = int((top - least).max()) + 1
        self.slots = pool.slots
        self.count = least[:, None] + np.arange(width)
        self.allowed: Bools = self.count <= top[:, None]
        self.steps = 0
        values = [target, *levels, *pool.loads.tolist()]
        (limit, *integers), _ = common_integers(values)
        loads = integers[len(levels) :]
        self.bounds = [_bounds(v, limit, loads) for v in integers[: len(levels)]]

    def narrowed(self, allowed: Bools, prices: Prices) -> Bools | None:
        """The counts that may be in a packing, of some; None: there is no packing with counts among these (X12).

        Parameters
        ----------
        allowed : array [experts, range], bool
        prices : sequence of (level, multiplier)
            Multipliers >= 0.
        """
        cost = self._costs(prices)
        none = np.iinfo(np.int64).max // 4
        cheapest = np.where(allowed, cost, none).min(axis=1)
        if cheapest.max() == none:
            return None
        slack = SLOT * self.slots - int(cheapest.sum())
        if slack < 0:
            return None
        left: Bools = allowed & (cost - cheapest[:, None] <= slack)
        return left

    def halves(self, allowed: Bools, expert: int, most: int) -> tuple[Bools, Bools]:
        """The counts with at most so many replicas of an expert, and those with more."""
        few = allowed.copy()
        many = allowed.copy()
        few[expert] &= self.count[expert] <= most
        many[expert] &= self.count[expert] > most
        return few, many

    def _costs(self, prices: Prices) -> Ints:
        """Price of each count, [experts, range]: heavy replicas pay the multipliers, light ones get them."""
        price = np.full(self.count.shape, SLOT)
        for level, multiplier in prices:
            heavy_until, light_from = self.bounds[level]
            price += multiplier * (self.count <= heavy_until[:, None])
            price -= multiplier * (self.count >= light_from[:, None])
        self.steps += self.count.size * (len(prices) + 1)
        return np.asarray(price * self.count)


def _bounds(v: int, limit: int, loads: Iterable[int]) -> tuple[Ints, Ints]:
    """Of each expert the last count at which its replicas are heavy, and the first at which they are companions."""
    room = limit - v
    heavy_until = [min(w // v, MOST_SLOTS) for w in loads]
    light_from = [min(_first_within(w, room), MOST_SLOTS + 1) for w in loads]
    return np.array(heavy_until), np.array(light_from)


def _first_within(load: int, room: int) -> int:
    """The first count k >= 1 with load <= k room; more than any pool has slots if there is none."""
    if room < 0 or (room == 0 and load):
        return MOST_SLOTS + 1
    return max(-(-load // room), 1) if load else 1


def is_closed(table: CountTable, nodes: Iterable[Node]) -> bool:
    """Whether the nodes are a whole tree, and no leaf of it is left open."""
    stack = [table.allowed]
    for node in nodes:
        if not stack or table.steps > MOST_STEPS:
            return False
        left: Bools | None = stack.pop()
        for prices in node.prices:
            if not _is_valid(table, prices):
                return False
            left = None if left is None else table.narrowed(left, prices)
        if left is None:
            continue
        if not 0 <= node.expert < len(table.count):
            return False
        few, many = table.halves(left, node.expert, node.most)
        stack += [many, few]
    return not stack


def _is_valid(table: CountTable, prices: Prices) -> bool:
    """Whether these are multipliers of levels that there are."""
    are_known = all(0 <= level < len(table.bounds) for level, _ in prices)
    are_signed = all(multiplier >= 0 for _, multiplier in prices)
    return are_known and are_signed and sum(m for _, m in prices) < MOST_MULTIPLIER


def pack_nodes(nodes: Iterable[Node]) -> str:
    """Nodes as text: JSON, a node ``[expert, most, [level, multiplier, ..], ..]``, compressed, in base 64."""
    rows = [
        [node.expert, node.most, *([x for pair in prices for x in pair] for prices in node.prices)]
        for node in nodes
    ]  # fmt: skip
    plain = json.dumps(rows, separators=(",", ":"))
    return base64.b64encode(zlib.compress(plain.encode(), 9)).decode()


def unpack_nodes(packed: str) -> list[Node] | None:
    """The nodes of ``pack_nodes``; None: it is none, or far too long."""
    if len(packed) > MOST_PACKED:
        return None
    try:
        raw = base64.b64decode(packed, validate=True)
        inflater = zlib.decompressobj()
        plain = inflater.decompress(raw, MOST_UNPACKED)
        is_whole = inflater.eof and not inflater.unused_data
        rows = json.loads(plain) if is_whole else None
    except (ValueError, zlib.error, binascii.Error, RecursionError):
        return None
    if not isinstance(rows, list):
        return None
    nodes = [_node(row) for row in rows]
    return None if None in nodes else [node for node in nodes if node is not None]


def _node(row: Any) -> Node | None:
    if not isinstance(row, list) or len(row) < 2:
        return None
    expert, most, *vectors = row
    if not (_are_integers([expert, most]) and all(map(_are_pairs, vectors))):
        return None
    prices = [list(zip(v[::2], v[1::2], strict=True)) for v in vectors]
    return Node(prices, expert, most)


def _are_pairs(vector: Any) -> bool:
    return isinstance(vector, list) and len(vector) % 2 == 0 and _are_integers(vector)


def _are_integers(values: list[Any]) -> bool:
    """Whether all are integers of less than 64 bits, no booleans."""
    return all(type(x) is int and abs(x) < 2**62 for x in values)
