"""Plain files: a load matrix as npz, npy, json, table (csv) or torch .pt; a map as npz or json.

Loads: an array ``load`` [layers, experts] or [windows, layers, experts], alone or under that key, with optional
``layer_ids`` and ``window`` labels; or a mapping of layers to counts. Maps: ``physical_to_logical_map``
[layers, replicas] and ``layer_ids``, with
``num_experts``, ``num_ranks``, ``hidden_layers`` and ``rank_slots`` where they are known.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, FormatWarning
from .files import as_ids, as_loads, as_map
from .format import Format, Side
from .held import Loads
from .held_map import ExpertMap
from .mappings import is_by_layer, loads_by_layer
from .table_loads import folder_loads, loads_of, tables_in
from .table_sheet import Table

LOAD_KEYS = ("load", "loads", "weight", "weights", "counts")
MAP_KEY = "physical_to_logical_map"
LIKE_A_MAP = (
    "looks like a map (each row holds all of 0, 1, 2 and so on): "
    "name the array 'load' or 'physical_to_logical_map'"
)
SIZES = ("num_experts", "num_ranks", "hidden_layers")  # of a map, where they are known
# Of a bare matrix that is asked whether it looks like a map: very small loads do.
LEAST_COLUMNS = 4


def has_loads(content: Any) -> bool:
    """Anything may be a matrix: this is asked last. A folder must have tables."""
    return not isinstance(content, Path) or bool(tables_in(content))


def decode_loads(content: Any, source: str) -> Loads:
    """See the module's text.

    Warns
    -----
    FormatWarning
        A bare matrix that looks like a map.
    """
    if isinstance(content, Path):
        return folder_loads(content, source)
    if isinstance(content, Mapping):
        return _named_loads(content, source)
    loads = (
        loads_of([content], source)
        if isinstance(content, Table)
        else as_loads(content, None, None, source)
    )
    if looks_like_map(content):
        warnings.warn(
            f"{source}: read as loads, and {LIKE_A_MAP}", FormatWarning, stacklevel=2
        )
    return loads


def _named_loads(content: Mapping[str, Any], source: str) -> Loads:
    """Loads under their key; of one array alone, whatever its name."""
    keys = [key for key in LOAD_KEYS if key in content]
    if not keys and is_by_layer(content):
        return loads_by_layer(content, source)
    if not keys and len(content) == 1 and MAP_KEY not in content:
        keys = list(content)
    if not keys:
        raise FormatError(f"{source}: no array 'load' among {_listed_keys(content)}")
    if is_by_layer(content[keys[0]]):
        return loads_by_layer(content[keys[0]], source)
    loads = as_loads(
        content[keys[0]], content.get("layer_ids"), content.get("window"), source
    )
    hidden_layers = _size(content, "hidden_layers", source)
    return replace(loads, hidden_layers=hidden_layers)


def looks_like_map(content: Any) -> bool:
    """Whether each row of a bare matrix holds all of the same integers 0, 1, 2 and so on, and no other, as maps do.

    Loads do not, but very small ones: matrices with less than `LEAST_COLUMNS` columns are not asked about.
    """
    rows = _bare_rows(content) if isinstance(content, Table) else content
    try:
        array = np.asarray(rows)
    except ValueError:  # rows of different lengths
        return False
    is_matrix = array.ndim == 2 and array.size > 0 and array.dtype.kind in "iu"
    if not is_matrix or array.shape[1] < LEAST_COLUMNS:
        return False
    experts = int(array.max()) + 1
    if array.min() < 0 or experts > array.shape[1]:
        return False
    is_there = np.zeros((len(array), experts), dtype=bool)
    np.put_along_axis(is_there, array.astype(np.int64), True, axis=1)
    return bool(is_there.all())


def _bare_rows(table: Table) -> list[Any]:
    """The rows of a table without header; none of any other."""
    if not table.bare:
        return []
    layers: dict[int, Any] = next(iter(table.counts.values()), {})
    return list(layers.values())


def has_map(content: Any) -> bool:
    """Anything may be a matrix: this is asked last."""
    return not isinstance(content, Path)


def decode_map(content: Any, source: str) -> ExpertMap:
    """See the module's text."""
    if isinstance(content, Table):
        raise FormatError(
            f"{source}: a table, which is read as loads only: expected integers as npz, npy or json"
        )
    if not isinstance(content, Mapping):
        return ExpertMap(as_map(content, source))
    if MAP_KEY not in content:
        raise FormatError(f"{source}: no {MAP_KEY!r} among {_listed_keys(content)}")
    phy2log = as_map(content[MAP_KEY], source)
    num_experts = _size(content, "num_experts", source)
    num_ranks = _size(content, "num_ranks", source)
    hidden_layers = _size(content, "hidden_layers", source)
    ids = as_ids(content.get("layer_ids"), len(phy2log), source)
    expert_map = ExpertMap(phy2log, ids, num_experts, num_ranks, hidden_layers)
    rank_slots = _rank_slots(content, expert_map, source)
    if rank_slots is None:
        return expert_map
    return replace(expert_map, num_ranks=len(rank_slots), rank_slots=rank_slots)


def _listed_keys(content: Mapping[str, Any]) -> str:
    return ", ".join(str(key) for key in content) or "nothing"


def _size(content: Mapping[str, Any], name: str, source: str) -> int | None:
    """A number that the file says, or None."""
    if content.get(name) is None:
        return None
    value = np.asarray(content[name])
    if value.ndim or value.dtype.kind not in "iu" or value < 1:
        raise FormatError(
            f"{source}: {name} is {str(content[name])[:60]}, expected a positive integer"
        )
    return int(value)


def _rank_slots(
    content: Mapping[str, Any], expert_map: ExpertMap, source: str
) -> tuple[int, ...] | None:
    """Slots of each rank that the file says, or None."""
    if content.get("rank_slots") is None:
        return None
    values = np.asarray(content["rank_slots"])
    is_list = values.ndim == 1 and values.dtype.kind in "iu" and values.size > 0
    if not is_list or values.min() < 0:
        raise FormatError(
            f"{source}: rank_slots is {str(content['rank_slots'])[:60]}, expected integers >= 0"
        )
    slots = expert_map.phy2log.shape[-1]
    ranks = expert_map.num_ranks or values.size
    if (values.size, int(values.sum())) != (ranks, slots):
        raise FormatError(
            f"{source}: rank_slots has {values.size} ranks of {int(values.sum())} slots, the map {ranks} of {slots}"
        )
    return tuple(values.tolist())


def tells(content: Any, source: str) -> bool | None:
    """Nothing but that content is both.

    Raises
    ------
    FormatError
        There are loads and a map under their keys.
    """
    is_map = isinstance(content, Mapping) and names_a_map(content)
    if is_map and set(LOAD_KEYS) & set(content):
        raise FormatError(
            f"{source}: holds loads and a map: keep one of them in the file"
        )
    return None


def names_a_map(content: Mapping[str, Any]) -> bool:
    """Whether there is an array under a map's key."""
    return MAP_KEY in content


def is_bare_map(content: Any, source: str, takes_loads: bool, takes_maps: bool) -> bool:
    """Whether a bare array, or a table, is taken for a map; if not, for loads.

    Parameters
    ----------
    content : array, nested lists or Table
        What the file holds.
    source : str
        Its name, for messages.
    takes_loads, takes_maps : bool
        What the format to write holds.

    Raises
    ------
    FormatError
        It looks like a map, and none can be made of it: the format holds loads only, or it is a table.
    """
    is_table = isinstance(content, Table)
    if not takes_loads:
        return not is_table
    if not looks_like_map(content):
        return False
    if is_table or not takes_maps:
        raise FormatError(f"{source}: {LIKE_A_MAP}, in a file that says it (npz, json)")
    return True


def encode_map_npz(expert_map: ExpertMap, path: Path) -> bytes:
    """A map as npz."""
    arrays: dict[str, Any] = {
        MAP_KEY: expert_map.phy2log,
        "layer_ids": np.array(expert_map.layer_ids, dtype=np.int64),
    }
    if expert_map.rank_slots is not None:
        arrays["rank_slots"] = np.array(expert_map.rank_slots)
    return _npz_bytes(arrays | _sizes(expert_map))


def encode_map_json(expert_map: ExpertMap, path: Path) -> bytes:
    """A map as JSON."""
    head: dict[str, Any] = {"layer_ids": list(expert_map.layer_ids or ())}
    head |= _sizes(expert_map)
    if expert_map.rank_slots is not None:
        head["rank_slots"] = list(expert_map.rank_slots)
    return json_bytes(head | {MAP_KEY: expert_map.phy2log.tolist()})


def _sizes(expert_map: ExpertMap) -> dict[str, int]:
    """The numbers that are known of a map, by name."""
    sizes = {name: getattr(expert_map, name) for name in SIZES}
    return {name: size for name, size in sizes.items() if size is not None}


def encode_loads_npz(loads: Loads, path: Path) -> bytes:
    """Loads as npz."""
    return _npz_bytes(_arrays(loads))


def encode_loads_json(loads: Loads, path: Path) -> bytes:
    """Loads as JSON."""
    return json_bytes({key: array.tolist() for key, array in _arrays(loads).items()})


def _arrays(loads: Loads) -> dict[str, Any]:
    """Loads and what is known of them, by name."""
    arrays: dict[str, Any] = {"load": loads.load, "window": np.array(loads.windows)}
    if loads.layer_ids is not None:
        arrays["layer_ids"] = np.array(loads.layer_ids, dtype=np.int64)
    if loads.hidden_layers is not None:
        arrays["hidden_layers"] = np.array(loads.hidden_layers)
    return arrays


def _npz_bytes(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def json_bytes(content: object, indent: int | None = 1) -> bytes:
    """JSON as we write it."""
    text = json.dumps(content, indent=indent, allow_nan=False)
    return f"{text}\n".encode()


FORMAT = Format(
    name="plain",
    summary="a matrix of loads (npz, npy, json, csv, torch .pt), or a map (npz, npy, json)",
    loads=Side(recognises=has_loads, reads=decode_loads),
    maps=Side(recognises=has_map, reads=decode_map),
    tells=tells,
    takes_rest=True,
)
NPZ = Format(
    name="npz",
    summary="loads or a map with all that is known of them, arrays by name",
    loads=Side(writes=encode_loads_npz),
    maps=Side(writes=encode_map_npz),
    endings=("npz",),
)
JSON = Format(
    name="json",
    summary="the same as JSON",
    loads=Side(writes=encode_loads_json),
    maps=Side(writes=encode_map_json),
    endings=("json",),
)
