"""`solve`: an instance to a placement with certificates, layer by layer, within the limits."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from .errors import OptionError, SolverError
from .heuristics.greedy import greedy, greedy_pools
from .heuristics.refine import refined
from .layer import LayerState
from .limits import Limits
from .methods import METHODS
from .methods.needs import require_method
from .methods.task import Task
from .outcome import PoolOutcome
from .problem.hierarchy import NodeSet, members, node_sets
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.pool import Ints, Packing
from .problem.status import StopReason
from .result import Result, SolveInterrupted
from .warmup import warm_up
from .workers import run_tasks

START_STEPS = 200  # of `refined` where it is a warm start: what it finds need not be searched for
ASSIGN_SHARE = 0.1  # part of the time that choosing the groups of nodes may take
LEAST_SHARE = 0.05  # seconds
WARM_SHARE = 0.5  # of the time that is left, for the next layers' warm starts
MOST_ASSIGNMENTS = 64  # of a layer's groups without a clock: each partition brings pools with work of their own
SETS_SHARE = 0.25  # of the time, for the greedy's packings of all node sets

Progress = Callable[[int, int], None]


class FallbackWarning(UserWarning):
    """A solver failed, or could not be tried, and the best map so far was kept.

    Examples
    --------
    A caller that would rather have no map than one of another method makes it an error:

    >>> import warnings
    >>> from eplb_opt import FallbackWarning, Instance, solve
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", FallbackWarning)
    ...     result = solve(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "refined")
    """


def solve(
    instance: Instance, method: str = "optimal", limits: Limits | None = None, *, warm_start: Placement | None = None,
    progress: Progress | None = None,
) -> Result:  # fmt: skip
    """Place the experts of every layer and certify how far from optimal each is.

    Every layer starts with the best of the heuristics' maps and ``warm_start``, and with bound L0; layers whose gap is
    open are then given to the method, several at a time. Whatever fails, the best valid map is kept. What numba has to
    compile first, once for an installation (`warm_up`), counts against no limit.

    Parameters
    ----------
    instance : Instance
        Loads and topology.
    method : str, default ``"optimal"``
        ``"greedy"``, ``"refined"``, ``"milp"``, ``"cpsat"`` or ``"optimal"``.
    limits : Limits, default ``Limits()``
        ``seconds`` holds for the whole call, but for compiling. Without it, results depend on the input and the seed
        alone.
    warm_start : Placement, optional
        A valid placement to start from, such as the one now in use.
    progress : callable, optional
        Called with (layers finished, layers) in this process.

    Returns
    -------
    Result
        The placement, and a `LayerCertificate` for every layer.

    Raises
    ------
    OptionError
        Unknown method, or one that cannot do the instance.
    InstanceError
        ``warm_start`` does not fit the instance.
    MissingPackageError
        A package that the method needs is not installed.
    SolveInterrupted
        Ctrl-C (a `KeyboardInterrupt`); its ``result`` is the best map so far. Before there is any map, the interrupt
        comes as it is.
    SolverError
        A fault of ours: the map that was found is not valid.

    Warns
    -----
    FallbackWarning
        A solver failed or its model was too large for the limits; the certificate of the layer says why.

    Examples
    --------
    Three experts on two ranks of two slots: the hot one gets the spare slot.

    >>> from eplb_opt import Instance, Limits, solve
    >>> result = solve(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "greedy", Limits(seconds=10))
    >>> result.placement.counts().tolist()
    [[2, 1, 1]]
    >>> result.objective.tolist(), result.lower_bound.tolist()  # tokens of the heaviest rank, one entry a layer
    ([7.0], [6.0])
    """
    if method not in METHODS:
        raise OptionError(f"method {method!r}: choose one of {', '.join(METHODS)}")
    unsupported = METHODS[method].supports(instance)
    if unsupported:
        raise OptionError(f"method {method!r}: {unsupported}")
    limits = Limits() if limits is None else limits
    if warm_start is not None:
        warm_start.require_valid(instance)
    require_method(method, limits)
    run = _Run(instance, method, limits, progress)
    try:
        run.improve(warm_start)
    except KeyboardInterrupt:
        raise SolveInterrupted(run.finish(StopReason.INTERRUPTED)) from None
    return run.finish(StopReason.NOT_TRIED)


class _Run:
    """One call of `solve`: its layers from the greedy's map to their certificates, its clock and what it compiled."""

    def __init__(self, instance: Instance, method: str, limits: Limits, progress: Progress | None) -> None:
        self.instance = instance
        self.method = method
        self.limits = limits
        self.progress = progress
        self.start = time.monotonic()
        self.compile_seconds = 0.0
        self.greedy = _timed_greedy(instance) if method == "greedy" else None
        self.layers = start_layers(instance, limits.seconds, self.greedy)

    def improve(self, warm_start: Placement | None) -> None:
        """Let the method work on the layers."""
        if self.greedy is not None:
            placement, _ = self.greedy
            for layer, row in zip(self.layers, placement.phy2log, strict=True):
                for node_set, packing in _split(self.instance, row):
                    layer.add(node_set, packing)  # another order of a node's groups has other ties
            _pin(self.instance, self.layers, placement)
            return
        place = METHODS[self.method].place
        self._compile(self.method if place is not None else "refined")
        if place is not None:
            placement = place(self.instance)
            _take(self.instance, self.layers, placement, self.method)
            _pin(self.instance, self.layers, placement)
            return
        if warm_start is not None:
            _take(self.instance, self.layers, warm_start, "warm start")
        _take_refined(self.instance, self.layers, self._deadline())
        if any(layer.is_open(self.limits.gap) for layer in self.layers):
            self._compile(self.method)  # not before: with the machine code cached, it takes time, too
            self._run_tasks(self._deadline())

    def _compile(self, method: str) -> None:
        """Compile what a method calls; no clock counts it."""
        seconds = warm_up(method)
        self.compile_seconds += seconds
        for layer in self.layers:
            layer.start += seconds

    def _deadline(self) -> float | None:
        """When the call ends, as far as is known: compiling puts it off."""
        if self.limits.seconds is None:
            return None
        return self.start + self.compile_seconds + self.limits.seconds

    def _run_tasks(self, deadline: float | None) -> None:
        schedule = _Schedule(self.method, self.layers, self.limits, deadline, self.progress)
        if not self.layers[0].complete:
            for i, layer in enumerate(self.layers):
                schedule.assign_groups(layer, len(self.layers) - i)
        run_tasks(self.method, schedule.next_task, schedule.done, self.limits, deadline)

    def finish(self, untried: StopReason) -> Result:
        """Placement and certificates of what is there; ``untried`` is said of open layers that no task worked on."""
        if METHODS[self.method].place is not None and untried is StopReason.NOT_TRIED:
            untried = StopReason.COMPLETED
        for layer in self.layers:  # an interrupt may have come between a pool's change and its layer's
            layer.refresh()
        result = _result(self.instance, self.layers, self.method, self.limits, untried)
        seconds = time.monotonic() - self.start - self.compile_seconds
        return replace(result, seconds=seconds, compile_seconds=self.compile_seconds)


def start_layers(
    instance: Instance, seconds: float | None = None, made: tuple[Placement, float] | None = None
) -> list[LayerState]:  # fmt: skip
    """Every layer with the greedy's packings of its pools: of all node sets, or of the greedy's partition.

    With a time limit, node sets that would take too large a share of it are left to the assignment of groups. ``made``
    is the greedy's placement and what it took, where it is there already.
    """
    sets = node_sets(instance)
    if sets is not None and len(sets) > 1 and seconds is not None:
        made = made or _timed_greedy(instance)
        if made[1] * len(sets) / instance.num_nodes > seconds * SETS_SHARE:
            sets = None
    if sets is None or len(sets) == 1:  # the published greedy chooses the nodes
        placement, _ = made or _timed_greedy(instance)
        return [LayerState(instance, i, dict(_split(instance, row)), complete=sets is not None)
                for i, row in enumerate(placement.phy2log)]  # fmt: skip
    packed = _pack_sets(instance, [(layer, s) for layer in range(instance.num_layers) for s in sets])
    per_layer = [packed[i * len(sets) : (i + 1) * len(sets)] for i in range(instance.num_layers)]
    return [LayerState(instance, i, dict(zip(sets, packings, strict=True)), complete=True)
            for i, packings in enumerate(per_layer)]  # fmt: skip


def _timed_greedy(instance: Instance) -> tuple[Placement, float]:
    """The greedy's placement, and its seconds."""
    start = time.monotonic()
    placement = greedy(instance)
    return placement, time.monotonic() - start


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
    slots = greedy_pools(loads, instance.slots_per_pool, instance.ranks_per_pool, distinct=instance.distinct)
    return [Packing(row) for row in slots.reshape(len(wanted), instance.ranks_per_pool, -1)]


def _take(instance: Instance, layers: list[LayerState], placement: Placement, method: str) -> None:
    """Start from a placement where it is better."""
    for layer, row in zip(layers, placement.phy2log, strict=True):
        for node_set, packing in _split(instance, row):
            layer.start_from(node_set, packing, method)
        layer.refresh()


def _take_refined(instance: Instance, layers: list[LayerState], deadline: float | None) -> None:
    """Start from the heuristic's map where it is better; with a deadline, as many layers at a time as fit before it."""
    if deadline is None:
        _take(instance, layers, refined(instance, steps=START_STEPS), "refined")
        return
    done = 0
    size = 1
    each = 0.0  # seconds of a layer, as the last ones took
    while done < len(layers) and time.monotonic() + each < deadline:
        start = time.monotonic()
        part = instance.select(range(done, done + size))
        _take(part, layers[done : done + size], refined(part, steps=START_STEPS), "refined")
        done += size
        now = time.monotonic()
        each = (now - start) / size
        size = int(min(max((deadline - now) * WARM_SHARE / each, 1), len(layers) - done))


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
            if self._wants_other_groups(layer) and not any(j == i for j, _ in self.busy):
                self.assign_groups(layer, len(self.layers))
            node_set = layer.next_pool(self.limits.gap, {s for j, s in self.busy if j == i})
            if node_set is None or (self.deadline is None and any(j == i for j, _ in self.busy)):
                continue  # without a clock a layer's pools go one by one: their order must not depend on timing
            if layer.pools[node_set].attempts and (not METHODS[self.method].repeats or self.deadline is None):
                continue
            candidates.append((layer.pools[node_set].attempts, sum(j == i for j, _ in self.busy), i, node_set))
        limits = self._share(len(candidates))
        if not candidates or limits is None:
            return None
        _, _, i, node_set = min(candidates)
        self.busy.add((i, node_set))
        return (i, node_set), self.layers[i].task(node_set, limits, self.deadline)

    def _wants_other_groups(self, layer: LayerState) -> bool:
        """The open layer's partition cannot attain its bound; without a clock, others are not looked for forever."""
        if self.deadline is None and layer.assignments >= MOST_ASSIGNMENTS:
            return False
        return layer.is_stale(self.limits.gap) and layer.is_open(self.limits.gap)

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


def _result(
    instance: Instance, layers: list[LayerState], method: str, limits: Limits, untried: StopReason
) -> Result:  # fmt: skip
    """Placement and certificates; the objective is recomputed from the map, and the greedy's map is the floor."""
    rows = np.stack([layer.phy2log() for layer in layers])
    placement = Placement(rows, instance.num_experts, tuple(instance.layer_ids or ()))
    found = placement.violations(instance)
    if found:
        raise SolverError(f"internal error, please report: {method} made an invalid map ({found[0]})")
    objective = placement.objective(instance)
    certificates = tuple(
        layer.certificate(float(value), limits.gap, untried) for layer, value in zip(layers, objective, strict=True)
    )
    lost = [c for c in certificates if c.note and c.stop in (StopReason.FAILED, StopReason.TOO_LARGE)]
    if lost:
        warnings.warn(
            f"{method} kept the best map so far in {len(lost)} of {len(layers)} layers (layer {lost[0].layer_id}: "
            f"{lost[0].stop}, {lost[0].note})", FallbackWarning, stacklevel=4,
        )  # fmt: skip
    return Result(placement, certificates, instance, method, 0.0, limits=limits)
