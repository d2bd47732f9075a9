"""TensorRT-LLM: what its ``ExpertStatistic`` dumps, and the load balancer's YAML (read in its main branch, 2026).

Loads: a folder with ``meta_info.json`` and ``rank{r}.safetensors``, keys ``"{iteration}_{layer}"`` -> counts
[experts]; ranks add up, ``*_raw`` files are no counts. Maps: ``num_slots``, ``initial_global_assignments`` {absolute
layer: slots} and ``layer_updates_per_iter``, 0 (the default, static) or how many layers change in an iteration: of
such a map only the first one is in the file. The engine refuses other keys. Also options of the engine with these
under ``load_balancer`` of ``moe_config``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning
from .arrays import read_safetensors
from .assignments import ASSIGNMENTS, assignments
from .content import read_content
from .files import complete
from .format import Format, Side
from .held import Loads
from .held_map import ExpertMap
from .table_loads import check_all_ranks

META = "meta_info.json"
UPDATES = "layer_updates_per_iter"
CONFIG = "moe_config"
BALANCER = "load_balancer"
FILES = "rank*.safetensors"
RANK = re.compile(r"rank(\d+)")  # of a file's stem; not of rank0_raw
KEY = re.compile(r"(?P<iteration>[0-9]{1,18})_(?P<layer>[0-9]{1,9})")
Place = tuple[int, int]  # iteration and layer
Counts = dict[Place, npt.NDArray[Any]]


def has_loads(content: Any) -> bool:
    """A folder with the two kinds of files."""
    if not isinstance(content, Path):
        return False
    has_meta = (content / META).exists()
    return has_meta or any(content.glob(FILES))


def decode_loads(content: Any, source: str) -> Loads:
    """Windows are iterations; layer ids are absolute."""
    if not isinstance(content, Path):
        raise FormatError(
            f"{source}: a file, expected the folder with {META} and {FILES}"
        )
    experts = _experts(content / META)
    counts, recorded = _sum_of_ranks(_files(content, source), experts)
    layers = sorted({layer for _, layer in counts})
    iterations = complete(recorded, "iteration", source)
    rows = [counts[i, layer] for i in iterations for layer in layers]
    load = np.stack(rows).reshape(len(iterations), len(layers), experts)
    labels = tuple(str(i) for i in iterations)
    return Loads(load, tuple(layers), labels)


def _sum_of_ranks(
    files: list[Path], experts: int
) -> tuple[Counts, dict[int, set[tuple[str, int]]]]:
    """The counts of all ranks together; and of each iteration the ranks and layers that are there."""
    counts: Counts = {}
    recorded: dict[int, set[tuple[str, int]]] = {}
    for path in files:
        for place, count in _counts(path, experts).items():
            _add(counts, place, count)
            iteration, layer = place
            recorded.setdefault(iteration, set()).add((path.stem, layer))
    return counts, recorded


def _experts(path: Path) -> int:
    """The number of experts, of the file that says it."""
    meta = read_content(path)
    experts = meta.get("num_experts") if isinstance(meta, Mapping) else None
    if type(experts) is not int or experts < 1:
        raise FormatError(
            f"{path}: num_experts is {experts!r}, expected a positive integer"
        )
    return experts


def _files(folder: Path, source: str) -> list[Path]:
    """The ranks' files, one each."""
    files = []
    ranks = []
    for path in sorted(folder.glob(FILES)):
        match = RANK.fullmatch(path.stem)
        if match:
            files.append(path)
            ranks.append(int(match[1]))
    if not files:
        raise FormatError(f"{source}: no {FILES} in the folder")
    check_all_ranks(ranks, source)
    return files


def _counts(path: Path, experts: int) -> Counts:
    """The counts of a rank's file."""
    counts: Counts = {}
    # The library's order differs from call to call.
    for key, count in sorted(read_safetensors(path).items()):
        match = KEY.fullmatch(key)
        if not match:
            raise FormatError(f"{path}: key {key!r}, expected iteration_layer")
        if count.shape != (experts,) or count.dtype.kind not in "iu":
            raise FormatError(
                f"{path}: {key} of shape {count.shape} and dtype {count.dtype}, expected {experts} integers ({META})"
            )
        place = (int(match["iteration"]), int(match["layer"]))
        _add(counts, place, count.astype(np.int64))  # "1_3" and "01_3" are one place
    if not counts:
        raise FormatError(f"{path}: nothing recorded")
    return counts


def _add(counts: Counts, place: Place, count: npt.NDArray[Any]) -> None:
    if place in counts:
        count = counts[place] + count
    counts[place] = count


def has_map(content: Any) -> bool:
    """The table of assignments, outside of a vLLM record, or options of the engine that hold one."""
    if not isinstance(content, Mapping):
        return False
    return ASSIGNMENTS in content or BALANCER in _moe_config(content)


def _moe_config(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """What options of the engine say of MoE layers."""
    config = content.get(CONFIG)
    return config if isinstance(config, Mapping) else {}


def _balancer(content: Any, source: str) -> Mapping[str, Any]:
    """The load balancer's own keys."""
    if not has_map(content):
        raise FormatError(f"{source}: no {ASSIGNMENTS!r}")
    if ASSIGNMENTS in content:
        return dict(content)
    inner = _moe_config(content)[BALANCER]
    if not isinstance(inner, Mapping):
        raise FormatError(
            f"{source}: {CONFIG} names the file of the map, {str(inner)[:60]!r}: give that file"
        )
    return inner


def decode_map(content: Any, source: str) -> ExpertMap:
    """Layer ids are absolute.

    Warns
    -----
    FormatWarning
        The engine changes the map as it runs.
    """
    content = _balancer(content, source)
    unknown = set(content) - {"num_slots", ASSIGNMENTS, UPDATES}
    if unknown:
        key = min(str(key) for key in unknown)
        raise FormatError(
            f"{source}: unknown key {key!r}: TensorRT-LLM refuses it, too"
        )
    phy2log, layers = assignments(content, source)
    _check_updates(content.get(UPDATES), len(layers), source)
    return ExpertMap(phy2log, layers)


def _check_updates(updates: Any, layers: int, source: str) -> None:
    """Warn of a map that changes, or may be cut off; raise `FormatError` for what is no number of layers."""
    if updates is None:
        warnings.warn(
            f"{source}: no {UPDATES}, which means 0: a static map; as nothing follows its {layers} layers, see that "
            "these are all",
            FormatWarning,
            stacklevel=3,
        )
        return
    if type(updates) is not int or updates < 0:
        raise FormatError(
            f"{source}: {UPDATES} is {str(updates)[:40]!r}, expected an integer >= 0"
        )
    if updates:
        warnings.warn(
            f"{source}: {UPDATES} is {updates}: the engine changes {updates} layers in an iteration, this is the map "
            "that it begins with",
            FormatWarning,
            stacklevel=3,
        )


def encode_map(expert_map: ExpertMap, path: Path) -> bytes:
    """The load balancer's own YAML file, named by ``moe_config.load_balancer``."""
    import yaml

    ids = expert_map.layer_ids or ()
    rows = zip(ids, expert_map.phy2log.tolist(), strict=True)
    table = dict(sorted(rows))
    content = {"num_slots": expert_map.phy2log.shape[1], ASSIGNMENTS: table, UPDATES: 0}
    # A row of slots is one line, however long.
    text = yaml.safe_dump(
        content, sort_keys=False, default_flow_style=None, width=1 << 20
    )
    return str(text).encode()


FORMAT = Format(
    name="tensorrt-llm",
    summary="TensorRT-LLM: the folder of its ExpertStatistic; the load balancer's map (.yaml)",
    loads=Side(recognises=has_loads, reads=decode_loads),
    maps=Side(recognises=has_map, reads=decode_map, writes=encode_map),
    packages=("yaml",),
)
