"""The production heuristic: replicas dealt to ranks, then exchanges between heavy and light ranks, in batches.

No loop over layers, experts or slots. With two slots a rank the counts are searched (`pair_counts`); with more, small
pools are solved in several variants of counts and order at once, of which the better ones are kept, and pools with very
hot experts again with other counts (`crowded`). Everything is decided on integers, without a clock and without
randomness, so the same loads give the same bits in every process, on every device. Nothing here waits for the device:
on CUDA a call can be captured in a graph. Loads are numpy arrays, on the CPU, or torch tensors (`arrays`).
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ..limits import checked
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from ..problem.topology import Topology
from ..refined_options import (
    DISTANCE_IS,
    GREEDY_CHECK,
    STEPS,
    STEPS_ARE,
    distance,
    step_count,
)
from . import arrays as xp
from .arrays import Array
from .greedy import greedy_maps
from .greedy_check import heaviest_load, is_lighter, unsure_layers
from .nodes import maps_on_nodes
from .optional import optional
from .pools import refine_pools
from .repeats import fewer_repeats, separated


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
    InstanceError
        Ranks are unequal (`costs.plan.plan_in_time` is for these).

    Examples
    --------
    >>> instance = Instance([[90.0, 50.0, 20.0, 20.0, 10.0, 10.0]], 8, num_ranks=2)
    >>> refined(instance).objective(instance).tolist()
    [100.0]
    """
    instance.require_alike("this heuristic of tokens")
    steps = checked("steps", steps, step_count, STEPS_ARE)
    greedy_check = checked("greedy_check", greedy_check, distance, DISTANCE_IS)
    load = np.asarray(instance.weight)
    with torch.inference_mode():
        is_on_cpu = torch.device(device).type == "cpu"
        weight = load if is_on_cpu else torch.from_numpy(load.copy()).to(device)
        maps = refine_maps(
            weight,
            instance.num_replicas,
            instance.topology,
            distinct=instance.distinct,
            steps=steps,
            compiled=compiled,
        )
        phy2log = _apart(instance, load, xp.to_numpy(maps), compiled)
        placement = Placement(
            phy2log, instance.num_experts, tuple(instance.layer_ids or ())
        )
        if greedy_check == math.inf:
            return placement
        layers, lighter = _lighter_greedy(instance, placement, greedy_check, compiled)
    if not len(layers):
        return placement
    phy2log[layers] = _apart(instance, load[layers], lighter, compiled)
    return Placement(phy2log, instance.num_experts, placement.layer_ids)


def _apart(instance: Instance, load: Floats, maps: Ints, compiled: bool) -> Ints:
    """Maps with fewer replicas of an expert on one rank, as heavy at most."""
    if instance.distinct:
        return maps
    return fewer_repeats(
        load,
        maps,
        instance.num_ranks,
        nodes=instance.topology.num_pools,
        compiled=compiled,
    )


def _lighter_greedy(
    instance: Instance, placement: Placement, greedy_check: float, compiled: bool
) -> tuple[Ints, Ints]:
    """In which layers the greedy is lighter, of those it is asked for, and its maps of these, [any, replicas]."""
    load = np.asarray(instance.weight)
    ranks = instance.num_ranks
    objective = xp.to_numpy(
        heaviest_load(load, placement.phy2log, ranks, placement.counts())
    )
    # With two slots a rank a bound says most of it, and numba need not be loaded.
    compiled = compiled and instance.num_replicas // ranks > 2
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
    """Compile what any call would compile: some seconds once on a machine, less in later processes."""
    for slots in (
        3,
        7,
    ):  # a rank: each has kernels of its own, of any other shape the same
        loads = np.arange(1.0, 2 * slots)[None]
        refined(Instance(loads, 2 * slots, num_ranks=2))
    greedy_kernel = optional("greedy_compiled")
    if greedy_kernel is not None:  # only what is not at a bound is compared
        greedy_kernel.heaviest_of_greedy(np.ones((1, 2)), 1)


def refine_maps(
    weight: Array,
    num_replicas: int,
    topology: Topology,
    *,
    distinct: bool = False,
    steps: int = STEPS,
    compiled: bool = True,
) -> Array:
    """Physical-to-logical map of loads by the heuristic, without `fewer_repeats` and the comparison with the greedy.

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
        return maps_on_nodes(
            weight, num_replicas, topology, max_count, distinct, steps, compiled
        )
    phy2log = refine_pools(
        weight, num_replicas, ranks, max_count=max_count, steps=steps, compiled=compiled
    )
    return separated(weight, phy2log, ranks, compiled) if distinct else phy2log
