"""The cells of a sweep: for each number of slots and ranks a plan, with a cost one a number of tokens, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..problem.arrays import Ints
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..result import Result
from ..solver import solve
from .judge import Judge
from .kept import OFF, PLANNED, Cell, KeptCells
from .setting import Setting

Make = Callable[[Instance], tuple[Ints, Cell]]
UNKNOWN = (
    "imbalance",
    "time_bound",
    "bound",
    "gap",
    "optimal",
    "seconds",
)  # without a plan


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
        """The cells of a place: maps and what the judges say of them."""
        head = {"map": kind, "replicas": replicas, "ranks": ranks}
        size = {"slots_bytes": self.setting.slots_bytes(replicas, ranks)}
        return [
            head
            | {"tokens_per_step": count}
            | plan
            | size
            | self._step(placed, count, plan)
            for count, placed, plan in self._maps(replicas, ranks, make)
        ]

    def _maps(
        self, replicas: int, ranks: int, make: Make
    ) -> Iterator[tuple[int, Ints, Cell]]:
        """The map of each number of tokens, and what is known of it: without a cost it is the same for all."""
        setting = self.setting
        counts = setting.tokens_per_step
        if setting.cost is not None:
            for count in counts:
                placed, plan = make(setting.instance(replicas, ranks, count))
                yield count, placed, plan
            return
        placed, plan = make(setting.instance(replicas, ranks, counts[0]))
        for count in counts:
            yield count, placed, plan

    def _off(self, instance: Instance) -> tuple[Ints, Cell]:
        """Experts in their order."""
        layers = instance.num_layers
        slots = np.tile(np.arange(instance.num_experts), (layers, 1))
        time = None
        if is_timed(instance):
            in_order = Placement(slots, instance.num_experts)
            time = float(in_order.objective(instance).mean())
        placed = slots.reshape(layers, instance.num_ranks, -1)
        return placed, {"layers": layers, "time": time, **dict.fromkeys(UNKNOWN)}

    def _planned(self, instance: Instance) -> tuple[Ints, Cell]:
        """The method's map, and what is proven of it."""
        result = solve(instance, self.setting.method, self.setting.limits_of_plan)
        layers, ranks = instance.num_layers, instance.num_ranks
        placed = result.placement.phy2log.reshape(layers, ranks, -1)
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


def is_timed(instance: Instance) -> bool:
    """Whether the objective is a time: of windows that are not added it is an imbalance, with a cost, too.

    Parameters
    ----------
    instance : Instance
    """
    objective = instance.objective
    return objective.timed_by is not None and objective.adds_windows


def plan_row(instance: Instance, result: Result) -> Cell:
    """What is known of a plan: means over layers.

    Parameters
    ----------
    instance : Instance
    result : Result
    """
    totals = result.totals()
    return {
        "layers": instance.num_layers,
        **_times(instance, result),
        "imbalance": float(result.imbalance.mean()),
        "gap": float(result.gap.mean()) if np.isfinite(result.gap).all() else None,
        "optimal": int(totals["optimal"]),
        "seconds": result.seconds,
    }


def _times(instance: Instance, result: Result) -> Cell:
    """The slowest rank's time and what none is below, or what no imbalance is below."""
    if is_timed(instance):
        time = float(result.objective.mean())
        # What all ranks take together is the map's own: the bound is one of times alone.
        bound = float(result.lower_bound.mean())
        return {"time": time, "time_bound": bound, "bound": None}
    is_loaded = result.objective > 0
    ratios = np.ones(instance.num_layers)
    np.divide(result.lower_bound, result.objective, out=ratios, where=is_loaded)
    bound = float((ratios * result.imbalance).mean())
    return {"time": None, "time_bound": None, "bound": bound}
