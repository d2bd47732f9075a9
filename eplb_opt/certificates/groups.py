"""The certificate of groups assigned to nodes, where node sets are too many to list (``models/README.md``, H3, X11)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from ..problem.hierarchy import members
from ..problem.instance import Instance
from ..problem.pool import Pool
from .cover import CoverCertificate
from .mean import floor_float
from .names import GROUP_TREE


@dataclass(frozen=True)
class GroupCertificate(CoverCertificate):
    """Says that in every assignment of groups some node carries more than ``target``, by a tree as X11 has it.

    Parameters
    ----------
    target : float
        T, in units of load, of a node: its `group_pool` has nodes for ranks.
    """

    kind: ClassVar[str] = "groups"
    names: ClassVar[tuple[str, ...]] = (GROUP_TREE,)

    def is_of(self, pool: Pool) -> bool:
        """Nothing of any pool of replicas: it is of nodes."""
        return False


def bound_of_ranks(target: float, ranks_per_node: int) -> float:
    """What a load that some node carries says of the heaviest rank: the node's mean, rounded down (H3)."""
    return floor_float(Fraction(target) / ranks_per_node)


def group_pool(instance: Instance, layer: int) -> Pool:
    """The groups as experts with one replica each, the nodes as ranks (H3).

    Parameters
    ----------
    instance : Instance
        Hierarchical.
    layer : int
        Row of the instance.

    Returns
    -------
    Pool
        Its loads are sums, rounded down.
    """
    load = instance.weight[layer]
    groups = range(instance.num_groups)
    loads = [_sum(load[members(instance, (group,))].tolist()) for group in groups]
    return Pool(np.array(loads), instance.num_groups, instance.num_nodes)


def _sum(loads: Iterable[float]) -> float:
    return floor_float(sum(map(Fraction, loads), Fraction(0)))
