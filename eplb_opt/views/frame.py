"""Certificates as columns: a data frame where pandas is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..certificates.layer import LayerCertificate
from ..packages import is_usable

COLUMNS = (
    "layer_id",
    "objective",
    "lower_bound",
    "gap",
    "imbalance",
    "balancedness",
    "status",
    "stop",
    "method",
    "bound_method",
    "seconds",
    "moves",
    "moves_bound",
)
Columns = dict[str, npt.NDArray[Any]]


def columns_of(certificates: Sequence[LayerCertificate]) -> Columns:
    """One array a figure, each [layers]; what no layer has, as moves without a map in use, is left out.

    Parameters
    ----------
    certificates : sequence of LayerCertificate

    Returns
    -------
    dict from a name of `LayerCertificate` to an array [layers]

    Examples
    --------
    >>> from eplb_opt import Instance, solve
    >>> result = solve(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "greedy")
    >>> columns_of(result.certificates)["objective"]
    array([7.])
    """
    rows = {
        name: [_plain(getattr(certificate, name)) for certificate in certificates]
        for name in COLUMNS
    }
    return {name: np.array(row) for name, row in rows.items() if None not in row}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def frame_of(certificates: Sequence[LayerCertificate]) -> Any:
    """The columns as a data frame with the layers as its index, or, without pandas, as they are."""
    columns = columns_of(certificates)
    if not is_usable("pandas"):
        return columns
    import pandas as pd

    return pd.DataFrame(columns).set_index("layer_id")
