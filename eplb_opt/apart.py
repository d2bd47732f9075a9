"""Maps within a limit in which no rank has two replicas of one expert.

Two replicas of an expert on one rank rise and fall together: such a rank is hurt twice when loads change. Where nothing
was recorded but a sum, that is what can be known about changes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .errors import InstanceError
from .heuristics.repeats import fewer_repeats
from .layer import LayerState
from .limits import Limits
from .methods.attempt import Attempt
from .methods.schedule import APART_SCHEDULE, HARMLESS
from .methods.steps import by_greedy
from .methods.task import Task
from .outcome import PoolOutcome
from .problem.hierarchy import NodeSet
from .problem.instance import Instance
from .problem.pool import Packing, Pool, without_repeats

ROUNDING = 1e-12  # relative: the search may stop as near above the limit, and its packing is looked at again
LEAST_SECONDS = 0.02


def distinct_instance(instance: Instance) -> Instance | None:
    """The instance with distinct experts on every rank; None if it is, or if there are too many replicas for that."""
    if instance.distinct:
        return None
    try:
        return replace(instance, distinct=True)
    except InstanceError:
        return None


def packed_apart(
    layer: LayerState, most: float, limits: Limits
) -> dict[NodeSet, Packing] | None:
    """Packings of a layer's partition within a limit and without repeats, or None.

    Parameters
    ----------
    layer : LayerState
    most : float
        Load of the heaviest rank.
    limits : Limits
        ``seconds`` is for all pools together.

    Returns
    -------
    dict from node set to Packing, or None
        None: no search found one.
    """
    packings = {}
    waiting = len(layer.partition)
    for node_set in layer.partition:
        state = layer.pools[node_set]
        seconds = None
        if limits.seconds is not None:
            seconds = limits.seconds / waiting
            limits = limits.with_seconds(limits.seconds - seconds)
            waiting -= 1
        found = _packed(
            state.pool, state.bracket.packing, most, replace(limits, seconds=seconds)
        )
        if found is None:
            return None
        packings[node_set] = found
    return packings


def repaired(layer: LayerState, most: float) -> dict[NodeSet, Packing] | None:
    """A layer's own packings, repeats exchanged away within a limit; None if some stay.

    Parameters
    ----------
    layer : LayerState
    most : float
        Load of the heaviest rank.

    Returns
    -------
    dict from node set to Packing, or None
    """
    packings = {}
    for node_set in layer.partition:
        state = layer.pools[node_set]
        packing = _repaired(state.pool, state.bracket.packing, most)
        if packing is None:
            return None
        packings[node_set] = packing
    return packings


def _repaired(pool: Pool, own: Packing, most: float) -> Packing | None:
    """A pool's own packing without repeats; None if exchanges within the limit leave some."""
    placed = fewer_repeats(
        pool.loads[None],
        own.experts.reshape(1, -1),
        pool.ranks,
        limits=np.array([most]),
    )
    found = Packing(placed.reshape(own.experts.shape))
    if has_repeats(found) or found.objective(pool) > max(most, own.objective(pool)):
        return None
    return found


def _packed(pool: Pool, own: Packing, most: float, limits: Limits) -> Packing | None:
    """A pool's packing; its own if that has no repeats."""
    if not has_repeats(own):
        return own
    apart = without_repeats(pool)
    if apart is None:
        return None
    if limits.seconds is not None and limits.seconds < LEAST_SECONDS:
        return _repaired(pool, own, most)
    limits = replace(limits, gap=max(limits.gap, HARMLESS))
    enough = most / (1 + limits.gap) * (1 - ROUNDING)
    task = Task(pool, by_greedy(apart), enough, limits)
    found = Attempt(task, _nobody).run(APART_SCHEDULE).packing
    if found is None or found.objective(pool) > most:
        return _repaired(pool, own, most)
    return found


def has_repeats(packing: Packing) -> bool:
    """Whether some rank has an expert twice."""
    experts = np.sort(packing.experts, axis=1)
    return bool((experts[:, 1:] == experts[:, :-1]).any())


def _nobody(_: PoolOutcome) -> None:
    """Who is told of what is found on the way."""
