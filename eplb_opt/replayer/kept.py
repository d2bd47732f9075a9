"""The plans of a replay in its journal: known ones are not made again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..checker.digest import map_digest
from ..journal.journal import Journal
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats
from ..version import __version__

JOB = "replay"
PLAN = "plan"  # what a policy makes of the windows that it sees
NEAR = "near"  # that, near the map in use
FLOOR = "floor"  # imbalances of windows that are planned on themselves


class Planned(NamedTuple):
    """A map, and how long it took."""

    placement: Placement
    seconds: float


class KeptPlans:
    """What earlier runs have planned, and where this one keeps its own.

    Parameters
    ----------
    journal : Journal or None
        Without one nothing is known, and nothing kept.
    """

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._known: dict[str, Mapping[Any, Any]] = {}

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Begin a replay, or go on with it.

        Parameters
        ----------
        asked : mapping
            What the plans follow from, as JSON types.

        Raises
        ------
        JournalError
            The journal is of another one.
        """
        if self._journal is None:
            return
        self._journal.begin({"job": JOB, **asked, "version": __version__})
        self._known = {kind: self._journal.known(kind) for kind in (PLAN, NEAR, FLOOR)}

    def planned(
        self,
        kind: str,
        player: str,
        instance: Instance,
        seen: Sequence[int],
        in_use: Placement | None,
        make: Callable[[], Planned],
    ) -> Planned:
        """A plan: the known one, or what is made now, which is kept.

        Parameters
        ----------
        kind : str
            `PLAN` or `NEAR`.
        player : str
        instance : Instance
        seen : sequence of int
            Windows.
        in_use : Placement or None
            The map that it starts from.
        make : callable
        """
        if self._journal is None:
            return make()
        start = "" if in_use is None else map_digest(in_use.phy2log)
        key = (player, instance.num_replicas, _digest(seen), start)
        found = self._known[kind].get(key)
        if found is not None:
            return Planned(_placement(found, instance), found["seconds"])
        made = make()
        entry = {
            "map": made.placement.phy2log,
            "ranks": made.placement.num_ranks,
            "seconds": made.seconds,
        }
        self._journal.keep(kind, key, entry)
        return made

    def floor(
        self, instance: Instance, windows: Sequence[int], make: Callable[[], Floats]
    ) -> Floats:
        """Imbalances [windows, layers] of windows planned on themselves: known ones, or what is made now.

        Parameters
        ----------
        instance : Instance
        windows : sequence of int
        make : callable
        """
        if self._journal is None:
            return make()
        key = (instance.num_replicas, _digest(windows))
        found = self._known[FLOOR].get(key)
        if found is not None:
            return np.array(found, dtype=np.float64)
        made = make()
        self._journal.keep(FLOOR, key, made)
        return made

    def end(self) -> None:
        """Note that all is there."""
        if self._journal is not None:
            self._journal.finish(PLAN, {}, {})


def _digest(windows: Sequence[int]) -> str:
    return hashlib.sha256(repr(list(windows)).encode()).hexdigest()


def _placement(entry: Mapping[str, Any], instance: Instance) -> Placement:
    return Placement(
        np.array(entry["map"], dtype=np.int64),
        instance.num_experts,
        tuple(instance.layer_ids or ()),
        entry["ranks"],
    )


NOTHING_KEPT = KeptPlans(None)
