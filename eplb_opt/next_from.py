"""The map in use as `solve` takes it: which map comes next, by which rule, and what moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .checker.digest import map_digest
from .moves.held import held_experts, slots_in_use
from .moves.rule import MoveRule
from .problem.instance import Instance
from .problem.placement import Placement
from .replanning import replanned

SEARCHES = 3  # of a method that has time


@dataclass(frozen=True)
class NextFrom:
    """The map in use, and how much may change.

    Attributes
    ----------
    instance : Instance
    previous : Placement
        The map in use.
    rule : MoveRule
    failed_ranks : sequence of int
        Ranks of ``previous`` that hold nothing any more.
    workers : int
        Threads, of plans over windows.
    """

    instance: Instance
    previous: Placement
    rule: MoveRule
    failed_ranks: Sequence[int] = ()
    workers: int = 1

    def next_map(self, placement: Placement) -> Placement:
        """The map that comes next, of what the method has found."""
        return replanned(
            self.instance,
            placement,
            self.previous,
            self.rule,
            failed_ranks=self.failed_ranks,
            searches=SEARCHES,
            workers=self.workers,
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
        instance = self.instance
        before = slots_in_use(self.previous, instance, self.failed_ranks)
        held = held_experts(before, instance.num_experts)
        by_rank = placement.phy2log.reshape(len(before), instance.num_ranks, -1)
        stays = np.take_along_axis(held, by_rank, axis=2)
        moved: list[int] = (~stays).sum(axis=(1, 2)).tolist()
        return moved

    def warm_start(self) -> Placement | None:
        """The map in use as a map to start from, if it is a valid one."""
        instance = self.instance
        before = slots_in_use(self.previous, instance, self.failed_ranks)
        ids = tuple(instance.layer_ids or ())
        rows = before.reshape(len(before), -1)
        start = Placement(rows, instance.num_experts, ids)
        return None if start.violations(instance) else start
