"""vLLM: maps that a server is to begin with, as they are proposed (vLLM 0.33.0 loads none).

Pull request 49572 (``initial_expert_map_path``), JSON: a list of slots, one map for all MoE layers, or such a list
for each of them. A plug-in of another vendor (HYGON-AI/vllm-plugin-das at commit 1114afb): ``model_maps``, {model:
{``physical_to_logical_map``: a list a MoE layer}}, with ``#pp_rank=N`` behind the model's name where pipeline stages
have one each. All number the MoE layers from 0.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, FormatWarning
from .files import as_map
from .format import Format, Side
from .held_map import ExpertMap
from .plain import MAP_KEY, json_bytes

MODELS = "model_maps"
STAGE = re.compile(r"(.*)#pp_rank=([0-9]{1,4})")
PREDICTION = "mtp"  # in the name of a model of multi-token prediction


def has_map(content: Any) -> bool:
    """A flat list of slots, or maps of models; a list of lists is told from others by ``--input-format`` only."""
    if isinstance(content, Mapping):
        return isinstance(content.get(MODELS), Mapping)
    is_list = isinstance(content, list) and bool(content)
    return is_list and all(type(slot) is int for slot in content)


def decode_map(content: Any, source: str) -> ExpertMap:
    """Layer ids are unknown."""
    if isinstance(content, Mapping):
        return ExpertMap(as_map(_of_model(content, source), source))
    is_flat = has_map(content)
    phy2log = as_map([content] if is_flat else content, source)
    return ExpertMap(phy2log, default=phy2log[0] if is_flat else None)


def _of_model(content: Mapping[str, Any], source: str) -> list[Any]:
    """The rows of the one model that is not of multi-token prediction, stage by stage."""
    if not has_map(content):
        raise FormatError(f"{source}: no {MODELS!r} with maps of models")
    stages: dict[str, dict[int, Any]] = {}
    for key, value in content[MODELS].items():
        match = STAGE.fullmatch(str(key))
        model, stage = (match[1], int(match[2])) if match else (str(key), 0)
        stages.setdefault(model, {})[stage] = value
    model = _chosen(list(stages), source)
    rows: list[Any] = []
    for stage in sorted(stages[model]):
        if stage != 0 and stage - 1 not in stages[model]:
            raise FormatError(f"{source}: {model} without pipeline stage {stage - 1}")
        rows += _rows(stages[model][stage], f"{source}: {model}")
    return rows


def _chosen(models: list[str], source: str) -> str:
    """The model whose map is meant."""
    targets = [name for name in models if PREDICTION not in name.lower()]
    if len(targets) == 1 and len(models) > 1:
        left = ", ".join(name[:40] for name in models if name != targets[0])
        warnings.warn(
            f"{source}: the map of {targets[0][:40]} is taken, that of {left} left out",
            FormatWarning,
            stacklevel=4,
        )
    candidates = targets if len(models) > 1 else models
    if len(candidates) != 1:
        names = ", ".join(name[:40] for name in models[:4])
        raise FormatError(
            f"{source}: maps of {len(models)} models ({names}): keep one of them in the file"
        )
    return candidates[0]


def _rows(value: Any, source: str) -> list[Any]:
    """The rows of a model's map."""
    rows = value.get(MAP_KEY) if isinstance(value, Mapping) else None
    if not isinstance(rows, list):
        raise FormatError(f"{source} has no {MAP_KEY!r}")
    return rows


def encode_map(expert_map: ExpertMap, path: Path) -> bytes:
    """A list a MoE layer, in the order of the layers' ids."""
    in_order = expert_map.phy2log[np.argsort(expert_map.layer_ids or ())]
    return json_bytes(in_order.tolist(), indent=None)


FORMAT = Format(
    name="vllm-lists",
    summary="vLLM: maps that are proposed for it (.json), a list a layer or one for all; model_maps are read, too",
    maps=Side(recognises=has_map, reads=decode_map, writes=encode_map),
    numbers_moe_layers=True,
)
