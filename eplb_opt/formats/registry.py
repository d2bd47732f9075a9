"""The formats by name: reading with detection from content, writing, and what is checked in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from ..errors import EplbError, FormatError
from ..problem.instance import Instance
from ..problem.placement import Placement
from . import lmdeploy, plain, sglang, tensorrt_llm, vllm, vllm_ascend
from .arrays import first_line
from .atomic import atomic_write
from .checks import check_loads, check_map, warn_of_idle
from .content import read_content
from .files import ExpertMap, Loads
from .layers import check_ids, number_layers
from .tables import Table
from .text import Records


class LoadFormat(Protocol):
    """A module that reads loads."""

    def has_loads(self, content: Any) -> bool:
        """The content is in this format."""

    def loads(self, content: Any, source: str) -> Loads:
        """Read it, or raise `FormatError`."""


class MapFormat(Protocol):
    """A module that reads maps."""

    def has_map(self, content: Any) -> bool:
        """The content is in this format."""

    def expert_map(self, content: Any, source: str) -> ExpertMap:
        """Read it, or raise `FormatError`."""


# In the order of asking; plain takes whatever no engine claims.
LOAD_FORMATS: dict[str, LoadFormat] = {
    "sglang": sglang, "vllm": vllm, "tensorrt-llm": tensorrt_llm, "lmdeploy": lmdeploy, "plain": plain,
}  # fmt: skip
MAP_FORMATS: dict[str, MapFormat] = {
    "sglang": sglang, "vllm": vllm, "vllm-ascend": vllm_ascend, "tensorrt-llm": tensorrt_llm, "plain": plain,
}  # fmt: skip
MAP_WRITERS: dict[str, Callable[[ExpertMap, Path], bytes]] = {
    "sglang": sglang.encode,
    "vllm-ascend": vllm_ascend.encode,
    "tensorrt-llm": tensorrt_llm.encode,
    "vllm": vllm.encode,
    "npz": lambda found, path: plain.encode_npz(found),
    "json": lambda found, path: plain.encode_json(found),
}
LOAD_WRITERS: dict[str, Callable[[Loads, Path], bytes]] = {
    "lmdeploy": lmdeploy.encode_loads,
    "npz": lambda found, path: plain.encode_loads(found, "npz"),
    "json": lambda found, path: plain.encode_loads(found, "json"),
}
INPUT_FORMATS = tuple(dict.fromkeys((*LOAD_FORMATS, *MAP_FORMATS)))
OUTPUT_FORMATS = tuple(dict.fromkeys((*MAP_WRITERS, *LOAD_WRITERS)))
Read = TypeVar("Read", Loads, ExpertMap)
BY_ENDING = ("npz", "json")


def read_loads(path: str | Path, input_format: str | None = None, layers: Sequence[int] | None = None) -> Loads:
    """Read recorded loads; the format is detected from the content.

    Parameters
    ----------
    input_format : str, optional
        One of `LOAD_FORMATS`, instead of detection.
    layers : sequence of int, optional
        Absolute ids: of the layers wanted, or of all layers where the file does not say.

    Raises
    ------
    FormatError
        The file is missing, truncated, too large, holds no loads, or lacks a layer that is wanted.

    Warns
    -----
    FormatWarning
        The loads may not be what they are taken for: layers without a token, experts without one anywhere.
    """
    content = read_content(Path(path))
    found = _loads_of(content, str(path), input_format)
    check_ids(found.layer_ids or (), None, path)
    chosen = found.with_layers(layers, str(path))
    check_ids(chosen.layer_ids or (), None, path)
    warn_of_idle(chosen, str(path), asked=layers is not None and found.layer_ids is not None)
    return chosen


def _loads_of(content: Any, source: str, input_format: str | None) -> Loads:
    if input_format is not None:
        module: LoadFormat = _named(LOAD_FORMATS, input_format, "loads")
        return _decode(module.loads, content, source)
    for module in LOAD_FORMATS.values():
        if module.has_loads(content):
            return _decode(module.loads, content, source)
    raise FormatError(f"cannot read {source}: a folder that holds no recording of an engine")


def read_expert_map(path: str | Path, input_format: str | None = None) -> ExpertMap:
    """Read a map as its file holds it; the format is detected from the content (see `read_map`)."""
    source = str(path)
    found = _map_of(read_content(Path(path)), source, input_format)
    check_ids(found.layer_ids or (), None, source)
    return found


def _map_of(content: Any, source: str, input_format: str | None) -> ExpertMap:
    if input_format is not None:
        module: MapFormat = _named(MAP_FORMATS, input_format, "maps")
        return _decode(module.expert_map, content, source)
    for module in MAP_FORMATS.values():
        if module.has_map(content):
            return _decode(module.expert_map, content, source)
    raise FormatError(f"cannot read {source}: a folder, give the map's file")


def read_map(
    path: str | Path, num_experts: int, layer_ids: Sequence[int] | None = None, input_format: str | None = None,
    num_ranks: int | None = None,
) -> Placement:  # fmt: skip
    """Read a map.

    Parameters
    ----------
    num_experts : int
        Logical experts: most formats do not say.
    layer_ids : sequence of int, optional
        The layers wanted, in order. A file without layer ids is taken to hold just these.
    input_format : str, optional
        One of `MAP_FORMATS`, instead of detection.
    num_ranks : int, optional
        Ranks that the map must be for, where its file says for how many it is.

    Raises
    ------
    FormatError
        The file is missing, truncated, holds no map, is for other sizes, or lacks a layer that is wanted.
    """
    found = read_expert_map(path, input_format).with_layers(layer_ids, str(path))
    if found.num_experts not in (None, num_experts):
        raise FormatError(f"{path}: a map of {found.num_experts} experts, not {num_experts}")
    if num_ranks is not None and found.num_ranks not in (None, num_ranks):
        raise FormatError(f"{path}: a map for {found.num_ranks} ranks, not {num_ranks}: its slots lie on other ranks")
    return Placement(found.phy2log, num_experts, found.layer_ids)


def holds_map(path: str | Path, name: str) -> bool:
    """Whether a file is to be converted as a map, to the format ``name``; if not, as loads.

    A bare array may be either: it is taken for what the format can hold; of both, for what it looks like.

    Raises
    ------
    FormatError
        It holds both, or records that are neither, or looks like a map that the format, or a table, does not hold.
    """
    content = read_content(Path(path))
    if isinstance(content, Records):
        return vllm.only_maps(content, str(path))
    if isinstance(content, Mapping) and plain.MAP_KEY in content and set(plain.LOAD_KEYS) & set(content):
        raise FormatError(f"{path}: holds loads and a map: keep one of them in the file")
    if isinstance(content, Path) or any(m.has_loads(content) for k, m in LOAD_FORMATS.items() if k != "plain"):
        return False
    if isinstance(content, Mapping):
        return plain.MAP_KEY in content or any(m.has_map(content) for k, m in MAP_FORMATS.items() if k != "plain")
    if name in LOAD_WRITERS and plain.looks_like_map(content):
        if name in MAP_WRITERS and not isinstance(content, Table):
            return True
        raise FormatError(f"{path}: {plain.LIKE_A_MAP}, in a file that says it (npz, json)")
    return name not in LOAD_WRITERS and not isinstance(content, Table)


def output_format(path: str | Path, name: str | None = None) -> str:
    """The format to write in: the one named, or the file's ending if it says npz or json.

    Raises
    ------
    FormatError
        Neither names a format we write.
    """
    ending = Path(path).suffix.lower().lstrip(".")
    chosen = name or (ending if ending in BY_ENDING else "")
    if chosen not in OUTPUT_FORMATS:
        what = f"no format {name!r}" if name else f"no map format for {path}"
        raise FormatError(f"{what}: use --format {' or '.join(sorted(OUTPUT_FORMATS))}")
    return chosen


def write_map(
    path: str | Path, placement: Placement, name: str | None = None, num_ranks: int | None = None,
    hidden_layers: int | None = None,
) -> None:  # fmt: skip
    """Write a placement, atomically.

    Parameters
    ----------
    name : str, optional
        One of `MAP_WRITERS`; default: the file's ending.
    num_ranks, hidden_layers : int, optional
        Ranks, and layers of the model with the dense ones: some formats need them.

    Raises
    ------
    FormatError
        Unknown format, a map that the format cannot say or the engine cannot load, or the file cannot be written.
    """
    found = ExpertMap(placement.phy2log, placement.layer_ids, placement.num_experts, num_ranks, hidden_layers)
    write_expert_map(path, found, output_format(path, name))


def write_expert_map(path: str | Path, found: ExpertMap, name: str) -> None:
    """Write a map as read from a file (see `write_map`); without layer ids its rows are layers 0, 1, ..."""
    if name not in MAP_WRITERS:
        raise FormatError(f"{path}: {name} holds no maps: it plans from loads, convert the loads")
    if found.dense_layers_unknown and name != "sglang":
        raise FormatError(
            f"{path}: the input has a row for every hidden layer and does not say which are dense: name the MoE layers "
            f"with --layers, e.g. 3:{len(found.phy2log)}"
        )
    ids = number_layers(found.layer_ids, len(found.phy2log), found.hidden_layers, str(path))
    found = replace(found, layer_ids=ids)
    check_map(found, path)
    data = MAP_WRITERS[name](found, Path(path))
    atomic_write(Path(path), lambda file: file.write(data))


def check_map_format(path: str | Path, name: str, instance: Instance, hidden_layers: int | None) -> None:
    """Raise what `write_map` would raise for a map of this instance: to be asked before long work.

    Raises
    ------
    FormatError
        The format cannot say maps of the instance, or the engine cannot load them.
    """
    if name == "vllm-ascend" and not instance.distinct and instance.num_replicas > instance.num_experts:
        raise FormatError(f"{path}: vllm-ascend cannot load two replicas of one expert on a device: add --distinct")
    rows = np.tile(np.arange(instance.num_replicas) % instance.num_experts, (instance.num_layers, 1))
    ids = tuple(instance.layer_ids or ())
    probe = ExpertMap(rows, ids, instance.num_experts, instance.num_ranks, hidden_layers)
    check_map(probe, path)
    MAP_WRITERS[name](probe, Path(path))


def write_loads(path: str | Path, found: Loads, name: str | None = None) -> None:
    """Write loads, atomically.

    Raises
    ------
    FormatError
        The format holds no loads or cannot say these, or the file cannot be written.
    """
    data = encode_loads(path, found, name)
    atomic_write(Path(path), lambda file: file.write(data))


def encode_loads(path: str | Path, found: Loads, name: str | None = None) -> bytes:
    """What `write_loads` writes; raises what it raises of the loads."""
    chosen = output_format(path, name)
    if chosen not in LOAD_WRITERS:
        raise FormatError(f"{path}: {chosen} holds maps, no loads: solve first, or use {' or '.join(LOAD_WRITERS)}")
    check_loads(found, path)
    return LOAD_WRITERS[chosen](found, Path(path))


def write_json(path: str | Path, content: object) -> None:
    """Write JSON, atomically."""
    atomic_write(Path(path), lambda file: file.write(plain.json_bytes(content)))


def _named(formats: dict[str, Any], name: str, what: str) -> Any:
    if name not in formats:
        raise FormatError(f"input format {name!r} holds no {what}: use {' or '.join(formats)}")
    return formats[name]


def _decode(read: Callable[[Any, str], Read], content: Any, source: str) -> Read:
    """What a format's module makes of the content; what surprises it is an error of the file. No `AttributeError`:
    that is a fault of ours.
    """
    try:
        return read(content, source)
    except EplbError:
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError, RuntimeError) as error:
        raise FormatError(f"{source} is malformed ({type(error).__name__}: {first_line(error)})") from None
