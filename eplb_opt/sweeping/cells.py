"""The cells of a sweep: for each number of slots and ranks a plan, judged at each number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..problem.arrays import Ints
from ..problem.instance import Instance
from ..result import Result
from ..solver import solve
from .judge import Judge
from .kept import OFF, PLANNED, Cell, KeptCells
from .setting import Setting

Make = Callable[[int, int], tuple[Ints, Cell]]


class Cells:
    """The cells of a setting, made place by place.

    Parameters
    ----------
    setting : Setting
    kept : KeptCells
        Of earlier runs of the same setting; those are not made again.
    """

    def __init__(self, setting: Setting, kept: KeptCells) -> None:
        self.setting = setting
        self.kept = kept
        self.places, self.left_out = setting.places()
        self._judges: dict[int, Judge] = {}

    def make(self, parts: Sequence[int]) -> Iterator[list[Cell]]:
        """The cells of some places in turn, by number: known ones, or made.

        Parameters
        ----------
        parts : sequence of int
            Ascending, from 0 to `count` - 1.
        """
        places = list(self._all())
        for part in parts:
            cells = self.kept.get(part)
            if cells is None:
                cells = self._made(*places[part])
                self.kept.keep(part, cells)
            yield cells

    def _all(self) -> Iterator[tuple[str, int, int, Make]]:
        """Kinds of maps, slots and ranks: first, of each number of ranks, those without balancing."""
        for ranks in dict.fromkeys(place.num_ranks for place in self.places):
            if self._has_off(ranks):
                yield OFF, self.setting.num_experts, ranks, self._off
            for place in self.places:
                if place.num_ranks == ranks:
                    yield PLANNED, place.num_replicas, ranks, self._planned

    def count(self) -> int:
        """How many places there are."""
        return len(list(self._all()))

    def _has_off(self, ranks: int) -> bool:
        """Whether ranks can hold all experts in their order, as many on each."""
        return self.setting.num_experts % ranks == 0

    def _made(self, kind: str, replicas: int, ranks: int, make: Make) -> list[Cell]:
        """The cells of a place: a map and what the judges say of it."""
        placed, plan = make(replicas, ranks)
        head = {"map": kind, "replicas": replicas, "ranks": ranks}
        size = {"slots_bytes": self.setting.slots_bytes(replicas, ranks)}
        return [
            head
            | {"tokens_per_step": count}
            | plan
            | size
            | self._step(placed, count, plan)
            for count in self.setting.tokens_per_step
        ]

    def _off(self, replicas: int, ranks: int) -> tuple[Ints, Cell]:
        """Experts in their order."""
        layers = self.setting.num_layers
        placed = np.tile(np.arange(replicas), (layers, 1)).reshape(layers, ranks, -1)
        unknown = dict.fromkeys(("imbalance", "bound", "gap", "optimal", "seconds"))
        return placed, {"layers": layers, **unknown}

    def _planned(self, replicas: int, ranks: int) -> tuple[Ints, Cell]:
        """The method's map, and what is proven of it."""
        setting = self.setting
        instance = setting.instance(replicas, ranks)
        result = solve(instance, setting.method, setting.limits)
        placed = result.placement.phy2log.reshape(setting.num_layers, ranks, -1)
        return placed, plan_row(instance, result)

    def _step(self, placed: Ints, tokens: int, plan: Mapping[str, Any]) -> Cell:
        """What steps of so many tokens take with a map."""
        judge = self._judge(tokens)
        ranks = placed.shape[1]
        slots = placed[0].size
        found = judge.step(placed)
        bound = judge.bound(slots, ranks)
        # Without a cost the mean of the heaviest rank is at least the heaviest of means.
        if (
            judge.is_relative
            and self._judges_what_is_planned
            and plan["bound"] is not None
        ):
            bound = max(bound, plan["bound"])
        return {
            "step": found.mean,
            "step_error": found.error,
            "step_bound": bound,
            "step_gap": found.mean / bound - 1 if bound > 0 else None,
        }

    @property
    def _judges_what_is_planned(self) -> bool:
        """Whether steps are of the plans' traffic: judges look at few windows, and a silent layer has steps of 0."""
        setting = self.setting
        is_one_traffic = setting.objective.adds_windows or len(setting.load) == 1
        is_weighted = setting.objective.weights is not None
        is_heard = bool(setting.load.any(axis=(0, 2)).all())
        return is_one_traffic and is_heard and not is_weighted

    def _judge(self, tokens: int) -> Judge:
        if tokens not in self._judges:
            self._judges[tokens] = Judge(self.setting, tokens)
        return self._judges[tokens]


def count_places(setting: Setting) -> int:
    """How many maps a sweep makes, those without balancing among them.

    Parameters
    ----------
    setting : Setting
    """
    return Cells(setting, KeptCells(None)).count()


def plan_row(instance: Instance, result: Result) -> Cell:
    """What is known of a plan: means over layers.

    Parameters
    ----------
    instance : Instance
    result : Result
    """
    is_loaded = result.objective > 0
    ratios = np.ones(instance.num_layers)
    np.divide(result.lower_bound, result.objective, out=ratios, where=is_loaded)
    totals = result.totals()
    return {
        "layers": instance.num_layers,
        "imbalance": float(result.imbalance.mean()),
        "bound": float((ratios * result.imbalance).mean()),
        "gap": float(result.gap.mean()) if np.isfinite(result.gap).all() else None,
        "optimal": int(totals["optimal"]),
        "seconds": result.seconds,
    }
