"""vLLM with a plug-in of another vendor (HYGON-AI/vllm-plugin-das, read at commit 1114afb and in November 2026).

What its ``expert_map_record_path`` writes and its ``expert_map_path`` loads, JSON: ``version`` 2, ``format``,
``model_maps``, {class of the model: {``physical_to_logical_map``: a list of slots a MoE layer, with how many layers and
experts there are}}, with ``#pp_rank=N`` behind the class where pipeline stages have a map each. MoE layers are numbered
from 0. A record is a ``proposal``, or the ``initial`` map that the server began with.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import FormatError, FormatWarning
from .files import as_map
from .format import Format, Side
from .held_map import ExpertMap, experts_of, in_order_of_layers
from .plain import MAP_KEY, json_bytes

MODELS = "model_maps"
STAGE = re.compile(r"(.*)#pp_rank=([0-9]{1,4})")
PREDICTION = "mtp"  # in the name of a model of multi-token prediction
HEAD = {"version": 2, "format": "vllm_offline_eplb_physical_to_logical_by_model"}
PLANNED = "proposal"


def has_map(content: Any) -> bool:
    """Maps of models."""
    return isinstance(content, Mapping) and isinstance(content.get(MODELS), Mapping)


def decode_map(content: Any, source: str) -> ExpertMap:
    """Layer ids are unknown."""
    return ExpertMap(as_map(_of_model(content, source), source))


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


def refuses(expert_map: ExpertMap, path: Path) -> str | None:
    """Names of files that are no class of a model."""
    if path.stem.isidentifier():
        return None
    return (
        "its maps are by the class of the model, which is taken from the file's name: name it as the model's config "
        "does in 'architectures', such as DeepseekV3ForCausalLM.json"
    )


def encode_map(expert_map: ExpertMap, path: Path) -> bytes:
    """The map of one model, whose class is the file's name without its ending."""
    rows = in_order_of_layers(expert_map)
    layers, slots = rows.shape
    experts = experts_of(expert_map)
    entry = {
        "record_kind": PLANNED,
        "model_name": path.stem,
        "model_class": path.stem,
        "num_moe_layers": layers,
        "num_logical_experts": experts,
        "num_physical_experts": slots,
        "num_redundant_experts": slots - experts,
        MAP_KEY: rows.tolist(),
    }
    return json_bytes(HEAD | {MODELS: {path.stem: entry}}, indent=None)


FORMAT = Format(
    name="hygon",
    summary="vLLM: static maps of HYGON's plug-in (.json), of the model whose class is the file's name",
    maps=Side(recognises=has_map, reads=decode_map, writes=encode_map, refuses=refuses),
    numbers_moe_layers=True,
)
