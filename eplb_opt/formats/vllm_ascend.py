"""vllm-ascend: the JSON of ``expert_map_path`` (read in its ``eplb_utils.py``, August 2026).

``{"moe_layer_count", "layer_list": [{"layer_id", "device_count", "device_list": [{"device_id", "device_expert"}]}]}``.
The engine takes layers and devices by position and ignores the ids; its own recorder numbers MoE layers 0, 1, ... We
write absolute layer ids into ``layer_id``. Two replicas of one expert on a device cannot be said: the engine maps
(device, expert) to one slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .files import as_map
from .format import Format, Need, Side
from .held_map import ExpertMap
from .plain import json_bytes


def has_map(content: Any) -> bool:
    """The engine's two keys."""
    return (
        isinstance(content, Mapping)
        and "moe_layer_count" in content
        and "layer_list" in content
    )


def decode_map(content: Any, source: str) -> ExpertMap:
    """Layer ids 0, 1, ... may be absolute or not: they are taken as unknown."""
    listed = _listed(content, source)
    layers = listed.layers
    count = content["moe_layer_count"]
    if not layers or count != len(layers):
        raise FormatError(
            f"{source}: moe_layer_count is {count!r} for {len(layers)} layers"
        )
    if len(listed.device_counts) != 1 or len(listed.sizes) != 1:
        raise FormatError(
            f"{source}: layers or devices of different sizes: only equal ones are a map of slots"
        )
    phy2log = as_map([_joined(devices) for devices in layers], source)
    num_ranks = listed.device_counts.pop()
    ids = tuple(listed.ids)
    is_by_position = ids == tuple(range(len(ids)))
    return ExpertMap(phy2log, None if is_by_position else ids, num_ranks=num_ranks)


def _listed(content: Any, source: str) -> _Listed:
    """The list of layers, read."""
    if not has_map(content):
        raise FormatError(f"{source}: no 'moe_layer_count' and 'layer_list'")
    try:
        return _Listed(content["layer_list"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(
            f"{source}: a layer or device that cannot be read ({error!r})"
        ) from None


class _Listed:
    """What the list of layers says; raises whatever a list of another form makes it raise."""

    def __init__(self, layer_list: Any) -> None:
        self.layers: list[list[Any]] = []  # layer -> device -> experts
        self.ids: list[int] = []
        self.device_counts: set[int] = set()  # said, and there
        for layer in layer_list:
            devices = [device["device_expert"] for device in layer["device_list"]]
            self.layers.append(devices)
            self.ids.append(int(layer["layer_id"]))
            self.device_counts |= {int(layer["device_count"]), len(devices)}
        self.sizes = {len(experts) for devices in self.layers for experts in devices}


def _joined(devices: list[Any]) -> list[Any]:
    """The experts of all devices of a layer, in one row."""
    return [expert for experts in devices for expert in experts]


def refuses(expert_map: ExpertMap, path: Path) -> str | None:
    """Names that the engine would not read, and an expert that is on a device twice."""
    if path.suffix != ".json":
        return "vllm-ascend reads a map only from a file that ends in .json"
    if expert_map.num_ranks is None:
        return None
    in_order = np.sort(_by_device(expert_map), axis=2)
    # Sorted, the same expert twice is in two slots side by side.
    has_twice = (np.diff(in_order, axis=2) == 0).any(axis=2)
    if not has_twice.any():
        return None
    row, device = np.argwhere(has_twice)[0]
    layer = (expert_map.layer_ids or ())[row]
    return (
        f"layer {layer}, device {device} holds an expert twice, which vllm-ascend cannot load: solve with "
        f"{Need.DISTINCT.value}"
    )


def _by_device(expert_map: ExpertMap) -> npt.NDArray[Any]:
    """The map [layers, devices, slots of a device]."""
    phy2log = expert_map.phy2log
    return phy2log.reshape(len(phy2log), expert_map.num_ranks or 1, -1)


def encode_map(expert_map: ExpertMap, path: Path) -> bytes:
    """Layers in the order of their ids."""
    ids = expert_map.layer_ids or ()
    by_device = _by_device(expert_map).tolist()
    layers = [_layer(int(ids[row]), by_device[row]) for row in np.argsort(ids)]
    return json_bytes(
        {"moe_layer_count": len(layers), "layer_list": layers}, indent=None
    )


def _layer(layer_id: int, devices: list[list[int]]) -> dict[str, Any]:
    """A layer as the engine has it, of the experts on each device."""
    entries = []
    for device, experts in enumerate(devices):
        entry = {"device_id": device, "device_expert": experts}
        entries.append(entry)
    return {"layer_id": layer_id, "device_count": len(devices), "device_list": entries}


FORMAT = Format(
    name="vllm-ascend",
    summary="vllm-ascend: the map of expert_map_path (.json)",
    maps=Side(recognises=has_map, reads=decode_map, writes=encode_map, refuses=refuses),
    needs=frozenset({Need.RANKS, Need.DISTINCT}),
)
