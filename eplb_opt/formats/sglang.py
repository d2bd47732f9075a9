"""SGLang: what its expert distribution recorder dumps, and what ``--init-expert-location`` loads (read in 0.5.23).

Loads, torch .pt. Modes ``stat`` and ``stat_approx``: ``logical_count`` [steps, hidden layers, experts], summed over
ranks by SGLang. Modes ``per_pass`` and ``per_token``: ``records`` with ``forward_pass_id``, ``rank`` and
``global_physical_count`` [hidden layers, slots], and the ``last_physical_to_logical_map`` of the same shape, one file a
rank: give one file, or the folder of all to add up the ranks. Dense layers are rows of 0.

Maps, .json or .pt: only ``physical_to_logical_map`` [hidden layers, slots]; SGLang passes any other key on as an
argument.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .content import read_content
from .files import ExpertMap, Loads, as_loads, as_map, complete, recorded
from .plain import MAP_KEY, json_bytes

LAST_MAP = "last_physical_to_logical_map"
COUNT = "global_physical_count"


def has_loads(content: Any) -> bool:
    """A dump, or a folder of dumps."""
    if isinstance(content, Path):
        return any(content.glob("*.pt"))
    return isinstance(content, Mapping) and ("logical_count" in content or "records" in content)


def loads(content: Any, source: str) -> Loads:
    """Windows are steps or forward passes; dense layers are dropped, layer ids are absolute."""
    if isinstance(content, Path):
        dumps = [(str(path), read_content(path)) for path in sorted(content.glob("*.pt"))]
        if not dumps:
            raise FormatError(f"{source}: a folder without .pt files: give what SGLang's recorder wrote")
    else:
        dumps = [(source, content)]
    counted = [dump for dump in dumps if isinstance(dump[1], Mapping) and "logical_count" in dump[1]]
    if counted and len(dumps) > 1:
        raise FormatError(f"{source}: several dumps, and {counted[0][0]} is already summed over ranks: give one file")
    if counted:
        found = as_loads(counted[0][1]["logical_count"], None, None, source)
        load, labels = found.load.astype(np.int64) if found.load.dtype.kind in "iu" else found.load, found.windows
    else:
        load, labels = _passes(dumps, source)
    return recorded(load, labels, source)


def _passes(dumps: list[tuple[str, Any]], source: str) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Logical loads [passes, hidden layers, experts] of all ranks, and the ids of the passes."""
    passes: dict[int, npt.NDArray[Any]] = {}
    seen: set[tuple[int, int, str]] = set()
    slots = None
    for name, dump in dumps:
        if not isinstance(dump, Mapping) or not isinstance(dump.get("records"), list) or LAST_MAP not in dump:
            raise FormatError(f"{name}: no 'records' with {LAST_MAP!r}: not what SGLang's recorder writes")
        found = as_map(dump[LAST_MAP], name)
        if found.min() < 0 or (slots is not None and not np.array_equal(slots, found)):
            raise FormatError(f"{name}: {LAST_MAP} is negative or differs between ranks: give dumps of one recording")
        slots = found
        for record in dump["records"]:
            number, rank, part, count = _record(record, found.shape, name)
            if (number, rank, part) in seen:
                raise FormatError(f"{name}: forward pass {number} of rank {rank} twice: give dumps of one recording")
            seen.add((number, rank, part))
            passes[number] = passes[number] + count if number in passes else count
    if not passes or slots is None:
        raise FormatError(f"{source}: no forward pass recorded")
    whole = complete({number: {rank for n, rank, _ in seen if n == number} for number in passes}, "pass", source)
    return to_logical(np.stack([passes[number] for number in whole]), slots), tuple(map(str, whole))


def _record(record: Any, shape: tuple[int, ...], source: str) -> tuple[int, int, str, npt.NDArray[Any]]:
    """Pass, rank, part of the pass (SGLang gathers the halves of overlapped batches apart), and counts."""
    try:
        number, rank, count = int(record["forward_pass_id"]), int(record["rank"]), np.asarray(record[COUNT])
        part = str(record.get("gatherer_key"))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise FormatError(f"{source}: a record is not what SGLang's recorder writes ({error!r})") from None
    if count.shape != shape or count.dtype.kind not in "iu":
        raise FormatError(
            f"{source}: {COUNT} of shape {count.shape} and dtype {count.dtype}, expected integers {shape} as its map"
        )
    return number, rank, part, count.astype(np.int64)


def to_logical(physical: npt.NDArray[Any], slots: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Loads of physical experts [windows, layers, slots] added up by logical expert [windows, layers, experts].

    Parameters
    ----------
    slots : array [layers, slots] or [windows, layers, slots]
        Logical expert of each slot; negative: an empty slot, which is left out.
    """
    slots = np.broadcast_to(slots, physical.shape)
    windows, layers, _ = physical.shape
    experts = int(slots.max()) + 1
    logical = np.zeros((windows, layers, experts + 1), dtype=physical.dtype)
    index = np.where(slots < 0, experts, slots)
    np.add.at(logical, (np.arange(windows)[:, None, None], np.arange(layers)[None, :, None], index), physical)
    return logical[:, :, :experts]


def has_map(content: Any) -> bool:
    """The map's key and no other: ours have more."""
    return isinstance(content, Mapping) and set(content) == {MAP_KEY}


def expert_map(content: Any, source: str) -> ExpertMap:
    """Row i is hidden layer i, so the dense ones have rows, too."""
    if not isinstance(content, Mapping) or MAP_KEY not in content:
        raise FormatError(f"{source}: no {MAP_KEY!r}")
    array = as_map(content[MAP_KEY], source)
    return ExpertMap(array, tuple(range(len(array))), hidden_layers=len(array), dense_layers_unknown=True)


def encode(found: ExpertMap, path: Path) -> bytes:
    """All hidden layers; a layer that the map does not have gets slot i -> expert i mod experts.

    Raises
    ------
    FormatError
        The number of hidden layers is unknown or too small, or SGLang would not read a file of this name.
    """
    if path.suffix not in (".json", ".pt"):
        raise FormatError(f"{path}: SGLang reads a map only from a file that ends in .json or .pt")
    rows = all_layers(found, path)
    if path.suffix == ".json":
        return json_bytes({MAP_KEY: rows.tolist()}, indent=None)
    import torch

    buffer = io.BytesIO()
    torch.save({MAP_KEY: torch.from_numpy(rows)}, buffer)
    return buffer.getvalue()


def all_layers(found: ExpertMap, path: Path) -> npt.NDArray[np.int64]:
    """The map's rows at their layer ids among all hidden layers."""
    ids, layers = found.layer_ids or (), known_hidden_layers(found.hidden_layers, path)
    experts = found.num_experts or int(found.phy2log.max()) + 1
    rows = np.tile(np.arange(found.phy2log.shape[1], dtype=np.int64) % experts, (layers, 1))
    rows[list(ids)] = found.phy2log
    return rows


def known_hidden_layers(hidden_layers: int | None, path: Path) -> int:
    """The number of hidden layers, or `FormatError` if it is unknown."""
    if hidden_layers is None:
        raise FormatError(
            f"{path}: this format has a row for every hidden layer of the model, dense ones too, and the input does "
            "not say how many: use --hidden-layers"
        )
    return hidden_layers
