"""The tasks of a call whose journal knows some of them: these are done already, the others are kept when they end."""

from __future__ import annotations

from .journal.journal import Journal
from .journal.outcomes import outcome_of, outcome_to_dict
from .layer import LayerState
from .methods.task import Task
from .outcome import PoolOutcome
from .problem.status import StopReason
from .sharing import Key, Sharing

TASK = "task"
# What ended for a reason of that run is tried again by the next one.
NOT_KEPT = (StopReason.INTERRUPTED, StopReason.FAILED)


class Resumed:
    """The tasks of a call, as `Sharing` has them, without those that earlier runs have done.

    Parameters
    ----------
    sharing : Sharing
    journal : Journal
    """

    def __init__(self, sharing: Sharing, journal: Journal) -> None:
        self.sharing = sharing
        self.journal = journal
        self.known = journal.known(TASK)
        if sharing.deadline is not None:
            self._take_all()

    def next_task(self) -> tuple[Key, Task] | None:
        """The key and task for a free worker; None if there is none now."""
        while (item := self.sharing.next_task()) is not None:
            key, _ = item
            found = self.known.get(self._place(key))
            if found is None:
                return item
            self.sharing.done(key, outcome_of(found["outcome"]), found["seconds"])
        return None

    def done(self, key: Key, outcome: PoolOutcome, seconds: float) -> None:
        """Take what a task came to, and keep it."""
        if outcome.stop not in NOT_KEPT:
            found = {"outcome": outcome_to_dict(outcome), "seconds": seconds}
            self.journal.keep(TASK, self._place(key), found)
        self.sharing.done(key, outcome, seconds)

    def _place(self, key: Key) -> tuple[int, tuple[int, ...], int]:
        """What names a task in every run: its layer, the groups of its pool, and the number of the attempt."""
        row, node_set = key
        layer = self.sharing.layers[row]
        return _layer_id(layer), node_set, layer.pools[node_set].attempts

    def _take_all(self) -> None:
        """Let layers have at once what is known: with a clock, there may be no time to come to each task again."""
        layers = {_layer_id(layer): layer for layer in self.sharing.layers}
        for (layer_id, node_set, _), found in self.known.items():
            outcome = outcome_of(found["outcome"])
            layer = layers[layer_id]
            if node_set not in layer.pools and outcome.packing is not None:
                layer.add(node_set, outcome.packing, outcome.method)
            if node_set in layer.pools:
                layer.update(node_set, outcome, found["seconds"])
        self.known = {}


def _layer_id(layer: LayerState) -> int:
    return (layer.instance.layer_ids or ())[layer.layer]
