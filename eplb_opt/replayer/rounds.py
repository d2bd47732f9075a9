"""A player's rounds: its plans, each made once, and what they were worth at any interval."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from ..moves.held import moves
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from ..replanning import replanned
from .judge import Outcome, imbalance_in, of_windows, renamed_moves
from .kept import NEAR, NOTHING_KEPT, PLAN, KeptPlans, Planned
from .players import OWN, Player, own
from .trace import Turn

Count = Callable[[Placement, Placement, Instance], Ints]
BATCH = 32  # windows that are planned on themselves at once


class Rounds:
    """One player with one number of replicas.

    Parameters
    ----------
    player : Player
    instance : Instance
        Of all windows.
    kept : KeptPlans, optional
    """

    def __init__(
        self, player: Player, instance: Instance, kept: KeptPlans = NOTHING_KEPT
    ) -> None:
        self._kept = kept
        self.name = player.name
        self.is_slow = player.is_slow
        self.player = player
        self.instance = instance
        self._plans: dict[tuple[int, ...], Planned] = {}
        self._chains: dict[tuple[Turn, ...], list[Planned]] = {}

    def chain(self, turns: Sequence[Turn]) -> list[Planned]:
        """The maps of some turns, each planned with the one before it in use."""
        key = tuple(turns)
        if key not in self._chains:
            planned: list[Planned] = []
            for turn in key:
                in_use = planned[-1].placement if planned else None
                planned.append(self._next(turn.seen, in_use))
            self._chains[key] = planned
        return self._chains[key]

    def _next(self, seen: tuple[int, ...], in_use: Placement | None) -> Planned:
        """The map of the windows that are seen, with a map in use."""
        told = in_use if self.player.looks_at_map else None
        planned = self._anew(seen) if told is None else self._timed(seen, told)
        rule = self.player.rule
        if in_use is None or rule is None:
            return planned

        def near() -> Planned:
            start = time.monotonic()
            placement = replanned(
                self._seen(seen),
                planned.placement,
                in_use,
                rule,
                workers=self.player.workers,
            )
            seconds = planned.seconds + time.monotonic() - start
            return Planned(placement, seconds)

        return self._kept.planned(NEAR, self.name, self.instance, seen, in_use, near)

    def _anew(self, seen: tuple[int, ...]) -> Planned:
        """The map without one in use; made once, whichever interval asks for it."""
        if seen not in self._plans:
            self._plans[seen] = self._timed(seen, None)
        return self._plans[seen]

    def _timed(self, seen: tuple[int, ...], in_use: Placement | None) -> Planned:
        def anew() -> Planned:
            instance = self._seen(seen)
            start = time.monotonic()
            placement = self.player.plan(instance, in_use)
            return Planned(placement, time.monotonic() - start)

        return self._kept.planned(PLAN, self.name, self.instance, seen, in_use, anew)

    def _seen(self, seen: tuple[int, ...]) -> Instance:
        return self.player.seeing(of_windows(self.instance, seen))

    def placement_at(self, window: int, turns: Sequence[Turn]) -> Placement:
        """The map that serves a window."""
        planned = self.chain(turns)
        pairs = zip(planned, turns, strict=True)
        return next(plan.placement for plan, turn in pairs if window in turn.served)

    def outcome(self, turns: Sequence[Turn], interval: int | None) -> Outcome:
        """What its maps were worth in these turns."""
        planned = self.chain(turns)
        pairs = list(zip(planned, turns, strict=True))
        seen = [self._imbalance(plan, turn.seen) for plan, turn in pairs]
        served = [self._imbalance(plan, turn.served) for plan, turn in pairs]
        placements = [plan.placement for plan in planned]
        return Outcome(
            self.name,
            self.instance.num_replicas,
            interval,
            np.concatenate(served),
            float(np.mean([imbalance.mean() for imbalance in seen])),
            self._counted(moves, placements),
            self._counted(renamed_moves, placements),
            float(np.mean([plan.seconds for plan in planned])),
            len(planned),
        )

    def _imbalance(self, planned: Planned, windows: Sequence[int]) -> Floats:
        return imbalance_in(planned.placement, self.instance, windows)

    def _counted(self, count: Count, placements: Sequence[Placement]) -> Ints:
        """What moves to each map but the first, [re-plans, layers]."""
        pairs = itertools.pairwise(placements)
        rows = [count(new, old, self.instance) for old, new in pairs]
        layers = self.instance.num_layers
        return np.array(rows, dtype=np.int64).reshape(len(rows), layers)


class OwnRounds:
    """The floor with one number of replicas: each window's own plan, which nobody has in time.

    Parameters
    ----------
    instance : Instance
        Of all windows.
    kept : KeptPlans, optional
    """

    name = OWN
    is_slow = False

    def __init__(self, instance: Instance, kept: KeptPlans = NOTHING_KEPT) -> None:
        self.instance = instance
        self._kept = kept

    def placement_at(self, window: int, turns: Sequence[Turn]) -> Placement:
        """The map that serves a window, whatever the turns are."""
        return own(of_windows(self.instance, [window]))

    def outcome(self, turns: Sequence[Turn], interval: int | None) -> Outcome:
        """What its maps were worth in these turns, which tell the windows that are served."""
        served = [window for turn in turns for window in turn.served]
        imbalance = np.concatenate(list(self._imbalance(served)))
        nothing = np.empty((0, self.instance.num_layers), dtype=np.int64)
        return Outcome(
            OWN,
            self.instance.num_replicas,
            interval,
            imbalance,
            float(imbalance.mean()),
            nothing,
            nothing,
            None,
            len(served),
        )

    def _imbalance(self, served: Sequence[int]) -> Iterator[Floats]:
        """Imbalances of some windows at a time, [windows, layers], each planned as if it were a layer."""
        for start in range(0, len(served), BATCH):
            windows = served[start : start + BATCH]
            yield self._kept.floor(
                self.instance, windows, partial(self._floor, windows)
            )

    def _floor(self, windows: Sequence[int]) -> Floats:
        flat = own_layers(of_windows(self.instance, windows))
        imbalance = own(flat).window_imbalance(flat)
        return imbalance.reshape(len(windows), self.instance.num_layers)


def own_layers(instance: Instance) -> Instance:
    """The layers of every window as the layers of one."""
    load = instance.load.reshape(1, -1, instance.num_experts)
    return Instance(
        load,
        instance.num_replicas,
        num_ranks=instance.num_ranks,
        num_groups=instance.num_groups,
        num_nodes=instance.num_nodes,
        distinct=instance.distinct,
    )
