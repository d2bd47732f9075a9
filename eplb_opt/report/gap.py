"""How far placements are from optimal: methods, and a user's own map, against the best proven bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..problem.instance import Instance
from ..problem.pool import Floats
from ..problem.status import relative_gap
from ..result import Result


def best_bound(results: Sequence[Result]) -> tuple[Floats, list[str]]:
    """The largest lower bound that any method proved, [layers] in tokens, and what proved it."""
    bounds = np.stack([r.lower_bound for r in results])
    winner = bounds.argmax(axis=0)
    return bounds.max(axis=0), [results[w].certificates[i].bound_method for i, w in enumerate(winner)]


def gap_rows(
    instance: Instance, objectives: Mapping[str, Floats], seconds: Mapping[str, float], bound: Floats, gap: float
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
    """
    rows = []
    for method, objective in objectives.items():
        mean = np.where(instance.mean > 0, instance.mean, 1.0)
        imbalance = np.where(instance.mean > 0, objective / mean, 1.0)
        gaps = np.array([relative_gap(o, b) for o, b in zip(objective.tolist(), bound.tolist(), strict=True)])
        rows.append({
            "method": method,
            "layers": len(gaps),
            "optimal": int((gaps <= gap).sum()),
            "imbalance_mean": float(imbalance.mean()),
            "imbalance_max": float(imbalance.max()),
            "balancedness_mean": float((1 / imbalance).mean()),
            "gap_mean": float(gaps.mean()),
            "gap_max": float(gaps.max()),
            "seconds": seconds.get(method),
            "layer_objective": objective.tolist(),
            "layer_imbalance": imbalance.tolist(),
            "layer_gap": [g if np.isfinite(g) else None for g in gaps.tolist()],
        })  # fmt: skip
    return rows
