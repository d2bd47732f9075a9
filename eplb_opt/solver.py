"""`solve`: an instance to a placement with certificates, layer by layer, within the limits."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch

from .errors import InstanceError, OptionError
from .heuristics.greedy import greedy, greedy_pools
from .heuristics.refine import refined
from .hierarchy import NodeSet, members, node_sets
from .instance import Instance
from .layer import LayerState
from .limits import Limits
from .outcome import PoolOutcome, StopReason
from .placement import Placement
from .pool import Ints, Packing
from .portfolio import METHODS as IMPROVERS
from .portfolio import Task
from .result import Result
from .workers import run_tasks

METHODS = ("greedy", "refined", *IMPROVERS)
START_STEPS = 200  # of `refined` where it is a warm start: what it finds need not be searched for
REPEATED = ("optimal",)  # methods that use a second attempt on the same pool
ASSIGN_SHARE = 0.1  # part of the time that choosing the groups of nodes may take
LEAST_SHARE = 0.05  # seconds

Progress = Callable[[int, int], None]


class FallbackWarning(UserWarning):
    """A solver failed, or could not be tried, and the best map so far was kept."""


def solve(
    instance: Instance, method: str = "optimal", limits: Limits | None = None, *, warm_start: Placement | None = None,
    progress: Progress | None = None,
) -> Result:  # fmt: skip
    """Place the experts of every layer and certify how far from optimal each is.

    Every layer starts with the best of the heuristics' maps and ``warm_start``, and with bound L0; layers whose gap is
    open are then given to the method, several at a time. Whatever fails, the best valid map is kept.

    Parameters
    ----------
    instance : Instance
    method : ``"greedy"``, ``"refined"``, ``"milp"``, ``"cpsat"`` or ``"optimal"``
    limits : Limits, default ``Limits()``
        ``seconds`` holds for the whole call. Without it, results depend on the input and the seed alone.
    warm_start : Placement, optional
        A valid placement to start from, such as the one now in use.
    progress : callable, optional
        Called with (layers finished, layers) in this process.

    Returns
    -------
    Result

    Raises
    ------
    OptionError
        Unknown method.
    InstanceError
        ``warm_start`` does not fit the instance.

    Warns
    -----
    FallbackWarning
        A solver failed or its model was too large for the limits; the certificate of the layer says why.
    """
    if method not in METHODS:
        raise OptionError(f"method {method!r}: choose one of {', '.join(METHODS)}")
    limits = Limits() if limits is None else limits
    start = time.monotonic()
    deadline = None if limits.seconds is None else start + limits.seconds
    if warm_start is not None:
        warm_start.require_valid(instance)
    layers = start_layers(instance)
    if method == "greedy":
        _pin(instance, layers, greedy(instance))
    elif method == "refined":
        placement = refined(instance)
        _take(instance, layers, placement, "refined")
        _pin(instance, layers, placement)
    else:
        if warm_start is not None:
            _take(instance, layers, warm_start, "warm start")
        _take(instance, layers, refined(instance, steps=START_STEPS), "refined")
        schedule = _Schedule(method, layers, limits, deadline, progress)
        if not layers[0].complete:
            for i, layer in enumerate(layers):
                schedule.assign_groups(layer, len(layers) - i)
        run_tasks(method, schedule.next_task, schedule.done, limits, deadline)
    return _finish(instance, layers, method, limits, start)


def start_layers(instance: Instance) -> list[LayerState]:
    """Every layer with the greedy's packings of its pools: of all node sets, or of the greedy's partition."""
    sets = node_sets(instance)
    if sets is None or len(sets) == 1:  # the published greedy chooses the nodes
        rows = greedy(instance).phy2log
        return [LayerState(instance, i, dict(_split(instance, row)), complete=sets is not None)
                for i, row in enumerate(rows)]  # fmt: skip
    packed = _pack_sets(instance, [(layer, s) for layer in range(instance.num_layers) for s in sets])
    per_layer = [packed[i * len(sets) : (i + 1) * len(sets)] for i in range(instance.num_layers)]
    return [LayerState(instance, i, dict(zip(sets, packings, strict=True)), complete=True)
            for i, packings in enumerate(per_layer)]  # fmt: skip


def _split(instance: Instance, row: Ints) -> Iterator[tuple[NodeSet, Packing]]:
    """A layer's map as packings of its node sets."""
    for node in row.reshape(instance.num_pools, instance.ranks_per_pool, -1):
        if not instance.hierarchical:
            yield tuple(range(instance.num_groups)), Packing(node)
            return
        node_set = tuple(np.unique(node // instance.group_size).tolist())
        yield node_set, Packing(np.searchsorted(members(instance, node_set), node))


def _pack_sets(instance: Instance, wanted: list[tuple[int, NodeSet]]) -> list[Packing]:
    """The greedy's packings of some layers' node sets, all in one batch."""
    if not wanted:
        return []
    loads = np.stack([instance.weight[layer, members(instance, s)] for layer, s in wanted])
    slots = greedy_pools(
        torch.from_numpy(loads), instance.slots_per_pool, instance.ranks_per_pool, distinct=instance.distinct
    )
    return [Packing(row) for row in slots.numpy().reshape(len(wanted), instance.ranks_per_pool, -1)]


def _take(instance: Instance, layers: list[LayerState], placement: Placement, method: str) -> None:
    """Start from a placement where it is better."""
    for layer, row in zip(layers, placement.phy2log, strict=True):
        for node_set, packing in _split(instance, row):
            layer.start_from(node_set, packing, method)
        layer.refresh()


def _pin(instance: Instance, layers: list[LayerState], placement: Placement) -> None:
    """Keep a placement's groups on its nodes."""
    for layer, row in zip(layers, placement.phy2log, strict=True):
        layer.pin([node_set for node_set, _ in _split(instance, row)])


def _assign_groups(instance: Instance, layer: LayerState, limits: Limits) -> None:
    """Give a layer the best partition that its bounds allow, too."""
    new = layer.assign_groups(limits)
    for node_set, packing in zip(new, _pack_sets(instance, [(layer.layer, s) for s in new]), strict=True):
        layer.add(node_set, packing)
    layer.refresh()


class _Schedule:
    """Which pool is worked on next, and for how long: open layers share the time that is left."""

    def __init__(
        self, method: str, layers: list[LayerState], limits: Limits, deadline: float | None, progress: Progress | None
    ) -> None:
        self.method, self.layers, self.limits, self.deadline, self.progress = method, layers, limits, deadline, progress
        self.busy: set[tuple[int, NodeSet]] = set()

    def next_task(self) -> tuple[tuple[int, NodeSet], Task] | None:
        candidates = []
        for i, layer in enumerate(self.layers):
            if (
                layer.is_stale(self.limits.gap)
                and layer.is_open(self.limits.gap)
                and not any(j == i for j, _ in self.busy)
            ):
                self.assign_groups(layer, len(self.layers))
            node_set = layer.next_pool(self.limits.gap, {s for j, s in self.busy if j == i})
            if node_set is None or (self.deadline is None and any(j == i for j, _ in self.busy)):
                continue  # without a clock a layer's pools go one by one: their order must not depend on timing
            if layer.pools[node_set].attempts and (self.method not in REPEATED or self.deadline is None):
                continue
            candidates.append((layer.pools[node_set].attempts, sum(j == i for j, _ in self.busy), i, node_set))
        limits = self._share(len(candidates))
        if not candidates or limits is None:
            return None
        _, _, i, node_set = min(candidates)
        self.busy.add((i, node_set))
        return (i, node_set), self.layers[i].task(node_set, limits)

    def assign_groups(self, layer: LayerState, layers_left: int) -> None:
        """Choose the groups of a layer's nodes, within a share of the time."""
        limits = self.limits
        if self.deadline is not None:
            share = (self.deadline - time.monotonic()) * ASSIGN_SHARE / layers_left
            if share <= 0:
                return
            limits = limits.with_seconds(share)
        _assign_groups(layer.instance, layer, limits)

    def _share(self, open_layers: int) -> Limits | None:
        if self.deadline is None:
            return self.limits
        left = self.deadline - time.monotonic()
        share = min(left, max(LEAST_SHARE, left * self.limits.workers / max(open_layers + len(self.busy), 1)))
        return self.limits.with_seconds(share) if left > LEAST_SHARE / 2 else None

    def done(self, key: tuple[int, NodeSet], outcome: PoolOutcome, seconds: float) -> None:
        self.busy.discard(key)
        self.layers[key[0]].update(key[1], outcome, seconds)
        if self.progress is not None:
            self.progress(sum(not layer.is_open(self.limits.gap) for layer in self.layers), len(self.layers))


def _finish(instance: Instance, layers: list[LayerState], method: str, limits: Limits, start: float) -> Result:
    """Placement and certificates; the objective is recomputed from the map, and the greedy's map is the floor."""
    rows = np.stack([layer.phy2log() for layer in layers])
    placement = Placement(rows, instance.num_experts, tuple(instance.layer_ids or ()))
    found = placement.violations(instance)
    if found:
        raise InstanceError(f"internal error, please report: {method} made an invalid map ({found[0]})")
    objective = placement.objective(instance)
    certificates = tuple(
        layer.certificate(float(value), limits.gap) for layer, value in zip(layers, objective, strict=True)
    )
    lost = [c for c in certificates if c.note and c.stop in (StopReason.FAILED, StopReason.TOO_LARGE)]
    if lost:
        warnings.warn(
            f"{method} kept the best map so far in {len(lost)} of {len(layers)} layers (layer {lost[0].layer_id}: "
            f"{lost[0].stop}, {lost[0].note})", FallbackWarning, stacklevel=3,
        )  # fmt: skip
    return Result(placement, certificates, instance, method, time.monotonic() - start)
