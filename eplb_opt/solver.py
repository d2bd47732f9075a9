"""`solve`: an instance to a placement with certificates, layer by layer, within the limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .call import Call
from .errors import OptionError, shown
from .executors.executor import Executor
from .executors.registry import LOCAL, executor_named
from .how import How
from .journal.journal import Journal, opened
from .limits import Limits
from .methods import METHODS
from .moves.rule import MoveRule
from .problem.instance import Instance
from .problem.placement import Placement
from .result import Result
from .standing import Progress


def solve(
    instance: Instance,
    method: str = "optimal",
    limits: Limits | None = None,
    *,
    warm_start: Placement | None = None,
    previous: Placement | None = None,
    max_moves: int | float | None = None,
    slack: float | None = None,
    move_price: float | None = None,
    failed_ranks: Sequence[int] = (),
    spare: str | None = None,
    journal: Journal | str | Path | None = None,
    executor: Executor | str = LOCAL,
    progress: Progress | None = None,
) -> Result:
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
        A valid placement to start from.
    previous : Placement, optional
        The map in use, from which engines copy the weights of every replica that is new on its rank: a move. Ranks,
        nodes and slots are renamed so that as few as possible are, at the same objective; a layer whose map in use is
        as good keeps it. It may have empty slots (-1), or other slots or ranks (see ``num_ranks`` of `Placement`): what
        can be kept is, and no expert is lost.
    max_moves : int or float, optional
        Moves of a layer, or (a float below 1) their share of its slots. The objective comes as near to what the method
        finds without a limit as these bring it; where more are needed for a valid map, there are more.
    slack : float, optional
        As few moves as found that leave the objective at most so much (relatively) above what the method finds without
        a limit.
    move_price : float, optional
        Instead of ``slack``: what a move costs, in units of the mean rank load.
    failed_ranks : sequence of int, optional
        Ranks of ``previous`` that hold nothing any more. If the instance has fewer ranks than it, the others move up in
        order; otherwise each keeps its number.
    spare : {"rank", "node"}, optional
        Any one of them may fail, and every expert still has a replica: each is on two ranks (nodes) at least, which
        takes two slots an expert. `Result.spare_bound` says what no such map can be below; ``lower_bound``, ``gap`` and
        ``status`` are those of all maps. A map in use moves more than its limits allow where spare replicas ask for it.
    journal : Journal, str or Path, optional
        A file that keeps what is finished, task by task: a call that was killed goes on from there when it is made
        again with the same file, with what is left of its time, to the same result. That of a `Journal` for a shard is
        of the shard's layers.
    executor : Executor or {"local", "ray"}, default ``"local"``
        Where tasks run, ``limits.workers`` at a time: in processes of this machine, or on the nodes of a Ray cluster,
        with the same results. The task of a worker or node that is lost is done again.
    progress : callable, optional
        Called with (layers finished, layers) in this process.

    Returns
    -------
    Result
        The placement, and a `LayerCertificate` for every layer.

    Raises
    ------
    OptionError
        Unknown method, or one that cannot do the instance; an argument of another type.
    InstanceError
        ``warm_start`` does not fit the instance, ``previous`` is of another model, or the instance has no map that is
        ``spare``.
    JournalError
        The journal is open in another process, or of another call: other loads, another method, limit or topology.
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

    From a map in use, with one replica that moves at most:

    >>> used = result.placement
    >>> later = solve(Instance([[3, 8, 1]], num_replicas=4, num_ranks=2), "greedy", previous=used, max_moves=1)
    >>> later.moves.tolist()
    [1]

    A map in which any one rank may fail: two replicas of every expert, on two ranks.

    >>> twice = solve(Instance([[8, 3, 1]], num_replicas=6, num_ranks=2), "greedy", spare="rank")
    >>> twice.placement.counts().tolist(), twice.objective.tolist(), twice.spare_bound.tolist()
    ([[2, 2, 2]], [6.0], [6.0])
    """
    _check_types(instance, limits, warm_start, previous)
    _check_method(method, instance)
    if warm_start is not None:
        warm_start.require_valid(instance)
    _check_cost(instance, previous, spare)
    _check_unequal(instance, previous, spare)
    limits = Limits() if limits is None else limits
    rule = MoveRule(max_moves, slack, move_price)
    call = Call(
        instance, method, limits, warm_start, previous, rule, failed_ranks, spare
    )
    call.check()
    how = How(progress, executor_named(executor))
    how.check()
    if journal is None:
        return call.solved(how)
    with opened(journal) as kept:
        return call.solved_with(kept, how)


def _check_method(method: str, instance: Instance) -> None:
    """Raise `OptionError` unless there is such a method, and it can do the instance."""
    if method not in METHODS:
        raise OptionError(f"method {method!r}: choose one of {', '.join(METHODS)}")
    unsupported = METHODS[method].supports(instance)
    if unsupported:
        raise OptionError(f"method {method!r}: {unsupported}")


def _check_cost(
    instance: Instance, previous: Placement | None, spare: str | None
) -> None:
    """Raise `OptionError` for what is not there with a cost yet: nothing ignores it silently."""
    if instance.objective.timed_by is None:
        return
    for name, value in (("previous", previous), ("spare", spare)):
        if value is not None:
            raise OptionError(
                f"{name} with a cost is not supported yet: leave one of both out"
            )


def _check_unequal(
    instance: Instance, previous: Placement | None, spare: str | None
) -> None:
    """Raise `OptionError` for what is not there with unequal ranks yet: nothing ignores them silently."""
    if instance.unequal is None:
        return
    for name, value in (("previous", previous), ("spare", spare)):
        if value is not None:
            raise OptionError(
                f"{name} with rank_speeds or rank_slots is not supported yet: leave one of both out"
            )


def _check_types(
    instance: object, limits: object, warm_start: object, previous: object
) -> None:
    """Raise `OptionError` for an argument of another type, with the call that makes the right one."""
    if not isinstance(instance, Instance):
        raise OptionError(
            f"instance is {shown(instance)}: give Instance(load, num_replicas, num_ranks=...)"
        )
    if not isinstance(limits, (Limits, type(None))):
        raise OptionError(f"limits is {shown(limits)}: give Limits(seconds=...)")
    for name, value in (("warm_start", warm_start), ("previous", previous)):
        if not isinstance(value, (Placement, type(None))):
            raise OptionError(
                f"{name} is {shown(value)}: give Placement(phy2log, num_experts)"
            )
