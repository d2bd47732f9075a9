"""LightLLM: the experts that every rank holds beside its own (``--ep_redundancy_expert_config_path``).

JSON: ``redundancy_expert_num``, how many a rank holds beside its own, ``{layer: experts}`` and ``default`` for all
other layers. A rank's own experts are so many that follow each other: of 256 experts on 8 ranks 0..31, 32..63 and so
on. The file says neither how many experts nor how many ranks there are. A rank may have an expert twice; all its
replicas count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .files import rectangular
from .format import Format, Side
from .held import MOST_EXPERTS
from .held_map import ExpertMap
from .mappings import is_by_layer

NUMBER = "redundancy_expert_num"
DEFAULT = "default"
Row = npt.NDArray[Any]


def has_map(content: Any) -> bool:
    """The key that says how many experts are redundant."""
    return isinstance(content, Mapping) and NUMBER in content


def decode_map(content: Any, source: str) -> ExpertMap:
    """The redundant experts of each layer; with experts and ranks they are a map (`ExpertMap.placed`)."""
    if not has_map(content):
        raise FormatError(f"{source}: no {NUMBER!r}")
    number = content[NUMBER]
    if type(number) is not int or not 0 < number < MOST_EXPERTS:
        raise FormatError(
            f"{source}: {NUMBER} is {str(number)[:40]!r}, expected a positive integer"
        )
    layers = {key: row for key, row in content.items() if key not in (NUMBER, DEFAULT)}
    if layers and not is_by_layer(layers):
        raise FormatError(
            f"{source}: keys {list(layers)[:4]}, expected layers and {DEFAULT!r}"
        )
    rows = {int(key): _row(row, number, source) for key, row in layers.items()}
    default = None
    if DEFAULT in content:
        default = _row(content[DEFAULT], number, source)
    return _map_of(rows, default, len(layers), source)


def _map_of(
    rows: dict[int, Row], default: Row | None, keys: int, source: str
) -> ExpertMap:
    """The redundant experts by layer, or those of every layer."""
    if len(rows) < keys:
        raise FormatError(f"{source}: a layer is there twice")
    if not rows and default is None:
        raise FormatError(f"{source}: no layer has redundant experts")
    ids = tuple(sorted(rows))
    stacked = [rows[layer] for layer in ids]
    if default is not None and not rows:
        stacked = [default]
    return ExpertMap(
        np.stack(stacked),
        ids or None,
        default=default,
        is_beside_own=True,
    )


def _row(row: Any, number: int, source: str) -> Row:
    """The redundant experts of a layer."""
    ids = rectangular(row, "redundant experts are", source)
    if ids.shape != (number,) or ids.dtype.kind not in "iu":
        raise FormatError(
            f"{source}: redundant experts {str(row)[:60]}, expected {number} integers ({NUMBER})"
        )
    if ids.min() < 0 or ids.max() >= MOST_EXPERTS:
        raise FormatError(f"{source}: redundant experts {str(row)[:60]} are none")
    return ids


FORMAT = Format(
    name="lightllm",
    summary="LightLLM: the redundant experts of its ranks (.json), a map with --experts and --ranks",
    maps=Side(recognises=has_map, reads=decode_map),
)
