"""The table ``initial_global_assignments`` {layer: slots}, which maps for vLLM and TensorRT-LLM have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from ..errors import FormatError
from .files import as_map
from .layers import MOST_LAYERS

ASSIGNMENTS = "initial_global_assignments"
LAYER = re.compile("[0-9]{1,9}")


def assignments(
    content: Mapping[str, Any], source: str
) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """The table of ``initial_global_assignments``.

    Returns
    -------
    phy2log : array [layers, slots]
        Its rows, checked against ``num_slots``.
    layers : tuple of int
        Their keys, in ascending order.
    """
    table = content.get(ASSIGNMENTS)
    if not isinstance(table, Mapping) or not table:
        raise FormatError(f"{source}: no {ASSIGNMENTS!r} {{layer: slots}}")
    rows = _rows_by_layer(table, source)
    layers = tuple(sorted(rows))
    phy2log = as_map([rows[layer] for layer in layers], source)
    slots = phy2log.shape[1]
    if content.get("num_slots") != slots:
        raise FormatError(
            f"{source}: num_slots is {content.get('num_slots')!r}, but layers have {slots} slots"
        )
    return phy2log, layers


def _rows_by_layer(table: Mapping[Any, Any], source: str) -> dict[int, Any]:
    """The table with its keys as integers: JSON has them as text, and "1" and "01" would be one layer."""
    wrong = [key for key in table if not _is_layer(key)]
    rows = {} if wrong else {int(key): row for key, row in table.items()}
    has_key_twice = len(rows) < len(table)
    are_layers = not wrong and min(rows) >= 0 and max(rows) < MOST_LAYERS
    if has_key_twice or not are_layers:
        raise FormatError(
            f"{source}: keys of {ASSIGNMENTS} are no different layers: {(wrong or list(table))[:4]}"
        )
    return rows


def _is_layer(key: Any) -> bool:
    """Whether a key is an integer, also as text; True and False are none."""
    if type(key) is str:
        return LAYER.fullmatch(key) is not None
    return type(key) is int
