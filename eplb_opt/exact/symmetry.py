"""What may be exchanged in a pool, experts and ranks, and packings relabelled so that symmetry is broken (S1, S2)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..problem.pool import Ints, Packing, Pool
from ..problem.ranks import EMPTY


def kinds(pool: Pool) -> Ints:
    """A number for each expert, the same for those of the same loads in every window, [experts]."""
    rows = [pool.loads] if pool.windows is None else [pool.loads, *pool.windows.loads]
    return kinds_of_columns(np.stack(rows))


def rank_kinds(pool: Pool) -> Ints:
    """A number for each rank, the same for those of equal speed and slots, [ranks]."""
    if pool.unequal is not None:
        return pool.unequal.kinds
    return np.zeros(pool.ranks, dtype=np.int64)


def kinds_of_columns(rows: npt.NDArray[np.generic]) -> Ints:
    """A number for each column, the same for those that are equal, [columns]."""
    _, kind = np.unique(rows, axis=1, return_inverse=True)
    return np.asarray(kind, dtype=np.int64).reshape(-1)


def neighbours(kind_of: Ints) -> Iterator[tuple[int, int]]:
    """Each place and the next one of the same kind."""
    last_with: dict[int, int] = {}
    for place, kind in enumerate(kind_of.tolist()):
        if kind in last_with:
            yield last_with[kind], place
        last_with[kind] = place


def canonical_packing(
    pool: Pool, packing: Packing, expert_kinds: Ints, alike_ranks: Ints
) -> Packing:
    """Relabel experts of a kind by falling count (S2), then number ranks of a kind by their heaviest expert (S1)."""
    counts = packing.counts(pool)
    label = np.arange(pool.num_experts)
    for same in _by_kind(expert_kinds):
        by_count = np.argsort(-counts[same], kind="stable")
        label[same[by_count]] = same
    is_slot = packing.experts != EMPTY
    relabelled = np.where(is_slot, label[packing.experts], EMPTY)
    # Among all, heaviest first; what is in no slot, of number -1, is behind.
    position = np.full(pool.num_experts + 1, pool.num_experts)
    position[np.argsort(-pool.loads, kind="stable")] = np.arange(pool.num_experts)
    heaviest = position[relabelled].min(axis=1)
    number = np.arange(pool.ranks)
    for same in _by_kind(alike_ranks):
        number[same] = same[np.argsort(heaviest[same], kind="stable")]
    return Packing(relabelled[number])


def _by_kind(kind_of: Ints) -> list[Ints]:
    """The places of each kind."""
    return [np.flatnonzero(kind_of == kind) for kind in np.unique(kind_of)]
