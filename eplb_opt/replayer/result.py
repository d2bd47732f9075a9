"""What a replay found, and what it had found when it was interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..problem.instance import Instance
from ..report.replay import SCHEMA
from .advice import Advice
from .judge import Outcome, of_windows
from .parts import Parts


@dataclass(frozen=True, eq=False)
class Shown:
    """An outcome, and whether tables show it: those at the interval that was asked for or is advised.

    Attributes
    ----------
    outcome : Outcome
    is_shown : bool
    parts : Parts or None
        Of a shown one, where a step's tokens are given.
    """

    outcome: Outcome
    is_shown: bool
    parts: Parts | None = None


@dataclass(frozen=True, eq=False)
class Replay:
    """What a replay found.

    Attributes
    ----------
    instance : Instance
        Of all windows, with the first number of replicas.
    results : tuple of Shown
        One for each number of replicas, policy and interval.
    advice : Advice
    served : tuple of int
        Windows that were judged.
    settings : dict
        How the trace was played, as JSON types.
    notes : tuple of str
        What was left out.
    is_interrupted : bool
        Whether it holds only what had played before an interrupt.
    """

    instance: Instance
    results: tuple[Shown, ...]
    advice: Advice
    served: tuple[int, ...]
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()
    is_interrupted: bool = False

    def __repr__(self) -> str:
        """The advice, and how much was played."""
        advice = self.advice
        return (
            f"Replay(outcomes={len(self.results)}, served={len(self.served)}, policy={advice.policy!r}, "
            f"replicas={advice.replicas}, interval={advice.interval}, imbalance={advice.imbalance:.4f})"
        )

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What each policy's maps were worth, with every number of replicas and at every interval."""
        return tuple(result.outcome for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """Everything that was found, as JSON types: the keys of `report.replay_schema`."""
        ids = list(self.instance.layer_ids or ())
        return {
            "schema": SCHEMA,
            "instance": of_windows(self.instance, self.served[:1]).describe(),
            "mode": self.instance.mode,
            "notes": list(self.notes),
            "interrupted": self.is_interrupted,
            "layer_ids": ids,
            **self.settings,
            "served": list(self.served),
            "outcomes": [_row(result, ids) for result in self.results],
            "advice": self.advice.to_dict(),
        }


def _row(result: Shown, layer_ids: Sequence[int]) -> dict[str, Any]:
    parts = result.parts
    return {
        **result.outcome.figures(layer_ids),
        "shown": result.is_shown,
        "parts": None if parts is None else parts.to_dict(),
    }


class ReplayInterrupted(KeyboardInterrupt):
    """Ctrl-C while `replay` was at work; what had played is kept.

    Attributes
    ----------
    result : Replay
        Of the policies that had played, and the best of them as advice.

    Examples
    --------
    >>> from eplb_opt import ReplayInterrupted, replay
    >>> loads = [[[9, 1, 9, 1]], [[1, 9, 1, 9]]] * 4
    >>> try:
    ...     found = replay(loads, 4, num_ranks=2, history=2, policies=["greedy"])
    ... except ReplayInterrupted as interrupt:
    ...     found = interrupt.result
    >>> found.is_interrupted
    False
    """

    def __init__(self, result: Replay) -> None:
        self.result = result
        super().__init__("interrupted: what had played is kept")
