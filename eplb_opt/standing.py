"""How far a call of `solve` is, for those who watch: beside the number of layers, their gaps and what is worked on."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .layer import LayerState
from .problem.status import relative_gap

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Standing:
    """Where the layers stand.

    Attributes
    ----------
    finished, layers : int
        Layers whose gap is as small as was asked for, and all of them.
    gap_mean, gap_max : float
        Over layers; infinite where a layer has no bound yet.
    at_work : tuple of int
        Ids of the layers that are worked on.
    """

    finished: int
    layers: int
    gap_mean: float
    gap_max: float
    at_work: tuple[int, ...]


@runtime_checkable
class Watcher(Protocol):
    """A ``progress`` of `solve` that is told more, and at the beginning of every task, too."""

    def watch(self, standing: Standing) -> None:
        """Take where the layers stand."""


def standing_of(
    layers: Sequence[LayerState], at_work: Container[int], gap: float
) -> Standing:
    """Where the layers stand.

    Parameters
    ----------
    layers : sequence of LayerState
    at_work : container of int
        Rows of the layers that are worked on.
    gap : float
        That was asked for.
    """
    gaps = [relative_gap(layer.objective, layer.lower_bound) for layer in layers]
    still_open = sum(layer.is_open(gap) for layer in layers)
    ids = [(layer.instance.layer_ids or ())[layer.layer] for layer in layers]
    return Standing(
        finished=len(layers) - still_open,
        layers=len(layers),
        gap_mean=sum(gaps) / len(gaps),
        gap_max=max(gaps),
        at_work=tuple(ids[row] for row in range(len(ids)) if row in at_work),
    )
