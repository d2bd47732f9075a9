"""What a report claims, read strictly: every key is there, and every value is of its type.

Keys that are not listed here claim nothing that we know of; `unknown_keys` names them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..certificates.layer import MILESTONES
from ..certificates.registry import Certificate, read_certificate
from ..errors import FormatError
from ..problem.hierarchy import NodeSet
from ..problem.status import Status, StopReason
from ..strict import integer, number, shown, text

Fields = dict[str, Any]
Reader = Callable[[Any], Any]  # raises ValueError for a value of another type
Proof = tuple[NodeSet, Certificate]


def _at_least_0(value: Any) -> float:
    result = number(value)
    if result < 0:
        raise ValueError(f"{shown(value)}, expected a number >= 0")
    return result


def _positive(value: Any) -> int:
    result = integer(value)
    if result < 1:
        raise ValueError(f"{shown(value)}, expected a positive integer")
    return result


def _count(value: Any) -> int:
    result = integer(value)
    if result < 0:
        raise ValueError(f"{shown(value)}, expected an integer >= 0")
    return result


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)}, expected true or false")
    return value


def _gap(value: Any) -> float:
    """A gap; null is an infinite one."""
    return math.inf if value is None else _at_least_0(value)


def _seconds_or_none(value: Any) -> float | None:
    return None if value is None else _at_least_0(value)


def _status(value: Any) -> Status:
    return Status(text(value))


def _stop(value: Any) -> StopReason:
    return StopReason(text(value))


def _items(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{shown(value)}, expected a list")
    return list(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{shown(value)}, expected keys and values")
    return value


def _times(value: Any) -> tuple[float | None, ...]:
    """A time for each milestone, null where it was not reached."""
    times = tuple(_seconds_or_none(item) for item in _items(value))
    if len(times) != len(MILESTONES):
        raise ValueError(f"{len(times)} times, expected {len(MILESTONES)}")
    return times


def _proofs(value: Any) -> tuple[Proof, ...]:
    proofs = []
    for item in _items(value):
        data = _mapping(item)
        if "groups" not in data:
            raise ValueError("a proof without groups")
        groups = tuple(integer(group) for group in _items(data["groups"]))
        proofs.append((groups, read_certificate(data)))
    return tuple(proofs)


LAYER: dict[str, Reader] = {
    "layer_id": _count, "objective": _at_least_0, "lower_bound": _at_least_0, "gap": _gap, "imbalance": _at_least_0,
    "balancedness": _at_least_0, "status": _status, "stop": _stop, "method": text, "bound_method": text,
    "seconds": _at_least_0, "note": text, "reached": _times, "proofs": _proofs, "gap_limit": _at_least_0,
}  # fmt: skip
BOUND = ("layer_id", "objective", "lower_bound", "bound_method")  # what the least report of a layer has
MILESTONE: dict[str, Reader] = {"gap": _at_least_0, "layers": _count, "seconds": _seconds_or_none}
TOTALS: dict[str, Reader] = {
    "layers": _count, "optimal": _count, "imbalance_mean": _at_least_0, "imbalance_max": _at_least_0,
    "balancedness_mean": _at_least_0, "gap_mean": _gap, "gap_max": _gap, "seconds": _at_least_0,
    "compile_seconds": _at_least_0,
    "reached": lambda value: [read_fields(_mapping(item), MILESTONE, "reached") for item in _items(value)],
}  # fmt: skip
OPTIONAL = ("windows", "notes", "interrupted")  # what `Result.to_dict` does not say, but the command
HEAD: dict[str, Reader] = {
    "windows": text, "method": text, "mode": text, "num_replicas": _positive, "num_ranks": _positive,
    "num_nodes": _positive, "num_groups": _positive, "distinct": _boolean, "layers": _items, "totals": _mapping,
    "notes": lambda value: [text(item) for item in _items(value)], "interrupted": _boolean,
}  # fmt: skip


def read_fields(data: Any, fields: Mapping[str, Reader], where: str, required: tuple[str, ...] | None = None) -> Fields:
    """The known fields of a mapping.

    Parameters
    ----------
    data : mapping
        Of a report: anything that JSON may hold.
    fields : mapping from name to reader
    where : str
        What is read, for errors.
    required : tuple of str, optional
        Names that must be there; default: all.

    Raises
    ------
    FormatError
        A name is missing, or a value is of another type.
    """
    if not isinstance(data, Mapping):
        raise FormatError(f"{where}: {shown(data)}, expected keys and values")
    read = {}
    for name, reader in fields.items():
        if name in data:
            try:
                read[name] = reader(data[name])
            except ValueError as error:
                raise FormatError(f"{where}: {name!r}: {error}") from None
        elif required is None or name in required:
            raise FormatError(f"{where}: no {name!r}: give the report that 'eplb-opt solve --json' wrote")
    return read


def unknown_keys(data: Mapping[str, Any], fields: Mapping[str, Reader]) -> list[str]:
    """Keys that claim nothing that we know of."""
    return [shown(key) for key in data if key not in fields]
