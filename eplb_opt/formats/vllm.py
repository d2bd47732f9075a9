"""vLLM: the JSON lines that it is proposed to record and to load (pull request 41141; vLLM 0.33.0 has neither).

Loads: records ``eplb_load_stats`` with ``step``, ``num_ranks``, ``expert_load`` [MoE layers, slots] and ``p2l_map`` of
the same shape. Also ``snapshots`` that a fork dumps, in one JSON or one a line: ``step``, ``window_expert_load`` and
``physical_to_logical_map`` of these shapes. Maps: one record ``eplb_initial_mapping`` with
``initial_global_assignments`` {MoE layer: slots}. All number the MoE layers from 0: where absolute ids differ, our maps
keep them in an extra key ``layer_ids``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .files import ExpertMap, Loads, as_ids, as_map, check_experts, experts_of
from .format import Format, Side
from .layers import MOST_LAYERS
from .plain import json_bytes
from .slots import to_logical
from .text import Records

LOADS = "eplb_load_stats"
MAP = "eplb_initial_mapping"
VERSION = 1
ASSIGNMENTS = "initial_global_assignments"
LAYER = re.compile("[0-9]{1,9}")
SNAPSHOT_LOAD = "window_expert_load"
SNAPSHOT_MAP = "physical_to_logical_map"
Matrix = npt.NDArray[Any]
Record = dict[str, Any]


def has_loads(content: Any) -> bool:
    """Records of loads, or snapshots of them."""
    return bool(_load_records(content))


def decode_loads(content: Any, source: str) -> Loads:
    """Windows are records, labelled by step; layer ids are unknown."""
    records = _load_records(content)
    if not records:
        raise FormatError(
            f"{source}: no record of type {LOADS!r}, and no snapshots with {SNAPSHOT_LOAD!r}"
        )
    physical: list[Matrix] = []
    slots: list[Matrix] = []
    shape = None
    for record in records:
        load, slots_of_record = _load_and_slots(record, shape, source)
        shape = load.shape
        physical.append(load)
        slots.append(slots_of_record)
    steps = tuple(str(record.get("step", i)) for i, record in enumerate(records))
    if len(set(steps)) != len(steps):
        raise FormatError(
            f"{source}: a step is recorded twice: give the records of one rank and one run"
        )
    load = to_logical(np.stack(physical), np.stack(slots))
    _check_experts_said(records, load.shape[2], source)
    return Loads(load, None, steps)


def _load_and_slots(
    record: Record, shape: tuple[int, ...] | None, source: str
) -> tuple[Matrix, Matrix]:
    """Loads of slots and the experts in them, both [MoE layers, slots], of the shape of the records before."""
    _check_version(record, source)
    load = _matrix(record, "expert_load", source)
    slots = _matrix(record, "p2l_map", source)
    step = record.get("step")
    is_integer = slots.dtype.kind in "iu"
    if (
        load.shape != slots.shape
        or not is_integer
        or load.shape != (shape or load.shape)
    ):
        raise FormatError(
            f"{source}: step {step}: expert_load {load.shape}, p2l_map {slots.shape} {slots.dtype}: "
            "expected one shape [MoE layers, slots] in all records, p2l_map in integers"
        )
    check_experts(slots, source)
    if slots.max() < 0:
        raise FormatError(
            f"{source}: step {step}: p2l_map says that all slots are empty"
        )
    is_empty = slots < 0
    if load[is_empty].any():
        raise FormatError(
            f"{source}: step {step}: load on a slot that p2l_map says is empty"
        )
    return load, slots


def _check_experts_said(records: list[Record], experts: int, source: str) -> None:
    """Raise `FormatError` if a record says another number of experts than the maps have."""
    said = {
        str(record["experts"])[:30]
        for record in records
        if record.get("experts") is not None
    }
    others = said - {str(experts)}
    if others:
        raise FormatError(
            f"{source}: {experts} experts in the maps, num_logical_experts is {others.pop()}"
        )


def _load_records(content: Any) -> list[Record]:
    """The records of loads, or snapshots in their form."""
    snapshots = _snapshots(content)
    if snapshots or not isinstance(content, Records):
        return snapshots
    return _of_type(content, LOADS)


def has_map(content: Any) -> bool:
    """Records of a map."""
    return isinstance(content, Records) and bool(_of_type(content, MAP))


def decode_map(content: Any, source: str) -> ExpertMap:
    """Layer ids are those of our own extra key, or unknown."""
    records = _of_type(content, MAP) if isinstance(content, Records) else []
    if len(records) != 1:
        raise FormatError(
            f"{source}: {len(records)} records of type {MAP!r}, expected one"
        )
    record = records[0]
    _check_version(record, source)
    phy2log, layers = assignments(record, source)
    if layers != tuple(range(len(layers))):
        raise FormatError(
            f"{source}: MoE layers {layers[:8]}..., expected 0..{len(layers) - 1}"
        )
    slots = phy2log.shape[1]
    redundant = record.get("num_redundant_experts")
    if not isinstance(redundant, int) or not 0 <= redundant < slots:
        raise FormatError(
            f"{source}: num_redundant_experts is {redundant!r} for {slots} slots"
        )
    ids = as_ids(record.get("layer_ids"), len(phy2log), source)
    return ExpertMap(phy2log, ids, slots - redundant)


def assignments(
    content: Mapping[str, Any], source: str
) -> tuple[Matrix, tuple[int, ...]]:
    """The table of ``initial_global_assignments``, which TensorRT-LLM has, too.

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
    if wrong or has_key_twice or not 0 <= min(rows) <= max(rows) < MOST_LAYERS:
        raise FormatError(
            f"{source}: keys of {ASSIGNMENTS} are no different layers: {(wrong or list(table))[:4]}"
        )
    return rows


def _is_layer(key: Any) -> bool:
    """Whether a key is an integer, also as text; True and False are none."""
    if type(key) is str:
        return LAYER.fullmatch(key) is not None
    return type(key) is int


def encode_map(expert_map: ExpertMap, path: Path) -> bytes:
    """One record; MoE layers are numbered in the order of their ids."""
    ids = expert_map.layer_ids or ()
    slots = expert_map.phy2log.shape[1]
    in_order = expert_map.phy2log[np.argsort(ids)]
    record: Record = {
        "record_type": MAP,
        "version": VERSION,
        "num_redundant_experts": slots - experts_of(expert_map),
        "num_slots": slots,
        ASSIGNMENTS: {str(i): row for i, row in enumerate(in_order.tolist())},
    }
    if sorted(ids) != list(range(len(ids))):
        record["layer_ids"] = sorted(ids)
    return json_bytes(record, indent=None)


def tells(content: Any, source: str) -> bool | None:
    """Whether records, of which nobody else has any, are a map; if not, all are loads.

    Raises
    ------
    FormatError
        There are both, or others.
    """
    if not isinstance(content, Records):
        return None
    if len(_snapshots(content)) == len(content):
        return False
    kinds = {_type_of(record) for record in content}
    if kinds not in ({LOADS}, {MAP}):
        types = ", ".join(sorted(kinds)[:4])
        raise FormatError(
            f"{source}: records of type {types}: expected all {LOADS!r}, or one {MAP!r}"
        )
    return kinds == {MAP}


def _snapshots(content: Any) -> list[Record]:
    """Snapshots in the form of records; none if there are other things, too."""
    snapshots = content
    experts = None
    if isinstance(content, Mapping):
        snapshots = content.get("snapshots", [content])
        experts = content.get("num_logical_experts")
    if not isinstance(snapshots, list):
        return []
    if not all(
        isinstance(snapshot, dict) and SNAPSHOT_LOAD in snapshot
        for snapshot in snapshots
    ):
        return []
    return [_as_record(snapshot, i, experts) for i, snapshot in enumerate(snapshots)]


def _as_record(snapshot: Record, number: int, experts: Any) -> Record:
    """A snapshot in the form of a record of loads."""
    return {
        "record_type": LOADS,
        "version": VERSION,
        "step": snapshot.get("step", number),
        "expert_load": snapshot[SNAPSHOT_LOAD],
        "p2l_map": snapshot.get(SNAPSHOT_MAP),
        "experts": snapshot.get("num_logical_experts", experts),
    }


def _type_of(record: Any) -> str:
    return str(record.get("record_type"))[:40] if isinstance(record, dict) else "None"


def _of_type(records: Records, kind: str) -> list[Record]:
    return [
        record
        for record in records
        if isinstance(record, dict) and record.get("record_type") == kind
    ]


def _check_version(record: Mapping[str, Any], source: str) -> None:
    version = record.get("version")
    if version != VERSION:
        raise FormatError(
            f"{source}: {record['record_type']} of version {version!r}, known is {VERSION}"
        )


def _matrix(record: Mapping[str, Any], key: str, source: str) -> Matrix:
    """An array of numbers [MoE layers, slots] of a record."""
    try:
        array = np.asarray(record.get(key))
    except ValueError as error:
        raise FormatError(f"{source}: {key} is not rectangular ({error})") from None
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iuf":
        raise FormatError(
            f"{source}: {key} of shape {array.shape}, expected numbers [MoE layers, slots]"
        )
    return array


FORMAT = Format(
    name="vllm",
    summary="vLLM: records of loads and of a map that are proposed for it (JSON lines), a fork's snapshots of loads",
    loads=Side(recognises=has_loads, reads=decode_loads),
    maps=Side(recognises=has_map, reads=decode_map, writes=encode_map),
    tells=tells,
    numbers_moe_layers=True,
)
