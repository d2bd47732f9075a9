"""Files, read by the standard library and numpy alone: loads, map and report; others through ``eplb-opt convert``."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .pool import Floats, Ints, require

MAP = "physical_to_logical_map"


def read(path: Path) -> dict[str, Any]:
    """What a file holds by name; an array alone is named ``load`` and as a map's is."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return dict(arrays)
    if path.suffix == ".npy":
        content: Any = np.load(path)
    elif path.suffix == ".csv":
        rows = csv.reader(path.read_text("utf-8").split())
        content = [list(map(float, row)) for row in rows]
    else:
        content = json.loads(path.read_text("utf-8"), object_pairs_hook=_once)
    return content if isinstance(content, dict) else {"load": content, MAP: content}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    require(len(dict(pairs)) == len(pairs), "a key that stands twice")
    return dict(pairs)


def read_loads(path: Path, windows: str) -> tuple[Floats, list[int]]:
    """The windows of loads that a report names, [windows, layers, experts], and the layers' numbers."""
    named = read(path)
    load = np.array(named["load"], dtype=np.float64, order="C")
    require(windows == "all", "some windows: eplb-opt convert makes a file of these")
    ids = np.asarray(named.get("layer_ids", np.arange(load.shape[-2]))).tolist()
    return load if load.ndim == 3 else load[None], ids


def read_map(path: Path, ids: Sequence[int]) -> Ints:
    """The expert in every slot of these layers, [layers, slots]."""
    named = read(path)
    placed = np.asarray(named[MAP])
    rows = np.asarray(named.get("layer_ids", ids)).tolist()
    is_map = placed.ndim == 2 and placed.dtype.kind in "iu" and len(rows) == len(placed)
    require(is_map, "no map of such layers")
    return placed[[rows.index(one) for one in ids]].astype(np.int64)


def with_proofs(report: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A report with the proofs that lie in a file beside it, which it names, in their layers."""
    named = report.get("proof_file")
    if named is None:
        return dict(report)
    path = folder / named["path"]
    content = path.read_bytes() if path.parent == folder else b""
    is_named = hashlib.sha256(content).hexdigest() == named["sha256"]
    require(is_named, f"{path.name!a} is not the report's file of proofs")
    with gzip.open(path) as file:
        held = json.loads(file.read(2**30), object_pairs_hook=_once)
    layers = [{**layer} for layer in report["layers"]]
    for layer in layers:
        layer["proofs"] = [held.get(one.get("in_file"), one) for one in layer["proofs"]]
    return {**report, "layers": layers}
