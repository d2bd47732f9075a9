"""SGLang's dumps of forward passes: counts of slots, or the slots that tokens went to, one file a rank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .files import as_map, complete
from .sglang_counts import Labels, Loaded
from .slots import to_logical

LAST_MAP = "last_physical_to_logical_map"
COUNT = "global_physical_count"
TOP_IDS = "topk_ids_of_layer"


class _Recorded(NamedTuple):
    """What a rank recorded of a forward pass."""

    number: int
    rank: int
    part: str  # SGLang gathers the halves of overlapped batches apart
    tokens: Loaded


class _SumOfPasses:
    """Records of ranks added up by forward pass; all must be of one recording."""

    def __init__(self) -> None:
        self.counts: dict[int, Loaded] = {}
        self.slots: Loaded | None = None
        # Pass -> ranks and parts that recorded it.
        self.parts: dict[int, set[tuple[int, str]]] = {}

    def add(self, dump: Any, name: str) -> None:
        """Add the records of a dump."""
        self.slots = slots_of_dump(dump, self.slots, name)
        for record in dump["records"]:
            self._add_record(_record(record, self.slots.shape, name), name)

    def _add_record(self, recorded: _Recorded, name: str) -> None:
        number = recorded.number
        parts = self.parts.setdefault(number, set())
        part = (recorded.rank, recorded.part)
        if part in parts:
            raise FormatError(
                f"{name}: forward pass {number} of rank {recorded.rank} twice: give dumps of one recording"
            )
        parts.add(part)
        tokens = recorded.tokens
        if number in self.counts:
            tokens = self.counts[number] + tokens
        self.counts[number] = tokens

    def ranks(self) -> dict[int, set[int]]:
        """The ranks that recorded each pass."""
        return {
            number: {rank for rank, _ in parts} for number, parts in self.parts.items()
        }


def passes_of(dumps: Iterable[tuple[str, Any]], source: str) -> tuple[Loaded, Labels]:
    """Logical loads [passes, hidden layers, experts] of all ranks, and the ids of the passes."""
    passes = _SumOfPasses()
    for name, dump in dumps:
        passes.add(dump, name)
    if not passes.counts or passes.slots is None:
        raise FormatError(f"{source}: no forward pass recorded")
    whole = complete(passes.ranks(), "pass", source)
    physical = np.stack([passes.counts[number] for number in whole])
    labels = tuple(str(number) for number in whole)
    return to_logical(physical, passes.slots), labels


def slots_of_dump(dump: Any, before: Loaded | None, name: str) -> Loaded:
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


def _record(record: Any, shape: tuple[int, ...], source: str) -> _Recorded:
    """A record, with the counts of slots in the shape of its map."""
    try:
        number = int(record["forward_pass_id"])
        rank = int(record["rank"])
        part = str(record.get("gatherer_key"))[:40]
        count = _count(record, shape, source)
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
    return _Recorded(number, rank, part, count.astype(np.int64))


def _count(record: Any, shape: tuple[int, ...], source: str) -> Loaded:
    """The counts of a record, as they are or from the slots that tokens went to."""
    if COUNT in record:
        return np.asarray(record[COUNT])
    return _count_ids(record[TOP_IDS], shape, source)


def _count_ids(ids: Any, shape: tuple[int, ...], source: str) -> npt.NDArray[np.int64]:
    """Tokens of each slot, of the slots [hidden layers, tokens, top k] that tokens went to; -1 pads."""
    ids = np.asarray(ids)
    check_top_ids(ids, shape, source)
    layers, slots = shape
    is_slot = ids >= 0
    layer_numbers = np.arange(layers)[:, None, None]
    layer = np.broadcast_to(layer_numbers, ids.shape)[is_slot]
    slot = ids[is_slot].astype(np.int64)
    # Slots of all layers in one row of bins: layer l has bins l * slots to (l + 1) * slots - 1.
    bins = layer * slots + slot
    counts = np.bincount(bins, minlength=layers * slots)
    return counts.reshape(layers, slots)


def check_top_ids(ids: npt.NDArray[Any], shape: tuple[int, ...], source: str) -> None:
    """Raise `FormatError` unless these are slots of a map of that shape, [hidden layers, slots]."""
    layers, slots = shape
    if ids.ndim != 3 or len(ids) != layers or ids.dtype.kind not in "iu":
        raise FormatError(
            f"{source}: {TOP_IDS} of shape {ids.shape} and dtype {ids.dtype}, expected {layers} layers"
        )
    if ids.size and (ids.min() < -1 or ids.max() >= slots):
        raise FormatError(
            f"{source}: {TOP_IDS} has slots {ids.min()}..{ids.max()}, expected -1..{slots - 1} as its map"
        )
