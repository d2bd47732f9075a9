"""Placement: the expert in every slot of every layer; it checks itself and shares no code with any solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InstanceError, shown
from .instance import Instance
from .pool import Floats, Ints
from .ranks import as_ranks
from .topology import positive_int
from .value import mean_times, rank_times

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Placement:
    """A map from slots (physical experts) to logical experts.

    Parameters
    ----------
    phy2log : array [layers, replicas], int64
        Logical expert of each slot, rank after rank: slots ``r * s .. (r + 1) * s - 1`` are on rank r, ranks of a node
        are adjacent.
    num_experts : int
        Logical experts.
    layer_ids : tuple of int, optional
        Absolute layer index of each row; default 0, 1, ...
    num_ranks : int, optional
        Ranks, of a map in use whose slots a rank are not those of the instance to plan for; a divisor of its slots.
    rank_slots : sequence of int, optional
        Slots of each rank, in order, where ranks do not have as many; as many together as the map has.

    Raises
    ------
    InstanceError
        ``phy2log`` is no integer matrix, or ``layer_ids``, ``num_ranks`` or ``rank_slots`` do not fit it. Whether the
        map is *valid* for an instance is another question: see `violations`.

    Examples
    --------
    >>> from eplb_opt import Instance, Placement
    >>> placement = Placement([[0, 1, 0, 2]], num_experts=3)
    >>> placement
    Placement(phy2log=[1, 4], num_experts=3)
    >>> placement.rank_loads(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2))
    array([[7., 5.]])
    """

    phy2log: Ints
    num_experts: int
    layer_ids: tuple[int, ...] | None = None
    num_ranks: int | None = None
    rank_slots: Sequence[int] | None = None  # a tuple once built

    def __post_init__(self) -> None:
        array: Any = np.asarray(self.phy2log)
        if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
            raise InstanceError(
                f"a map has shape {array.shape} and dtype {array.dtype}: give integers [layers, replicas]"
            )
        array = array.astype(np.int64)
        array.setflags(write=False)
        object.__setattr__(self, "phy2log", array)
        ids = (
            tuple(range(len(array)))
            if self.layer_ids is None
            else tuple(int(i) for i in self.layer_ids)
        )
        if len(ids) != len(array):
            raise InstanceError(
                f"{len(ids)} layer ids for a map of {len(array)} layers"
            )
        object.__setattr__(self, "layer_ids", ids)
        self._check_ranks()

    def _check_ranks(self) -> None:
        replicas = self.phy2log.shape[1]
        if self.rank_slots is not None:
            ranks = self.num_ranks or len(self.rank_slots)
            unequal = as_ranks(ranks, replicas, slots=self.rank_slots)
            slots = None if unequal is None else unequal.slots_given
            object.__setattr__(self, "rank_slots", slots)
            object.__setattr__(self, "num_ranks", ranks)
        if self.num_ranks is None or self.rank_slots is not None:
            return
        ranks = positive_int("num_ranks", self.num_ranks)
        if replicas % ranks:
            raise InstanceError(
                f"a map of {replicas} slots a layer has num_ranks={ranks}: give a divisor of its slots"
            )
        object.__setattr__(self, "num_ranks", ranks)

    def __repr__(self) -> str:
        """The map's shape instead of the map."""
        return f"Placement(phy2log={list(self.phy2log.shape)}, num_experts={self.num_experts})"

    def counts(self) -> Ints:
        """Replicas of each expert, [layers, experts], read-only; slots outside 0..experts-1 count for none."""
        return self._counts

    @cached_property
    def _counts(self) -> Ints:
        layers = len(self.phy2log)
        flat = np.arange(layers)[:, None] * self.num_experts + self.phy2log
        if self.phy2log.min() < 0 or self.phy2log.max() >= self.num_experts:
            flat = flat[(self.phy2log >= 0) & (self.phy2log < self.num_experts)]
        counts = np.bincount(flat.ravel(), minlength=layers * self.num_experts)
        counts = counts.reshape(layers, -1).astype(np.int64, copy=False)
        counts.setflags(write=False)
        return counts

    def rank_loads(self, instance: Instance) -> Floats:
        """Load of each rank in the instance's `Instance.weight`, [layers, ranks]: tokens where windows are added.

        With a cost that makes a difference, the rank's time; where ranks have speeds, over these.

        Raises
        ------
        InstanceError
            The map is not valid for the instance.
        """
        self.require_valid(instance)
        placed = instance.by_rank(self.phy2log)
        cost = instance.objective.timed_by
        weight = instance.step_weight[:, None, :]
        return rank_times(weight, placed, cost, instance.unequal)[:, 0]

    def mean_ranks(self, instance: Instance) -> Floats:
        """What the objective of each layer, [layers], is over to give its imbalance: the mean rank load, or time.

        Raises
        ------
        InstanceError
            The map is not valid for the instance.
        """
        if instance.objective.timed_by is None:
            return instance.mean
        if not instance.objective.adds_windows:
            return np.ones(instance.num_layers)
        return mean_times(self.rank_loads(instance), instance.unequal)

    def window_imbalance(self, instance: Instance) -> Floats:
        """Heaviest over mean rank load in each recorded window, [windows, layers]; 1 where nothing was routed.

        With a cost that makes a difference, the slowest rank's time over the mean of the ranks.

        Raises
        ------
        InstanceError
            The map is not valid for the instance.
        """
        self.require_valid(instance)
        placed = instance.by_rank(self.phy2log)
        cost = instance.objective.timed_by
        loads = instance.load
        if cost is not None:
            loads = instance.objective.step_loads(loads)
        by_layer = loads.transpose(1, 0, 2)
        times = rank_times(by_layer, placed, cost, instance.unequal)
        heaviest = times.max(axis=2).T
        mean = instance.load.sum(axis=2) / instance.total_speed
        if cost is not None:
            mean = mean_times(times, instance.unequal).T
        imbalance: Floats = np.divide(
            heaviest, mean, out=np.ones_like(mean), where=mean > 0
        )
        return imbalance

    def objective(self, instance: Instance) -> Floats:
        """What the instance's objective makes of the map, [layers]: by default the load of the heaviest rank.

        Raises
        ------
        InstanceError
            The map is not valid for the instance.
        """
        if not instance.objective.adds_windows:
            imbalance = self.window_imbalance(instance)
            return instance.objective.of_imbalance(imbalance, instance.shares)
        return np.asarray(self.rank_loads(instance).max(axis=1), dtype=np.float64)

    def require_valid(self, instance: Instance) -> None:
        """Raise `InstanceError` that names the first violation, if there is any."""
        faults = self.violations(instance)
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            raise InstanceError(f"the map does not fit the instance: {faults[0]}{more}")

    def violations(self, instance: Instance) -> list[str]:
        """Everything that makes the map invalid for the instance, one line each; empty if it is valid."""
        shape = (instance.num_layers, instance.num_replicas)
        if self.phy2log.shape != shape:
            return [f"shape {self.phy2log.shape} instead of {shape} [layers, replicas]"]
        if self.num_experts != instance.num_experts:
            return [
                f"map of {self.num_experts} experts, loads of {instance.num_experts}"
            ]
        if self.rank_slots not in (None, instance.rank_slots):
            there = instance.rank_slots or "as many on every rank"
            return [f"rank_slots {shown(self.rank_slots)} instead of {shown(there)}"]
        faults = self._unknown_experts() + self._missing_experts()
        if instance.distinct:
            faults += self._repeated(instance)
        if instance.hierarchical:
            faults += self._split_groups(instance)
        return faults

    def _unknown_experts(self) -> list[str]:
        unknown = (self.phy2log < 0) | (self.phy2log >= self.num_experts)
        if not unknown.any():
            return []
        layer, slot = np.argwhere(unknown)[0]
        expert = self.phy2log[layer, slot]
        return [
            f"layer {self._id(layer)}, slot {slot}: expert {expert} is outside 0..{self.num_experts - 1}"
        ]

    def _missing_experts(self) -> list[str]:
        missing = np.argwhere(self.counts() == 0)
        return [
            f"layer {self._id(layer)}: expert {expert} has no replica"
            for layer, expert in missing
        ]

    def _id(self, layer: int) -> int:
        return (self.layer_ids or ())[layer]

    def _repeated(self, instance: Instance) -> list[str]:
        by_rank = self.phy2log.reshape(len(self.phy2log), instance.num_ranks, -1)
        ordered = np.sort(by_rank, axis=2)
        same = ordered[:, :, 1:] == ordered[:, :, :-1]
        twice = np.argwhere(same.any(axis=2))
        return [
            f"layer {self._id(layer)}: rank {rank} holds an expert twice (distinct)"
            for layer, rank in twice
        ]

    def _split_groups(self, instance: Instance) -> list[str]:
        by_node = self.phy2log.reshape(len(self.phy2log), instance.num_nodes, -1)
        groups = by_node // instance.group_size
        most = instance.num_groups // instance.num_nodes
        faults = []
        for layer, node in np.ndindex(groups.shape[:2]):
            held = len(set(groups[layer, node].tolist()))
            if held > most:
                where = f"layer {self._id(layer)}: node {node}"
                faults.append(
                    f"{where} holds experts of {held} groups ({most} allowed: hierarchical mode)"
                )
        return faults

    def maps(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The engines' standard tuple, int64 on the CPU.

        Returns
        -------
        physical_to_logical_map : tensor [layers, replicas]
        logical_to_physical_map : tensor [layers, experts, X]
            Slots of each expert, ascending, padded with -1; X = most replicas of any expert.
        expert_count : tensor [layers, experts]
        """
        import torch

        phy2log = torch.from_numpy(self.phy2log.copy())
        log2phy = torch.from_numpy(self._slots_of_experts())
        counts = torch.from_numpy(self.counts().copy())
        return phy2log, log2phy, counts

    def _slots_of_experts(self) -> Ints:
        """Slots of each expert, ascending, padded with -1, [layers, experts, most replicas of an expert]."""
        layers, replicas = self.phy2log.shape
        counts = self.counts()
        most = int(counts.max())
        expert, slot = self._slots_by_expert()
        # Of the tables of all layers and experts one below the other, each slot's table, and its place in it.
        table = expert + np.arange(layers)[:, None] * self.num_experts
        first = np.cumsum(counts, axis=1) - counts
        place = np.arange(replicas) - first.ravel()[table]
        log2phy = np.full((layers, self.num_experts, most), -1)
        log2phy.reshape(-1)[table * most + place] = slot
        return log2phy

    def _slots_by_expert(
        self,
    ) -> tuple[npt.NDArray[np.signedinteger[Any]], npt.NDArray[np.signedinteger[Any]]]:
        """Each layer's slots by expert, then in order: the expert and the slot, [layers, replicas] each."""
        replicas = self.phy2log.shape[1]
        # Expert and slot in one key: a plain sort of keys is several times faster than argsort.
        bits = max(1, (replicas - 1).bit_length())
        dtype = np.int32 if bits + self.num_experts.bit_length() < 32 else np.int64
        keys = (self.phy2log.astype(dtype) << bits) | np.arange(replicas, dtype=dtype)
        keys.sort(axis=1)
        return keys >> bits, keys & ((1 << bits) - 1)
