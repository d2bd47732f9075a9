"""What a file of loads holds, and what is odd about it, as ``eplb-opt inspect --json`` writes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formats import Loads
from ..problem.pool import Floats

SCHEMA = "eplb_opt.inspect/1"  # of what `eplb-opt inspect --json` writes
MUCH = 0.2  # of a window's tokens that would have to go to other experts for it to be as all windows are
TIMES_NOISE = 2.0  # which a difference is above that few tokens alone do not explain
MOST_HOT = 5  # experts
MOST_ROWS = 8  # without tokens
CLEARLY = 0.1  # sums that vary so much less along one axis than along another are those of tokens
UNEVEN = 0.01


def inspection(loads: Loads, source: str) -> dict[str, Any]:
    """What was read.

    Parameters
    ----------
    loads : Loads
        Real numbers >= 0.
    source : str
        The file's name.

    Returns
    -------
    dict
        Of JSON types; see the page about it, ``docs/outputs.md``.

    Examples
    --------
    >>> from eplb_opt.formats import Loads
    >>> found = inspection(Loads(np.array([[[6, 1, 1]], [[1, 1, 6]]]), (3,), ("day", "night")), "loads.npz")
    >>> found["tokens"], found["hottest"][0]["expert"], found["window_rows"][0]["differs"]
    (16.0, 0, False)
    """
    load = np.asarray(loads.load, dtype=np.float64)
    windows, layers, experts = load.shape
    names = list(loads.layer_ids or range(layers))
    total = load.sum(axis=0)
    return {
        "schema": SCHEMA,
        "file": source,
        "layers": layers,
        "layer_ids": names,
        "is_numbered": loads.layer_ids is not None,
        "experts": experts,
        "windows": windows,
        "tokens": float(load.sum()),
        **_skews(total, names),
        "hottest": _hottest(total, names),
        "idle_experts": int((total == 0).sum()),
        **_empty_rows(load, names),
        "silent_layers": list(loads.silent_layers),
        "window_rows": _window_rows(load, loads.windows),
        "guess": guessed_axes(load),
    }


def guessed_axes(load: Floats) -> str | None:
    """What the axes seem to be, if not [windows, layers, experts].

    Every layer routes the tokens of a window equally often, so that its sums over experts are the same in all layers.

    Parameters
    ----------
    load : array [windows, layers, experts]

    Examples
    --------
    >>> table = np.array([[6.0, 1, 1], [1, 2, 5]])  # two layers
    >>> guessed_axes(table[None]), guessed_axes(table.T[None])
    (None, 'the table seems to be [experts, layers]: its columns have the same sum, its rows have not')
    """
    by_row = load.sum(axis=2)
    along_layers = _unevenness(by_row, axis=1)
    if along_layers < UNEVEN:
        return None
    if _unevenness(load.sum(axis=1), axis=1) < CLEARLY * along_layers:
        return (
            "the table seems to be [experts, layers]: its columns have the same sum, "
            "its rows have not"
        )
    if len(load) > 1 and _unevenness(by_row, axis=0) < CLEARLY * along_layers:
        return (
            "the array seems to be [layers, windows, experts]: sums over experts are "
            "the same along its first axis, not along its second"
        )
    return None


def _unevenness(sums: Floats, axis: int) -> float:
    """Standard deviation over mean along an axis, in the mean over the other."""
    with np.errstate(
        all="ignore"
    ):  # whether the values may be placed, is checked elsewhere
        means = sums.mean(axis=axis)
        deviations = sums.std(axis=axis)
        return float((deviations / np.where(means > 0, means, 1.0)).mean())


def _skews(total: Floats, names: list[int]) -> dict[str, Any]:
    """Hottest over mean expert load, [layers, experts] of all windows."""
    means = total.mean(axis=1)
    skew = np.where(means > 0, total.max(axis=1) / np.where(means > 0, means, 1), 1.0)
    return {
        "skew_mean": float(skew.mean()),
        "skew_max": float(skew.max()),
        "skew_max_layer": names[int(skew.argmax())],
    }


def _hottest(total: Floats, names: list[int]) -> list[dict[str, Any]]:
    """The experts with most tokens for the mean of their layer, the hottest first."""
    means = total.mean(axis=1, keepdims=True)
    times = total / np.where(means > 0, means, 1.0)
    order = np.argsort(-times, axis=None, kind="stable")[:MOST_HOT]
    found = []
    for flat in order.tolist():
        row, expert = divmod(flat, total.shape[1])
        layer = total[row]
        found.append(
            {
                "layer_id": names[row],
                "expert": expert,
                "tokens": float(layer[expert]),
                "share": float(layer[expert] / max(layer.sum(), 1e-300)),
                "times_mean": float(times[row, expert]),
            }
        )
    return found


def _empty_rows(load: Floats, names: list[int]) -> dict[str, Any]:
    """Rows (a window's layer) without a token: their number, and the first of them."""
    empty = np.argwhere(load.sum(axis=2) == 0).tolist()
    first = [
        {"window": window, "layer_id": names[row]} for window, row in empty[:MOST_ROWS]
    ]
    return {"empty_rows": len(empty), "first_empty_rows": first}


def _window_rows(load: Floats, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """Each window's tokens, and how it differs from all windows."""
    tokens = load.sum(axis=(1, 2)).tolist()
    differences, noises = _differences(load)
    rows = []
    for number, label in enumerate(labels):
        difference = differences[number]
        noise = noises[number]
        is_much = difference > max(MUCH, TIMES_NOISE * noise)
        rows.append(
            {
                "window": number,
                "label": label,
                "tokens": tokens[number],
                "difference": difference,
                "noise": noise,
                "differs": len(labels) > 2 and is_much,
            }
        )
    return rows


def _differences(load: Floats) -> tuple[list[float], list[float]]:
    """The share of tokens that goes elsewhere than in the mean window, and what few tokens alone make of it."""
    sums = load.sum(axis=2, keepdims=True)
    shares = load / np.where(sums > 0, sums, 1.0)
    usual = shares.mean(axis=0)
    differences = np.abs(shares - usual).sum(axis=2) / 2
    spread = np.sqrt(2 / np.pi * usual * (1 - usual)).sum(axis=1) / 2
    noise = spread / np.sqrt(np.maximum(sums[:, :, 0], 1.0))
    is_there = sums[:, :, 0] > 0
    counts = np.maximum(is_there.sum(axis=1), 1)
    of_windows = (differences * is_there).sum(axis=1) / counts
    return of_windows.tolist(), ((noise * is_there).sum(axis=1) / counts).tolist()
