"""plumb-moe: snapshots of its sessions and its reports (read in 0.1.0).

A snapshot (``/tmp/plumb/PID_snapshot.json``) has ``expert_counts``, ``{"layer:expert": count}``; a report has
``layers`` with ``layer_id`` and ``experts``. Each count is of the last so many calls of an expert, 5000 in a session
and 1000 in a script, so those of hot experts stop there. It counts the first two experts of a token where it is not
told otherwise.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import FormatError, FormatWarning
from .format import Format, Side
from .held import Loads
from .mappings import loads_by_layer

COUNTS = "expert_counts"
PLACE = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")
WINDOWS = (1000, 5000)  # what a count may reach
Counts = dict[int, dict[int, Any]]  # layer -> expert -> count


def has_loads(content: Any) -> bool:
    """A snapshot, or a report."""
    if not isinstance(content, Mapping):
        return False
    is_report = "layers" in content and "total_forward_passes" in content
    return COUNTS in content or is_report


def decode_loads(content: Any, source: str) -> Loads:
    """One window; layers that are 0, 1, 2 and so on may be those of the MoE layers only.

    Warns
    -----
    FormatWarning
        Counts stop at the length of a session's window.
    """
    counts = _of_snapshot(content, source) or _of_report(content, source)
    if not counts:
        raise FormatError(f"{source}: a session of plumb without counts")
    loads = loads_by_layer(counts, source)
    _warn_of_full(loads, source)
    return loads


def _of_snapshot(content: Any, source: str) -> Counts:
    """The counts of a snapshot; none of a report."""
    table = content.get(COUNTS, {})
    if not isinstance(table, Mapping):
        raise FormatError(f"{source}: {COUNTS} is no mapping of layer:expert")
    counts: Counts = {}
    for key, count in table.items():
        match = PLACE.fullmatch(str(key))
        if match is None:
            raise FormatError(f"{source}: {str(key)[:40]!r}, expected layer:expert")
        _add(counts, int(match[1]), int(match[2]), count, source)
    return counts


def _of_report(content: Any, source: str) -> Counts:
    """The counts of a report."""
    counts: Counts = {}
    for layer in content.get("layers", ()):
        for expert in layer["experts"]:
            place = (layer["layer_id"], expert["expert_id"])
            if not all(type(number) is int for number in place):
                raise FormatError(f"{source}: {str(place)[:40]} is no layer and expert")
            _add(counts, *place, expert["token_count"], source)
    return counts


def _add(counts: Counts, layer: int, expert: int, count: Any, source: str) -> None:
    row = counts.setdefault(layer, {})
    if expert in row:
        raise FormatError(f"{source}: expert {expert} of layer {layer} is there twice")
    row[expert] = count


def _warn_of_full(loads: Loads, source: str) -> None:
    top = loads.load.max()
    full = int(np.count_nonzero(loads.load == top))
    if top in WINDOWS and full > 1:
        warnings.warn(
            f"{source}: {full} counts stop at {int(top)}, the last calls that plumb keeps of an expert: hot experts "
            "have more than it says; record with another tool, or for a shorter time",
            FormatWarning,
            stacklevel=2,
        )


FORMAT = Format(
    name="plumb",
    summary="plumb-moe: snapshots of its sessions and its reports (.json)",
    loads=Side(recognises=has_loads, reads=decode_loads),
)
