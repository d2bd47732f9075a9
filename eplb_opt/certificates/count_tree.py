"""The certificate of a tree over counts, of two slots a rank: prices close every leaf (``models/README.md``, X12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from ..checker.counts import Vector
from ..strict import integer, number
from .certificate import Certificate
from .names import COUNT_TREE


class Node(NamedTuple):
    """Of a tree, in preorder: price vectors that narrow the counts, and the branch unless they leave none.

    The child with at most ``most`` replicas of the expert comes first; ``expert`` is -1 at a leaf.
    """

    prices: Sequence[Vector]
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
    nodes : tuple of Node
        In preorder.
    """

    kind: ClassVar[str] = "counts"
    names: ClassVar[tuple[str, ...]] = (COUNT_TREE,)

    levels: tuple[float, ...]
    nodes: tuple[Node, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON types: a node is ``[expert, most, [level, multiplier, ..], ..]``."""
        nodes = [[n.expert, n.most, *map(_in_turn, n.prices)] for n in self.nodes]
        return {
            "kind": self.kind,
            "target": self.target,
            "levels": list(self.levels),
            "nodes": nodes,
        }

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> CountTreeCertificate:
        """The certificate of ``to_dict``; a value of the wrong type raises what it raises."""
        levels = tuple(number(v) for v in data["levels"])
        nodes = tuple(_node(*row) for row in data["nodes"])
        return cls(number(data["target"]), levels, nodes)


def _in_turn(prices: Vector) -> list[int]:
    """Levels and their multipliers."""
    return [x for pair in prices for x in pair]


def _node(expert: Any, most: Any, *vectors: Any) -> Node:
    flat = [[integer(x) for x in vector] for vector in vectors]
    pairs = [tuple(zip(v[::2], v[1::2], strict=True)) for v in flat]
    return Node(tuple(pairs), integer(expert), integer(most))
