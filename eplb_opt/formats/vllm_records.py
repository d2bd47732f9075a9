"""vLLM's records of loads and of a map, and a fork's snapshots in their form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FormatError
from .text import Records

META = "eplb_load_meta"  # what the pull request writes first since it plans from loads
LOADS = "eplb_load_stats"
MAP = "eplb_initial_mapping"
VERSION = 1
SNAPSHOT_LOAD = "window_expert_load"
SNAPSHOT_MAP = "physical_to_logical_map"
Record = dict[str, Any]


def load_records(content: Any) -> list[Record]:
    """The records of loads, or snapshots in their form."""
    snapshots = _snapshots(content)
    if snapshots or not isinstance(content, Records):
        return snapshots
    records = of_type(content, LOADS)
    meta = of_type(content, META)
    if len(meta) != 1:
        return records
    return [record | {"experts": _experts(record, meta[0])} for record in records]


def _experts(record: Record, meta: Record) -> Any:
    """Experts that the first record says, by the slots of another; None: it does not say."""
    redundant = meta.get("num_redundant_experts")
    slots = record.get("p2l_map")
    first = slots[0] if isinstance(slots, list) and slots else None
    if type(redundant) is not int or not isinstance(first, list):
        return None
    return len(first) - redundant


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


def of_type(records: Records, kind: str) -> list[Record]:
    """The records of this type."""
    return [
        record
        for record in records
        if isinstance(record, dict) and record.get("record_type") == kind
    ]


def check_version(record: Mapping[str, Any], source: str) -> None:
    """Raise `FormatError` if a record is of a version that was never read."""
    version = record.get("version")
    if version != VERSION:
        raise FormatError(
            f"{source}: {record['record_type']} of version {version!r}, known is {VERSION}"
        )


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
    if kinds == {"None"}:
        return None
    if kinds not in ({LOADS}, {META, LOADS}, {MAP}):
        types = ", ".join(sorted(kinds)[:4])
        raise FormatError(
            f"{source}: records of type {types}: expected all {LOADS!r}, or one {MAP!r}"
        )
    return kinds == {MAP}
