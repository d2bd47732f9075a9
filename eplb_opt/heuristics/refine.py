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

from ..errors import OptionError
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.topology import Topology
from . import arrays as xp
from .arrays import Array
from .crowded import CLOSE, MORE_STEPS, SETTLED, TRIED, is_crowded, is_hot, other_copies
from .deal import deal
from .exchange import MOST_PARTNERS, exchanges, rank_bits
from .greedy import greedy_maps, greedy_pools
from .greedy_check import heaviest_load, is_lighter, unsure_layers
from .groups import share_out
from .optional import optional
from .pair_counts import is_searched, search_pairs
from .replicas import UNIT, expert_bits, keys_of_copies, replica_keys, whole_loads
from .separate import separate
from .splits import FULL_SPLITS, split_arrays

MOST_EXPERTS = 1024  # of a pool, as keys have 31 bits; larger ones get the greedy's packing
GREEDY_CHECK = 0.0
FEW_SLOTS = 96  # so few that more variants cost little
STEPS = 8  # exchange steps by default
SHARED_SLOTS = 3  # a rank, up to which groups are also shared out by what their packing gives
GAP = 5e-5  # a pool this close to its bound is left as it is
MOST_VARIANTS = 24
VARIANT_SLOTS = 512  # variants * slots of a pool; twice that where the slots are few
TURN_FROM = 6  # from this step on, every other step turns slots; before that only rough packings do
ROUGH = UNIT + UNIT // 50
OPENING = (2, 3, 4, 6, 8)  # ranks / heavy ranks, step by step
CYCLE = (16, 6, 24)


def refined(
    instance: Instance, device: torch.device | str = "cpu", *, steps: int = STEPS, greedy_check: float = GREEDY_CHECK,
    compiled: bool = True,
) -> Placement:  # fmt: skip
    """The heuristic's placement of an instance; by default never worse than the greedy's.

    Layers that end further above a bound than ``greedy_check`` (relatively; by default, at all) are compared with the
    greedy's map, on the CPU; with a larger value, layers nearer than that to the bound may be worse than the greedy's,
    and with ``math.inf`` no layer is compared.
    ``compiled`` lets numba do what it does faster on a CPU, where it is installed; the bits are the same.

    Raises
    ------
    OptionError
        ``steps`` or ``greedy_check`` is negative.
    """
    if steps < 0 or not greedy_check >= 0:
        raise OptionError(f"steps={steps}, greedy_check={greedy_check}: give numbers >= 0")
    load = np.asarray(instance.weight)
    replicas = instance.num_replicas
    topology = instance.topology
    with torch.inference_mode():
        weight = load if torch.device(device).type == "cpu" else torch.from_numpy(load.copy()).to(device)
        found = refine_maps(weight, replicas, topology, distinct=instance.distinct, steps=steps, compiled=compiled)
        phy2log = xp.to_numpy(found)
        placement = Placement(phy2log, instance.num_experts, tuple(instance.layer_ids or ()))
        if greedy_check == math.inf:
            return placement
        objective = heaviest_load(load, phy2log, instance.num_ranks, placement.counts())
        many_slots = instance.num_replicas // instance.num_ranks > FULL_SPLITS  # numba is at work there already
        unsure = unsure_layers(instance, objective, greedy_check, compiled=compiled and many_slots)
        if not len(unsure):
            return placement
        greedy = greedy_maps(load[unsure], replicas, topology, distinct=instance.distinct)
        better = is_lighter(load[unsure], greedy, phy2log[unsure], instance.num_ranks)
        phy2log[unsure[better]] = greedy[better]
    return Placement(phy2log, instance.num_experts, placement.layer_ids)


def prepare() -> None:
    """Compile what a call would compile: some seconds once on a machine, less in later processes."""
    refined(Instance(np.arange(1.0, 15.0)[None], 14, num_ranks=2))


def refine_maps(
    weight: Array, num_replicas: int, topology: Topology, *, distinct: bool = False, steps: int = STEPS,
    compiled: bool = True,
) -> Array:  # fmt: skip
    """Physical-to-logical map [layers, replicas] (int64) of loads [layers, experts] (float64), where the loads are.

    Arguments are not validated here. In hierarchical mode groups are packed on nodes by the same heuristic (exactly,
    with one or two groups a node), and with few slots a rank also (unless ``steps`` is 0) as `share_out` does it: the
    better map of each layer is kept. Without ``distinct`` a call on CUDA does not wait for the device.
    """
    weight = xp.floats(weight)
    layers, experts = weight.shape
    nodes = topology.num_pools
    ranks = topology.ranks_per_pool
    max_count = ranks if distinct else num_replicas
    if not topology.hierarchical:
        phy2log = refine_pools(weight, num_replicas, ranks, max_count=max_count, steps=steps, compiled=compiled)
        return _separated(weight, phy2log, ranks) if distinct else phy2log
    num_groups = topology.num_groups
    whole = whole_loads(weight)  # sums of groups are exact
    shared = _shares(whole, num_replicas // nodes, topology, max_count, steps, compiled)
    size = experts // num_groups
    members = (shared[:, :, None] * size + xp.arange(0, size, xp.device(weight))).reshape(len(shared), experts)
    loads = xp.take_along_axis(xp.tile(whole, (len(shared) // layers, 1)), members).reshape(len(shared) * nodes, -1)
    local = refine_pools(loads, num_replicas // nodes, ranks, max_count=max_count, steps=steps, compiled=compiled)
    local = _separated(loads, local, ranks) if distinct else local
    phy2log = xp.take_along_axis(members.reshape(len(loads), -1), local).reshape(-1, layers, num_replicas)
    if len(phy2log) == 1:
        return phy2log[0]
    heaviest = xp.max(heaviest_load(loads, local, ranks).reshape(2, layers, nodes), 2)
    return xp.where((heaviest[1] < heaviest[0])[:, None], phy2log[1], phy2log[0])


def _shares(whole: Array, slots: int, topology: Topology, max_count: int, steps: int, compiled: bool) -> Array:
    """Groups node by node, [layers, groups]: packed by their loads, and with few slots a rank again, by `share_out`."""
    groups = topology.num_groups
    nodes = topology.num_nodes
    ranks = topology.ranks_per_pool
    sums = xp.sum(whole.reshape(len(whole), groups, -1), 2, xp.float64)
    by_load = refine_pools(sums, groups, nodes, steps=steps, compiled=compiled)
    if not steps or slots // ranks > SHARED_SLOTS:
        return by_load

    def pack(loads: Array) -> Array:
        return refine_pools(loads, slots, ranks, max_count=max_count, steps=0, variants=1)

    by_packing = share_out(whole, groups, nodes, pack, ranks)
    return by_load if by_packing is None else xp.concat((by_load, by_packing), 0)


def _separated(loads: Array, placed: Array, ranks: int) -> Array:
    """`separate` of an array of either kind."""
    return xp.asarray(separate(xp.to_numpy(loads), xp.to_numpy(placed), ranks), xp.device(placed))


def refine_pools(
    loads: Array, slots: int, ranks: int, *, max_count: int | None = None, steps: int = STEPS, gap: float = GAP,
    compiled: bool = True, variants: int | None = None,
) -> Array:  # fmt: skip
    """Experts in the slots of each pool, [pools, slots] (int64, rank by rank), of loads [pools, experts] (float64).

    Parameters
    ----------
    max_count : most replicas of an expert (default: no cap)
    steps : exchange steps, the work
    gap : a pool whose heaviest rank is this close to ``max(mean, heaviest replica)`` is left as it is
    compiled : let numba do what it does faster on a CPU; the bits are the same
    variants : default: `num_variants`
    """
    loads = xp.floats(loads)
    pools, experts = loads.shape
    at = xp.device(loads)
    if experts > MOST_EXPERTS:
        distinct = max_count is not None and max_count < slots
        found: Array = greedy_pools(loads, slots, ranks, distinct=distinct)
        return found
    bits = expert_bits(experts)
    each = slots // ranks
    variants = variants or num_variants(slots, ranks)
    most, goal = max_count or slots, int(UNIT * (1 + gap))
    fused = optional("fused") if at is not None and at.type == "cuda" and variants == 1 else None
    if fused is not None and fused.fits(slots, ranks, experts):
        placed, again = fused.refine_pools_fused(loads, slots, ranks, most, tuple(_schedule(ranks, steps)), goal)
        return _relieved(loads, again, placed, ranks, most, steps, None) if steps and slots > experts else placed
    searched = each == 2 and steps and is_searched(slots, experts)
    won = search_pairs(loads, slots, most, steps) if searched else None
    faster = compiled and at is None and each > FULL_SPLITS
    kernel = optional("exchange_compiled") if faster else None
    keys = replica_keys(loads, slots, ranks, most, variants, won)
    packing = deal(keys, bits, ranks)
    if each < 3 or ranks == 1:
        return _experts(packing, bits)
    if not steps or slots == experts:
        return _experts(_refine(packing, bits, variants, steps, goal, kernel), bits)
    crowded = is_crowded(keys[:pools] >> bits, ranks)
    goals = xp.where(crowded, SETTLED, goal) if variants == 1 else goal  # other variants may be good
    packing = _refine(packing, bits, variants, steps, goals, kernel)
    rough = xp.max(xp.sum(packing >> bits, 0, xp.int32), 0) > CLOSE
    again = crowded | (rough & is_hot(loads))
    return _relieved(loads, again, _experts(packing, bits), ranks, most, steps, kernel)


def _experts(state: Array, bits: int) -> Array:
    """The expert in every slot of each packing, [packings, slots] (int64), rank by rank."""
    experts = xp.astype(xp.contiguous(xp.permute_dims(state & ((1 << bits) - 1), (2, 1, 0))), xp.int64)
    return experts.reshape(state.shape[2], -1)


def _relieved(
    loads: Array, again: Array, placed: Array, ranks: int, max_count: int, steps: int, kernel: ModuleType | None
) -> Array:
    """The maps, [pools, slots], where some pools [pools] have the best packing of `other_copies` if it is better.

    On the CPU these pools alone are packed again; elsewhere all, as nothing here waits for the device.
    """
    at, experts = xp.device(loads), loads.shape[1]
    fused = optional("fused") if at is not None and at.type == "cuda" else None
    if fused is not None and fused.fits(placed.shape[1], ranks, experts):
        return fused.relieve_fused(loads, again, placed, ranks, max_count, tuple(_schedule(ranks, steps + MORE_STEPS)))
    rows = np.flatnonzero(again) if at is None else slice(None)
    if not len(loads[rows]):
        return placed
    loads, was = loads[rows], placed[rows]
    slots, bits = placed.shape[1], expert_bits(experts)
    whole = whole_loads(loads)
    copies = other_copies(whole, slots, ranks, max_count)
    keys, bounds = keys_of_copies(xp.tile(whole, (TRIED, 1)), copies, ranks)
    state = deal(xp.sort(keys), bits, ranks)
    bounds = bounds.reshape(TRIED, -1)
    units = bounds / xp.min(bounds, 0)
    found = _experts(_refine(state, bits, TRIED, steps + MORE_STEPS, CLOSE, kernel, units), bits)
    counts = xp.bincount(found, experts)
    lighter = heaviest_load(loads, found, ranks, counts) < heaviest_load(loads, was, ranks)
    better = again[rows] & lighter & (xp.max(counts, 1) <= max_count)
    placed[rows] = xp.where(better[:, None], found, was)
    return placed


def _schedule(ranks: int, steps: int) -> list[tuple[int, int, int]]:
    """Of every step the heavy ranks, the partners of each, and the load above which slots are turned."""
    return [(*pairs(ranks, s), ROUGH if s < TURN_FROM or s % 2 else 0) for s in range(steps)]


def num_variants(slots: int, ranks: int) -> int:
    """Variants tried for each pool: more for small pools, where counts and packing must be chosen together."""
    if slots // ranks in (1, 2) or slots // ranks >= FULL_SPLITS or ranks == 1:
        return 1
    budget = VARIANT_SLOTS if slots > FEW_SLOTS else 2 * VARIANT_SLOTS
    return max(1, min(MOST_VARIANTS, budget // slots))


def _refine(
    state: Array, bits: int, variants: int, steps: int, goal: Array | int, kernel: ModuleType | None,
    units: Array | None = None,
) -> Array:  # fmt: skip
    """The packings of each pool's best variant after the steps, which the compiled kernel makes where it is faster.

    ``goal`` is one number, or one a pool. ``units`` [variants, pools] says how large the variants' units of load are,
    if these differ.
    """
    schedule = _schedule(state.shape[1], steps)
    start = 0
    for last, left in [*_keep(variants, steps).items(), (steps - 1, 1)]:
        part = schedule[start : last + 1]
        goals = goal if isinstance(goal, int) else xp.concat([goal] * variants, 0)
        state = _run(kernel, state, bits, part, goals) if kernel else exchanges(state, bits, part, goals)
        start = last + 1
        if variants > left:
            best = _best(state, bits, variants, left, units)
            state, variants = xp.take(state, best, 2), left
            units = None if units is None else xp.take(units.reshape(-1), best, 0).reshape(left, -1)
    return state


def _run(kernel: ModuleType, state: Array, bits: int, schedule: list[tuple[int, int, int]], goal: Array | int) -> Array:
    """`exchanges` in compiled code."""
    held = np.ascontiguousarray(state.transpose(2, 0, 1))
    numbers = np.array(schedule, dtype=np.int64).reshape(-1, 3)
    goals = np.broadcast_to(goal, len(held)).astype(np.int64)
    kernel.steps(held, bits, rank_bits(state.shape[1]), numbers, goals, split_arrays(len(state))[2])
    return held.transpose(1, 2, 0)


def pairs(ranks: int, step: int) -> tuple[int, int]:
    """Heavy ranks and partners of each in a step: many heavy ranks first, then many partners."""
    share = OPENING[step] if step < len(OPENING) else CYCLE[(step - len(OPENING)) % len(CYCLE)]
    heavy = max(1, ranks // share, -(-ranks // (MOST_PARTNERS + 1)))
    return heavy, min(MOST_PARTNERS, (ranks - heavy) // heavy)


def _keep(variants: int, steps: int) -> dict[int, int]:
    """After which steps how many variants are kept: half of them after every other."""
    keep = {}
    for step in range(2, steps - 1, 2):
        if variants > 1:
            variants = -(-variants // 2)
            keep[step] = variants
    return keep


def _best(state: Array, bits: int, variants: int, keep: int, units: Array | None) -> Array:
    """Where the ``keep`` best variants of each pool are; among equals the lower number; int64, flat."""
    pools, at = state.shape[2] // variants, xp.device(state)
    heaviest = xp.astype(xp.max(xp.sum(state >> bits, 0, xp.int32), 0), xp.int64).reshape(variants, pools)
    if units is not None:
        heaviest = xp.astype(heaviest * units, xp.int64)
    ranked = xp.sort(xp.contiguous((heaviest << 6 | xp.arange(0, variants, at)[:, None]).T))[:, :keep].T & 63
    return (ranked * pools + xp.arange(0, pools, at)).reshape(-1)
