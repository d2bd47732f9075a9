"""Which pool is worked on next, and for how long: open layers share the time that is left."""

from __future__ import annotations

import time
from collections.abc import Iterator

from .layer import LayerState
from .limits import Limits
from .methods import METHODS
from .methods.task import Task
from .outcome import PoolOutcome
from .problem.hierarchy import NodeSet
from .standing import Progress, Watcher, standing_of
from .starts import assign_groups

ASSIGN_SHARE = 0.1  # part of the time that choosing the groups of nodes may take
LEAST_SHARE = 0.05  # seconds
LEAST_AGAIN = 0.5  # of a further attempt, which in less hardly comes to its searches
MOST_ASSIGNMENTS = 64  # of a layer's groups without a clock: each partition brings pools with work of their own

Key = tuple[int, NodeSet]  # of a pool: its layer's row, and its groups


class Sharing:
    """The tasks of a call, one after the other as workers become free.

    Parameters
    ----------
    method : str
    layers : list of LayerState
    limits : Limits
        Of the whole call.
    deadline : float or None
        ``time.monotonic()`` at which the call ends.
    progress : callable, optional
        Called with (layers finished, layers).
    """

    def __init__(
        self,
        method: str,
        layers: list[LayerState],
        limits: Limits,
        deadline: float | None,
        progress: Progress | None,
    ) -> None:
        self.layers = layers
        self.limits = limits
        self.deadline = deadline
        self.progress = progress
        # Without a clock a second attempt is the first one again.
        self.repeats = METHODS[method].repeats and deadline is not None
        self.busy: set[Key] = set()

    def next_task(self) -> tuple[Key, Task] | None:
        """The key and task for a free worker; None if there is none now."""
        candidates = list(self._candidates())
        if not candidates:
            return None
        attempts, _, row, node_set = min(candidates)
        least = LEAST_AGAIN if attempts else LEAST_SHARE
        limits = self._share(len(candidates), least)
        if limits is None:
            return None
        key = (row, node_set)
        self.busy.add(key)
        self._show()
        task = self.layers[row].task(node_set, limits, self.deadline)
        return key, task

    def done(self, key: Key, outcome: PoolOutcome, seconds: float) -> None:
        """Take what a task came to."""
        row, node_set = key
        self.busy.discard(key)
        self.layers[row].update(node_set, outcome, seconds)
        self._show()
        if self.progress is not None:
            open_layers = sum(layer.is_open(self.limits.gap) for layer in self.layers)
            total = len(self.layers)
            self.progress(total - open_layers, total)

    def _show(self) -> None:
        """Tell where the layers stand, if that is asked for."""
        if isinstance(self.progress, Watcher):
            rows = {row for row, _ in self.busy}
            self.progress.watch(standing_of(self.layers, rows, self.limits.gap))

    def assign_groups(self, layer: LayerState, layers_left: int) -> None:
        """Choose the groups of a layer's nodes, within a share of the time."""
        limits = self.limits
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            share = left * ASSIGN_SHARE / layers_left
            if share <= 0:
                return
            limits = limits.with_seconds(share)
        assign_groups(layer.instance, layer, limits)

    def _candidates(self) -> Iterator[tuple[int, int, int, NodeSet]]:
        """Pools to work on: attempts, tasks at work on the layer, its row, and groups; the least first."""
        for row, layer in enumerate(self.layers):
            at_work = {node_set for busy_row, node_set in self.busy if busy_row == row}
            if not at_work and self._wants_other_groups(layer):
                self.assign_groups(layer, len(self.layers))
            node_set = layer.next_pool(self.limits.gap, at_work)
            if node_set is None:
                continue
            if at_work and self.deadline is None:
                continue  # a layer's pools go one by one: their order must not depend on timing
            attempts = layer.pools[node_set].attempts
            if attempts == 0 or self.repeats:
                yield attempts, len(at_work), row, node_set

    def _wants_other_groups(self, layer: LayerState) -> bool:
        """The open layer's partition cannot attain its bound; without a clock, others are not looked for forever."""
        if self.deadline is None and layer.assignments >= MOST_ASSIGNMENTS:
            return False
        return layer.is_stale(self.limits.gap) and layer.is_open(self.limits.gap)

    def _share(self, open_layers: int, least: float) -> Limits | None:
        """The limits of the next task; None if hardly any time is left."""
        if self.deadline is None:
            return self.limits
        left = self.deadline - time.monotonic()
        if left <= LEAST_SHARE / 2:
            return None
        sharing = max(open_layers + len(self.busy), 1)
        share = max(least, left * self.limits.workers / sharing)
        return self.limits.with_seconds(min(left, share))
