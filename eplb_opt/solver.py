"""`solve`: an instance to a placement with certificates, layer by layer, within the limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .certified import certified
from .errors import OptionError, shown
from .foresight.tables import MOST_RANKS
from .layer import LayerState
from .limits import Limits
from .methods import METHODS
from .methods.method import Method
from .methods.needs import require_method
from .moves.rule import MoveRule
from .next_from import SHARE, NextFrom
from .packages import is_usable
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.status import StopReason
from .result import Result, SolveInterrupted
from .sharing import Progress, Sharing
from .spare_plan import SparePlan
from .starts import (
    in_parts,
    pin,
    replace_packings,
    start_layers,
    take,
    take_planned,
    take_refined,
    timed_greedy,
)
from .warmup import warm_up, warm_up_moves, warm_up_spare
from .workers import run_tasks

if TYPE_CHECKING:
    from .over_nodes import OverNodes

CHOICE_SHARE = 0.2  # of the time, at most, for the choice among maps that are as good
SPARE_SHARE = 0.3  # of the time, for maps with spare replicas where these are asked for
LEAST_SECONDS = 0.5  # left for it; what it calls takes some time to load


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
    limits = Limits() if limits is None else limits
    rule = MoveRule(max_moves, slack, move_price)
    next_from = _next_from(instance, previous, rule, failed_ranks, method, limits)
    spares = None if spare is None else SparePlan.of(instance, spare, limits)
    require_method(method, limits)
    run = _Run(instance, method, limits, progress, next_from, spares)
    try:
        run.improve(warm_start)
        run.choose_least_harm()
    except KeyboardInterrupt:
        raise SolveInterrupted(run.finish(StopReason.INTERRUPTED)) from None
    return run.finish(StopReason.NOT_TRIED)


def _check_method(method: str, instance: Instance) -> None:
    """Raise `OptionError` unless there is such a method, and it can do the instance."""
    if method not in METHODS:
        raise OptionError(f"method {method!r}: choose one of {', '.join(METHODS)}")
    unsupported = METHODS[method].supports(instance)
    if unsupported:
        raise OptionError(f"method {method!r}: {unsupported}")


def _next_from(
    instance: Instance,
    previous: Placement | None,
    rule: MoveRule,
    failed_ranks: Sequence[int],
    method: str,
    limits: Limits,
) -> NextFrom | None:
    """The map in use and the rule; None without such a map, which a rule asks for."""
    if previous is not None:
        start = NextFrom(instance, previous, rule, method, limits, failed_ranks)
        start.warm_start()  # what does not fit is said before the long work
        return start
    if rule != MoveRule() or len(failed_ranks):
        raise OptionError(
            "max_moves, slack, move_price and failed_ranks are about moves from a map in use: give previous=Placement"
        )
    return None


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


def _chooses(instance: Instance, method: Method) -> bool:
    """Whether a choice among maps that are as good follows the method."""
    if not method.chooses or not instance.objective.adds_windows:
        return False
    if instance.num_ranks > MOST_RANKS or not is_usable("numba"):
        return False
    # A heuristic knows no other traffic than what was recorded.
    return method.improve is not None or instance.num_windows > 1


def _is_over_nodes(instance: Instance, method: Method) -> bool:
    """Whether the windows of several nodes are the objective of a method that works pool by pool."""
    adds_windows = instance.objective.adds_windows
    return method.improve is not None and not adds_windows and instance.num_pools > 1


class _Run:
    """One call of `solve`: its layers from the greedy's map to their certificates, its clock and what it compiled."""

    def __init__(
        self,
        instance: Instance,
        method: str,
        limits: Limits,
        progress: Progress | None,
        next_from: NextFrom | None,
        spare: SparePlan | None,
    ) -> None:
        self.instance = instance
        self.method = method
        self.limits = limits
        self.progress = progress
        self.next_from = next_from
        self.spare = spare
        self.start = time.monotonic()
        self.compile_seconds = 0.0
        # Rows of the layers that a method has placed which places whole instances.
        self.placed: set[int] = set()
        # Spare replicas change what was chosen.
        self.chooses = spare is None and _chooses(instance, METHODS[method])
        self.greedy = timed_greedy(instance) if method == "greedy" else None
        self.layers = start_layers(instance, limits.seconds, self.greedy)
        self.over_nodes: OverNodes | None = None
        if _is_over_nodes(instance, METHODS[method]):
            from .over_nodes import OverNodes

            self.over_nodes = OverNodes(instance, self.layers, limits)

    def improve(self, warm_start: Placement | None) -> None:
        """Let the method work on the layers."""
        if self.next_from is not None:
            self.compile_seconds += warm_up_moves()
        if self.spare is not None:
            self.compile_seconds += warm_up_spare()
        if self.greedy is not None:
            placement, _ = self.greedy
            self._keep_greedy(placement)
            return
        place = METHODS[self.method].place
        self._compile(self.method if place is not None else "refined")
        if place is not None:
            self._place_all(place)
            return
        if warm_start is not None:
            take(self.instance, self.layers, warm_start, "warm start")
        in_use = None if self.next_from is None else self.next_from.warm_start()
        if in_use is not None:
            take(self.instance, self.layers, in_use, "map in use")
        if self.over_nodes is not None:
            self._improve_over_nodes(self.over_nodes, [warm_start, in_use])
            return
        if self.instance.objective.adds_windows:
            take_refined(self.instance, self.layers, self._deadline())
        else:
            take_planned(
                self.instance, self.layers, self._deadline(), self.limits.workers
            )
        if any(layer.is_open(self.limits.gap) for layer in self.layers):
            # Not before: with the machine code cached, it takes time, too.
            self._compile(self.method)
            self._run_tasks(self._deadline())

    def _improve_over_nodes(
        self, maps: OverNodes, known: Sequence[Placement | None]
    ) -> None:
        """Bounds of the windows' mix node by node, and maps of whole layers."""
        for placement in known:
            if placement is not None:
                maps.offer(placement.phy2log, "warm start")
        maps.plan(self._deadline())
        self._compile(self.method)
        self._run_tasks(maps.bounds_end(self._deadline()))
        maps.search(self._deadline())
        self.placed.update(range(len(self.layers)))

    def choose_least_harm(self) -> None:
        """Of the maps that are as good as was asked for, take one that a change of loads hurts least."""
        if not self.chooses:
            return
        deadline = self._end()
        if deadline is not None and deadline - time.monotonic() < LEAST_SECONDS:
            return
        self._compile(self.method, windows=True)
        from .least_harm import LeastHarm

        LeastHarm(
            self.instance,
            self.layers,
            self.limits,
            self._end(),
            searches=self._searches,
        ).choose()

    def _keep_greedy(self, placement: Placement) -> None:
        """The published greedy's map is the result, whatever is better."""
        replace_packings(self.instance, self.layers, placement, "greedy")
        pin(self.instance, self.layers, placement)
        self.placed.update(range(len(self.layers)))

    def _place_all(self, place: Callable[..., Placement]) -> None:
        """Take the method's placement; over windows, which takes longer, layer by layer before the deadline."""
        over_windows = not self.instance.objective.adds_windows
        keep = replace_packings if over_windows else take
        has_workers = METHODS[self.method].has("workers")
        told = {"workers": self.limits.workers} if has_workers else {}

        def place_part(part: Instance, layers: list[LayerState]) -> None:
            placement = place(part, **told)
            keep(part, layers, placement, self.method)
            pin(part, layers, placement)
            self.placed.update(layer.layer for layer in layers)

        deadline = self._deadline() if over_windows else None
        in_parts(self.instance, self.layers, place_part, deadline)

    def _compile(self, method: str, *, windows: bool = False) -> None:
        """Compile what a method calls; no clock counts it."""
        over_windows = windows or not self.instance.objective.adds_windows
        seconds = warm_up(method, windows=over_windows)
        self.compile_seconds += seconds
        for layer in self.layers:
            layer.start += seconds

    def _end(self) -> float | None:
        """When the method and the choice end, as far as is known: compiling puts it off, moves take a share."""
        if self.limits.seconds is None:
            return None
        of_moves = self.limits.seconds * SHARE if self.next_from is not None else 0.0
        return self._whole_end() - of_moves

    def _whole_end(self) -> float:
        """When the call ends, of a call with a time limit."""
        return self.start + self.compile_seconds + (self.limits.seconds or 0.0)

    def _deadline(self) -> float | None:
        """When the method ends: before the call, where a choice follows."""
        end = self._end()
        if end is None or self.limits.seconds is None:
            return end
        if self.spare is not None:
            end -= self.limits.seconds * SPARE_SHARE
        if not self.chooses:
            return end
        from .least_harm import seconds_of_choice

        wanted = seconds_of_choice(self.instance, self._searches) / self.limits.workers
        return end - min(self.limits.seconds * CHOICE_SHARE, wanted)

    @property
    def _searches(self) -> bool:
        """Whether the choice looks for other maps, too: not after a heuristic."""
        return METHODS[self.method].improve is not None

    def _run_tasks(self, deadline: float | None) -> None:
        sharing = Sharing(
            self.method,
            self.layers,
            self.limits,
            deadline,
            self.progress,
        )
        if not self.layers[0].complete:
            for i, layer in enumerate(self.layers):
                sharing.assign_groups(layer, len(self.layers) - i)
        run_tasks(
            self.method,
            sharing.next_task,
            sharing.done,
            self.limits,
            deadline,
        )

    def _spare_within(self, untried: StopReason) -> SparePlan | None:
        """How replicas are made spare in the time that is left: none is spent on proofs after an interrupt."""
        if self.spare is None:
            return None
        is_exact = METHODS[self.method].improve is not None
        proves = is_exact and untried is not StopReason.INTERRUPTED
        return replace(self.spare, deadline=self._end(), proves=proves)

    def finish(self, untried: StopReason) -> Result:
        """Placement and certificates of what is there; ``untried`` is said of open layers that no task worked on."""
        # An interrupt may have come between a pool's change and its layer's.
        for layer in self.layers:
            layer.refresh()
        if self.over_nodes is not None:
            self.over_nodes.keep()
        stops = [
            StopReason.COMPLETED if layer.layer in self.placed else untried
            for layer in self.layers
        ]
        result = certified(
            self.instance,
            self.layers,
            self.method,
            self.limits,
            stops,
            self.next_from,
            None if self.limits.seconds is None else self._whole_end(),
            self._spare_within(untried),
        )
        seconds = time.monotonic() - self.start - self.compile_seconds
        return replace(result, seconds=seconds, compile_seconds=self.compile_seconds)
