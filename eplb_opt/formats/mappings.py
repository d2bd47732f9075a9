"""Loads by layer: a mapping {layer: counts}, whose counts are a list or again a mapping {expert: count}.

MindSpeed-RL writes one (``{"0": {"0": 123}}``), and so do people from hooks of their own. Layers are numbers, or
names with a number behind ``layers`` or the like. Numbers that are 0, 1, 2 and so on may be those of the MoE layers
only: what they are is not known then, and ``--layers`` says it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .held import MOST_EXPERTS, Loads
from .layers import MOST_LAYERS, check_ids
from .reading import OversizeError, check_unpacked

NUMBER = re.compile(r"[0-9]{1,9}")
NAMED = re.compile(
    r"(?:.*[._/])?(?:layers?|blocks?|blk|h|l)[._ \-]?([0-9]{1,5})(?:[._/][a-z_.]*)?",
    re.IGNORECASE,
)
Row = npt.NDArray[Any]


def is_by_layer(content: Any) -> bool:
    """Whether all keys are layers."""
    if not isinstance(content, Mapping) or not content:
        return False
    return all(_layer_of(key) is not None for key in content)


def loads_by_layer(content: Mapping[Any, Any], source: str) -> Loads:
    """One window of loads, layers in ascending order.

    Raises
    ------
    FormatError
        A layer is there twice, an expert is none, or rows differ in length.
    """
    rows: dict[int, Any] = {}
    for key, row in content.items():
        layer = _layer_of(key)
        if layer is None or layer in rows:
            raise FormatError(
                f"{source}: {str(key)[:40]!r} is no layer, or is there twice"
            )
        rows[layer] = row
    ids = tuple(sorted(rows))
    check_ids(ids, None, source)
    load = as_matrix([rows[layer] for layer in ids], source)
    is_known = _are_known(content, ids)
    return Loads(load[None], ids if is_known else None, ("0",))


def _are_known(content: Mapping[Any, Any], ids: tuple[int, ...]) -> bool:
    """Whether the numbers of layers are absolute: they have a name, or do not begin at 0 and go on one by one."""
    has_names = any(not _is_number(key) for key in content)
    return has_names or ids != tuple(range(len(ids)))


def as_matrix(rows: list[Any], source: str) -> Row:
    """Loads [layers, experts] of rows that are lists, arrays or mappings {expert: count}."""
    counts = [_counts(row, source) for row in rows]
    width = max(max(row, default=-1) for row in counts) + 1
    lengths = {
        len(row) for row, whole in zip(counts, rows, strict=True) if not _is_map(whole)
    }
    if len(lengths) > 1:
        raise FormatError(
            f"{source}: layers of {min(lengths)} and of {max(lengths)} experts, expected one number of experts"
        )
    if not width:
        raise FormatError(f"{source}: layers without experts")
    _check_size(len(rows), width, source)
    values = [value for row in counts for value in row.values()]
    dtype = np.float64 if any(isinstance(v, float) for v in values) else np.int64
    load = np.zeros((len(rows), width), dtype=dtype)
    for layer, row in enumerate(counts):
        load[layer, list(row)] = list(row.values())
    return load


def _counts(row: Any, source: str) -> dict[int, Any]:
    """Counts by expert."""
    if _is_map(row):
        found = {_expert_of(key, source): value for key, value in row.items()}
        if len(found) < len(row):
            raise FormatError(f"{source}: an expert is there twice in a layer")
    elif isinstance(row, list):
        found = dict(enumerate(row))
    else:
        array = np.asarray(row)
        if array.ndim != 1 or array.dtype.kind not in "iuf":
            raise FormatError(
                f"{source}: counts of a layer of shape {array.shape} and dtype {array.dtype}, expected numbers, one an "
                "expert"
            )
        found = dict(enumerate(array.tolist()))
    wrong = [value for value in found.values() if type(value) not in (int, float)]
    if wrong:
        raise FormatError(f"{source}: count {str(wrong[0])[:40]!r} is no number")
    return found


def _is_map(row: Any) -> bool:
    return isinstance(row, Mapping)


def _layer_of(key: Any) -> int | None:
    """The layer that a key names; None: it names none."""
    if type(key) is int:
        return key if 0 <= key < MOST_LAYERS else None
    if not isinstance(key, str):
        return None
    match = NAMED.fullmatch(key)
    if _is_number(key):
        return int(key)
    return None if match is None else int(match[1])


def _is_number(key: Any) -> bool:
    return type(key) is int or NUMBER.fullmatch(str(key)) is not None


def _expert_of(key: Any, source: str) -> int:
    """The expert that a key names: a number, or one behind ``expert``."""
    text = str(key).lower().removeprefix("expert").lstrip("_. ")
    if not NUMBER.fullmatch(text) or int(text) >= MOST_EXPERTS:
        raise FormatError(f"{source}: {str(key)[:40]!r} is no expert")
    return int(text)


def _check_size(layers: int, experts: int, source: str) -> None:
    try:
        check_unpacked(layers * experts * 8)
    except OversizeError as error:
        raise FormatError(f"{source}: {error}") from None
