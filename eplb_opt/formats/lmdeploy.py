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
from .files import as_loads, recorded
from .format import Format, Need, Side
from .held import Loads
from .layers import number_layers
from .plain import json_bytes


def has_loads(content: Any) -> bool:
    """A recording. The bare array is told from other bare arrays only by ``--input-format``."""
    return (
        isinstance(content, Mapping)
        and "counts" in content
        and bool({"balancedness", "step"} & set(content))
    )


def decode_loads(content: Any, source: str) -> Loads:
    """One window. Of a recording the layers are not known; of the bare array rows of 0 are dense layers."""
    is_recording = isinstance(content, Mapping)
    counts, windows = (
        _of_recording(content, source) if is_recording else (content, None)
    )
    loads = as_loads(counts, None, windows, source)
    if len(loads.load) != 1:
        raise FormatError(
            f"{source}: loads of shape {loads.load.shape}, expected [hidden layers, experts]"
        )
    has_silent_layers = not loads.load.any(axis=2).all()
    if has_silent_layers and not is_recording:
        return recorded(loads.load, loads.windows, source)
    return replace(loads, moe_layers_last=True)


def _of_recording(
    content: Mapping[Any, Any], source: str
) -> tuple[Any, list[str] | None]:
    """The counts, and the step as the label of their window."""
    if "counts" not in content:
        raise FormatError(f"{source}: no 'counts'")
    step = content.get("step")
    return content["counts"], None if step is None else [str(step)[:40]]


def encode_loads(loads: Loads, path: Path) -> bytes:
    """Loads [hidden layers, experts], windows summed, 0 in layers that were not recorded."""
    total = loads.load.sum(axis=0)
    layers, experts = total.shape
    ids = number_layers(loads.layer_ids, layers, loads.hidden_layers, str(path))
    rows = np.zeros((loads.hidden_layers or layers, experts), dtype=total.dtype)
    rows[list(ids)] = total
    return json_bytes(rows.tolist(), indent=None)


FORMAT = Format(
    name="lmdeploy",
    summary="LMDeploy: its recorder's loads (.pt), and the load file that it plans from (.json)",
    loads=Side(recognises=has_loads, reads=decode_loads, writes=encode_loads),
    needs=frozenset({Need.HIDDEN_LAYERS}),
    takes={Need.HIDDEN_LAYERS: "numbers layers that LMDeploy recorded, the last ones"},
    holds_one_window=True,
    remark="LMDeploy loads no map: it plans from these loads with its own greedy",
)
