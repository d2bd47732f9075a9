"""SGLang's ``per_token`` records: the slots that each token went to, by which windows of tokens can be made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .routing import NOBODY, Routing, in_one
from .sglang_passes import TOP_IDS, check_top_ids, slots_of_dump

Experts = npt.NDArray[np.int64]
Place = tuple[int, int, int]  # forward pass, rank, and which record of it


def has_tokens(content: Any) -> bool:
    """Whether a dump's records say where each token went."""
    records = content.get("records")
    first = records[0] if isinstance(records, list) and records else None
    return isinstance(first, dict) and TOP_IDS in first


def routing_of(dumps: Iterable[tuple[str, Any]], source: str) -> Routing:
    """The tokens of all dumps in the order of forward passes, and in a pass of ranks."""
    tokens: dict[Place, Experts] = {}
    slots: npt.NDArray[Any] | None = None
    for name, dump in dumps:
        slots = slots_of_dump(dump, slots, name)
        for number, record in enumerate(dump["records"]):
            place, experts = _record(record, slots, number, name)
            if place in tokens:
                raise FormatError(
                    f"{name}: forward pass {place[0]} of rank {place[1]} twice: give dumps of one recording"
                )
            tokens[place] = experts
    parts = [tokens[place] for place in sorted(tokens)]
    return Routing(in_one(parts, source), has_dense_layers=True)


def _record(
    record: Any, slots: npt.NDArray[Any], number: int, source: str
) -> tuple[Place, Experts]:
    """Where the record belongs, and the experts [tokens, hidden layers, top k]."""
    try:
        place = (int(record["forward_pass_id"]), int(record["rank"]), number)
        ids = np.asarray(record[TOP_IDS])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(
            f"{source}: no {TOP_IDS!r}, the slots of each token, in a record ({error!r}): record in mode per_token"
        ) from None
    check_top_ids(ids, slots.shape, source)
    is_slot = ids >= 0
    layer = np.arange(len(slots))[:, None, None]
    experts = np.where(is_slot, slots[layer, np.where(is_slot, ids, 0)], NOBODY)
    return place, experts.transpose(1, 0, 2)
