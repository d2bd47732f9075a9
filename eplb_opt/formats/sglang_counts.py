"""SGLang's dumps of counts of experts, already summed over ranks or one a rank."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning
from .files import as_loads
from .held import Loads
from .plain import MAP_KEY

COUNTED = "logical_count"
Loaded = npt.NDArray[Any]
Labels = tuple[str, ...]


def counted(dumps: Iterable[tuple[str, Any]], source: str) -> tuple[Loaded, Labels]:
    """Loads [steps, hidden layers, experts]: of one dump that is summed over ranks, or of all ranks' dumps."""
    sum_of_ranks = _SumOfRanks(source)
    for name, dump in dumps:
        if not isinstance(dump, Mapping) or COUNTED not in dump:
            raise FormatError(
                f"{name}: no {COUNTED!r}, unlike the dumps beside it: give those of one recording"
            )
        sum_of_ranks.add(dump, name)
    sum_of_ranks.check_whole()
    total = sum_of_ranks.total
    if total is None:
        return np.empty(0), ()
    return total.load, total.windows


class _SumOfRanks:
    """Dumps of ranks added up, which must be of one recording."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.total: Loads | None = None
        self.slots: Any = None  # the map that the dumps before were recorded with
        self.sizes: set[int] = set()  # how many ranks there are, as dumps say
        self.ranks: set[int] = set()

    def add(self, dump: Mapping[str, Any], name: str) -> None:
        """Add a dump."""
        self._check_rank(*_rank(dump, name), name)
        counts = as_loads(dump[COUNTED], None, None, name)
        load = counts.load
        if load.dtype.kind in "iu":
            load = load.astype(np.int64)  # sums of narrow integers would overflow
        slots = dump.get(MAP_KEY)
        if self.total is not None:
            is_alike = load.shape == self.total.load.shape and _equal(self.slots, slots)
            if not is_alike:
                raise FormatError(
                    f"{name}: other shapes or another map than the ranks before: give dumps of one recording"
                )
            load = self.total.load + load
        self.slots = slots
        self.total = Loads(load, None, counts.windows)

    def _check_rank(self, rank: int, size: int, name: str) -> None:
        self.sizes.add(size)
        if self.total is not None and 1 in self.sizes:
            raise FormatError(
                f"{self.source}: several dumps, and {name} is already summed over ranks: give one file"
            )
        if rank in self.ranks or len(self.sizes) > 1:
            raise FormatError(
                f"{name}: rank {rank} of {size} twice, or among others: give dumps of one recording"
            )
        self.ranks.add(rank)

    def check_whole(self) -> None:
        """All ranks are there, or there is one file, which may be meant as it is."""
        size = max(self.sizes)
        if len(self.ranks) == size:
            return
        absent = next(rank for rank in range(size) if rank not in self.ranks)
        if len(self.ranks) > 1:
            raise FormatError(
                f"{self.source}: ep_size is {size}, and the dump of rank {absent} is missing: collect all ranks"
            )
        warnings.warn(
            f"{self.source}: the dump of rank {min(self.ranks)} of {size}: tokens of one rank only, unless all see the "
            "same; give the folder of all dumps",
            FormatWarning,
            stacklevel=2,
        )


def _rank(dump: Mapping[str, Any], source: str) -> tuple[int, int]:
    """Expert-parallel rank of a dump, and of how many: 0 of 1 where it does not say."""
    rank = np.asarray(dump.get("ep_rank", 0))
    size = np.asarray(dump.get("ep_size", 1))
    is_scalar = rank.ndim == 0 and size.ndim == 0
    is_integer = rank.dtype.kind in "iu" and size.dtype.kind in "iu"
    if not is_scalar or not is_integer or not 0 <= rank < size:
        raise FormatError(
            f"{source}: ep_rank {str(rank)[:30]} of ep_size {str(size)[:30]}: no rank of so many"
        )
    return int(rank), int(size)


def _equal(one: Any, two: Any) -> bool:
    """Whether two maps are the same, or both absent."""
    if one is None or two is None:
        return one is two
    return np.array_equal(np.asarray(one), np.asarray(two))
