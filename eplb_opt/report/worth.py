"""What one map may be worth against another: at most the part by which its heaviest ranks are lighter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
WITHOUT_EPLB = "contiguous"
MOST_LINES = 6


def time_saved(before: float, after: float) -> float:
    """The part of a step's time that is saved at most, if all of it were that of the heaviest ranks.

    Parameters
    ----------
    before, after : float
        Loads of heaviest ranks, or imbalances, in the mean or the sum over layers.

    Returns
    -------
    float
        Negative where the step takes longer.

    Examples
    --------
    >>> time_saved(2.5, 1.0)
    0.6
    """
    return 1 - after / before if before > 0 else 0.0


def worth_lines(rows: Sequence[Row]) -> Iterator[str]:
    """What the lightest of several maps is worth against the others.

    Parameters
    ----------
    rows : sequence of dict
        Of `gap.gap_rows`.
    """
    totals = {row["method"]: float(sum(row["layer_objective"])) for row in rows}
    best = min(totals, key=lambda name: totals[name])
    others = [name for name in totals if name != best]
    if not others:
        return
    yield f"what {best} saves of a step's time at most, were all of it that of the heaviest rank:"
    for name in others[:MOST_LINES]:
        saved = time_saved(totals[name], totals[best])
        yield f"  {saved:.2%} against {_named(name)}"


def baseline_line(imbalance: float, baseline: float, name: str = "this map") -> str:
    """What a map is worth where there was no EPLB.

    Parameters
    ----------
    imbalance, baseline : float
        Means over layers, of the map and without EPLB.
    name : str
        Of the map.
    """
    saved = time_saved(baseline, imbalance)
    worth = f"saves at most {saved:.2%} of a step's time"
    if saved < 0:
        worth = f"costs at most {-saved:.2%} more of a step's time"
    return (
        f"without EPLB ({WITHOUT_EPLB}) imbalance mean {baseline:.5f}: {name} {worth}"
    )


def imbalance_line(imbalance: float, baseline: float) -> str:
    """How even a map is where there was no EPLB; no saved time, as rank times have another mean in each map.

    Parameters
    ----------
    imbalance, baseline : float
        Means over layers, of the map and without EPLB.
    """
    return f"without EPLB ({WITHOUT_EPLB}) imbalance mean {baseline:.5f}: this map {imbalance:.5f}"


def time_line(time: float, baseline: float, unit: str) -> str:
    """What a map is worth in time where there was no EPLB.

    Parameters
    ----------
    time, baseline : float
        Of the slowest ranks, all layers together, of the map and without EPLB.
    unit : str
    """
    saved = time_saved(baseline, time)
    change = f"{saved:.2%} less" if saved >= 0 else f"{-saved:.2%} more"
    return f"without EPLB ({WITHOUT_EPLB}) {baseline:.5g} {unit}: this map takes {time:.5g} {unit}, {change}"


def _named(name: str) -> str:
    return f"{name}, which is no EPLB" if name == WITHOUT_EPLB else name
