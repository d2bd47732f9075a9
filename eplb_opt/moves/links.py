"""Links between ranks and between nodes: who sends an expert, and how long the busiest link takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import InstanceError, OptionError, shown
from ..problem.instance import Instance
from ..problem.pool import Ints

ELSEWHERE = (
    -1
)  # where an expert comes from that no rank holds: a file, another replica of the model


@dataclass(frozen=True)
class Links:
    """What weights weigh, and how fast links are in one direction.

    Parameters
    ----------
    bytes_per_expert : int
        Of one replica in one layer.
    within_node : float, optional
        Bytes a second that a rank sends to ranks of its node, or receives from them; unknown if None.
    across_nodes : float, optional
        Bytes a second that a node sends to all others, or receives from them; unknown if None.

    Raises
    ------
    OptionError
        A value is not above 0.

    Examples
    --------
    >>> Links(bytes_per_expert=44_040_192, within_node=200e9, across_nodes=50e9)
    Links(bytes_per_expert=44040192, within_node=200000000000.0, across_nodes=50000000000.0)
    """

    bytes_per_expert: int
    within_node: float | None = None
    across_nodes: float | None = None

    def __post_init__(self) -> None:
        size = self.bytes_per_expert
        if not hasattr(size, "__index__") or isinstance(size, bool) or int(size) < 1:
            raise OptionError(
                f"bytes_per_expert={shown(size)}: give a positive integer"
            )
        for name in ("within_node", "across_nodes"):
            _check_speed(name, getattr(self, name))


def _check_speed(name: str, value: Any) -> None:
    if value is None:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf:
        raise OptionError(
            f"{name}={shown(value)}: give bytes a second, a finite number above 0"
        )


class Transfers(NamedTuple):
    """Weights that ranks receive in a layer, one item each.

    Attributes
    ----------
    source : array, int64
        The rank that sends; -1 where no rank holds the expert, so that it comes from elsewhere.
    target : array, int64
        The rank that receives.
    expert : array, int64
    """

    source: Ints
    target: Ints
    expert: Ints


def transfers_of(items: Sequence[tuple[int, int, int]]) -> Transfers:
    """Transfers of (source, target, expert), in that order."""
    columns = np.array(items, dtype=np.int64).reshape(-1, 3).T
    return Transfers(*columns)


def node_of_ranks(instance: Instance) -> Ints:
    """The node of each rank, [ranks]: ranks of a node are adjacent.

    Raises
    ------
    InstanceError
        The nodes cannot have equally many ranks.

    Examples
    --------
    >>> instance = Instance([[8, 3, 1, 1]], num_replicas=4, num_ranks=4, num_nodes=2)
    >>> node_of_ranks(instance).tolist()
    [0, 0, 1, 1]
    """
    ranks, nodes = instance.num_ranks, instance.num_nodes
    if ranks % nodes:
        raise InstanceError(
            f"num_ranks={ranks} on num_nodes={nodes}: give nodes that share the ranks equally, as moves within a node "
            "and across nodes are told apart"
        )
    return np.arange(ranks) // (ranks // nodes)


class Senders:
    """Chooses who sends: a rank of the receiver's node if one can, of several the one that has sent least.

    Within a node that is what the rank has sent to its node, across nodes what its node has sent to others, then what
    the rank has; of equals the first. It is a greedy: each transfer is decided once.

    Parameters
    ----------
    nodes : array [ranks], int64
        The node of each rank.
    """

    def __init__(self, nodes: Ints) -> None:
        self.node_of: list[int] = nodes.tolist()
        self._within = [0] * len(self.node_of)
        self._across = [0] * len(self.node_of)
        self._node = [0] * (max(self.node_of) + 1)

    def cheapest(self, holders: Sequence[int], target: int) -> list[int]:
        """Of the ranks that hold an expert those on the receiver's node; all of them where there is none."""
        near = [rank for rank in holders if self.is_near(rank, target)]
        return near or list(holders)

    def is_near(self, source: int, target: int) -> bool:
        """Whether two ranks are on one node."""
        return self.node_of[source] == self.node_of[target]

    def choose(self, holders: Sequence[int], target: int) -> int:
        """The rank that sends, of the cheapest ones; `ELSEWHERE` where there is none."""
        if not holders:
            return ELSEWHERE
        return min(holders, key=lambda rank: self._busy(rank, target))

    def _busy(self, rank: int, target: int) -> tuple[int, int, int]:
        if self.is_near(rank, target):
            return self._within[rank], 0, rank
        return self._node[self.node_of[rank]], self._across[rank], rank

    def note(self, source: int, target: int) -> None:
        """Count a transfer."""
        if source == ELSEWHERE:
            return
        if self.is_near(source, target):
            self._within[source] += 1
        else:
            self._across[source] += 1
            self._node[self.node_of[source]] += 1


@dataclass(frozen=True)
class Busiest:
    """The link that takes longest.

    Attributes
    ----------
    seconds : float
    name : str
        ``rank 3 out``: what rank 3 sends to its node; ``node 1 in``: what node 1 receives from others; ``-`` if no
        link carries anything.
    """

    seconds: float
    name: str


NO_LINK = Busiest(0.0, "-")


def busiest_link(transfers: Transfers, nodes: Ints, links: Links) -> Busiest | None:
    """The link that takes longest, if all run at once and each in both directions.

    Ranks send and receive within their node, nodes send and receive across nodes. What comes from elsewhere runs over
    none of these links.

    Parameters
    ----------
    transfers : Transfers
    nodes : array [ranks], int64
        The node of each rank.
    links : Links

    Returns
    -------
    Busiest or None
        None if a link is used whose speed is unknown. Of equals the first: ranks before nodes, out before in.

    Examples
    --------
    >>> transfers = transfers_of([(0, 1, 5), (0, 2, 5), (3, 2, 7)])
    >>> busiest_link(transfers, np.array([0, 0, 1, 1]), Links(1000, 500.0, 100.0))
    Busiest(seconds=10.0, name='node 0 out')
    """
    busiest = NO_LINK
    for name, carried, speed in _links_used(transfers, nodes, links):
        if speed is None:
            return None
        place = int(carried.argmax())
        seconds = int(carried[place]) * links.bytes_per_expert / speed
        if seconds > busiest.seconds:
            kind, direction = name
            busiest = Busiest(seconds, f"{kind} {place} {direction}")
    return busiest


def _links_used(
    transfers: Transfers, nodes: Ints, links: Links
) -> Iterator[tuple[tuple[str, str], Ints, float | None]]:
    """Kinds of links that carry something: the name, replicas on each link, bytes a second."""
    is_sent = transfers.source != ELSEWHERE
    source, target = transfers.source[is_sent], transfers.target[is_sent]
    is_near = nodes[source] == nodes[target]
    far_source, far_target = nodes[source[~is_near]], nodes[target[~is_near]]
    kinds = (
        (("rank", "out"), source[is_near], links.within_node),
        (("rank", "in"), target[is_near], links.within_node),
        (("node", "out"), far_source, links.across_nodes),
        (("node", "in"), far_target, links.across_nodes),
    )
    for name, places, speed in kinds:
        if len(places):
            yield name, np.bincount(places), speed
