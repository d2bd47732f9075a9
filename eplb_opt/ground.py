"""What the choice of a layer's least harmful map begins with: packings of its pools, and traffic that may come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .problem.hierarchy import NodeSet
from .problem.instance import Instance
from .problem.pool import Ints, Packing, Pool
from .problem.windows import Windows


@dataclass(frozen=True)
class Ground:
    """Packings that a layer's choice begins with.

    Attributes
    ----------
    windows : Instance
        Of traffic that may come.
    packings : mapping from node set to Packing
    pools : mapping from node set to Pool
    experts : mapping from node set to array [experts], int64
        A pool's experts in the layer.
    """

    windows: Instance
    packings: Mapping[NodeSet, Packing]
    pools: Mapping[NodeSet, Pool]
    experts: Mapping[NodeSet, Ints]

    def over_windows(self, layer: int, node_set: NodeSet) -> Pool:
        """A pool with the windows of its experts."""
        windows = Windows(
            self.windows.normalised_layer(layer)[:, self.experts[node_set]],
            self.windows.shares[:, layer],
            self.windows.objective,
        )
        return replace(self.pools[node_set], windows=windows)

    def phy2log(self, packings: Mapping[NodeSet, Packing] | None = None) -> Ints:
        """The map of a layer, [replicas], of a packing for each pool; default: those there are."""
        packings = self.packings if packings is None else packings
        rows = [
            self.experts[node_set][packings[node_set].experts.ravel()]
            for node_set in sorted(packings)
        ]
        return np.concatenate(rows)
