"""Maps that follow each other along a trace: what moves at each re-plan, and what the maps are worth."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from eplb_opt import Instance, Objective, Placement, match_ranks
from eplb_opt.external import as_placement, engine_arguments
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.refine import refined
from eplb_opt.moves.held import moves
from eplb_opt.moves.rule import MoveRule
from eplb_opt.problem.pool import Floats
from eplb_opt.replanning import replanned

from .history import Trace

Link = tuple[int, Placement, Placement]  # the call, the map in use, the next map
Step = Callable[[int, Placement], Placement]  # the call and the map in use -> the next map
WORKERS = 2  # the maps are the same with any number


@dataclass(frozen=True, eq=False)
class Worth:
    """What maps were worth: means over re-plans, [layers] each.

    Attributes
    ----------
    moves : array
        Replicas that are new on their rank.
    renamed : array
        The same, had ranks been renamed so that fewest are.
    kept : array
        Share of the re-plans at which the layer keeps its map.
    planned, following : array
        Imbalance (heaviest over mean rank load) in the windows that were planned on, and in the one after these.
    """

    moves: Floats
    renamed: Floats
    kept: Floats
    planned: Floats
    following: Floats

    def figures(self, fresh: Worth, slots: int) -> dict[str, float]:
        """Means over layers, and beside fresh plans; the standard error is over layers."""
        against = self.following / fresh.following - 1
        return {
            "moves": float(self.moves.mean()),
            "share": float(self.moves.mean()) / slots,
            "renamed": float(self.renamed.mean()),
            "kept": float(self.kept.mean()),
            "planned": float(self.planned.mean()),
            "over_fresh": float(self.planned.mean() / fresh.planned.mean() - 1),
            "next": float(self.following.mean()),
            "next_over_fresh": float(self.following.mean() / fresh.following.mean() - 1),
            "error": float(np.std(against, ddof=1) / np.sqrt(len(against))),
        }


class Plans:
    """The fresh plans of the calls of a trace, each made once: they do not depend on the map in use.

    Parameters
    ----------
    trace : Trace
    history : int
        Windows that a plan sees; of one it is `refined`'s, of several that for their mean imbalance.
    first : int
        The first call that plans.
    distinct : bool
        No rank has two replicas of an expert.
    """

    def __init__(self, trace: Trace, history: int = 1, first: int = 0, *, distinct: bool = False) -> None:
        self.trace = trace
        self.history = history
        self.calls = range(first, len(trace.load) - 1)
        self.distinct = distinct

    def seen(self, call: int) -> Instance:
        """The windows that a call plans on."""
        return self._instance(max(0, call + 1 - self.history), call + 1)

    def following(self, call: int) -> Instance:
        """The window after these."""
        return self._instance(call + 1, call + 2)

    def _instance(self, start: int, end: int) -> Instance:
        return Instance(
            self.trace.load[start:end],
            self.trace.replicas,
            num_ranks=self.trace.ranks,
            distinct=self.distinct,
            objective=Objective("sum" if end - start == 1 else "mean"),
        )

    def plan(self, instance: Instance) -> Placement:
        """A plan without a map in use."""
        return refined(instance) if self.history == 1 else plan_windows(instance, workers=WORKERS)

    @functools.cached_property
    def fresh(self) -> dict[int, Placement]:
        """The plan of each call without a map in use."""
        return {call: self.plan(self.seen(call)) for call in self.calls}

    def anew(self, call: int, old: Placement) -> Placement:
        """The fresh plan, whatever is in use."""
        return self.fresh[call]

    def greedy(self, call: int, old: Placement) -> Placement:
        """What engines do, whatever is in use."""
        return greedy(self.seen(call))

    def by(self, rule: MoveRule) -> Step:
        """Plans from the map in use, as the rule says."""
        return lambda call, old: replanned(self.seen(call), self.fresh[call], old, rule, workers=WORKERS)

    def of_peer(self, place: Callable[..., Any]) -> Step:
        """Plans of a peer that looks at the map in use."""

        def step(call: int, old: Placement) -> Placement:
            instance = self.seen(call)
            weight = torch.from_numpy(instance.weight.copy())
            output = place(weight, *engine_arguments(instance), old.maps()[0])
            return as_placement(output, instance)

        return step

    def along(self, step: Step) -> Worth:
        """Every call re-plans from the map that the one before it left; the first map is the fresh plan."""
        return self._worth(self._chain(step))

    def one_step(self, step: Step) -> Worth:
        """Every call re-plans from the fresh plan of the one before it."""
        pairs = [(call, self.fresh[call - 1]) for call in self.calls[1:]]
        return self._worth((call, old, step(call, old)) for call, old in pairs)

    def _chain(self, step: Step) -> Iterator[Link]:
        old = self.fresh[self.calls[0]]
        for call in self.calls[1:]:
            new = step(call, old)
            yield call, old, new
            old = new

    def _worth(self, chain: Iterable[Link]) -> Worth:
        rows = [self._figures(call, old, new) for call, old, new in chain]
        return Worth(*np.mean(rows, axis=0))

    def _figures(self, call: int, old: Placement, new: Placement) -> list[Floats]:
        seen = self.seen(call)
        return [
            moves(new, old, seen).astype(np.float64),
            moves(match_ranks(new, old, seen), old, seen).astype(np.float64),
            (new.phy2log == old.phy2log).all(axis=1).astype(np.float64),
            new.window_imbalance(seen).mean(axis=0),
            new.window_imbalance(self.following(call)).mean(axis=0),
        ]
