"""Topology: ranks, nodes and expert groups, and what they say about where experts may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InstanceError


@dataclass(frozen=True)
class Topology:
    """Ranks on nodes, and the expert groups of the router.

    All arguments are given by name: engines and solvers have them in different orders.

    Parameters
    ----------
    num_ranks : int
        GPUs.
    num_groups : int, default 1
        Expert groups of the router.
    num_nodes : int, default 1
        Nodes of the cluster.

    Raises
    ------
    InstanceError
        A number is no positive integer.

    Examples
    --------
    >>> Topology(num_ranks=32, num_groups=8, num_nodes=4).mode
    'hierarchical'
    >>> Topology(num_ranks=32, num_groups=8, num_nodes=3).why_global
    '8 groups cannot be shared out among 3 nodes'
    """

    num_ranks: int
    num_groups: int
    num_nodes: int

    def __init__(
        self, *, num_ranks: int, num_groups: int = 1, num_nodes: int = 1
    ) -> None:
        given = {
            "num_ranks": num_ranks,
            "num_groups": num_groups,
            "num_nodes": num_nodes,
        }
        for name, value in given.items():
            object.__setattr__(self, name, positive_int(name, value))

    @property
    def hierarchical(self) -> bool:
        """Whole groups stay on one node."""
        return self.num_nodes > 1 and not self.why_global

    @property
    def why_global(self) -> str:
        """Why whole groups do not stay on one of several nodes; empty if they do, or if there is one node."""
        for number, what in ((self.num_groups, "group"), (self.num_ranks, "rank")):
            if number % self.num_nodes:
                plural = "" if number == 1 else "s"
                return f"{number} {what}{plural} cannot be shared out among {self.num_nodes} nodes"
        return ""

    @property
    def mode(self) -> str:
        """``"hierarchical"`` or ``"global"``."""
        return "hierarchical" if self.hierarchical else "global"

    @property
    def num_pools(self) -> int:
        """Pools a layer: the nodes, or one."""
        return self.num_nodes if self.hierarchical else 1

    @property
    def ranks_per_pool(self) -> int:
        """Ranks of each pool."""
        return self.num_ranks // self.num_pools

    @property
    def groups_in_force(self) -> int:
        """Groups that must stay whole: those of the router in hierarchical mode, else one of all experts."""
        return self.num_groups if self.hierarchical else 1

    def describe(self) -> str:
        """A few words for people.

        Examples
        --------
        >>> Topology(num_ranks=8, num_groups=4, num_nodes=2).describe()
        '8 ranks on 2 nodes, 4 groups: hierarchical mode'
        """
        place = f"{self.num_ranks} ranks"
        if self.num_nodes > 1:
            place += f" on {self.num_nodes} nodes"
        if self.num_groups > 1:
            place += f", {self.num_groups} groups"
        why = f" ({self.why_global})" if self.why_global else ""
        return f"{place}: {self.mode} mode{why}"


def positive_int(name: str, value: Any) -> int:
    """A positive integer of any integer type.

    Raises
    ------
    InstanceError
        It is none; the message names it.
    """
    is_integer = hasattr(value, "__index__") and not isinstance(value, (bool, np.bool_))
    if not is_integer or int(value) < 1:
        raise InstanceError(f"{name}={value!r}: give a positive integer")
    return int(value)
