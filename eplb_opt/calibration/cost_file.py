"""A calibration as the file that `Cost.load` reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .run import Calibration

SCHEMA = "eplb-opt/cost/1"
DIGITS = 5  # of a time


def cost_content(
    calibration: Calibration, made_by: Mapping[str, Any]
) -> dict[str, Any]:
    """What is written of a calibration, as JSON types.

    Parameters
    ----------
    calibration : Calibration
    made_by : mapping
        Card, versions, commit and date, as JSON types.

    Returns
    -------
    dict
        Of schema ``eplb-opt/cost/1``, a table: seconds of a replica by its tokens.

    Examples
    --------
    >>> from eplb_opt.calibration.run import calibrated
    >>> from eplb_opt.calibration.shape import ExpertShape
    >>> found = calibrated(ExpertShape(64, 32, 2), lambda step: 1e-3 + 1e-6 * sum(step))
    >>> content = cost_content(found, {"card": "a GPU"})
    >>> content["kind"], content["per_rank"], content["about"]["card"]
    ('table', 0.001, 'a GPU')
    """
    cost = calibration.cost
    error = calibration.held_out_error
    error |= {name: rounded(error[name]) for name in ("median", "worst")}
    about = {"shape": asdict(calibration.shape), "held_out_error": error}
    return {
        "schema": SCHEMA,
        "kind": "table",
        "tokens": list(cost.tokens),
        "seconds": [rounded(seconds) for seconds in cost.seconds],
        "per_rank": rounded(cost.per_rank),
        "unit": "s",
        "about": {**made_by, **about},
    }


def rounded(value: float) -> float:
    """A number to as many digits as a measurement has."""
    return float(f"{value:.{DIGITS}g}")
