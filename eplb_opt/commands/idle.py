"""Options that are given and have no effect, beside those of the topology: they are said, as that may be a mistake."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from .messages import NOTE, say

USUAL_LEVEL = 0.9


def say_idle(
    options: argparse.Namespace, windows: int, of_cost: Sequence[str] = ()
) -> list[str]:
    """Say which options have no effect, and why; returns what is said.

    Parameters
    ----------
    options : namespace
        Of any command; what it has not is not looked at.
    windows : int
        That are selected.
    of_cost : sequence of str, optional
        Options that say nothing without ``--cost``.
    """
    notes = list(_idle(options, windows))
    if of_cost and options.cost is None:
        notes += _without_cost(options, of_cost)
    for note in notes:
        say(NOTE, note)
    return notes


def _idle(options: argparse.Namespace, windows: int) -> Iterator[str]:
    across = getattr(options, "across", None)
    level = getattr(options, "level", USUAL_LEVEL)
    if level != USUAL_LEVEL and across != "cvar":
        yield f"--level {level:g} has no effect: it is of --across cvar"
    if across not in (None, "sum") and windows == 1:
        yield f"--across {across} has no effect on one window: any objective of it has the same best maps"
    if getattr(options, "format", None) is not None and options.output is None:
        yield f"--format {options.format} has no effect: without -o no map is written"
    top_k = getattr(options, "top_k", None)
    if top_k is not None and options.tokens_per_step is None:
        yield f"--top-k {top_k} has no effect: it is of --tokens-per-step"


def _without_cost(options: argparse.Namespace, names: Sequence[str]) -> Iterator[str]:
    """Which of these options are given although no cost is."""
    for name in names:
        value = getattr(options, name)
        if value is not None:
            option = name.replace("_", "-")
            yield f"--{option} {value} has no effect: it is of --cost"
