"""What both engines ask of a policy: a valid map for any call, their topology, and slots that stay where they are.

An exception here would kill a server. What a policy cannot answer is answered with the map in use, or with another
valid one, and said once in the log. Causes lie in the call, which is the same on every rank; so are the answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..errors import EplbError, InstanceError
from ..policies import POLICIES, AbstractEplbPolicy, configure
from ..problem.instance import MAX_EXACT_COUNT, Instance
from ..problem.placement import Placement
from ..problem.topology import Topology

Slots = npt.NDArray[np.int64]

logger = logging.getLogger("eplb_opt.plugins")
_said: set[Hashable] = set()


def plan(
    policy: type[AbstractEplbPolicy],
    weight: torch.Tensor,
    num_replicas: int,
    num_groups: int | None,
    num_nodes: int,
    num_ranks: int,
    old: Any = None,
    in_use: Callable[[], Any] | None = None,
) -> Slots:
    """The map [layers, replicas] for an engine's call, the same bits on every rank.

    Parameters
    ----------
    weight : tensor [layers, experts] or [steps, layers, experts]
        Routed tokens, on any device; steps are summed. Where they cannot be planned for (NaN, infinite, negative, or
        beyond 2^53; another shape) or the policy fails, the map in use stays, or else another valid one is returned.
    num_groups, num_nodes : int
        Where whole groups cannot stay on nodes (``num_groups`` is None, no multiple of ``num_nodes`` or no divisor of
        the experts, or ``num_ranks`` is no multiple of ``num_nodes``), the mode is global, as in the engines.
    old : tensor [layers, slots], optional
        The map in use, of any width, -1 for an empty slot. An expert that stays on its rank keeps its slot there.
        Layers without a routed token (all of them when an engine profiles) keep their rows if these are valid.
    in_use : callable, optional
        Returns the map in use, or None, where the engine does not pass it: it is asked only if there is no plan.

    Raises
    ------
    InstanceError
        No map is valid: fewer slots than experts, or slots that the ranks do not divide.
    """
    experts = np.shape(weight)[-1] if np.ndim(weight) else 0
    topology = _possible(num_groups, num_nodes, num_ranks, experts)
    loads = None
    try:
        loads = _summed(weight)
        return _planned(policy, loads, num_replicas, topology, old)
    except Exception as error:  # nothing raises into serving
        failure = error
    before = _in_use(old, in_use, num_replicas)
    shape: tuple[int, ...] = tuple(getattr(weight, "shape", ()))
    layers = shape[-2] if len(shape) > 1 else max(len(before), 1)
    phy2log = _any_map(
        policy,
        np.ones((layers, experts)) if loads is None else loads,
        num_replicas,
        topology,
        before,
    )
    _report(failure)
    return phy2log


def _in_use(old: Any, in_use: Callable[[], Any] | None, width: int) -> Slots:
    """The map in use as far as it can be told: the engine may not know it itself."""
    try:
        return _same_width(
            in_use() if old is None and in_use is not None else old, width
        )
    except Exception as error:  # nothing raises into serving
        _report(error)
        return _same_width(None, width)


def _planned(
    policy: type[AbstractEplbPolicy],
    loads: torch.Tensor,
    replicas: int,
    topology: Topology,
    old: Any,
) -> Slots:
    """The policy's map, with slots and idle layers kept."""
    instance = Instance(loads, replicas, **asdict(topology), distinct=policy.distinct)
    idle = (instance.weight == 0).all(axis=1)
    if idle.all():  # any valid map will do, without waiting for a solver
        policy = configure(POLICIES["greedy"], distinct=policy.distinct)
    phy2log = _map_of(policy, loads, replicas, topology)
    before = _same_width(old, instance.num_replicas)
    if before.shape != phy2log.shape:
        return phy2log
    phy2log = keep_slots(phy2log, before, instance.num_ranks)
    if idle.any():
        resting = replace(instance, load=instance.weight[idle], layer_ids=None)
        if not Placement(before[idle], instance.num_experts).violations(resting):
            phy2log[idle] = before[idle]
    return phy2log


def _summed(weight: torch.Tensor) -> torch.Tensor:
    """The loads [layers, experts] as float64, in which sums of half floats and of large integers are what they are.

    Raises
    ------
    InstanceError
        They are no number of tokens, or of another shape.
    """
    loads = (
        weight
        if hasattr(weight, "detach")
        else torch.from_numpy(np.array(weight, order="C"))
    )
    loads = loads.detach().cpu()
    if loads.is_sparse:
        loads = loads.to_dense()
    if loads.dim() not in (2, 3) or loads.is_complex():
        raise InstanceError(
            f"loads of shape {tuple(loads.shape)} and dtype {loads.dtype}"
        )
    total = torch.zeros(loads.shape[-2:], dtype=torch.float64)
    negative = torch.zeros(total.shape, dtype=torch.bool)
    for recorded in loads if loads.dim() == 3 else loads[None]:
        step = recorded.to(
            torch.float64
        )  # torch compares and adds few of the types that it has
        negative |= step < 0
        total += step
    bad = (
        ("NaN", total.isnan()),
        ("infinite", total.isinf()),
        ("negative", negative),
        ("beyond 2^53", total > MAX_EXACT_COUNT),
    )
    for what, where in bad:
        if where.any():
            layer, expert = where.nonzero()[0].tolist()
            raise LoadsError(
                f"the load of layer {layer}, expert {expert} is {what}", what
            )
    return total


class LoadsError(InstanceError):
    """Loads that are no number of tokens.

    Parameters
    ----------
    message : str
    kind : str
        What they are: one cause, whatever the layer.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def _map_of(
    policy: type[AbstractEplbPolicy], loads: Any, replicas: int, topology: Topology
) -> Slots:
    """The map of a policy, which is called as the engines do."""
    maps = policy.rebalance_experts(
        torch.as_tensor(loads),
        replicas,
        topology.num_groups,
        topology.num_nodes,
        topology.num_ranks,
    )
    return np.array(maps[0].numpy())


def _possible(
    num_groups: int | None, num_nodes: int, num_ranks: int, experts: int
) -> Topology:
    """The topology of the mode that is possible; said once where it is not the one asked for."""
    groups = num_groups or 1
    nodes = num_nodes or 1
    asked = Topology(num_ranks=num_ranks, num_groups=groups, num_nodes=nodes)
    one_pool = Topology(num_ranks=num_ranks)
    if nodes == 1:
        return one_pool
    reason = asked.why_global
    if not reason and experts % groups:
        reason = f"{experts} experts cannot be divided into {groups} equal groups"
    if not reason:
        return asked
    text = "global mode: %s, so whole groups do not stay on nodes"
    _say_once(
        ("topology", groups, nodes, num_ranks, experts), logging.WARNING, text, reason
    )
    return one_pool


def _any_map(
    policy: type[AbstractEplbPolicy],
    loads: Any,
    replicas: int,
    topology: Topology,
    before: Slots,
) -> Slots:
    """The map in use if the engine can go on with it, wherever its groups are; else the greedy's; else any.

    Raises
    ------
    InstanceError
        No map is valid.
    """
    layers, experts = loads.shape
    instance = Instance(
        np.ones((layers, experts)), replicas, num_ranks=topology.num_ranks
    )
    if before.shape == (layers, replicas) and not Placement(before, experts).violations(
        instance
    ):
        return before
    try:
        greedy = configure(POLICIES["greedy"], distinct=policy.distinct)
        return _map_of(greedy, loads, replicas, topology)
    except (
        Exception
    ):  # such as `distinct` with more slots than different experts can fill
        return np.tile(np.arange(replicas) % experts, (layers, 1))


def _report(error: Exception) -> None:
    """Say once a cause why there is no plan; causes differ by where they are raised, as texts hold numbers."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = (
        (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        if trace is not None
        else None
    )
    cause = ("no plan", type(error), getattr(error, "kind", where))
    text = "no plan, the experts stay where they are (%s: %s); not said again"
    expected = isinstance(error, EplbError)
    _say_once(
        cause,
        logging.ERROR,
        text,
        type(error).__name__,
        error,
        exc_info=None if expected else error,
    )


def _say_once(
    cause: Hashable,
    level: int,
    text: str,
    *arguments: object,
    exc_info: Exception | None = None,
) -> None:
    if cause not in _said:
        _said.add(cause)
        logger.log(level, text, *arguments, exc_info=exc_info)


def keep_slots(new: Slots, old: Slots, num_ranks: int) -> Slots:
    """Reorder the slots of each rank so that experts which were there keep their slot: fewer weights are copied.

    Parameters
    ----------
    new, old : array [layers, slots]
        -1 in ``old`` is an empty slot, which nobody keeps.

    Returns
    -------
    array [layers, slots]
        The same experts on every rank as in ``new``.
    """
    layers, slots = new.shape
    fresh, before = (
        new.reshape(layers * num_ranks, -1),
        old.reshape(layers * num_ranks, -1),
    )
    rows = np.arange(len(fresh))
    result = np.full_like(fresh, -1)
    free = np.ones(fresh.shape, dtype=bool)  # replicas not yet placed
    for slot in range(slots // num_ranks):
        match = free & (fresh == before[:, slot, None])
        chosen = match.argmax(axis=1)
        kept = match[rows, chosen]
        result[kept, slot] = before[kept, slot]
        free[rows[kept], chosen[kept]] = False
    result[result < 0] = fresh[
        free
    ]  # both in row order, and as many open slots as free replicas in every row
    return result.reshape(layers, slots)


def _same_width(old: Any, width: int) -> Slots:
    """The first slots of an old map, -1 where it was narrower; an empty array where there is none to read."""
    none = np.empty((0, 0), dtype=np.int64)
    try:
        before = none if old is None else np.asarray(torch.as_tensor(old).cpu())
    except (ValueError, TypeError, RuntimeError):
        return none
    if before.ndim != 2 or before.dtype.kind not in "iu":
        return none
    result = np.full((len(before), width), -1, dtype=np.int64)
    common = min(width, before.shape[1])
    result[:, :common] = before[:, :common]
    return result
