"""``gap --fail-above``: an exit code for what is not proven to be near enough to optimal."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .messages import say
from .parser import expecting

ABOVE = 4  # the exit code
EXIT_CODES = """exit codes, beside those of every command:
  4  something judged is not proven within --fail-above"""

Row = Mapping[str, Any]


def add_fail_above(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--fail-above",
        type=share,
        metavar="GAP",
        help=f"such as 1%% or 0.01: exit with {ABOVE} unless the mean gap over layers of every map and policy given "
        "(of every method, if none is) is at most this",
    )


@expecting("a gap such as 1% or 0.01")
def share(text: str) -> float:
    """A share as people write it.

    Examples
    --------
    >>> share("1%"), share("0.01")
    (0.01, 0.01)
    """
    is_percent = text.endswith("%")
    value = float(text.removesuffix("%")) / (100 if is_percent else 1)
    if not 0 <= value < (math.inf if is_percent else 1):
        raise ValueError(text)
    return value


def above(rows: Sequence[Row], judged: Iterable[str], limit: float | None) -> list[str]:
    """Names of those judged whose mean gap is not proven to be within the limit.

    Parameters
    ----------
    rows : sequence of dict
        Of ``gap``: methods, policies and maps.
    judged : iterable of str
        Policies and maps; where there are none, methods are judged.
    limit : float or None
        None: nothing fails.
    """
    if limit is None:
        return []
    names = set(judged) or {row["method"] for row in rows}
    return [
        row["method"]
        for row in rows
        if row["method"] in names and not row["gap_mean"] <= limit
    ]


def say_above(rows: Sequence[Row], names: Sequence[str], limit: float) -> None:
    """Say of each what its gap is, and how much lighter a map is that was found."""
    best = min(rows, key=lambda row: sum(row["layer_objective"]))
    for row in rows:
        if row["method"] not in names:
            continue
        lighter = 1 - sum(best["layer_objective"]) / max(_total(row), 1e-300)
        known = f"{best['method']} is {lighter:.4%} lighter" if lighter > 0 else ""
        say(
            "above",
            f"{row['method']}: gap {_said(row['gap_mean'])} in the mean over layers, more than {limit:.4%}; "
            f"{known or 'no lighter map was found'}",
        )


def _total(row: Row) -> float:
    return float(sum(row["layer_objective"]))


def _said(gap: float) -> str:
    return f"{gap:.4%}" if math.isfinite(gap) else "unknown (no bound)"
