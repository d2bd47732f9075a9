"""TensorRT-LLM: what its ``ExpertStatistic`` dumps, and the load balancer's YAML (read in its main branch, 2026).

Loads: a folder with ``meta_info.json`` and ``rank{r}.safetensors``, keys ``"{iteration}_{layer}"`` -> counts [experts];
ranks add up, ``*_raw`` files are no counts. Maps: ``num_slots``, ``initial_global_assignments`` {absolute layer: slots}
and ``layer_updates_per_iter: 0`` (static). The engine refuses other keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .arrays import read_safetensors
from .content import read_content
from .files import ExpertMap, Loads, complete
from .table_loads import check_all_ranks
from .vllm import ASSIGNMENTS, assignments

META, UPDATES = "meta_info.json", "layer_updates_per_iter"
KEY = re.compile(r"([0-9]{1,18})_([0-9]{1,9})")
Counts = dict[tuple[int, int], npt.NDArray[Any]]


def has_loads(content: Any) -> bool:
    """A folder with the two kinds of files."""
    return isinstance(content, Path) and ((content / META).exists() or any(content.glob("rank*.safetensors")))


def loads(content: Any, source: str) -> Loads:
    """Windows are iterations; layer ids are absolute."""
    if not isinstance(content, Path):
        raise FormatError(f"{source}: a file, expected the folder with {META} and rank*.safetensors")
    meta = read_content(content / META)
    experts = meta.get("num_experts") if isinstance(meta, Mapping) else None
    if type(experts) is not int or experts < 1:
        raise FormatError(f"{content / META}: num_experts is {experts!r}, expected a positive integer")
    files = sorted(path for path in content.glob("rank*.safetensors") if re.fullmatch(r"rank\d+", path.stem))
    if not files:
        raise FormatError(f"{source}: no rank*.safetensors in the folder")
    check_all_ranks([int(path.stem[4:]) for path in files], source)
    counts: Counts = {}
    ranks: dict[int, set[tuple[str, int]]] = {}
    for path in files:
        for key, found in _counts(path, experts):
            counts[key] = counts[key] + found if key in counts else found
            ranks.setdefault(key[0], set()).add((path.stem, key[1]))
    layers, iterations = sorted({key[1] for key in counts}), complete(ranks, "iteration", source)
    load = np.stack([np.stack([counts[i, layer] for layer in layers]) for i in iterations])
    return Loads(load, tuple(layers), tuple(map(str, iterations)))


def _counts(path: Path, experts: int) -> list[tuple[tuple[int, int], npt.NDArray[Any]]]:
    result = []
    for key, found in read_safetensors(path).items():
        match = KEY.fullmatch(key)
        if not match:
            raise FormatError(f"{path}: key {key!r}, expected iteration_layer")
        if found.shape != (experts,) or found.dtype.kind not in "iu":
            raise FormatError(
                f"{path}: {key} of shape {found.shape} and dtype {found.dtype}, expected {experts} integers ({META})"
            )
        result.append(((int(match[1]), int(match[2])), found.astype(np.int64)))
    if not result:
        raise FormatError(f"{path}: nothing recorded")
    return result


def has_map(content: Any) -> bool:
    """The table of assignments, outside of a vLLM record."""
    return isinstance(content, Mapping) and ASSIGNMENTS in content


def expert_map(content: Any, source: str) -> ExpertMap:
    """Layer ids are absolute."""
    if not has_map(content):
        raise FormatError(f"{source}: no {ASSIGNMENTS!r}")
    unknown = set(content) - {"num_slots", ASSIGNMENTS, UPDATES}
    if unknown:
        raise FormatError(f"{source}: unknown key {sorted(map(str, unknown))[0]!r}: TensorRT-LLM refuses it, too")
    if content.get(UPDATES) != 0:
        raise FormatError(f"{source}: {UPDATES} is {content.get(UPDATES)!r}, expected 0: a static map, whole")
    return ExpertMap(*assignments(content, source))


def encode(found: ExpertMap, path: Path) -> bytes:
    """The load balancer's own YAML file, named by ``moe_config.load_balancer``."""
    import yaml

    table = {layer: row.tolist() for layer, row in sorted(zip(found.layer_ids or (), found.phy2log, strict=True))}
    content = {"num_slots": found.phy2log.shape[1], ASSIGNMENTS: table, UPDATES: 0}
    return str(yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=1 << 20)).encode()
