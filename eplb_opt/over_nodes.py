"""Plans over windows in hierarchical mode: searched as whole layers, bounded by the windows' mix, which has pools.

A window's heaviest rank is that of all nodes, so that no node's pool has an objective of its own (``models/README.md``,
W3). The layers' states then know the mix alone, whose bounds hold; the maps are kept here until the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from .budget import Budget
from .foresight.plan import plan_windows
from .foresight.search import METHOD, WORK, search_windows
from .journal.rows import KeptRows
from .layer import LayerState
from .limits import Limits
from .problem.hierarchy import NodeSet
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.pool import Ints, Packing, Pool
from .problem.status import StopReason
from .problem.windows import Windows
from .starts import in_parts, split

MOST_PARTITIONS = 500  # of groups that are looked at
OTHER_GROUPS = 2  # of these that are searched from
BOUND_SHARE = 0.3  # of the time that is left after the plan, for the mix's bounds


def partitions(sets: Sequence[NodeSet]) -> Iterator[list[NodeSet]]:
    """All ways to give every group to one of some node sets.

    Parameters
    ----------
    sets : sequence of node sets

    Yields
    ------
    list of node sets
        Which have no group in common, in the order of their first groups.

    Examples
    --------
    >>> list(partitions([(0, 1), (0, 2), (1, 3), (2, 3)]))
    [[(0, 1), (2, 3)], [(0, 2), (1, 3)]]
    """
    groups = {group for node_set in sets for group in node_set}

    def extended(chosen: list[NodeSet], left: set[int]) -> Iterator[list[NodeSet]]:
        if not left:
            yield chosen
            return
        first = min(left)
        for node_set in sets:
            if node_set[0] == first and left.issuperset(node_set):
                yield from extended([*chosen, node_set], left.difference(node_set))

    yield from extended([], groups)


class OverNodes:
    """The best maps of an instance over windows that has several nodes.

    Parameters
    ----------
    instance : Instance
    layers : list of LayerState
        Which start with the greedy's maps.
    limits : Limits

    Attributes
    ----------
    rows : array [layers, replicas], int64
    objective : array [layers]
        Over windows.
    kept : KeptRows
        Maps that searches of earlier runs have found; by default none.
    """

    def __init__(
        self, instance: Instance, layers: list[LayerState], limits: Limits
    ) -> None:
        self.instance = instance
        self.layers = layers
        self.limits = limits
        self.kept = KeptRows("search", None, ())
        self.methods = ["greedy"] * len(layers)
        self.rows = np.stack([layer.phy2log() for layer in layers])
        self.objective = self._placement(self.rows).objective(instance)

    def offer(self, rows: Ints, method: str, first: int = 0) -> None:
        """Take the maps [some layers, replicas], from a first row on, where they are better."""
        layers = range(first, first + len(rows))
        part = self.instance.select(layers)
        placement = Placement(rows, part.num_experts, tuple(part.layer_ids or ()))
        values = placement.objective(part).tolist()
        for layer, row, value in zip(layers, rows, values, strict=True):
            if value < self.objective[layer]:
                self.rows[layer] = row
                self.objective[layer] = value
                self.methods[layer] = method

    def plan(self, deadline: float | None) -> None:
        """`refined`'s plans, of as many layers as fit before a deadline."""

        def place(part: Instance, layers: list[LayerState]) -> None:
            placement = plan_windows(part, workers=self.limits.workers)
            self.offer(placement.phy2log, "refined", layers[0].layer)

        in_parts(self.instance, self.layers, place, deadline)

    def bounds_end(self, deadline: float | None) -> float | None:
        """When the mix's bounds are to end, before a deadline."""
        if deadline is None:
            return None
        now = time.monotonic()
        return now + (deadline - now) * BOUND_SHARE

    def search(self, deadline: float | None) -> None:
        """Longer annealings of every layer, from its plan and from the mix's map, whose groups may be elsewhere."""
        waiting = iter(range(len(self.layers), 0, -1))

        def improve(layer: LayerState) -> None:
            budget = self._budget(deadline, next(waiting))
            starts = self._starts(layer)
            for number, row in enumerate(starts):
                part = budget.share(1 / (len(starts) - number))
                found = self.kept.get(layer.layer, number)
                if found is None:
                    found = self._searched(layer, row, part)
                    self.kept.keep(layer.layer, found, number)
                self.offer(found[None], METHOD, layer.layer)

        with ThreadPoolExecutor(self.limits.workers) as threads:
            try:
                list(threads.map(improve, self.layers))
            except BaseException:
                deadline = -math.inf  # so that the threads end soon
                raise

    def keep(self) -> None:
        """Let the layers have these maps; what is proven stays."""
        for layer, row, method in zip(
            self.layers, self.rows, self.methods, strict=True
        ):
            packings = dict(split(self.instance, row))
            for node_set, packing in packings.items():
                if node_set not in layer.pools:
                    layer.add(node_set, packing)
            layer.take_instead(packings)
            for node_set in packings:
                layer.pools[node_set].bracket.method = method
            for state in layer.pools.values():
                if state.stop is StopReason.GAP:  # of the mix
                    state.stop = StopReason.COMPLETED

    def _starts(self, layer: LayerState) -> list[Ints]:
        """The layer's best map, and maps with other groups: the mix's, and those best over windows."""
        starts = [self.rows[layer.layer].copy(), layer.phy2log()]
        pool = self._whole(layer.layer)
        ranked: list[tuple[float, int, Ints]] = []
        if layer.complete:
            for partition in islice(partitions(list(layer.pools)), MOST_PARTITIONS):
                row = np.concatenate([layer.pools[one].phy2log() for one in partition])
                packing = Packing(row.reshape(pool.ranks, -1))
                ranked.append((packing.objective(pool), len(ranked), row))
        best = sorted(ranked, key=lambda entry: entry[:2])[:OTHER_GROUPS]
        return starts + [row for _, _, row in best]

    def _budget(self, deadline: float | None, layers: int) -> Budget:
        """A layer's share, of so many whose search has not ended."""
        if deadline is None:
            work = 1.0 if self.limits.work is None else self.limits.work
            return Budget(work=work * WORK)
        left = max(deadline - time.monotonic(), 0.0)
        return Budget.of_seconds(left * min(self.limits.workers, layers) / layers)

    def _searched(self, layer: LayerState, row: Ints, budget: Budget) -> Ints:
        """A layer's map, [replicas], after the search from another."""
        pool = self._whole(layer.layer)
        target = layer.lower_bound * (1 + self.limits.gap)
        found = search_windows(
            pool,
            Packing(row.reshape(pool.ranks, -1)),
            target=target,
            budget=budget,
            seed=self.limits.seed,
            node_ranks=self.instance.ranks_per_pool,
        )
        return found.experts.ravel()

    def _whole(self, layer: int) -> Pool:
        """A layer's experts on all ranks, over windows."""
        instance = self.instance
        windows = Windows(
            instance.normalised_layer(layer),
            instance.shares[:, layer],
            instance.objective,
        )
        return Pool(
            instance.weight[layer],
            instance.num_replicas,
            instance.num_ranks,
            instance.distinct,
            windows,
        )

    def _placement(self, rows: Ints) -> Placement:
        ids = tuple(self.instance.layer_ids or ())
        return Placement(rows, self.instance.num_experts, ids)
