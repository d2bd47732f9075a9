"""Tables of many layers, shortened to those that matter, the worst and the open ones; a line says what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..problem.status import Status
from .figures import counted, percent
from .layout import Column

Rows = Sequence[Mapping[str, Any]]
MOST_LAYERS = 20  # that are shown as they are
MOST_WORST = 8  # by what is most in need of attention
MOST_HEAVY = 4  # by imbalance, beside them
HOW = "(--all-layers shows them)"


def kept_rows(columns: Sequence[Column], rows: Sequence[int]) -> list[Column]:
    """The table with some of its rows, by number.

    Examples
    --------
    >>> kept_rows([Column("layer", ["3", "4", "5"])], [0, 2])[0].cells
    ['3', '5']
    """
    return [
        replace(column, cells=[column.cells[row] for row in rows]) for column in columns
    ]


def worst_layers(layers: Rows) -> list[int]:
    """Rows of a report's layers that are shown where there are many: open ones and those of largest gap and imbalance.

    Parameters
    ----------
    layers : sequence of dict
        Of `Result.to_dict`.

    Returns
    -------
    list of int
        In order; all of a few layers.
    """
    every = range(len(layers))
    if len(layers) <= MOST_LAYERS:
        return list(every)

    def attention(row: int) -> tuple[bool, bool, float]:
        layer = layers[row]
        gap = layer["gap"]
        return _is_open(layer), gap is None, gap or 0.0

    def imbalance(row: int) -> float:
        return float(layers[row]["imbalance"])

    worst = sorted(every, key=attention, reverse=True)[:MOST_WORST]
    heavy = sorted(every, key=imbalance, reverse=True)[:MOST_HEAVY]
    return sorted({*worst, *heavy})


def other_layers_line(layers: Rows, shown: Sequence[int]) -> str:
    """What the layers are that are not shown.

    Parameters
    ----------
    layers : sequence of dict
        Of `Result.to_dict`.
    shown : sequence of int
        Rows.
    """
    others = [layers[row] for row in sorted(set(range(len(layers))) - set(shown))]
    still_open = sum(_is_open(layer) for layer in others)
    gaps = [layer["gap"] for layer in others]
    gap = "unknown" if None in gaps else f"at most {percent(max(gaps))} %"
    heaviest = max(layer["imbalance"] for layer in others)
    states = f"{still_open} open" if still_open else "all OPTIMAL"
    return (
        f"{counted(len(others), 'more layer')}: {states}, imbalance at most {heaviest:.5f}, "
        f"gap {gap} {HOW}"
    )


def moved_layers(layers: Rows) -> list[int]:
    """Rows of what ``diff`` writes that are shown where there are many: those in which most moves.

    Parameters
    ----------
    layers : sequence of dict
        Of `diff.diff_report`.
    """
    every = range(len(layers))
    if len(layers) <= MOST_LAYERS:
        return list(every)

    def imbalance(row: int) -> float:
        return layers[row]["imbalance_after"] or 0.0

    most = sorted(every, key=lambda row: -layers[row]["moved"])[:MOST_WORST]
    heavy = sorted(every, key=imbalance, reverse=True)[:MOST_HEAVY]
    return sorted({*most, *heavy})


def other_moves_line(layers: Rows, shown: Sequence[int]) -> str:
    """What moves in the layers that are not shown.

    Parameters
    ----------
    layers : sequence of dict
        Of `diff.diff_report`.
    shown : sequence of int
        Rows.
    """
    others = [layers[row] for row in sorted(set(range(len(layers))) - set(shown))]
    moved = max(layer["moved"] for layer in others)
    return f"{counted(len(others), 'more layer')}: at most {moved} moved {HOW}"


def _is_open(layer: Mapping[str, Any]) -> bool:
    return bool(layer["status"] != Status.OPTIMAL.value)
