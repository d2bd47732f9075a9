"""What a file holds, before anyone asks whose it is: arrays, JSON, YAML, torch and safetensors, told by content.

Nothing here runs code from a file: torch files load with ``weights_only=True``, npz and npy without pickles, YAML with
the safe loader.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError

YAML_KEY = re.compile(r"^\s*(#[^\n]*\n\s*)*(---|[A-Za-z_]\w*\s*:(\s|$))")
MAX_NOTE = 120


class Records(list[Any]):
    """JSON lines: one record a line."""


def read_content(path: Path) -> Any:
    """The content of a file: a mapping, `Records`, nested lists or an array; a folder is returned as its path.

    Raises
    ------
    FormatError
        The file cannot be read, is empty, truncated, damaged, or in no known format.
    """
    try:
        if path.is_dir():
            return path
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    if not data.strip():
        raise FormatError(f"{path} is empty")
    try:
        return _parse(data)
    except Exception as error:  # whatever damaged bytes make the parsers of all these formats raise
        raise FormatError(f"{path} is damaged or in no known format ({first_line(error)})") from None


def read_safetensors(path: Path) -> dict[str, Any]:
    """The arrays of a safetensors file.

    Raises
    ------
    FormatError
        The file cannot be read or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes()))
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} is damaged or no safetensors file ({first_line(error)})") from None


def first_line(error: BaseException) -> str:
    """What an error says, in short."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:MAX_NOTE]


def _parse(data: bytes) -> Any:
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
        return _parse_torch(data) if any(n.endswith("data.pkl") for n in names) else _parse_npz(data)
    if data.startswith(b"\x80"):
        raise ValueError("a bare pickle or a torch file of the old form, from which nothing is run: save it as zip")
    if data.startswith(b"\x93NUMPY"):
        return np.load(io.BytesIO(data), allow_pickle=False)
    text = data.decode("utf-8-sig")
    if text.lstrip()[0] in "[{":
        return _parse_json(text)
    return _parse_yaml(text) if YAML_KEY.match(text) else _parse_csv(text)


def _parse_json(text: str) -> Any:
    """JSON, or JSON lines: records with a ``record_type``, or more than one object."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):
        return Records(json.loads(line, object_pairs_hook=_once) for line in lines)
    content = json.loads(text, object_pairs_hook=_once)
    return Records([content]) if isinstance(content, dict) and "record_type" in content else content


def _once(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A mapping, unless it has a key twice."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key is there twice")
    return content


def _parse_yaml(text: str) -> Any:
    """YAML without aliases, which may stand for more than memory holds, and without a key twice."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            make = self.construct_object
            return _once([(make(key, True), make(value, deep)) for key, value in node.value])

    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=Loader)):
            raise ValueError("YAML with an alias")
        content = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"YAML: {first_line(error)}") from None
    if not isinstance(content, dict):
        raise ValueError(f"YAML that holds a {type(content).__name__}, expected keys")
    return content


def _parse_npz(data: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive}


def _parse_torch(data: bytes) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError("a torch file with other objects than tensors and plain values: nothing is run") from None
    if not isinstance(content, (Mapping, torch.Tensor)):
        raise ValueError(f"a torch file that holds a {type(content).__name__}, expected a tensor or a dict of tensors")
    return _to_numpy(content)


def _to_numpy(content: Any) -> Any:
    """Tensors as arrays, also within mappings and lists of mappings; all else as it is."""
    if hasattr(content, "detach"):
        tensor = content.detach()
        return (tensor.float() if str(tensor.dtype) in ("torch.bfloat16", "torch.float16") else tensor).numpy()
    if isinstance(content, Mapping):
        return {key: _to_numpy(value) for key, value in content.items()}
    if isinstance(content, list) and content and (isinstance(content[0], Mapping) or hasattr(content[0], "detach")):
        return [_to_numpy(item) for item in content]
    return content


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
