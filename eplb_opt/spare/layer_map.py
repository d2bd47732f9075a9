"""One layer's map while spare replicas are put into it: who is where, and how many units hold each expert."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..moves.held import Bools
from ..problem.instance import Instance
from ..problem.pool import Floats, Ints
from ..problem.spare import COPIES, units_of


@dataclass(frozen=True)
class Frame:
    """What is the same for all maps of a layer.

    Attributes
    ----------
    weight : array [experts], float64
        Loads.
    units : array [ranks], int64
        What fails together.
    pools : array [ranks], int64
        The pool that each rank is of: replicas stay in theirs.
    held : array [ranks, experts], bool
        What each rank holds in the map in use; everything if there is none, so that nothing is a move.
    distinct : bool
    """

    weight: Floats
    units: Ints
    pools: Ints
    held: Bools
    distinct: bool

    @classmethod
    def of(
        cls, instance: Instance, layer: int, spare: str, held: Bools | None = None
    ) -> Frame:
        """That of a layer, by row."""
        shape = (instance.num_ranks, instance.num_experts)
        return cls(
            weight=instance.weight[layer],
            units=units_of(instance, spare),
            pools=np.arange(instance.num_ranks) // instance.ranks_per_pool,
            held=np.ones(shape, dtype=np.bool_) if held is None else held,
            distinct=instance.distinct,
        )


class LayerMap:
    """A map that changes slot by slot.

    Parameters
    ----------
    frame : Frame
    slots : array [ranks, slots a rank], int64
        The expert in every slot.
    """

    def __init__(self, frame: Frame, slots: Ints) -> None:
        self.frame = frame
        self.slots = slots.copy()
        ranks, experts = frame.held.shape
        rank = np.repeat(np.arange(ranks), slots.shape[1])
        unit = np.repeat(frame.units, slots.shape[1])
        self.on_rank = np.zeros((experts, ranks), dtype=np.int64)
        np.add.at(self.on_rank, (slots.ravel(), rank), 1)
        num_units = int(frame.units.max()) + 1
        self.on_unit = np.zeros((experts, num_units), dtype=np.int64)
        np.add.at(self.on_unit, (slots.ravel(), unit), 1)

    @property
    def counts(self) -> Ints:
        """Replicas of each expert, [experts]."""
        return np.asarray(self.on_rank.sum(axis=1))

    @property
    def spread(self) -> Ints:
        """Units that hold each expert, [experts]."""
        return np.asarray((self.on_unit > 0).sum(axis=1))

    def lost(self) -> Ints:
        """Experts that are on one unit only, the heaviest first."""
        experts = np.flatnonzero(self.spread < COPIES)
        order = np.argsort(-self.frame.weight[experts], kind="stable")
        return np.asarray(experts[order])

    def shares(self) -> Floats:
        """Load of a replica of each expert, [experts]."""
        return np.asarray(self.frame.weight / self.counts)

    def put(self, rank: int, slot: int, expert: int) -> None:
        """Have another expert in a slot."""
        unit = self.frame.units[rank]
        for changed, change in ((self.slots[rank, slot], -1), (expert, 1)):
            self.on_rank[changed, rank] += change
            self.on_unit[changed, unit] += change
        self.slots[rank, slot] = expert

    def moves_of(self, expert: int | Ints) -> Ints:
        """Whether a replica of an expert, or of the one in each slot, would be a move on each rank: 1 or 0."""
        return (~self.frame.held[:, expert]).astype(np.int64)
