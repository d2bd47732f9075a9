"""Maps of layers that a step of a job finds one by one, kept as they are found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..problem.pool import Ints
from .journal import Journal


class KeptRows:
    """Maps that earlier runs have found in a step, and where this one keeps its own.

    Parameters
    ----------
    step : str
        The kind of a journal's entries.
    journal : Journal or None
        Without one nothing is known, and nothing kept.
    layer_ids : sequence of int
        Of the instance's rows.
    """

    def __init__(
        self, step: str, journal: Journal | None, layer_ids: Sequence[int]
    ) -> None:
        self._step = step
        self._journal = journal
        self._ids = layer_ids
        self._known = {} if journal is None else journal.known(step)

    def get(self, layer: int, number: int = 0) -> Ints | None:
        """The map of a layer's row, [replicas], or of one of several there; None if it is not known."""
        found = self._known.get((self._ids[layer], number))
        return None if found is None else np.array(found, dtype=np.int64)

    def has_all(self) -> bool:
        """Whether a map of every layer is known."""
        return all((layer_id, 0) in self._known for layer_id in self._ids)

    def keep_all(self, rows: Sequence[Ints]) -> None:
        """Keep the maps of all layers, unless they are known."""
        if self._journal is not None and not self.has_all():
            keys = [(layer_id, 0) for layer_id in self._ids]
            self._journal.keep_all(self._step, dict(zip(keys, rows, strict=True)))

    def keep(self, layer: int, row: Ints, number: int = 0) -> None:
        """Keep the map of a layer's row."""
        key = (self._ids[layer], number)
        if self._journal is not None and key not in self._known:
            self._journal.keep(self._step, key, row)
