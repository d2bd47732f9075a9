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

from ..errors import FormatError
from .files import ExpertMap, as_map
from .plain import json_bytes


def has_map(content: Any) -> bool:
    """The engine's two keys."""
    return isinstance(content, Mapping) and "moe_layer_count" in content and "layer_list" in content


def expert_map(content: Any, source: str) -> ExpertMap:
    """Layer ids 0, 1, ... may be absolute or not: they are taken as unknown."""
    if not has_map(content):
        raise FormatError(f"{source}: no 'moe_layer_count' and 'layer_list'")
    try:
        layers = [[device["device_expert"] for device in layer["device_list"]] for layer in content["layer_list"]]
        ids = tuple(int(layer["layer_id"]) for layer in content["layer_list"])
        counts = {int(layer["device_count"]) for layer in content["layer_list"]} | {len(layer) for layer in layers}
        sizes = {len(device) for layer in layers for device in layer}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{source}: a layer or device that cannot be read ({error!r})") from None
    if not layers or content["moe_layer_count"] != len(layers):
        raise FormatError(f"{source}: moe_layer_count is {content['moe_layer_count']!r} for {len(layers)} layers")
    if len(counts) != 1 or len(sizes) != 1:
        raise FormatError(f"{source}: layers or devices of different sizes: only equal ones are a map of slots")
    array = as_map([[expert for device in layer for expert in device] for layer in layers], source)
    return ExpertMap(array, None if ids == tuple(range(len(ids))) else ids, num_ranks=counts.pop())


def encode(found: ExpertMap, path: Path) -> bytes:
    """Layers in the order of their ids.

    Raises
    ------
    FormatError
        The number of ranks is unknown, a device would hold an expert twice, or the name does not end in .json.
    """
    if path.suffix != ".json":
        raise FormatError(f"{path}: vllm-ascend reads a map only from a file that ends in .json")
    slots = found.phy2log.shape[1]
    if found.num_ranks is None or slots % found.num_ranks:
        raise FormatError(f"{path}: this format lists devices: use --ranks with a divisor of {slots} slots")
    order = np.argsort(found.layer_ids or ())
    devices = found.phy2log.reshape(len(found.phy2log), found.num_ranks, -1)
    ordered = np.sort(devices, axis=2)
    twice = np.argwhere((ordered[:, :, 1:] == ordered[:, :, :-1]).any(axis=2))
    if len(twice):
        layer, device = twice[0]
        raise FormatError(
            f"{path}: layer {(found.layer_ids or ())[layer]}, device {device} holds an expert twice, which vllm-ascend "
            "cannot load: solve with --distinct"
        )
    layers = [
        {
            "layer_id": int((found.layer_ids or ())[row]),
            "device_count": found.num_ranks,
            "device_list": [
                {"device_id": device, "device_expert": experts} for device, experts in enumerate(devices[row].tolist())
            ],
        }
        for row in order
    ]
    return json_bytes({"moe_layer_count": len(layers), "layer_list": layers}, indent=None)
