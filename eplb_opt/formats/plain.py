"""Plain files: a load matrix as npz, npy, json, table (csv) or torch .pt; a map as npz or json.

Loads: an array ``load`` [layers, experts] or [windows, layers, experts], alone or under that key, with optional
``layer_ids`` and ``window`` labels. Maps: ``physical_to_logical_map`` [layers, replicas] and ``layer_ids``, with
``num_experts``, ``num_ranks`` and ``hidden_layers`` where they are known.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..checker.claims import read_head
from ..errors import FormatError, FormatWarning
from .content import read_content
from .files import ExpertMap, Loads, as_ids, as_loads, as_map
from .table_loads import folder_loads, loads_of, tables_in
from .tables import Table

LOAD_KEYS = ("load", "loads", "weight", "weights")
MAP_KEY = "physical_to_logical_map"
LIKE_A_MAP = (
    "looks like a map (each row holds all of 0, 1, 2 and so on): name the array 'load' or 'physical_to_logical_map'"
)
SIZES = ("num_experts", "num_ranks", "hidden_layers")


def has_loads(content: Any) -> bool:
    """Anything may be a matrix: this is asked last. A folder must have tables."""
    return not isinstance(content, Path) or bool(tables_in(content))


def loads(content: Any, source: str) -> Loads:
    """See the module's text.

    Warns
    -----
    FormatWarning
        A bare matrix that looks like a map.
    """
    if isinstance(content, Path):
        return folder_loads(content, source)
    if not isinstance(content, Mapping):
        found = loads_of([content], source) if isinstance(content, Table) else as_loads(content, None, None, source)
        if looks_like_map(content):
            warnings.warn(f"{source}: read as loads, and {LIKE_A_MAP}", FormatWarning, stacklevel=2)
        return found
    key = next((k for k in LOAD_KEYS if k in content), None)
    if key is None and len(content) == 1 and MAP_KEY not in content:
        key = next(iter(content))
    if key is None:
        raise FormatError(f"{source}: no array 'load' among {', '.join(map(str, content)) or 'nothing'}")
    found = as_loads(content[key], content.get("layer_ids"), content.get("window"), source)
    return Loads(found.load, found.layer_ids, found.windows, _size(content, "hidden_layers", source))


def looks_like_map(content: Any) -> bool:
    """Whether each row of a bare matrix holds all of the same integers 0, 1, 2 and so on, and no other, as maps do.

    Loads do not, but very small ones: matrices with less than 4 columns are not asked about.
    """
    if isinstance(content, Table):
        rows = list(next(iter(content.counts.values()), {}).values())
        if not content.bare:
            return False
    else:
        rows = content
    try:
        array = np.asarray(rows)
    except ValueError:
        return False
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu" or array.shape[1] < 4:
        return False
    experts = int(array.max()) + 1
    if array.min() < 0 or experts > array.shape[1]:
        return False
    every = np.zeros((len(array), experts), dtype=bool)
    np.put_along_axis(every, array.astype(np.int64), True, axis=1)
    return bool(every.all())


def has_map(content: Any) -> bool:
    """Anything may be a matrix: this is asked last."""
    return not isinstance(content, Path)


def expert_map(content: Any, source: str) -> ExpertMap:
    """See the module's text."""
    if isinstance(content, Table):
        raise FormatError(f"{source}: a table, which is read as loads only: expected integers as npz, npy or json")
    if not isinstance(content, Mapping):
        return ExpertMap(as_map(content, source))
    if MAP_KEY not in content:
        raise FormatError(f"{source}: no {MAP_KEY!r} among {', '.join(map(str, content)) or 'nothing'}")
    array = as_map(content[MAP_KEY], source)
    sizes = {name: _size(content, name, source) for name in SIZES}
    ids = as_ids(content.get("layer_ids"), len(array), source)
    return ExpertMap(array, ids, sizes["num_experts"], sizes["num_ranks"], sizes["hidden_layers"])


def _size(content: Mapping[str, Any], name: str, source: str) -> int | None:
    if content.get(name) is None:
        return None
    value = np.asarray(content[name])
    if value.ndim or value.dtype.kind not in "iu" or value < 1:
        raise FormatError(f"{source}: {name} is {str(content[name])[:60]}, expected a positive integer")
    return int(value)


def encode_npz(found: ExpertMap) -> bytes:
    """A map as npz."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {MAP_KEY: found.phy2log, "layer_ids": np.array(found.layer_ids, dtype=np.int64)}
    np.savez_compressed(buffer, **(arrays | _sizes(found)))
    return buffer.getvalue()


def encode_json(found: ExpertMap) -> bytes:
    """A map as JSON."""
    head = {"layer_ids": list(found.layer_ids or ())} | _sizes(found)
    return json_bytes(head | {MAP_KEY: found.phy2log.tolist()})


def encode_loads(found: Loads, name: str) -> bytes:
    """Loads as npz or JSON."""
    content: dict[str, Any] = {"load": found.load, "window": np.array(found.windows)}
    if found.layer_ids is not None:
        content["layer_ids"] = np.array(found.layer_ids, dtype=np.int64)
    if found.hidden_layers is not None:
        content["hidden_layers"] = np.array(found.hidden_layers)
    if name == "json":
        return json_bytes({key: value.tolist() for key, value in content.items()})
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)
    return buffer.getvalue()


def json_bytes(content: object, indent: int | None = 1) -> bytes:
    """JSON as we write it."""
    return (json.dumps(content, indent=indent, allow_nan=False) + "\n").encode()


def _sizes(found: ExpertMap) -> dict[str, int]:
    return {name: value for name in SIZES if (value := getattr(found, name)) is not None}


def read_report(path: str | Path) -> dict[str, Any]:
    """Read a report that ``solve --json`` wrote: its head is of the right types, what it claims is not looked at.

    Raises
    ------
    FormatError
        The file is missing, truncated, has a key twice, is of a newer schema, or is no such report.
    """
    content = read_content(Path(path))
    read_head(content, str(path), needs_windows=True)
    return dict(content)
