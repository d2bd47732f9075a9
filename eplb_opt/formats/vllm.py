"""vLLM: the JSON lines that it is proposed to record and to load (pull request 41141; vLLM 0.33.0 has neither).

Loads: records ``eplb_load_stats`` with ``step``, ``num_ranks``, ``expert_load`` [MoE layers, slots] and ``p2l_map``
of the same shape, since August 2026 behind one record ``eplb_load_meta``. Also ``snapshots`` that a fork dumps, in
one JSON or one a line: ``step``, ``window_expert_load`` and ``physical_to_logical_map`` of these shapes. Maps: one
record ``eplb_initial_mapping`` with ``initial_global_assignments`` {MoE layer: slots}. All number the MoE layers from
0: where absolute ids differ, our maps keep them in an extra key ``layer_ids``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .assignments import ASSIGNMENTS, assignments
from .files import as_ids, check_experts, rectangular
from .format import Format, Side
from .held import Loads
from .held_map import ExpertMap, experts_of
from .plain import json_bytes
from .slots import to_logical
from .text import Records
from .vllm_records import (
    LOADS,
    MAP,
    META,
    SNAPSHOT_LOAD,
    VERSION,
    Record,
    check_version,
    load_records,
    of_type,
    tells,
)

Matrix = npt.NDArray[Any]


def has_loads(content: Any) -> bool:
    """Records of loads, or snapshots of them."""
    return bool(load_records(content))


def decode_loads(content: Any, source: str) -> Loads:
    """Windows are records, labelled by step; layer ids are unknown."""
    records = load_records(content)
    if not records:
        raise FormatError(
            f"{source}: no record of type {LOADS!r}, and no snapshots with {SNAPSHOT_LOAD!r}"
        )
    _check_meta(content, records, source)
    physical, slots = _stacked(records, source)
    steps = tuple(str(record.get("step", i)) for i, record in enumerate(records))
    if len(set(steps)) != len(steps):
        raise FormatError(
            f"{source}: a step is recorded twice: give the records of one rank and one run"
        )
    load = to_logical(physical, slots)
    _check_experts_said(records, load.shape[2], source)
    return Loads(load, None, steps)


def _check_meta(content: Any, records: list[Record], source: str) -> None:
    """Raise `FormatError` if there are several first records, or one of other sizes."""
    found = of_type(content, META) if isinstance(content, Records) else []
    if len(found) > 1:
        raise FormatError(
            f"{source}: {len(found)} records of type {META!r}: give the records of one run"
        )
    for meta in found:
        check_version(meta, source)
        layers = len(_matrix(records[0], "expert_load", source))
        if meta.get("num_layers", layers) != layers:
            raise FormatError(
                f"{source}: {layers} layers, {META!r} says {str(meta['num_layers'])[:20]}"
            )


def _stacked(records: list[Record], source: str) -> tuple[Matrix, Matrix]:
    """Loads of slots and the experts in them of all records, both [records, MoE layers, slots]."""
    physical: list[Matrix] = []
    slots: list[Matrix] = []
    shape = None
    for record in records:
        load, slots_of_record = _load_and_slots(record, shape, source)
        shape = load.shape
        physical.append(load)
        slots.append(slots_of_record)
    return np.stack(physical), np.stack(slots)


def _load_and_slots(
    record: Record, shape: tuple[int, ...] | None, source: str
) -> tuple[Matrix, Matrix]:
    """Loads of slots and the experts in them, both [MoE layers, slots], of the shape of the records before."""
    check_version(record, source)
    load = _matrix(record, "expert_load", source)
    slots = _matrix(record, "p2l_map", source)
    place = f"{source}: step {record.get('step')}"
    is_integer = slots.dtype.kind in "iu"
    is_alike = load.shape == slots.shape and shape in (None, load.shape)
    if not is_integer or not is_alike:
        raise FormatError(
            f"{place}: expert_load {load.shape}, p2l_map {slots.shape} {slots.dtype}: "
            "expected one shape [MoE layers, slots] in all records, p2l_map in integers"
        )
    check_experts(slots, source)
    _check_empty_slots(load, slots, place)
    return load, slots


def _check_empty_slots(load: Matrix, slots: Matrix, place: str) -> None:
    """Raise `FormatError` if all slots are empty, or one has a load."""
    if slots.max() < 0:
        raise FormatError(f"{place}: p2l_map says that all slots are empty")
    if load[slots < 0].any():
        raise FormatError(f"{place}: load on a slot that p2l_map says is empty")


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


def has_map(content: Any) -> bool:
    """Records of a map."""
    return isinstance(content, Records) and bool(of_type(content, MAP))


def decode_map(content: Any, source: str) -> ExpertMap:
    """Layer ids are those of our own extra key, or unknown."""
    record = _map_record(content, source)
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


def _map_record(content: Any, source: str) -> Record:
    """The one record of a map."""
    records = of_type(content, MAP) if isinstance(content, Records) else []
    if len(records) != 1:
        raise FormatError(
            f"{source}: {len(records)} records of type {MAP!r}, expected one"
        )
    check_version(records[0], source)
    return records[0]


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


def _matrix(record: Mapping[str, Any], key: str, source: str) -> Matrix:
    """An array of numbers [MoE layers, slots] of a record."""
    array = rectangular(record.get(key), f"{key} is", source)
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
