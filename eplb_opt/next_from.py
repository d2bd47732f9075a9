"""The map in use as `solve` takes it: which map comes next, by which rule, what moves, and what has to."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .bounds.moves import pattern_moves_bound
from .budget import Budget
from .claims.digest import map_digest
from .errors import FallbackWarning, SolverError
from .highs import collected_failures
from .limits import Limits
from .moves.bound import fewest_moves_bound
from .moves.held import Bools, held_experts, moves, slots_in_use
from .moves.rule import MoveRule
from .moves.slots import keep_slots
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.pool import Floats, Ints, Packing, Pool
from .replanning import replanned

SEARCHES = 3  # of a method that has time
# Of methods that solve pools exactly, the solver for moves, and how large a pool it is tried on (ranks * experts).
SOLVERS = {"optimal": ("cpsat", 400), "cpsat": ("cpsat", 4000), "milp": ("milp", 4000)}
WORK = 2.0  # of a model, in units of `Limits.work`, without a limit
SHARE = 0.2  # of the time, for moves
ROUNDING = 1e-12


@dataclass(frozen=True)
class NextFrom:
    """The map in use, and how much may change.

    Attributes
    ----------
    instance : Instance
    previous : Placement
        The map in use.
    rule : MoveRule
    method : str
        Whose map comes next.
    limits : Limits
        Of the call.
    failed_ranks : sequence of int
        Ranks of ``previous`` that hold nothing any more.
    """

    instance: Instance
    previous: Placement
    rule: MoveRule
    method: str
    limits: Limits
    failed_ranks: Sequence[int] = ()

    def next_map(
        self, placement: Placement, deadline: float | None
    ) -> tuple[Placement, Ints]:
        """The map that comes next, of what the method has found, and how many moves a map as light takes at least.

        Parameters
        ----------
        placement : Placement
        deadline : float or None
            By `time.monotonic`.

        Returns
        -------
        placement : Placement
        moves_bound : array [layers], int64
        """
        found = replanned(
            self.instance,
            placement,
            self.previous,
            self.rule,
            failed_ranks=self.failed_ranks,
            searches=SEARCHES,
            workers=self.limits.workers,
        )
        before = slots_in_use(self.previous, self.instance, self.failed_ranks)
        held = held_experts(before, self.instance.num_experts)
        of_method = placement.objective(self.instance)
        bound = np.zeros(self.instance.num_layers, dtype=np.int64)
        if self._is_exact():
            found, bound = self._solved(found, held, before, of_method, deadline)
        return found, np.maximum(bound, self._bounds(found, held, of_method, deadline))

    def _is_exact(self) -> bool:
        """Whether pools are plain and small, and there is a solver for what the rule asks."""
        instance = self.instance
        is_plain = instance.objective.adds_windows and instance.num_pools == 1
        if self.rule.renames_only or not is_plain or self.method not in SOLVERS:
            return False
        _, most = SOLVERS[self.method]
        return instance.num_ranks * instance.num_experts <= most

    def _solved(
        self,
        placement: Placement,
        held: Bools,
        before: Ints,
        of_method: Floats,
        deadline: float | None,
    ) -> tuple[Placement, Ints]:
        """The placement after a solver's work on every layer, and what it proves of moves."""
        from .exact.from_map import improved

        instance = self.instance
        solver, _ = SOLVERS[self.method]
        rows = placement.phy2log.reshape(before.shape[0], instance.num_ranks, -1).copy()
        bounds = np.zeros(len(rows), dtype=np.int64)
        for layer in np.flatnonzero(instance.mean > 0).tolist():
            limits = self._limits(deadline, len(rows) - layer)
            if limits is None:
                break
            try:
                packing, bounds[layer] = improved(
                    instance.pool(layer),
                    held[layer],
                    Packing(rows[layer]),
                    float(of_method[layer]),
                    self.rule,
                    solver,
                    limits,
                )
            except SolverError as error:  # what the heuristic has found stays
                self._warn(f"{solver} failed on layer {self._id(layer)}: {error}")
                continue
            rows[layer] = packing.experts
        kept = keep_slots(rows, before).reshape(len(rows), -1)
        return Placement(kept, instance.num_experts, placement.layer_ids), bounds

    def _limits(self, deadline: float | None, layers: int) -> Limits | None:
        """The limits of a layer's model, of those that are left; None: the time is over."""
        work = WORK if self.limits.work is None else self.limits.work
        limits = replace(self.limits, gap=0.0, work=work, workers=1)
        if deadline is None:
            return limits.with_seconds(None)
        left = deadline - time.monotonic()
        return limits.with_seconds(left / layers) if left > 0 else None

    def _bounds(
        self,
        placement: Placement,
        held: Bools,
        of_method: Floats,
        deadline: float | None,
    ) -> Ints:
        """The moves that a map of each layer takes at least to be as light as is asked for, or as this one."""
        instance = self.instance
        own = placement.objective(instance)
        asked = of_method * (1 + (self.rule.slack or 0.0))
        target = np.maximum(own, asked) * (1 + ROUNDING)
        bounds = np.zeros(len(own), dtype=np.int64)
        with collected_failures() as failures:
            for layer in range(len(own)):
                if deadline is not None and time.monotonic() > deadline:
                    break
                pool = self._whole_pool(layer)
                bounds[layer] = self._bound(pool, held[layer], float(target[layer]))
        if failures:
            self._warn(f"{len(failures)} programs failed, the first: {failures[0]}")
        return bounds

    def _id(self, layer: int) -> int:
        return (self.instance.layer_ids or ())[layer]

    def _warn(self, what: str) -> None:
        """Say that a solver failed, and that less is proven or found by it."""
        message = f"from the map in use: {what}; the best map so far is kept"
        warnings.warn(message, FallbackWarning, stacklevel=6)

    def _bound(self, pool: Pool, held: Bools, target: float) -> int:
        if not self._is_exact():
            return fewest_moves_bound(pool, held, target)
        return pattern_moves_bound(pool, held, target, Budget(work=WORK))

    def _whole_pool(self, layer: int) -> Pool:
        """All ranks of a layer as a plain pool: what bounds it bounds the layer, whatever its groups and windows."""
        instance = self.instance
        return Pool(
            instance.weight[layer],
            instance.num_replicas,
            instance.num_ranks,
            instance.distinct,
        )

    def to_dict(self) -> dict[str, Any]:
        """What a report says of it."""
        before = slots_in_use(self.previous, self.instance, self.failed_ranks)
        return {
            "map_sha256": map_digest(before),
            **asdict(self.rule),
            "failed_ranks": [int(rank) for rank in self.failed_ranks],
        }

    def moves(self, placement: Placement) -> list[int]:
        """Replicas of each layer that move."""
        moved = moves(placement, self.previous, self.instance, self.failed_ranks)
        counts: list[int] = moved.tolist()
        return counts

    def warm_start(self) -> Placement | None:
        """The map in use as a map to start from, if it is a valid one."""
        instance = self.instance
        before = slots_in_use(self.previous, instance, self.failed_ranks)
        ids = tuple(instance.layer_ids or ())
        rows = before.reshape(len(before), -1)
        start = Placement(rows, instance.num_experts, ids)
        return None if start.violations(instance) else start
