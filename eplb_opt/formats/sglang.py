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
from .files import ExpertMap, Loads, as_loads, as_map, complete, experts_of, recorded
from .format import Format, Need, Side
from .plain import MAP_KEY, json_bytes
from .slots import to_logical

LAST_MAP = "last_physical_to_logical_map"
COUNT = "global_physical_count"
TOP_IDS = "topk_ids_of_layer"
COUNTED = "logical_count"
Loaded = npt.NDArray[Any]
Labels = tuple[str, ...]


def has_loads(content: Any) -> bool:
    """A dump, or a folder of dumps."""
    if isinstance(content, Path):
        return any(content.glob("*.pt"))
    return isinstance(content, Mapping) and (COUNTED in content or "records" in content)


def decode_loads(content: Any, source: str) -> Loads:
    """Windows are steps or forward passes; dense layers are dropped, layer ids are absolute."""
    dumps = _dumps(content, source)
    first = next(dumps, None)
    if first is None:
        raise FormatError(
            f"{source}: a folder without .pt files: give what SGLang's recorder wrote"
        )
    dumps = itertools.chain([first], dumps)
    _, dump = first
    is_counted = isinstance(dump, Mapping) and COUNTED in dump
    load, labels = _counted(dumps, source) if is_counted else _passes(dumps, source)
    return recorded(load, labels, source)


def _dumps(content: Any, source: str) -> Iterator[tuple[str, Any]]:
    """The dumps, one after the other: all those of a folder may be more than memory holds."""
    if not isinstance(content, Path):
        yield source, content
        return
    for path in sorted(content.glob("*.pt")):
        yield str(path), read_content(path)


def _counted(dumps: Iterable[tuple[str, Any]], source: str) -> tuple[Loaded, Labels]:
    """Loads [steps, hidden layers, experts]: of one dump that is summed over ranks, or of all ranks' dumps."""
    sum_of_ranks = _SumOfRanks(source)
    for name, dump in dumps:
        if not isinstance(dump, Mapping) or COUNTED not in dump:
            raise FormatError(
                f"{name}: no {COUNTED!r}, unlike the dumps beside it: give those of one recording"
            )
        sum_of_ranks.add(dump, name)
    sum_of_ranks.check_whole()
    total = sum_of_ranks.total
    if total is None:
        return np.empty(0), ()
    return total.load, total.windows


class _SumOfRanks:
    """Dumps of ranks added up, which must be of one recording."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.total: Loads | None = None
        self.slots: Any = None  # the map that the dumps before were recorded with
        self.sizes: set[int] = set()  # how many ranks there are, as dumps say
        self.ranks: set[int] = set()

    def add(self, dump: Mapping[str, Any], name: str) -> None:
        """Add a dump."""
        self._check_rank(*_rank(dump, name), name)
        counts = as_loads(dump[COUNTED], None, None, name)
        load = counts.load
        if load.dtype.kind in "iu":
            load = load.astype(np.int64)  # sums of narrow integers would overflow
        slots = dump.get(MAP_KEY)
        if self.total is not None:
            is_alike = load.shape == self.total.load.shape and _equal(self.slots, slots)
            if not is_alike:
                raise FormatError(
                    f"{name}: other shapes or another map than the ranks before: give dumps of one recording"
                )
            load = self.total.load + load
        self.slots = slots
        self.total = Loads(load, None, counts.windows)

    def _check_rank(self, rank: int, size: int, name: str) -> None:
        self.sizes.add(size)
        if self.total is not None and 1 in self.sizes:
            raise FormatError(
                f"{self.source}: several dumps, and {name} is already summed over ranks: give one file"
            )
        if rank in self.ranks or len(self.sizes) > 1:
            raise FormatError(
                f"{name}: rank {rank} of {size} twice, or among others: give dumps of one recording"
            )
        self.ranks.add(rank)

    def check_whole(self) -> None:
        """All ranks are there, or there is one file, which may be meant as it is."""
        size = max(self.sizes)
        if len(self.ranks) == size:
            return
        absent = next(rank for rank in range(size) if rank not in self.ranks)
        if len(self.ranks) > 1:
            raise FormatError(
                f"{self.source}: ep_size is {size}, and the dump of rank {absent} is missing: collect all ranks"
            )
        warnings.warn(
            f"{self.source}: the dump of rank {min(self.ranks)} of {size}: tokens of one rank only, unless all see the "
            "same; give the folder of all dumps",
            FormatWarning,
            stacklevel=2,
        )


def _rank(dump: Mapping[str, Any], source: str) -> tuple[int, int]:
    """Expert-parallel rank of a dump, and of how many: 0 of 1 where it does not say."""
    rank = np.asarray(dump.get("ep_rank", 0))
    size = np.asarray(dump.get("ep_size", 1))
    is_scalar = rank.ndim == 0 and size.ndim == 0
    is_integer = rank.dtype.kind in "iu" and size.dtype.kind in "iu"
    if not is_scalar or not is_integer or not 0 <= rank < size:
        raise FormatError(
            f"{source}: ep_rank {str(rank)[:30]} of ep_size {str(size)[:30]}: no rank of so many"
        )
    return int(rank), int(size)


def _equal(one: Any, two: Any) -> bool:
    """Whether two maps are the same, or both absent."""
    if one is None or two is None:
        return one is two
    return np.array_equal(np.asarray(one), np.asarray(two))


def _passes(dumps: Iterable[tuple[str, Any]], source: str) -> tuple[Loaded, Labels]:
    """Logical loads [passes, hidden layers, experts] of all ranks, and the ids of the passes."""
    passes: dict[int, Loaded] = {}
    seen: dict[
        int, set[tuple[int, str]]
    ] = {}  # pass -> ranks and parts that recorded it
    slots = None
    for name, dump in dumps:
        slots = _slots(dump, slots, name)
        for record in dump["records"]:
            number, rank, part, count = _record(record, slots.shape, name)
            parts = seen.setdefault(number, set())
            if (rank, part) in parts:
                raise FormatError(
                    f"{name}: forward pass {number} of rank {rank} twice: give dumps of one recording"
                )
            parts.add((rank, part))
            if number in passes:
                count = passes[number] + count
            passes[number] = count
    if not passes or slots is None:
        raise FormatError(f"{source}: no forward pass recorded")
    ranks: dict[int, set[int]] = {}
    for number, parts in seen.items():
        ranks[number] = {rank for rank, _ in parts}
    whole = complete(ranks, "pass", source)
    physical = np.stack([passes[number] for number in whole])
    labels = tuple(str(number) for number in whole)
    return to_logical(physical, slots), labels


def _slots(dump: Any, before: Loaded | None, name: str) -> Loaded:
    """The map of a dump, which must be that of the dumps before."""
    has_records = isinstance(dump, Mapping) and isinstance(dump.get("records"), list)
    if not has_records or LAST_MAP not in dump:
        raise FormatError(
            f"{name}: no 'records' with {LAST_MAP!r}: not what SGLang's recorder writes"
        )
    slots = as_map(dump[LAST_MAP], name)
    differs = before is not None and not np.array_equal(before, slots)
    if slots.min() < 0 or differs:
        raise FormatError(
            f"{name}: {LAST_MAP} is negative or differs between ranks: give dumps of one recording"
        )
    return slots


def _record(
    record: Any, shape: tuple[int, ...], source: str
) -> tuple[int, int, str, Loaded]:
    """Pass, rank, part of the pass (SGLang gathers the halves of overlapped batches apart), and counts."""
    try:
        number = int(record["forward_pass_id"])
        rank = int(record["rank"])
        part = str(record.get("gatherer_key"))[:40]
        count = (
            np.asarray(record[COUNT])
            if COUNT in record
            else _count_ids(record[TOP_IDS], shape, source)
        )
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise FormatError(
            f"{source}: a record is not what SGLang's recorder writes ({error!r})"
        ) from None
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
        raise FormatError(
            f"{source}: {TOP_IDS} of shape {ids.shape} and dtype {ids.dtype}, expected {layers} layers"
        )
    if ids.size and (ids.min() < -1 or ids.max() >= slots):
        raise FormatError(
            f"{source}: {TOP_IDS} has slots {ids.min()}..{ids.max()}, expected -1..{slots - 1} as its map"
        )
    is_slot = ids >= 0
    layer_numbers = np.arange(layers)[:, None, None]
    layer = np.broadcast_to(layer_numbers, ids.shape)
    # Slots of all layers in one row of bins: layer l has bins l * slots to (l + 1) * slots - 1.
    bins = layer[is_slot] * slots + ids[is_slot].astype(np.int64)
    counts = np.bincount(bins, minlength=layers * slots)
    return counts.reshape(layers, slots)


def has_map(content: Any) -> bool:
    """The map's key and no other: ours have more."""
    return isinstance(content, Mapping) and set(content) == {MAP_KEY}


def decode_map(content: Any, source: str) -> ExpertMap:
    """Row i is hidden layer i, so the dense ones have rows, too."""
    if not isinstance(content, Mapping) or MAP_KEY not in content:
        raise FormatError(f"{source}: no {MAP_KEY!r}")
    phy2log = as_map(content[MAP_KEY], source)
    hidden_layers = len(phy2log)
    ids = tuple(range(hidden_layers))
    return ExpertMap(
        phy2log, ids, hidden_layers=hidden_layers, dense_layers_unknown=True
    )


def refuses(expert_map: ExpertMap, path: Path) -> str | None:
    """Names that SGLang would not read."""
    if path.suffix not in (".json", ".pt"):
        return "SGLang reads a map only from a file that ends in .json or .pt"
    return None


def encode_map(expert_map: ExpertMap, path: Path) -> bytes:
    """All hidden layers; a layer that the map does not have gets slot i -> expert i mod experts."""
    slots = expert_map.phy2log.shape[1]
    row = np.arange(slots, dtype=np.int64) % experts_of(expert_map)
    rows = np.tile(row, (expert_map.hidden_layers or 0, 1))
    rows[list(expert_map.layer_ids or ())] = expert_map.phy2log
    if path.suffix == ".json":
        return json_bytes({MAP_KEY: rows.tolist()}, indent=None)
    import torch

    buffer = io.BytesIO()
    torch.save({MAP_KEY: torch.from_numpy(rows)}, buffer)
    return buffer.getvalue()


FORMAT = Format(
    name="sglang",
    summary="SGLang: dumps of its expert distribution recorder (.pt); the map of --init-expert-location (.json, .pt)",
    loads=Side(recognises=has_loads, reads=decode_loads),
    maps=Side(recognises=has_map, reads=decode_map, writes=encode_map, refuses=refuses),
    needs=frozenset({Need.HIDDEN_LAYERS}),
)
