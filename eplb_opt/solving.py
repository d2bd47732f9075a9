"""One call of `solve`: its layers from the greedy's map to their certificates, within the limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .certified import certified
from .foresight.tables import MOST_RANKS
from .how import How
from .journal.journal import Journal
from .journal.rows import KeptRows
from .layer import LayerState
from .limits import Limits
from .methods import METHODS
from .methods.method import Method
from .next_from import SHARE, NextFrom
from .packages import is_usable
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.status import StopReason
from .result import Result
from .resumed import Resumed
from .sharing import Sharing
from .spare_plan import SparePlan
from .starts import (
    in_parts,
    pin,
    replace_packings,
    start_layers,
    take,
    take_in_time,
    take_planned,
    take_refined,
    take_row,
    timed_greedy,
)
from .warmup import warm_up, warm_up_moves, warm_up_spare, warm_up_times
from .workers import run_tasks

if TYPE_CHECKING:
    from .over_nodes import OverNodes

CHOICE_SHARE = 0.2  # of the time, at most, for the choice among maps that are as good
SPARE_SHARE = 0.3  # of the time, for maps with spare replicas where these are asked for
LEAST_SECONDS = 0.5  # left for it; what it calls takes some time to load


def _chooses(instance: Instance, method: Method) -> bool:
    """Whether a choice among maps that are as good follows the method."""
    if not method.chooses or not instance.objective.adds_windows:
        return False
    if instance.is_of_sizes:
        return False
    return instance.num_ranks <= MOST_RANKS and is_usable("numba")


def _is_over_nodes(instance: Instance, method: Method) -> bool:
    """Whether the windows of several nodes are the objective of a method that works pool by pool."""
    adds_windows = instance.objective.adds_windows
    return method.improve is not None and not adds_windows and instance.num_pools > 1


class Solving:
    """One call of `solve`: its layers from the greedy's map to their certificates, its clock and what it compiled."""

    def __init__(
        self,
        instance: Instance,
        method: str,
        limits: Limits,
        how: How,
        next_from: NextFrom | None,
        spare: SparePlan | None,
        journal: Journal | None = None,
    ) -> None:
        self.instance = instance
        self.method = method
        self.limits = limits
        self.how = how
        self.next_from = next_from
        self.spare = spare
        self.journal = journal
        spent = 0.0 if journal is None else journal.spent
        # As if earlier runs had just ended.
        self.start = time.monotonic() - spent
        self.compile_seconds = 0.0
        # Rows of the layers that a method has placed which places whole instances.
        self.placed: set[int] = set()
        # Spare replicas change what was chosen.
        self.chooses = spare is None and _chooses(instance, METHODS[method])
        self.greedy = timed_greedy(instance) if method == "greedy" else None
        self.layers = start_layers(instance, limits.seconds, self.greedy)
        for layer in self.layers:
            layer.start -= spent
        self.over_nodes: OverNodes | None = None
        if _is_over_nodes(instance, METHODS[method]):
            from .over_nodes import OverNodes

            self.over_nodes = OverNodes(instance, self.layers, limits)
            self.over_nodes.kept = self._kept_rows("search")

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
        self._take_starts()
        if any(layer.is_open(self.limits.gap) for layer in self.layers):
            # Not before: with the machine code cached, it takes time, too.
            self._compile(self.method)
            self._run_tasks(self._deadline())

    def _take_starts(self) -> None:
        """Let layers have a heuristic's maps; with a clock, of which little may be left, those of an earlier run."""
        journal = self.journal if self.limits.seconds is not None else None
        kept = KeptRows("start", journal, tuple(self.instance.layer_ids or ()))
        if not kept.has_all():
            self._make_starts()
            kept.keep_all([layer.phy2log() for layer in self.layers])
            return
        for layer in self.layers:
            row = kept.get(layer.layer)
            if row is not None:
                take_row(self.instance, layer, row, "refined")

    def _make_starts(self) -> None:
        """The heuristic's maps, of as many layers as fit before the method ends."""
        if self.instance.is_of_sizes:
            take_in_time(
                self.instance, self.layers, self._deadline(), self.limits.workers
            )
        elif self.instance.objective.adds_windows:
            take_refined(self.instance, self.layers, self._deadline())
        else:
            take_planned(
                self.instance, self.layers, self._deadline(), self.limits.workers
            )

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
            kept=self._kept_rows("choice"),
        ).choose()

    def _keep_greedy(self, placement: Placement) -> None:
        """The published greedy's map is the result, whatever is better."""
        replace_packings(self.instance, self.layers, placement, "greedy")
        pin(self.instance, self.layers, placement)
        self.placed.update(range(len(self.layers)))

    def _place_all(self, place: Callable[..., Placement]) -> None:
        """Take the method's placement; over windows, which takes longer, layer by layer before the deadline."""
        objective = self.instance.objective
        over_windows = not objective.adds_windows
        keep = replace_packings if over_windows else take
        has_workers = METHODS[self.method].has("workers")
        told = {"workers": self.limits.workers} if has_workers else {}

        def place_part(part: Instance, layers: list[LayerState]) -> None:
            placement = place(part, **told)
            keep(part, layers, placement, self.method)
            pin(part, layers, placement)
            self.placed.update(layer.layer for layer in layers)

        is_slow = over_windows or self.instance.is_of_sizes
        deadline = self._deadline() if is_slow else None
        in_parts(self.instance, self.layers, place_part, deadline)

    def _compile(self, method: str, *, windows: bool = False) -> None:
        """Compile what a method calls; no clock counts it."""
        is_in_time = self.instance.is_of_sizes
        over_windows = windows or not self.instance.objective.adds_windows
        seconds = warm_up(method, windows=over_windows and not is_in_time)
        if is_in_time:
            seconds += warm_up_times()
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
            self.how.progress,
        )
        if not self.layers[0].complete:
            for i, layer in enumerate(self.layers):
                sharing.assign_groups(layer, len(self.layers) - i)
        tasks = sharing if self.journal is None else Resumed(sharing, self.journal)
        run_tasks(
            self.method,
            tasks.next_task,
            tasks.done,
            self.limits,
            deadline,
            self.how.executor,
        )

    def _kept_rows(self, step: str) -> KeptRows:
        """What the journal knows of a step that finds maps; with a clock the step is made with what is found since."""
        journal = self.journal if self.limits.seconds is None else None
        return KeptRows(step, journal, tuple(self.instance.layer_ids or ()))

    def elapsed(self) -> float:
        """Seconds of the call by now, those of its earlier runs among them, without compiling."""
        return time.monotonic() - self.start - self.compile_seconds

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
        return replace(
            result, seconds=self.elapsed(), compile_seconds=self.compile_seconds
        )
