"""Plans over windows: a placement that is even in every recorded window, not in their sum alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ..errors import OptionError, shown
from ..heuristics.greedy import greedy
from ..heuristics.refine import refined
from ..limits import checked
from ..packages import require
from ..problem.instance import Instance
from ..problem.objective import Objective
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from ..refined_options import WORKERS_ARE, worker_count
from .tables import MOST_RANKS

MOVES = 20_000  # proposals for each layer
ROUNDS = 4  # of these, where windows are weighed anew by how uneven they are


def plan_windows(
    instance: Instance, *, moves: int = MOVES, workers: int = 1
) -> Placement:
    """A placement for the windows of an instance, by annealing from `refined`'s for their mix.

    Deterministic: the same loads give the same map in every process and on every machine. Never worse, on the
    instance's objective, than `refined` for the mix of the windows and the published greedy for their sum.

    Parameters
    ----------
    instance : Instance
        Its objective looks at windows: ``across`` is not ``"sum"``. In hierarchical mode groups stay where `refined`
        puts them.
    moves : int, default 20000
        Proposals for each layer, the work. With none it is the better of these two maps, and needs no numba.
    workers : int, default 1
        Threads, each of which anneals a layer at a time; the map is the same with any number.

    Returns
    -------
    Placement

    Raises
    ------
    MissingPackageError
        numba is not installed, and ``moves`` is above 0.
    OptionError
        ``moves`` is no number of proposals, ``workers`` none of threads, or there are too many ranks for any.

    Examples
    --------
    Experts 0 and 1 are hot in the same windows, and so are 2 and 3: their sum cannot tell them apart.

    >>> from eplb_opt import Instance, Objective
    >>> loads = [[[9, 9, 1, 1]], [[1, 1, 9, 9]]]
    >>> instance = Instance(loads, 4, num_ranks=2, objective=Objective("mean"))
    >>> plan_windows(instance).objective(instance).tolist()
    [1.0]
    """
    if not isinstance(moves, int) or isinstance(moves, bool) or moves < 0:
        raise OptionError(
            f"moves={shown(moves)}: give a number of proposals, 0 or more"
        )
    workers = checked("workers", workers, worker_count, WORKERS_ARE)
    if moves:
        require_search(instance)
    start = refined(instance)
    best = _Best(instance, greedy(_added(instance)))
    best.offer(start)
    if moves:
        for plan in _plans(instance, start, moves, workers):
            best.offer(plan)
    return best.placement


def require_search(instance: Instance) -> None:
    """Raise as `plan_windows` does if no search over the instance's windows is possible here."""
    if instance.num_ranks > MOST_RANKS:
        raise OptionError(
            f"num_ranks={instance.num_ranks}: at most {MOST_RANKS} for plans over windows"
        )
    if instance.objective.timed_by is not None:
        raise OptionError("plans over windows have no cost: give costs.plan_in_time")
    require("planning over windows", "numba")


class _Best:
    """Layer by layer the placement with the least objective; among equals the first."""

    def __init__(self, instance: Instance, placement: Placement) -> None:
        self.instance = instance
        self.placement = placement
        self.objective = placement.objective(instance)

    def offer(self, other: Placement) -> None:
        """Take it in the layers where it is better."""
        objective = other.objective(self.instance)
        is_better = objective < self.objective
        rows = np.where(is_better[:, None], other.phy2log, self.placement.phy2log)
        self.objective = np.minimum(objective, self.objective)
        self.placement = Placement(rows, other.num_experts, other.layer_ids)


def _added(instance: Instance) -> Instance:
    """The instance whose windows are added, which is all that the greedy looks at."""
    return replace(instance, objective=Objective(weights=instance.objective.weights))


def _plans(
    instance: Instance, start: Placement, moves: int, workers: int
) -> Iterator[Placement]:
    """The annealed placement, several times where the worst windows matter most."""
    shares = instance.shares
    if instance.objective.across == "mean":
        yield _annealed(instance, start, shares, moves, workers)
        return
    plan = start
    for _ in range(ROUNDS):
        imbalance = plan.window_imbalance(instance)
        worst = instance.objective.worst_weights(imbalance, instance.shares)
        shares = (shares + worst) / 2
        plan = _annealed(instance, plan, shares, moves // ROUNDS, workers)
        yield plan


def _annealed(
    instance: Instance, start: Placement, shares: Floats, moves: int, workers: int
) -> Placement:
    """The placement after the annealing of every layer, with shares of the windows [windows, layers]."""
    from .annealing import annealed_layer

    def anneal(layer: int) -> Ints:
        row = start.phy2log[layer]
        return annealed_layer(instance, layer, row, shares[:, layer], moves)

    layers = range(instance.num_layers)
    if workers == 1:
        rows = [anneal(layer) for layer in layers]
    else:
        with ThreadPoolExecutor(workers) as threads:
            rows = list(threads.map(anneal, layers))
    return Placement(np.stack(rows), instance.num_experts, start.layer_ids)


def compile_kernels() -> None:
    """Compile what a plan calls: some seconds once on a machine, less in later processes."""
    loads = np.arange(1.0, 15.0).reshape(2, 1, 7)
    plan_windows(Instance(loads, 8, num_ranks=2, objective=Objective("mean")), moves=64)
