"""The production heuristic: replicas dealt to ranks, then exchanges between heavy and light ranks, in batches.

No loop over layers, experts or slots. With two slots a rank the counts are searched (`pair_counts`); with more, small
pools are solved in several variants of counts and order at once, of which the better ones are kept, and pools with very
hot experts again with other counts (`crowded`). Everything is decided on integers, without a clock and without
randomness, so the same loads give the same bits in every process, on every device. Nothing here waits for the device:
on CUDA a call can be captured in a graph. Loads are numpy arrays, on the CPU, or torch tensors (`arrays`).
"""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import torch

from ..limits import DISTANCE_IS, STEPS_ARE, checked, distance, step_count
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints
from ..problem.topology import Topology
from . import arrays as xp
from .arrays import Array
from .crowded import (
    CLOSE,
    MORE_STEPS,
    SETTLED,
    is_crowded,
    is_hot,
    num_tried,
    other_copies,
)
from .deal import deal
from .greedy import greedy_maps, greedy_pools
from .greedy_check import heaviest_load, is_lighter, unsure_layers
from .groups import share_out
from .optional import optional
from .pair_counts import is_searched, search_pairs
from .replicas import UNIT, expert_bits, keys_of_copies, replica_keys, whole_loads
from .separate import separate
from .splits import FULL_SPLITS
from .variants import best_variants, num_variants, schedule_of

MOST_EXPERTS = (
    1024  # of a pool, as keys have 31 bits; larger ones get the greedy's packing
)
GREEDY_CHECK = 0.0
STEPS = 8  # exchange steps by default
SHARED_SLOTS = (
    3  # a rank, up to which groups are also shared out by what their packing gives
)
GAP = 5e-5  # a pool this close to its bound is left as it is


def refined(
    instance: Instance,
    device: torch.device | str = "cpu",
    *,
    steps: int = STEPS,
    greedy_check: float = GREEDY_CHECK,
    compiled: bool = True,
) -> Placement:
    """The heuristic's placement of an instance; by default never worse than the greedy's.

    Parameters
    ----------
    instance : Instance
    device : torch.device or str, default "cpu"
        Where the maps are made; the bits are the same everywhere.
    steps : int, default 8
        Exchange steps, the work.
    greedy_check : float, default 0
        Layers that end further above a bound than this (relatively; by default, at all) are compared with the greedy's
        map, on the CPU; with a larger value, layers nearer than that to the bound may be worse than the greedy's, and
        with ``math.inf`` no layer is compared.
    compiled : bool, default True
        Let numba do what it does faster on a CPU, where it is installed; the bits are the same.

    Returns
    -------
    Placement

    Raises
    ------
    OptionError
        ``steps`` or ``greedy_check`` is no value of these options.

    Examples
    --------
    >>> instance = Instance([[90.0, 50.0, 20.0, 20.0, 10.0, 10.0]], 8, num_ranks=2)
    >>> refined(instance).objective(instance).tolist()
    [100.0]
    """
    steps = checked("steps", steps, step_count, STEPS_ARE)
    greedy_check = checked("greedy_check", greedy_check, distance, DISTANCE_IS)
    load = np.asarray(instance.weight)
    with torch.inference_mode():
        weight = (
            load
            if torch.device(device).type == "cpu"
            else torch.from_numpy(load.copy()).to(device)
        )
        maps = refine_maps(
            weight,
            instance.num_replicas,
            instance.topology,
            distinct=instance.distinct,
            steps=steps,
            compiled=compiled,
        )
        phy2log = xp.to_numpy(maps)
        placement = Placement(
            phy2log, instance.num_experts, tuple(instance.layer_ids or ())
        )
        if greedy_check == math.inf:
            return placement
        layers, lighter = _lighter_greedy(instance, placement, greedy_check, compiled)
    if not len(layers):
        return placement
    phy2log[layers] = lighter
    return Placement(phy2log, instance.num_experts, placement.layer_ids)


def _lighter_greedy(
    instance: Instance, placement: Placement, greedy_check: float, compiled: bool
) -> tuple[Ints, Ints]:
    """In which layers the greedy is lighter, of those it is asked for, and its maps of these, [any, replicas]."""
    load = np.asarray(instance.weight)
    ranks = instance.num_ranks
    objective = xp.to_numpy(
        heaviest_load(load, placement.phy2log, ranks, placement.counts())
    )
    compiled = (
        compiled and instance.num_replicas // ranks > FULL_SPLITS
    )  # numba is at work there already
    unsure = unsure_layers(instance, objective, greedy_check, compiled=compiled)
    if not len(unsure):
        return unsure, placement.phy2log[unsure]
    topology = instance.topology
    greedy = xp.to_numpy(
        greedy_maps(
            load[unsure], instance.num_replicas, topology, distinct=instance.distinct
        )
    )
    lighter = is_lighter(load[unsure], greedy, placement.phy2log[unsure], ranks)
    return unsure[lighter], greedy[lighter]


def compile_kernels() -> None:
    """Compile what a call would compile: some seconds once on a machine, less in later processes."""
    refined(Instance(np.arange(1.0, 15.0)[None], 14, num_ranks=2))


def refine_maps(
    weight: Array,
    num_replicas: int,
    topology: Topology,
    *,
    distinct: bool = False,
    steps: int = STEPS,
    compiled: bool = True,
) -> Array:
    """Physical-to-logical map of loads by the heuristic, without the comparison with the greedy.

    In hierarchical mode groups are packed on nodes by the same heuristic (exactly, with one or two groups a node), and
    with few slots a rank also (unless ``steps`` is 0) as `share_out` does it: the better map of each layer is kept.
    Without ``distinct`` a call on CUDA does not wait for the device.

    Parameters
    ----------
    weight : array or tensor [layers, experts]
        Of any real dtype, memory order and device. Not validated.
    num_replicas : int
        Of all nodes. Not validated.
    topology : Topology
    distinct : bool, default False
        At most one replica of an expert on a rank.
    steps, compiled
        As for `refined`.

    Returns
    -------
    array or tensor [layers, replicas], int64, where the loads are

    Examples
    --------
    >>> loads = np.array([[90.0, 50.0, 20.0, 20.0, 10.0, 10.0]])
    >>> refine_maps(loads, 8, Topology(num_ranks=2)).shape
    (1, 8)
    """
    weight = xp.floats(weight)
    ranks = topology.ranks_per_pool
    max_count = ranks if distinct else num_replicas
    if topology.hierarchical:
        return _maps_on_nodes(
            weight, num_replicas, topology, max_count, distinct, steps, compiled
        )
    phy2log = refine_pools(
        weight, num_replicas, ranks, max_count=max_count, steps=steps, compiled=compiled
    )
    return _separated(weight, phy2log, ranks) if distinct else phy2log


def _maps_on_nodes(
    weight: Array,
    num_replicas: int,
    topology: Topology,
    max_count: int,
    distinct: bool,
    steps: int,
    compiled: bool,
) -> Array:
    """`refine_maps` in hierarchical mode."""
    layers, experts = weight.shape
    nodes = topology.num_pools
    ranks = topology.ranks_per_pool
    whole = whole_loads(weight)  # sums of groups are exact
    groups = _shares(whole, num_replicas // nodes, topology, max_count, steps, compiled)
    ways = len(groups) // layers  # in which groups are shared out
    size = experts // topology.num_groups
    members = groups[:, :, None] * size + xp.arange(0, size, xp.device(weight))
    members = members.reshape(len(groups), experts)
    loads = xp.take_along_axis(xp.tile(whole, (ways, 1)), members).reshape(
        len(groups) * nodes, -1
    )
    local = refine_pools(
        loads,
        num_replicas // nodes,
        ranks,
        max_count=max_count,
        steps=steps,
        compiled=compiled,
    )
    if distinct:
        local = _separated(loads, local, ranks)
    phy2log = xp.take_along_axis(members.reshape(len(loads), -1), local).reshape(
        -1, layers, num_replicas
    )
    if ways == 1:
        return phy2log[0]
    heaviest = xp.max(heaviest_load(loads, local, ranks).reshape(2, layers, nodes), 2)
    return xp.where((heaviest[1] < heaviest[0])[:, None], phy2log[1], phy2log[0])


def _shares(
    whole: Array,
    slots: int,
    topology: Topology,
    max_count: int,
    steps: int,
    compiled: bool,
) -> Array:
    """Groups node by node, [layers, groups]: packed by their loads, and with few slots a rank again, by `share_out`."""
    groups = topology.num_groups
    nodes = topology.num_nodes
    ranks = topology.ranks_per_pool
    sums = xp.sum(whole.reshape(len(whole), groups, -1), 2, xp.float64)
    by_load = refine_pools(sums, groups, nodes, steps=steps, compiled=compiled)
    if not steps or slots // ranks > SHARED_SLOTS:
        return by_load

    def pack(loads: Array) -> Array:
        return refine_pools(
            loads, slots, ranks, max_count=max_count, steps=0, variants=1
        )

    by_packing = share_out(whole, groups, nodes, pack, ranks)
    return by_load if by_packing is None else xp.concat((by_load, by_packing), 0)


def _separated(loads: Array, placed: Array, ranks: int) -> Array:
    """`separate` of an array of either kind."""
    return xp.asarray(
        separate(xp.to_numpy(loads), xp.to_numpy(placed), ranks), xp.device(placed)
    )


def refine_pools(
    loads: Array,
    slots: int,
    ranks: int,
    *,
    max_count: int | None = None,
    steps: int = STEPS,
    gap: float = GAP,
    compiled: bool = True,
    variants: int | None = None,
) -> Array:
    """The heuristic on pools.

    Parameters
    ----------
    loads : array or tensor [pools, experts]
        Of any real dtype, memory order and device. Not validated.
    slots, ranks : int
        Of a pool; the slots are a multiple of the ranks and at least the experts. Not validated.
    max_count : int, optional
        Most replicas of an expert; no cap by default.
    steps, compiled
        As for `refined`.
    gap : float, default 5e-5
        A pool whose heaviest rank is this close to ``max(mean, heaviest replica)`` is left as it is.
    variants : int, optional
        Packings tried of each pool; default: `num_variants`.

    Returns
    -------
    array or tensor [pools, slots], int64, where the loads are
        The expert in each slot, rank by rank.

    Examples
    --------
    >>> refine_pools(np.array([[4.0, 3.0, 2.0, 1.0]]), 4, 2).tolist()
    [[1, 2, 0, 3]]
    """
    loads = xp.floats(loads)
    experts = loads.shape[1]
    if experts > MOST_EXPERTS:
        return greedy_pools(
            loads, slots, ranks, distinct=max_count is not None and max_count < slots
        )
    max_count = max_count or slots
    variants = variants or num_variants(slots, ranks)
    goal = int(UNIT * (1 + gap))
    fused = _fused(loads, slots, ranks) if variants == 1 else None
    if fused is None:
        return _refine_pools(
            loads, slots, ranks, max_count, steps, goal, variants, compiled
        )
    schedule = tuple(schedule_of(ranks, steps))
    placed, again = fused.refine_pools_fused(
        loads, slots, ranks, max_count, schedule, goal
    )
    if steps and slots > experts:
        placed = _relieved(loads, again, placed, ranks, max_count, steps, None)
    return placed  # type: ignore[no-any-return]


def _fused(loads: Array, slots: int, ranks: int) -> ModuleType | None:
    """The kernels in Triton, for loads that they take."""
    device = xp.device(loads)
    fused = optional("fused") if device is not None and device.type == "cuda" else None
    return (
        fused
        if fused is not None and fused.fits(slots, ranks, loads.shape[1])
        else None
    )


def _refine_pools(
    loads: Array,
    slots: int,
    ranks: int,
    max_count: int,
    steps: int,
    goal: int,
    variants: int,
    compiled: bool,
) -> Array:
    """`refine_pools` without the kernels in Triton."""
    pools, experts = loads.shape
    bits = expert_bits(experts)
    per_rank = slots // ranks
    is_faster = compiled and xp.device(loads) is None and per_rank > FULL_SPLITS
    kernel = optional("exchange_compiled") if is_faster else None
    searched = None
    if per_rank == 2 and steps and is_searched(slots, experts):
        searched = search_pairs(loads, slots, max_count, steps)
    keys = replica_keys(loads, slots, ranks, max_count, variants, searched)
    packing = deal(keys, bits, ranks)
    if per_rank < 3 or ranks == 1:  # that is the best packing (`models/README.md`, X2)
        return _experts(packing, bits)
    if not steps or slots == experts:
        return _experts(
            best_variants(packing, bits, variants, steps, goal, kernel), bits
        )
    crowded = is_crowded(keys[:pools] >> bits, ranks)
    goals = (
        xp.where(crowded, SETTLED, goal) if variants == 1 else goal
    )  # other variants may be good
    packing = best_variants(packing, bits, variants, steps, goals, kernel)
    is_rough = xp.max(xp.sum(packing >> bits, 0, xp.int32), 0) > CLOSE
    again = crowded | (is_rough & is_hot(loads))
    return _relieved(
        loads, again, _experts(packing, bits), ranks, max_count, steps, kernel
    )


def _experts(state: Array, bits: int) -> Array:
    """The expert in every slot of each packing, [packings, slots] (int64), rank by rank."""
    by_rank = xp.permute_dims(state & ((1 << bits) - 1), (2, 1, 0))
    return xp.astype(xp.contiguous(by_rank), xp.int64).reshape(state.shape[2], -1)


def _relieved(
    loads: Array,
    again: Array,
    placed: Array,
    ranks: int,
    max_count: int,
    steps: int,
    kernel: ModuleType | None,
) -> Array:
    """The maps, [pools, slots], where some pools [pools] have the best packing of `other_copies` if it is better.

    On the CPU these pools alone are packed again; elsewhere all, as nothing here waits for the device.
    """
    steps += MORE_STEPS
    fused = _fused(loads, placed.shape[1], ranks)
    if fused is not None:
        schedule = tuple(schedule_of(ranks, steps))
        return fused.relieve_fused(loads, again, placed, ranks, max_count, schedule)  # type: ignore[no-any-return]
    rows = np.flatnonzero(again) if isinstance(again, np.ndarray) else slice(None)
    loads = loads[rows]
    if not len(loads):
        return placed
    was = placed[rows]
    counts_so_far = xp.bincount(was, loads.shape[1])
    other = _packed_otherwise(
        loads, counts_so_far, placed.shape[1], ranks, max_count, steps, kernel
    )
    counts = xp.bincount(other, loads.shape[1])
    is_lighter = heaviest_load(loads, other, ranks, counts) < heaviest_load(
        loads, was, ranks, counts_so_far
    )
    is_better = again[rows] & is_lighter & (xp.max(counts, 1) <= max_count)
    placed[rows] = xp.where(is_better[:, None], other, was)  # type: ignore[assignment]
    return placed


def _packed_otherwise(
    loads: Array,
    counts: Array,
    slots: int,
    ranks: int,
    max_count: int,
    steps: int,
    kernel: ModuleType | None,
) -> Array:
    """The best packing of each pool with `other_copies` than those of counts [pools, experts], [pools, slots]."""
    bits = expert_bits(loads.shape[1])
    whole = whole_loads(loads)
    copies = other_copies(whole, counts, slots, ranks, max_count)
    tried = num_tried(slots, ranks)
    keys, bounds = keys_of_copies(xp.tile(whole, (tried, 1)), copies, ranks)
    bounds = bounds.reshape(tried, -1)
    units = bounds / xp.min(bounds, 0)
    packing = deal(xp.sort(keys), bits, ranks)
    return _experts(
        best_variants(packing, bits, tried, steps, CLOSE, kernel, units), bits
    )
