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

from ..errors import FormatError
from .files import ExpertMap, Loads, as_ids, as_map, check_experts
from .layers import MOST_LAYERS
from .plain import json_bytes
from .sglang import to_logical
from .text import Records

LOADS, MAP, VERSION = "eplb_load_stats", "eplb_initial_mapping", 1
ASSIGNMENTS = "initial_global_assignments"
LAYER = re.compile("[0-9]{1,9}")
SNAPSHOT_LOAD, SNAPSHOT_MAP = "window_expert_load", "physical_to_logical_map"


def has_loads(content: Any) -> bool:
    """Records of loads, or snapshots of them."""
    return bool(_snapshots(content)) or (isinstance(content, Records) and bool(_of_type(content, LOADS)))


def loads(content: Any, source: str) -> Loads:
    """Windows are records, labelled by step; layer ids are unknown."""
    records = _snapshots(content) or (_of_type(content, LOADS) if isinstance(content, Records) else [])
    if not records:
        raise FormatError(f"{source}: no record of type {LOADS!r}, and no snapshots with {SNAPSHOT_LOAD!r}")
    physical: list[Any] = []
    slots: list[Any] = []
    for record in records:
        _check_version(record, source)
        load, found = _matrix(record, "expert_load", source), _matrix(record, "p2l_map", source)
        if load.shape != found.shape or found.dtype.kind not in "iu" or load.shape != (physical or [load])[0].shape:
            raise FormatError(
                f"{source}: step {record.get('step')}: expert_load {load.shape}, p2l_map {found.shape} {found.dtype}: "
                "expected one shape [MoE layers, slots] in all records, p2l_map in integers"
            )
        check_experts(found, source)
        if found.max() < 0:
            raise FormatError(f"{source}: step {record.get('step')}: p2l_map says that all slots are empty")
        if (load[found < 0] != 0).any():
            raise FormatError(f"{source}: step {record.get('step')}: load on a slot that p2l_map says is empty")
        physical.append(load)
        slots.append(found)
    steps = tuple(str(record.get("step", i)) for i, record in enumerate(records))
    if len(set(steps)) != len(steps):
        raise FormatError(f"{source}: a step is recorded twice: give the records of one rank and one run")
    load = to_logical(np.stack(physical), np.stack(slots))
    said = {str(record["experts"])[:30] for record in records if record.get("experts") is not None}
    if said - {str(load.shape[2])}:
        raise FormatError(f"{source}: {load.shape[2]} experts in the maps, num_logical_experts is {said.pop()}")
    return Loads(load, None, steps)


def has_map(content: Any) -> bool:
    """Records of a map."""
    return isinstance(content, Records) and bool(_of_type(content, MAP))


def expert_map(content: Any, source: str) -> ExpertMap:
    """Layer ids are those of our own extra key, or unknown."""
    records = _of_type(content, MAP) if isinstance(content, Records) else []
    if len(records) != 1:
        raise FormatError(f"{source}: {len(records)} records of type {MAP!r}, expected one")
    record = records[0]
    _check_version(record, source)
    array, keys = assignments(record, source)
    if keys != tuple(range(len(keys))):
        raise FormatError(f"{source}: MoE layers {keys[:8]}..., expected 0..{len(keys) - 1}")
    redundant = record.get("num_redundant_experts")
    if not isinstance(redundant, int) or not 0 <= redundant < array.shape[1]:
        raise FormatError(f"{source}: num_redundant_experts is {redundant!r} for {array.shape[1]} slots")
    return ExpertMap(array, as_ids(record.get("layer_ids"), len(array), source), array.shape[1] - redundant)


def assignments(content: Mapping[str, Any], source: str) -> tuple[Any, tuple[int, ...]]:
    """Rows of ``initial_global_assignments``, checked against ``num_slots``, and their keys in ascending order."""
    table = content.get(ASSIGNMENTS)
    if not isinstance(table, Mapping) or not table:
        raise FormatError(f"{source}: no {ASSIGNMENTS!r} {{layer: slots}}")
    wrong = [key for key in table if not (type(key) is int or (type(key) is str and LAYER.fullmatch(key)))]
    rows = {} if wrong else {int(key): row for key, row in table.items()}
    if wrong or len(rows) < len(table) or not 0 <= min(rows) <= max(rows) < MOST_LAYERS:
        raise FormatError(f"{source}: keys of {ASSIGNMENTS} are no different layers: {(wrong or list(table))[:4]}")
    keys = tuple(sorted(rows))
    array = as_map([rows[key] for key in keys], source)
    if content.get("num_slots") != array.shape[1]:
        raise FormatError(
            f"{source}: num_slots is {content.get('num_slots')!r}, but layers have {array.shape[1]} slots"
        )
    return array, keys


def encode(found: ExpertMap, path: Path) -> bytes:
    """One record; MoE layers are numbered in the order of their ids."""
    experts = found.num_experts or int(found.phy2log.max()) + 1
    ids = found.layer_ids or ()
    order = np.argsort(ids)
    record: dict[str, Any] = {
        "record_type": MAP,
        "version": VERSION,
        "num_redundant_experts": found.phy2log.shape[1] - experts,
        "num_slots": found.phy2log.shape[1],
        ASSIGNMENTS: {str(i): found.phy2log[row].tolist() for i, row in enumerate(order)},
    }
    if sorted(ids) != list(range(len(ids))):
        record["layer_ids"] = sorted(ids)
    return json_bytes(record, indent=None)


def only_maps(records: Records, source: str) -> bool:
    """Whether all records are maps; if not, all are loads.

    Raises
    ------
    FormatError
        There are both, or others.
    """
    if len(_snapshots(records)) == len(records):
        return False
    kinds = {str(record.get("record_type"))[:40] if isinstance(record, dict) else "None" for record in records}
    if len(kinds) != 1 or not kinds <= {LOADS, MAP}:
        found = ", ".join(sorted(kinds)[:4])
        raise FormatError(f"{source}: records of type {found}: expected all {LOADS!r}, or one {MAP!r}")
    return kinds == {MAP}


def _snapshots(content: Any) -> list[dict[str, Any]]:
    """Snapshots in the form of records; none if there are other things, too."""
    found = content.get("snapshots", [content]) if isinstance(content, Mapping) else content
    if not isinstance(found, list) or not all(isinstance(item, dict) and SNAPSHOT_LOAD in item for item in found):
        return []
    experts = content.get("num_logical_experts") if isinstance(content, Mapping) else None
    return [
        {
            "record_type": LOADS,
            "version": VERSION,
            "step": item.get("step", i),
            "expert_load": item[SNAPSHOT_LOAD],
            "p2l_map": item.get(SNAPSHOT_MAP),
            "experts": item.get("num_logical_experts", experts),
        }
        for i, item in enumerate(found)
    ]


def _of_type(records: Records, kind: str) -> list[dict[str, Any]]:
    return [record for record in records if isinstance(record, dict) and record.get("record_type") == kind]


def _check_version(record: Mapping[str, Any], source: str) -> None:
    if record.get("version") != VERSION:
        raise FormatError(f"{source}: {record['record_type']} of version {record.get('version')!r}, known is {VERSION}")


def _matrix(record: Mapping[str, Any], key: str, source: str) -> Any:
    try:
        array = np.asarray(record.get(key))
    except ValueError as error:
        raise FormatError(f"{source}: {key} is not rectangular ({error})") from None
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iuf":
        raise FormatError(f"{source}: {key} of shape {array.shape}, expected numbers [MoE layers, slots]")
    return array
