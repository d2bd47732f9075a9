"""The cells of a sweep in its journal: known ones are not made again, and a shard makes those of its places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import OptionError
from ..journal.journal import PARTS, Journal
from ..version import __version__

OFF = "off"  # experts in their order, no spare slot: what engines do without balancing
PLANNED = "planned"
JOB = "sweep"
CELL = "cell"
NOT_SAID = ("job", PARTS, "version")  # of what is asked: no part of the report
Cell = dict[str, Any]


class KeptCells:
    """What earlier runs have made, and where this one keeps its own.

    Parameters
    ----------
    journal : Journal or None
        Without one nothing is known, and nothing kept.

    Attributes
    ----------
    parts : sequence of int
        The places that are to be made, by number.
    """

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._known: dict[Any, Any] = {}
        self.parts: Sequence[int] = ()

    def begin(self, asked: Mapping[str, Any], places: int) -> None:
        """Begin the sweep of so many places, or go on with it.

        Raises
        ------
        JournalError
            The journal is of another one.
        OptionError
            No place is left for the shard.
        """
        self.parts = range(places)
        if self._journal is None:
            return
        shard = self._journal.shard
        self.parts = shard.parts(places)
        if not self.parts:
            raise OptionError(
                f"shard {shard} of {places} plans has none: use as many shards at most"
            )
        more = zip(NOT_SAID, (JOB, places, __version__), strict=True)
        self._journal.begin({**asked, **dict(more)})
        self._known = self._journal.known(CELL)

    def get(self, part: int) -> list[Cell] | None:
        """The cells of a place, by its number; None if they are not known."""
        known: list[Cell] | None = self._known.get((part,))
        return known

    def keep(self, part: int, cells: list[Cell]) -> None:
        """Keep the cells of a place."""
        if self._journal is not None:
            self._journal.keep(CELL, (part,), cells)

    def end(self) -> None:
        """Note that all is there."""
        if self._journal is not None:
            self._journal.finish(CELL, {}, {})
