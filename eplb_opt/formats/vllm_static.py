"""vLLM: maps that a server is to begin with, as they are proposed (vLLM 0.33.0 loads none).

Pull request 49572 (``initial_expert_map_path``), JSON: a list of slots, one map for all MoE layers, or such a list
for each of them. MoE layers are numbered from 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .files import as_map
from .format import Format, Side
from .held_map import ExpertMap, in_order_of_layers
from .plain import json_bytes


def has_map(content: Any) -> bool:
    """A flat list of slots; a list of lists is told from others by ``--input-format`` only."""
    is_list = isinstance(content, list) and bool(content)
    return is_list and all(type(slot) is int for slot in content)


def decode_map(content: Any, source: str) -> ExpertMap:
    """Layer ids are unknown."""
    is_flat = has_map(content)
    phy2log = as_map([content] if is_flat else content, source)
    return ExpertMap(phy2log, default=phy2log[0] if is_flat else None)


def encode_map(expert_map: ExpertMap, path: Path) -> bytes:
    """A list a MoE layer, in the order of the layers' ids."""
    return json_bytes(in_order_of_layers(expert_map).tolist(), indent=None)


FORMAT = Format(
    name="vllm-lists",
    summary="vLLM: maps that are proposed for it (.json), a list a layer or one for all",
    maps=Side(recognises=has_map, reads=decode_map, writes=encode_map),
    numbers_moe_layers=True,
)
