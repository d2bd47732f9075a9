"""SGLang: what its expert distribution recorder dumps, and what ``--init-expert-location`` loads (read in 0.5.23).

Loads, torch .pt. Modes ``stat`` and ``stat_approx``: ``logical_count`` [steps, hidden layers, experts], summed over
ranks by SGLang; dumps with ``ep_rank`` and an ``ep_size`` above 1 (TokenSpeed's) are one rank's. Modes ``per_pass`` and
``per_token``: ``records`` with ``forward_pass_id``, ``rank`` and ``global_physical_count`` [hidden layers, slots], and
the ``last_physical_to_logical_map`` of the same shape, one file a rank: give one file, or the folder of all to add up
the ranks. Older ``per_token`` records have ``topk_ids_of_layer`` [hidden layers, tokens, top k] only: the slots that
tokens went to. Dense layers are rows of 0.

Maps, .json or .pt: only ``physical_to_logical_map`` [hidden layers, slots]; SGLang passes any other key on as an
argument.
"""

from __future__ import annotations

import io
import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning
from .content import read_content
from .files import ExpertMap, Loads, as_loads, as_map, complete, recorded
from .plain import MAP_KEY, json_bytes

LAST_MAP = "last_physical_to_logical_map"
COUNT = "global_physical_count"
TOP_IDS = "topk_ids_of_layer"


def has_loads(content: Any) -> bool:
    """A dump, or a folder of dumps."""
    if isinstance(content, Path):
        return any(content.glob("*.pt"))
    return isinstance(content, Mapping) and ("logical_count" in content or "records" in content)


def loads(content: Any, source: str) -> Loads:
    """Windows are steps or forward passes; dense layers are dropped, layer ids are absolute."""
    dumps = _dumps(content, source)
    first = next(dumps, None)
    if first is None:
        raise FormatError(f"{source}: a folder without .pt files: give what SGLang's recorder wrote")
    dumps = itertools.chain([first], dumps)
    if isinstance(first[1], Mapping) and "logical_count" in first[1]:
        load, labels = _counted(dumps, source)
    else:
        load, labels = _passes(dumps, source)
    return recorded(load, labels, source)


def _dumps(content: Any, source: str) -> Iterator[tuple[str, Any]]:
    """The dumps, one after the other: all those of a folder may be more than memory holds."""
    if not isinstance(content, Path):
        yield source, content
        return
    for path in sorted(content.glob("*.pt")):
        yield str(path), read_content(path)


def _counted(dumps: Iterable[tuple[str, Any]], source: str) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Loads [steps, hidden layers, experts]: of one dump that is summed over ranks, or of all ranks' dumps."""
    total: Loads | None = None
    slots: Any = None
    sizes: set[int] = set()
    ranks: set[int] = set()
    for name, dump in dumps:
        if not isinstance(dump, Mapping) or "logical_count" not in dump:
            raise FormatError(f"{name}: no 'logical_count', unlike the dumps beside it: give those of one recording")
        rank, size = _rank(dump, name)
        sizes.add(size)
        if total is not None and 1 in sizes:
            raise FormatError(f"{source}: several dumps, and {name} is already summed over ranks: give one file")
        if rank in ranks or len(sizes) > 1:
            raise FormatError(f"{name}: rank {rank} of {size} twice, or among others: give dumps of one recording")
        ranks.add(rank)
        found = as_loads(dump["logical_count"], None, None, name)
        load = found.load.astype(np.int64) if found.load.dtype.kind in "iu" else found.load
        if total is not None and (load.shape != total.load.shape or not _equal(slots, dump.get(MAP_KEY))):
            raise FormatError(f"{name}: other shapes or another map than the ranks before: give dumps of one recording")
        slots = dump.get(MAP_KEY)
        total = Loads(load if total is None else total.load + load, None, found.windows)
    _check_whole(ranks, max(sizes), source)
    return (np.empty(0), ()) if total is None else (total.load, total.windows)


def _rank(dump: Mapping[str, Any], source: str) -> tuple[int, int]:
    """Expert-parallel rank of a dump, and of how many: 0 of 1 where it does not say."""
    rank, size = (np.asarray(dump.get(key, default)) for key, default in (("ep_rank", 0), ("ep_size", 1)))
    if rank.ndim or size.ndim or rank.dtype.kind not in "iu" or size.dtype.kind not in "iu" or not 0 <= rank < size:
        raise FormatError(f"{source}: ep_rank {str(rank)[:30]} of ep_size {str(size)[:30]}: no rank of so many")
    return int(rank), int(size)


def _equal(one: Any, two: Any) -> bool:
    return (one is None) == (two is None) and (one is None or np.array_equal(np.asarray(one), np.asarray(two)))


def _check_whole(ranks: set[int], size: int, source: str) -> None:
    """All ranks are there, or there is one file, which may be meant as it is."""
    if len(ranks) == size:
        return
    absent = next(rank for rank in range(size) if rank not in ranks)
    if len(ranks) > 1:
        raise FormatError(f"{source}: ep_size is {size}, and the dump of rank {absent} is missing: collect all ranks")
    warnings.warn(
        f"{source}: the dump of rank {min(ranks)} of {size}: tokens of one rank only, unless all see the same; "
        "give the folder of all dumps",
        FormatWarning, stacklevel=2,
    )  # fmt: skip


def _passes(dumps: Iterable[tuple[str, Any]], source: str) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Logical loads [passes, hidden layers, experts] of all ranks, and the ids of the passes."""
    passes: dict[int, npt.NDArray[Any]] = {}
    seen: dict[int, set[tuple[int, str]]] = {}
    slots = None
    for name, dump in dumps:
        if not isinstance(dump, Mapping) or not isinstance(dump.get("records"), list) or LAST_MAP not in dump:
            raise FormatError(f"{name}: no 'records' with {LAST_MAP!r}: not what SGLang's recorder writes")
        found = as_map(dump[LAST_MAP], name)
        if found.min() < 0 or (slots is not None and not np.array_equal(slots, found)):
            raise FormatError(f"{name}: {LAST_MAP} is negative or differs between ranks: give dumps of one recording")
        slots = found
        for record in dump["records"]:
            number, rank, part, count = _record(record, found.shape, name)
            if (rank, part) in seen.setdefault(number, set()):
                raise FormatError(f"{name}: forward pass {number} of rank {rank} twice: give dumps of one recording")
            seen[number].add((rank, part))
            passes[number] = passes[number] + count if number in passes else count
    if not passes or slots is None:
        raise FormatError(f"{source}: no forward pass recorded")
    whole = complete({number: {rank for rank, _ in found} for number, found in seen.items()}, "pass", source)
    return to_logical(np.stack([passes[number] for number in whole]), slots), tuple(map(str, whole))


def _record(record: Any, shape: tuple[int, ...], source: str) -> tuple[int, int, str, npt.NDArray[Any]]:
    """Pass, rank, part of the pass (SGLang gathers the halves of overlapped batches apart), and counts."""
    try:
        number = int(record["forward_pass_id"])
        rank = int(record["rank"])
        part = str(record.get("gatherer_key"))[:40]
        count = np.asarray(record[COUNT]) if COUNT in record else _count_ids(record[TOP_IDS], shape, source)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{source}: a record is not what SGLang's recorder writes ({error!r})") from None
    if count.shape != shape or count.dtype.kind not in "iu":
        raise FormatError(
            f"{source}: {COUNT} of shape {count.shape} and dtype {count.dtype}, expected integers {shape} as its map"
        )
    return number, rank, part, count.astype(np.int64)


def _count_ids(ids: Any, shape: tuple[int, ...], source: str) -> npt.NDArray[np.int64]:
    """Tokens of each slot, of the slots [hidden layers, tokens, top k] that tokens went to; -1 pads."""
    ids = np.asarray(ids)
    layers, slots = shape
    if ids.ndim != 3 or len(ids) != layers or ids.dtype.kind not in "iu":
        raise FormatError(f"{source}: {TOP_IDS} of shape {ids.shape} and dtype {ids.dtype}, expected {layers} layers")
    if ids.size and (ids.min() < -1 or ids.max() >= slots):
        raise FormatError(
            f"{source}: {TOP_IDS} has slots {ids.min()}..{ids.max()}, expected -1..{slots - 1} as its map"
        )
    layer = np.broadcast_to(np.arange(layers)[:, None, None], ids.shape)[ids >= 0]
    places = layer * slots + ids[ids >= 0].astype(np.int64)
    return np.bincount(places, minlength=layers * slots).reshape(layers, slots)


def to_logical(physical: npt.NDArray[Any], slots: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Loads of physical experts [windows, layers, slots] added up by logical expert [windows, layers, experts].

    Parameters
    ----------
    slots : array [layers, slots] or [windows, layers, slots]
        Logical expert of each slot; negative: an empty slot, which is left out.
    """
    slots = np.broadcast_to(slots, physical.shape)
    windows, layers, _ = physical.shape
    experts = int(slots.max()) + 1
    logical = np.zeros((windows, layers, experts + 1), dtype=physical.dtype)
    index = np.where(slots < 0, experts, slots)
    np.add.at(logical, (np.arange(windows)[:, None, None], np.arange(layers)[None, :, None], index), physical)
    return logical[:, :, :experts]


def has_map(content: Any) -> bool:
    """The map's key and no other: ours have more."""
    return isinstance(content, Mapping) and set(content) == {MAP_KEY}


def expert_map(content: Any, source: str) -> ExpertMap:
    """Row i is hidden layer i, so the dense ones have rows, too."""
    if not isinstance(content, Mapping) or MAP_KEY not in content:
        raise FormatError(f"{source}: no {MAP_KEY!r}")
    array = as_map(content[MAP_KEY], source)
    return ExpertMap(array, tuple(range(len(array))), hidden_layers=len(array), dense_layers_unknown=True)


def encode(found: ExpertMap, path: Path) -> bytes:
    """All hidden layers; a layer that the map does not have gets slot i -> expert i mod experts.

    Raises
    ------
    FormatError
        The number of hidden layers is unknown or too small, or SGLang would not read a file of this name.
    """
    if path.suffix not in (".json", ".pt"):
        raise FormatError(f"{path}: SGLang reads a map only from a file that ends in .json or .pt")
    rows = all_layers(found, path)
    if path.suffix == ".json":
        return json_bytes({MAP_KEY: rows.tolist()}, indent=None)
    import torch

    buffer = io.BytesIO()
    torch.save({MAP_KEY: torch.from_numpy(rows)}, buffer)
    return buffer.getvalue()


def all_layers(found: ExpertMap, path: Path) -> npt.NDArray[np.int64]:
    """The map's rows at their layer ids among all hidden layers."""
    ids, layers = found.layer_ids or (), known_hidden_layers(found.hidden_layers, path)
    experts = found.num_experts or int(found.phy2log.max()) + 1
    rows = np.tile(np.arange(found.phy2log.shape[1], dtype=np.int64) % experts, (layers, 1))
    rows[list(ids)] = found.phy2log
    return rows


def known_hidden_layers(hidden_layers: int | None, path: Path) -> int:
    """The number of hidden layers, or `FormatError` if it is unknown."""
    if hidden_layers is None:
        raise FormatError(
            f"{path}: this format has a row for every hidden layer of the model, dense ones too, and the input does "
            "not say how many: use --hidden-layers"
        )
    return hidden_layers
