"""Plain files: load matrices as npz, npy, json, csv or torch .pt; maps as npz or json.

Loads: an array ``load`` [layers, experts] or [windows, layers, experts], alone or under that key, with optional
``layer_ids`` and ``window`` labels. Maps: ``physical_to_logical_map`` [layers, replicas] and ``layer_ids``.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from ..placement import Placement
from .files import Loads, as_ids, as_loads, atomic_write

LOAD_KEYS = ("load", "loads", "weight", "weights")
MAP_KEY = "physical_to_logical_map"
MAP_FORMATS = ("npz", "json")


def read_loads(path: str | Path) -> Loads:
    """Read recorded loads; the format is detected from the content.

    Raises
    ------
    FormatError
        The file is missing, truncated, or holds no load matrix.
    """
    content = _read(Path(path))
    if not isinstance(content, Mapping):
        return as_loads(content, None, None, str(path))
    key = next((k for k in LOAD_KEYS if k in content), None)
    if key is None and len(content) == 1:
        key = next(iter(content))
    if key is None:
        raise FormatError(f"{path}: no array 'load' among {', '.join(map(str, content)) or 'nothing'}")
    return as_loads(content[key], content.get("layer_ids"), content.get("window"), str(path))


def read_map(path: str | Path, num_experts: int, layer_ids: Sequence[int] | None = None) -> Placement:
    """Read a map.

    Parameters
    ----------
    num_experts : int
        Logical experts: a map does not say.
    layer_ids : sequence of int, optional
        The layers wanted, in order. A file without layer ids is taken to hold just these.

    Raises
    ------
    FormatError
        The file is missing, truncated, holds no map, or lacks a layer that is wanted.
    """
    content = _read(Path(path))
    if isinstance(content, Mapping):
        if MAP_KEY not in content:
            raise FormatError(f"{path}: no {MAP_KEY!r} among {', '.join(map(str, content)) or 'nothing'}")
        array, ids = content[MAP_KEY], content.get("layer_ids")
    else:
        array, ids = content, None
    try:
        phy2log = np.asarray(array)
    except ValueError as error:
        raise FormatError(f"{path}: the map is not rectangular ({error})") from None
    if phy2log.ndim != 2 or phy2log.size == 0 or phy2log.dtype.kind not in "iu":
        raise FormatError(
            f"{path}: map of shape {phy2log.shape} and dtype {phy2log.dtype}, expected integers [layers, replicas]"
        )
    found = as_ids(ids, len(phy2log), str(path))
    if found is None or layer_ids is None:
        return Placement(phy2log, num_experts, found)
    missing = [i for i in layer_ids if i not in found]
    if missing:
        raise FormatError(f"{path}: no layer {missing[0]} among its layers {found[0]}..{found[-1]}")
    return Placement(phy2log[[found.index(i) for i in layer_ids]], num_experts, tuple(layer_ids))


REPORT_KEYS = {
    "windows": str, "num_replicas": int, "num_groups": int, "num_nodes": int, "num_ranks": int, "distinct": bool,
    "layers": list,
}  # fmt: skip


def read_report(path: str | Path) -> dict[str, Any]:
    """Read a report that ``solve --json`` wrote.

    Raises
    ------
    FormatError
        The file is missing, truncated, or no such report.
    """
    content = _read(Path(path))
    for key, kind in REPORT_KEYS.items():
        if not isinstance(content, Mapping) or not isinstance(content.get(key), kind):
            raise FormatError(f"{path}: no {key!r}: give the report that 'eplb-opt solve --json' wrote")
    return dict(content)


def map_format(path: str | Path, name: str | None = None) -> str:
    """The format to write a map in: the one named, or the file's ending.

    Raises
    ------
    FormatError
        Neither names a format we write.
    """
    chosen = name or Path(path).suffix.lower().lstrip(".")
    if chosen not in MAP_FORMATS:
        raise FormatError(f"no map format {chosen!r} for {path}: use --format {' or '.join(MAP_FORMATS)}")
    return chosen


def write_map(path: str | Path, placement: Placement, name: str | None = None) -> None:
    """Write a placement as ``npz`` or ``json``, atomically.

    Raises
    ------
    FormatError
        Unknown format, or the file cannot be written.
    """
    if map_format(path, name) == "npz":
        ids = np.array(placement.layer_ids, dtype=np.int64)
        arrays: dict[str, Any] = {MAP_KEY: placement.phy2log, "layer_ids": ids}
        atomic_write(Path(path), lambda file: np.savez_compressed(file, **arrays))
    else:
        write_json(path, {"layer_ids": list(placement.layer_ids or ()), MAP_KEY: placement.phy2log.tolist()})


def write_json(path: str | Path, content: object) -> None:
    """Write JSON, atomically."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    atomic_write(Path(path), lambda file: file.write(text.encode()))


def _read(path: Path) -> Any:
    """The file's arrays: a mapping, or one bare array."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    if not data.strip():
        raise FormatError(f"{path} is empty")
    try:
        return _parse(data)
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile, RuntimeError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(f"{path} is damaged or in no known format ({reason[:120]})") from None


def _parse(data: bytes) -> Any:
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
        return _parse_torch(data) if any(n.endswith("data.pkl") for n in names) else _parse_npz(data)
    if data.startswith(b"\x93NUMPY"):
        return np.load(io.BytesIO(data), allow_pickle=False)
    text = data.decode("utf-8-sig")
    return json.loads(text) if text.lstrip()[0] in "[{" else _parse_csv(text)


def _parse_npz(data: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive}


def _parse_torch(data: bytes) -> Any:
    import torch

    content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if isinstance(content, Mapping):
        return {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in content.items()}
    if isinstance(content, torch.Tensor):
        return (content.float() if content.dtype in (torch.bfloat16, torch.float16) else content).numpy()
    raise ValueError(f"a torch file that holds a {type(content).__name__}, expected a tensor or a dict of tensors")


def _parse_csv(text: str) -> dict[str, Any]:
    """One row a layer; an optional header; a first column headed ``layer`` or ``layer_id`` holds the layer ids."""
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    header = [] if _is_number(rows[0][0]) and _is_number(rows[0][-1]) else rows.pop(0)
    if len({len(row) for row in rows}) != 1:
        raise ValueError("rows of different lengths" if rows else "no rows")
    ids = header and header[0].strip().lower() in ("layer", "layer_id")
    cells = [[_number(cell) for cell in row[1 if ids else 0 :]] for row in rows]
    return {"load": cells, "layer_ids": [int(row[0]) for row in rows] if ids else None}


def _number(cell: str) -> int | float:
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
