"""What a map in the engines' form must be, and what it is worth; shares no code with the package."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

ROUNDING = 1e-12  # of an objective in float64


def map_faults(maps: list[np.ndarray], shape: tuple[int, int], sizes: tuple[int, int, int, int]) -> Iterator[str]:
    """What is wrong with the three maps of a call.

    Parameters
    ----------
    maps : list of array
        Experts of slots [layers, slots], slots of experts [layers, experts, any], counts [layers, experts].
    shape : tuple of int
        Layers and experts.
    sizes : tuple of int
        Slots, groups, nodes and ranks.
    """
    slots, groups, nodes, _ = sizes
    layers, experts = shape
    phy2log, log2phy, counts = maps
    if any(array.dtype != np.int64 for array in maps):
        yield f"types {[str(array.dtype) for array in maps]}"
        return
    shapes = (phy2log.shape, log2phy.shape[:2], counts.shape)
    if shapes != ((layers, slots), (layers, experts), (layers, experts)):
        yield f"shapes {shapes}"
        return
    if phy2log.min() < 0 or phy2log.max() >= experts:
        yield "an expert that there is not"
        return
    places = phy2log + np.arange(layers)[:, None] * experts
    held = np.bincount(places.ravel(), minlength=layers * experts).reshape(layers, experts)
    if not held.all():
        yield "an expert without a slot"
    if not np.array_equal(held, counts):
        yield "other counts than slots"
    yield from _slot_faults(phy2log, log2phy, held)
    if nodes > 1 and groups % nodes == 0:
        yield from _node_faults(phy2log, experts, groups, nodes)


def _slot_faults(phy2log: np.ndarray, log2phy: np.ndarray, held: np.ndarray) -> Iterator[str]:
    """The slots of each expert come first, each once; then -1."""
    width = log2phy.shape[2]
    is_used = np.arange(width) < held[:, :, None]
    if (log2phy[~is_used] != -1).any() or held.max() > width:
        yield "slots of an expert beyond its count, or too few"
        return
    layers, experts, _ = np.nonzero(is_used)
    slots = log2phy[is_used]
    if slots.min() < 0 or slots.max() >= phy2log.shape[1]:
        yield "a slot that there is not"
    elif (phy2log[layers, slots] != experts).any():
        yield "a slot of another expert"
    elif len(np.unique(layers * phy2log.shape[1] + slots)) != phy2log.size:
        yield "a slot twice"


def _node_faults(phy2log: np.ndarray, experts: int, groups: int, nodes: int) -> Iterator[str]:
    """Whole groups of experts on each node, as many on each."""
    group = phy2log // (experts // groups)
    for layer in group.reshape(len(phy2log), nodes, -1):
        held = [set(node.tolist()) for node in layer]
        if any(len(node) != groups // nodes for node in held) or len(set.union(*held)) != groups:
            yield "a group on two nodes, or other numbers of groups on nodes"
            return


def heaviest(weight: np.ndarray, phy2log: np.ndarray, ranks: int) -> np.ndarray:
    """Load of the heaviest rank of each layer, in float64."""
    counts = np.stack([np.bincount(row, minlength=weight.shape[1]) for row in phy2log])
    each = np.take_along_axis(weight / counts, phy2log, axis=1)
    return each.reshape(len(weight), ranks, -1).sum(axis=2).max(axis=1)


def exactly_heaviest(weight: np.ndarray, phy2log: np.ndarray, ranks: int) -> Fraction:
    """The same of one layer, in fractions."""
    slots = phy2log.tolist()
    counts = np.bincount(phy2log, minlength=len(weight)).tolist()
    each = [Fraction(float(weight[expert])) / counts[expert] for expert in slots]
    size = len(slots) // ranks
    return max(sum(each[i : i + size], Fraction()) for i in range(0, len(slots), size))


def worse_layers(weight: np.ndarray, phy2log: np.ndarray, other: np.ndarray, ranks: int) -> list[int]:
    """Layers in which a map is worse than another one by more than rounding: in float64, and in fractions."""
    mine = heaviest(weight, phy2log, ranks)
    theirs = heaviest(weight, other, ranks)
    found = []
    for layer in np.flatnonzero(mine > theirs * (1 + ROUNDING)).tolist():
        exact = exactly_heaviest(weight[layer], phy2log[layer], ranks)
        limit = exactly_heaviest(weight[layer], other[layer], ranks)
        if exact > limit * (1 + Fraction(ROUNDING)):
            found.append(layer)
    return found
