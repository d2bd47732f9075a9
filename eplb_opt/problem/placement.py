"""Placement: the expert in every slot of every layer; it checks itself and shares no code with any solver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InstanceError
from .instance import Instance
from .pool import Floats, Ints

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Placement:
    """A map from slots (physical experts) to logical experts.

    Parameters
    ----------
    phy2log : array [layers, replicas], int64
        Logical expert of each slot; slots ``r * s .. (r + 1) * s - 1`` are on rank r, ranks of a node are adjacent.
    num_experts : int
        Logical experts.
    layer_ids : tuple of int, optional
        Absolute layer index of each row; default 0, 1, ...

    Raises
    ------
    InstanceError
        ``phy2log`` is no integer matrix, or ``layer_ids`` do not fit it. Whether the map is *valid* for an instance
        is another question: see `violations`.

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

    def __post_init__(self) -> None:
        array: Any = np.asarray(self.phy2log)
        if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
            raise InstanceError(
                f"a map has shape {array.shape} and dtype {array.dtype}: give integers [layers, replicas]"
            )
        array = array.astype(np.int64)
        array.setflags(write=False)
        object.__setattr__(self, "phy2log", array)
        ids = tuple(range(len(array))) if self.layer_ids is None else tuple(int(i) for i in self.layer_ids)
        if len(ids) != len(array):
            raise InstanceError(f"{len(ids)} layer ids for a map of {len(array)} layers")
        object.__setattr__(self, "layer_ids", ids)

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
        """Load of each rank in routed tokens, windows summed, [layers, ranks].

        Raises
        ------
        InstanceError
            The map is not valid for the instance.
        """
        self.require_valid(instance)
        per_replica = instance.weight / self.counts()
        slots = np.take_along_axis(per_replica, self.phy2log, axis=1)
        return np.asarray(slots.reshape(len(slots), instance.num_ranks, -1).sum(axis=2), dtype=np.float64)

    def objective(self, instance: Instance) -> Floats:
        """Load of the heaviest rank, [layers]."""
        return np.asarray(self.rank_loads(instance).max(axis=1), dtype=np.float64)

    def require_valid(self, instance: Instance) -> None:
        """Raise `InstanceError` that names the first violation, if there is any."""
        found = self.violations(instance)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise InstanceError(f"the map does not fit the instance: {found[0]}{more}")

    def violations(self, instance: Instance) -> list[str]:
        """Everything that makes the map invalid for the instance, one line each; empty if it is valid."""
        shape = (instance.num_layers, instance.num_replicas)
        if self.phy2log.shape != shape:
            return [f"shape {self.phy2log.shape} instead of {shape} [layers, replicas]"]
        if self.num_experts != instance.num_experts:
            return [f"map of {self.num_experts} experts, loads of {instance.num_experts}"]
        found = []
        if self.phy2log.min() < 0 or self.phy2log.max() >= self.num_experts:
            layer, slot = np.argwhere((self.phy2log < 0) | (self.phy2log >= self.num_experts))[0]
            found.append(
                f"layer {self._id(layer)}, slot {slot}: expert {self.phy2log[layer, slot]} is outside "
                f"0..{self.num_experts - 1}"
            )
        for layer, expert in np.argwhere(self.counts() == 0):
            found.append(f"layer {self._id(layer)}: expert {expert} has no replica")
        if instance.distinct:
            found += self._repeated(instance)
        if instance.hierarchical:
            found += self._split_groups(instance)
        return found

    def _id(self, layer: int) -> int:
        return (self.layer_ids or ())[layer]

    def _repeated(self, instance: Instance) -> list[str]:
        rows = np.sort(self.phy2log.reshape(len(self.phy2log), instance.num_ranks, -1), axis=2)
        twice = np.argwhere((rows[:, :, 1:] == rows[:, :, :-1]).any(axis=2))
        return [f"layer {self._id(layer)}: rank {rank} holds an expert twice (distinct)" for layer, rank in twice]

    def _split_groups(self, instance: Instance) -> list[str]:
        groups = self.phy2log.reshape(len(self.phy2log), instance.num_nodes, -1) // instance.group_size
        most, found = instance.num_groups // instance.num_nodes, []
        for layer, nodes in enumerate(groups):
            sets = [set(node.tolist()) for node in nodes]
            for node, held in enumerate(sets):
                if len(held) > most:
                    found.append(
                        f"layer {self._id(layer)}: node {node} holds experts of {len(held)} groups "
                        f"({most} allowed: hierarchical mode)"
                    )
        return found

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

        layers, replicas = self.phy2log.shape
        bits = max(1, (replicas - 1).bit_length())
        dtype = np.int32 if bits + self.num_experts.bit_length() < 32 else np.int64
        keys = (self.phy2log.astype(dtype) << bits) | np.arange(replicas, dtype=dtype)
        keys.sort(axis=1)  # slots by expert, ascending: a plain sort of keys is several times faster than argsort
        counts = self.counts()
        most = int(counts.max())
        first = (np.cumsum(counts, axis=1) - counts).ravel()
        expert = (keys >> bits) + np.arange(layers)[:, None] * self.num_experts  # row of log2phy [layers * experts, X]
        log2phy = np.full((layers, self.num_experts, most), -1)
        log2phy.reshape(-1)[expert * most + np.arange(replicas) - first[expert]] = keys & ((1 << bits) - 1)
        return torch.from_numpy(self.phy2log.copy()), torch.from_numpy(log2phy), torch.from_numpy(counts.copy())
