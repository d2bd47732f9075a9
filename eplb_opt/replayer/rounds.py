"""A player's rounds: its plans, each made once, and what they were worth at any interval."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from .judge import Outcome, imbalance_in, moves_between, of_windows
from .players import OWN, Player, own
from .trace import Turn

BATCH = 32  # windows that are planned on themselves at once


class Planned(NamedTuple):
    """A map, and how long it took."""

    placement: Placement
    seconds: float


class Rounds:
    """One player with one number of replicas.

    Parameters
    ----------
    player : Player
    instance : Instance
        Of all windows.
    """

    def __init__(self, player: Player, instance: Instance) -> None:
        self.name = player.name
        self.is_slow = player.is_slow
        self.player = player
        self.instance = instance
        self._plans: dict[tuple[int, ...], Planned] = {}

    def planned(self, seen: tuple[int, ...]) -> Planned:
        """The map of the windows that are seen; made once, whichever interval asks for it."""
        if seen not in self._plans:
            start = time.monotonic()
            placement = self.player.plan(of_windows(self.instance, seen))
            self._plans[seen] = Planned(placement, time.monotonic() - start)
        return self._plans[seen]

    def placement_at(self, window: int, turns: Sequence[Turn]) -> Placement:
        """The map that serves a window."""
        turn = next(turn for turn in turns if window in turn.served)
        return self.planned(turn.seen).placement

    def outcome(self, turns: Sequence[Turn], interval: int | None) -> Outcome:
        """What its maps were worth in these turns."""
        planned = [self.planned(turn.seen) for turn in turns]
        pairs = list(zip(planned, turns, strict=True))
        seen = [self._imbalance(plan, turn.seen) for plan, turn in pairs]
        served = [self._imbalance(plan, turn.served) for plan, turn in pairs]
        return Outcome(
            self.name,
            self.instance.num_replicas,
            interval,
            np.concatenate(served),
            float(np.mean([imbalance.mean() for imbalance in seen])),
            self._moves([plan.placement for plan in planned]),
            float(np.mean([plan.seconds for plan in planned])),
            len(planned),
        )

    def _imbalance(self, planned: Planned, windows: Sequence[int]) -> Floats:
        return imbalance_in(planned.placement, self.instance, windows)

    def _moves(self, placements: Sequence[Placement]) -> Ints:
        """Of each map but the first, [re-plans, layers]."""
        ranks = self.instance.num_ranks
        pairs = itertools.pairwise(placements)
        rows = [moves_between(old, new, ranks) for old, new in pairs]
        layers = self.instance.num_layers
        return np.array(rows, dtype=np.int64).reshape(len(rows), layers)


class OwnRounds:
    """The floor with one number of replicas: each window's own plan, which nobody has in time.

    Parameters
    ----------
    instance : Instance
        Of all windows.
    """

    name = OWN
    is_slow = False

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

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
            None,
            len(served),
        )

    def _imbalance(self, served: Sequence[int]) -> Iterator[Floats]:
        """Imbalances of some windows at a time, [windows, layers], each planned as if it were a layer."""
        layers = self.instance.num_layers
        for start in range(0, len(served), BATCH):
            windows = served[start : start + BATCH]
            part = of_windows(self.instance, windows)
            flat = own_layers(part)
            yield own(flat).window_imbalance(flat).reshape(len(windows), layers)


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
