"""LMDeploy: its recorder's loads, and the load file that it plans from (read in 0.18.0).

LMDeploy loads no map: ``LMDEPLOY_EPLB_EXPERTS_STATISTIC_FILE`` names a JSON array [hidden layers, experts] of loads,
from which it plans with its own greedy; dense layers are rows of 0. Recorded loads (pull request 3709; 0.18.0 has no
recorder), torch .pt: ``counts`` [recorded layers, experts], summed over ranks, with ``balancedness``, ``step`` and
``rank``. Only layers that recorded have a row, in order and without an id: dense ones have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from .files import Loads, as_loads, recorded
from .layers import number_layers
from .plain import json_bytes
from .sglang import known_hidden_layers


def has_loads(content: Any) -> bool:
    """A recording. The bare array is told from other bare arrays only by ``--input-format``."""
    return isinstance(content, Mapping) and "counts" in content and bool({"balancedness", "step"} & set(content))


def loads(content: Any, source: str) -> Loads:
    """One window. Of a recording the layers are not known; of the bare array rows of 0 are dense layers."""
    if isinstance(content, Mapping):
        if "counts" not in content:
            raise FormatError(f"{source}: no 'counts'")
        label = content.get("step")
        found = as_loads(content["counts"], None, None if label is None else [str(label)[:40]], source)
    else:
        found = as_loads(content, None, None, source)
    if len(found.load) != 1:
        raise FormatError(f"{source}: loads of shape {found.load.shape}, expected [hidden layers, experts]")
    if not isinstance(content, Mapping) and not found.load.any(axis=2).all():
        return recorded(found.load, found.windows, source)
    return replace(found, moe_layers_last=True)


def encode_loads(found: Loads, path: Path) -> bytes:
    """Loads [hidden layers, experts], windows summed, 0 in layers that were not recorded.

    Raises
    ------
    FormatError
        The number of hidden layers is unknown or too small.
    """
    ids = number_layers(found.layer_ids, found.load.shape[1], found.hidden_layers, str(path))
    layers = known_hidden_layers(found.hidden_layers, path)
    total = found.load.sum(axis=0)
    rows = np.zeros((layers, total.shape[1]), dtype=total.dtype)
    rows[list(ids)] = total
    return json_bytes(rows.tolist(), indent=None)
