"""What a sweep comes to: for each number of ranks and tokens the map to use, "leave it off" included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .kept import OFF, PLANNED, Cell

WORTH = 0.01  # of a step: what gains less is worth neither weights that move nor memory


def with_frontier(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, each with whether it is on the frontier: none of at most its slots takes less.

    Parameters
    ----------
    cells : sequence of dict
        Of `cells.Cells`.
    """
    return [cell | {"frontier": not _is_dominated(cell, cells)} for cell in cells]


def _is_dominated(cell: Cell, cells: Sequence[Cell]) -> bool:
    """Whether a map of the same ranks and tokens is as good in slots and step, and better in one of both."""
    for other in _beside(cell, cells):
        is_as_good = (
            other["replicas"] <= cell["replicas"] and other["step"] <= cell["step"]
        )
        if is_as_good and _worth(other) != _worth(cell):
            return True
    return False


def _worth(cell: Cell) -> tuple[int, float]:
    return cell["replicas"], cell["step"]


def _beside(cell: Cell, cells: Sequence[Cell]) -> list[Cell]:
    """The cells of the same ranks and tokens."""
    return [other for other in cells if _place(other) == _place(cell)]


def _place(cell: Mapping[str, Any]) -> tuple[int, int]:
    return cell["ranks"], cell["tokens_per_step"]


def advise(cells: Sequence[Cell], num_experts: int) -> list[dict[str, Any]]:
    """What to do at each number of ranks and tokens.

    Parameters
    ----------
    cells : sequence of dict
        Of `cells.Cells`.
    num_experts : int

    Returns
    -------
    list of dict
        ``map`` is ``"off"`` where no plan gains a hundredth of a step; ``gain`` is over that, None where experts in
        their order are no map. ``redundancy_gain`` is over the plan without spare slots, None where there is none, and
        ``most_loss`` what the plan of the most slots takes more. ``least`` is what no map of any of these slots is
        below in the same steps, ``above_least`` how far the chosen one is from that, None where it is 0.
    """
    places = dict.fromkeys(_place(cell) for cell in cells)
    return [
        _advice([cell for cell in cells if _place(cell) == place], num_experts)
        for place in places
    ]


def _advice(cells: Sequence[Cell], num_experts: int) -> dict[str, Any]:
    """What to do at one of them."""
    off = next((cell for cell in cells if cell["map"] == OFF), None)
    planned = [cell for cell in cells if cell["map"] == PLANNED]
    chosen = _chosen(planned, off)
    plain = next((cell for cell in planned if cell["replicas"] == num_experts), None)
    most = max(planned, key=lambda cell: int(cell["replicas"]))
    least = min(cell["step_bound"] for cell in cells)
    return {
        "ranks": chosen["ranks"],
        "tokens_per_step": chosen["tokens_per_step"],
        "map": chosen["map"],
        "replicas": chosen["replicas"],
        "redundant": chosen["replicas"] - num_experts,
        "step": chosen["step"],
        "off_step": None if off is None else off["step"],
        "gain": _gain(chosen, off),
        "redundancy_gain": _gain(chosen, plain),
        "most_replicas": most["replicas"],
        "most_loss": _over(most, chosen) - 1,
        "least": least,
        "above_least": chosen["step"] / least - 1 if least > 0 else None,
    }


def _gain(chosen: Cell, other: Cell | None) -> float | None:
    """The part of a step that one map saves over another."""
    return None if other is None else 1 - _over(chosen, other)


def _over(cell: Cell, other: Cell) -> float:
    """One step over another; 1 where that takes nothing, as without tokens."""
    return float(cell["step"] / other["step"]) if other["step"] > 0 else 1.0


def _chosen(planned: Sequence[Cell], off: Cell | None) -> Cell:
    """The fewest slots near the best step; no balancing, unless that costs a hundredth."""
    best = min(cell["step"] for cell in planned)
    if off is not None and best > off["step"] * (1 - WORTH):
        return off
    near = [cell for cell in planned if cell["step"] <= best * (1 + WORTH)]
    return min(near, key=lambda cell: int(cell["replicas"]))
