"""How far placements are from optimal: methods, and a user's own map, against the best proven bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..problem.instance import Instance
from ..problem.pool import Floats
from ..problem.status import relative_gap
from ..result import Result

SCHEMA = "eplb_opt.gap/1"  # of what `eplb-opt gap --json` writes


def best_bound(results: Sequence[Result]) -> tuple[Floats, list[str]]:
    """The largest lower bound that any method proved, [layers] in tokens, and what proved it."""
    bounds = np.stack([result.lower_bound for result in results])
    winners = [results[number] for number in bounds.argmax(axis=0)]
    certificates = [result.certificates[layer] for layer, result in enumerate(winners)]
    methods = [certificate.bound_method for certificate in certificates]
    return bounds.max(axis=0), methods


def gap_rows(
    instance: Instance,
    objectives: Mapping[str, Floats],
    seconds: Mapping[str, float],
    bound: Floats,
    gap: float,
    means: Mapping[str, Floats] | None = None,
) -> list[dict[str, Any]]:
    """One row a method: imbalance and gap to the common bound, over layers and for every layer.

    Parameters
    ----------
    objectives : method -> load of the heaviest rank, [layers] in tokens.
    seconds : method -> wall-clock time; a map that was read has none.
    bound : array [layers]
        Proven lower bound in tokens.
    gap : float
        The gap at which a layer counts as optimal.
    means : method -> mean rank load or time of its map, [layers]; by default the instance's.
    """
    known = means or {}
    return [
        _row(
            method,
            objective,
            bound,
            gap,
            seconds.get(method),
            known.get(method, instance.mean),
        )
        for method, objective in objectives.items()
    ]


def _row(
    method: str,
    objective: Floats,
    bound: Floats,
    gap: float,
    seconds: float | None,
    means: Floats,
) -> dict[str, Any]:
    imbalance = imbalances(objective, means)
    gaps = _gaps(objective, bound)
    return {
        "method": method,
        "layers": len(gaps),
        "optimal": int((gaps <= gap).sum()),
        "imbalance_mean": float(imbalance.mean()),
        "imbalance_max": float(imbalance.max()),
        "balancedness_mean": float((1 / imbalance).mean()),
        "gap_mean": float(gaps.mean()),
        "gap_max": float(gaps.max()),
        "seconds": seconds,
        "layer_objective": objective.tolist(),
        "layer_imbalance": imbalance.tolist(),
        "layer_gap": [gap if np.isfinite(gap) else None for gap in gaps.tolist()],
    }


def imbalances(objective: Floats, means: Floats) -> Floats:
    """Objectives over mean rank loads, [layers]; 1 in a layer without tokens."""
    is_loaded = means > 0
    mean = np.where(is_loaded, means, 1.0)
    return np.where(is_loaded, objective / mean, 1.0)


def _gaps(objective: Floats, bound: Floats) -> Floats:
    """The gap of each layer to its bound, [layers]; infinite where the bound is 0."""
    pairs = zip(objective.tolist(), bound.tolist(), strict=True)
    return np.array([relative_gap(value, least) for value, least in pairs])
