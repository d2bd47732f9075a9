"""Where the layers of an instance start: the greedy's packings, and whatever maps there are besides."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .costs.plan import in_tokens, plan_in_time
from .foresight.plan import plan_windows
from .heuristics.greedy import greedy, greedy_pools
from .heuristics.refine import refined
from .layer import LayerState
from .limits import Limits
from .packages import is_usable
from .problem.hierarchy import NodeSet, members, node_sets
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.pool import Ints, Packing

# of `refined` where it is a warm start: what it finds need not be searched for
START_STEPS = 200
START_WORK = 400_000  # of the plan in time, likewise
WARM_SHARE = 0.5  # of the time that is left, for the next layers' warm starts
SETS_SHARE = 0.25  # of the time, for the greedy's packings of all node sets


def start_layers(
    instance: Instance,
    seconds: float | None = None,
    made: tuple[Placement, float] | None = None,
) -> list[LayerState]:
    """Every layer with the greedy's packings of its pools: of all node sets, or of the greedy's partition.

    Parameters
    ----------
    instance : Instance
    seconds : float, optional
        A time limit: node sets that would take too large a share of it are left to the assignment of groups.
    made : (Placement, float), optional
        The greedy's placement and the seconds it took, where it is there already.
    """
    sets = node_sets(instance)
    if sets is not None and len(sets) > 1 and seconds is not None:
        made = made or timed_greedy(instance)
        _, taken = made
        if taken * len(sets) / instance.num_nodes > seconds * SETS_SHARE:
            sets = None
    if sets is not None and len(sets) > 1:
        return _with_all_sets(instance, sets)
    placement, _ = made or timed_greedy(instance)
    return _with_greedy_sets(instance, placement, complete=sets is not None)


def _with_greedy_sets(
    instance: Instance, placement: Placement, *, complete: bool
) -> list[LayerState]:
    """The published greedy chooses the nodes."""
    rows = [dict(split(instance, row)) for row in placement.phy2log]
    return [
        LayerState(instance, layer, row, complete=complete)
        for layer, row in enumerate(rows)
    ]


def _with_all_sets(instance: Instance, sets: Sequence[NodeSet]) -> list[LayerState]:
    """Every layer with the greedy's packings of all node sets."""
    layers = range(instance.num_layers)
    wanted = [(layer, node_set) for layer in layers for node_set in sets]
    packings = iter(pack_sets(instance, wanted))
    return [
        LayerState(instance, layer, {s: next(packings) for s in sets}, complete=True)
        for layer in layers
    ]


def timed_greedy(instance: Instance) -> tuple[Placement, float]:
    """The greedy's placement, and its seconds."""
    start = time.monotonic()
    placement = greedy(instance)
    return placement, time.monotonic() - start


def split(instance: Instance, row: Ints) -> Iterator[tuple[NodeSet, Packing]]:
    """A layer's map [replicas] as packings of its node sets."""
    if not instance.hierarchical:
        (by_rank,) = instance.by_rank(row[None])
        yield tuple(range(instance.num_groups)), Packing(by_rank)
        return
    for node in row.reshape(instance.num_pools, instance.ranks_per_pool, -1):
        node_set = tuple(np.unique(node // instance.group_size).tolist())
        local = np.searchsorted(members(instance, node_set), node)
        yield node_set, Packing(local)


def pack_sets(
    instance: Instance, wanted: Sequence[tuple[int, NodeSet]]
) -> list[Packing]:
    """The greedy's packings of some layers' node sets, all in one batch."""
    if not wanted:
        return []
    loads = [
        instance.weight[layer, members(instance, node_set)]
        for layer, node_set in wanted
    ]
    ranks = instance.ranks_per_pool
    slots = greedy_pools(
        np.stack(loads), instance.slots_per_pool, ranks, distinct=instance.distinct
    )
    by_rank = slots.reshape(len(wanted), ranks, -1)
    return [Packing(row) for row in by_rank]


def replace_packings(
    instance: Instance, layers: list[LayerState], placement: Placement, method: str
) -> None:
    """Start from a method's placement itself, whatever there was.

    The published greedy's has other ties with another order of a node's groups, and what is best over windows need not
    be so in their mix.
    """
    for layer, row in zip(layers, placement.phy2log, strict=True):
        for node_set, packing in split(instance, row):
            layer.add(node_set, packing, method)


def take(
    instance: Instance, layers: list[LayerState], placement: Placement, method: str
) -> None:
    """Start from a placement where it is better."""
    for layer, row in zip(layers, placement.phy2log, strict=True):
        take_row(instance, layer, row, method)


def take_row(instance: Instance, layer: LayerState, row: Ints, method: str) -> None:
    """Start a layer from a map, [replicas], where it is better."""
    for node_set, packing in split(instance, row):
        layer.start_from(node_set, packing, method)
    layer.refresh()


def take_refined(
    instance: Instance, layers: list[LayerState], deadline: float | None
) -> None:
    """Start from the heuristic's map where it is better, in as many layers as fit before a deadline."""

    def place(part: Instance, part_layers: list[LayerState]) -> None:
        take(part, part_layers, refined(part, steps=START_STEPS), "refined")

    in_parts(instance, layers, place, deadline)


def take_planned(
    instance: Instance,
    layers: list[LayerState],
    deadline: float | None,
    workers: int,
) -> None:
    """Start from the plan over windows, in as many layers as fit before a deadline; without numba from the mix's."""
    plan = refined
    if is_usable("numba"):
        plan = functools.partial(plan_windows, workers=workers)

    def place(part: Instance, part_layers: list[LayerState]) -> None:
        take(part, part_layers, plan(part), "refined")

    in_parts(instance, layers, place, deadline)


def take_in_time(
    instance: Instance,
    layers: list[LayerState],
    deadline: float | None,
    workers: int,
) -> None:
    """Start from the plan in time, in as many layers as fit before a deadline; without numba from `refined`'s."""

    def plan(part: Instance) -> Placement:
        if not is_usable("numba"):
            tokens = in_tokens(part)
            return refined(tokens) if part.unequal is None else greedy(tokens)
        return plan_in_time(part, workers=workers, work=START_WORK)

    def place(part: Instance, part_layers: list[LayerState]) -> None:
        take(part, part_layers, plan(part), "refined")

    in_parts(instance, layers, place, deadline)


def in_parts(
    instance: Instance,
    layers: list[LayerState],
    place: Callable[[Instance, list[LayerState]], None],
    deadline: float | None,
) -> None:
    """Place all layers at once; with a deadline, as many at a time as fit before it.

    Parameters
    ----------
    instance : Instance
    layers : list of LayerState
    place : callable
        Gets some of the layers, as an instance and as states.
    deadline : float, optional
        By `time.monotonic`; layers that do not fit before it are left as they are.
    """
    if deadline is None:
        place(instance, layers)
        return
    done = 0
    size = 1
    each = 0.0  # seconds of a layer, as the last ones took
    while done < len(layers) and time.monotonic() + each < deadline:
        start = time.monotonic()
        part = instance.select(range(done, done + size))
        place(part, layers[done : done + size])
        done += size
        now = time.monotonic()
        each = (now - start) / size
        fitting = (deadline - now) * WARM_SHARE / each
        size = int(min(max(fitting, 1), len(layers) - done))


def pin(instance: Instance, layers: list[LayerState], placement: Placement) -> None:
    """Keep a placement's groups on its nodes."""
    for layer, row in zip(layers, placement.phy2log, strict=True):
        layer.pin([node_set for node_set, _ in split(instance, row)])


def assign_groups(instance: Instance, layer: LayerState, limits: Limits) -> None:
    """Give a layer the best partition that its bounds allow, too."""
    new = layer.assign_groups(limits)
    packings = pack_sets(instance, [(layer.layer, node_set) for node_set in new])
    for node_set, packing in zip(new, packings, strict=True):
        layer.add(node_set, packing)
    layer.refresh()
