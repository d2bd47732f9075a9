"""SGLang: what its expert distribution recorder dumps, and what ``--init-expert-location`` loads (read in 0.5.23).

Loads, torch .pt. Modes ``stat`` and ``stat_approx``: ``logical_count`` [steps, hidden layers, experts], summed over
ranks by SGLang; dumps with ``ep_rank`` and an ``ep_size`` above 1 (TokenSpeed's) are one rank's. Modes ``per_pass`` and
``per_token``: ``records`` with ``forward_pass_id``, ``rank`` and ``global_physical_count`` [hidden layers, slots], and
the ``last_physical_to_logical_map`` of the same shape, one file a rank: give one file, or the folder of all to add up
the ranks. ``per_token`` records have ``topk_ids_of_layer`` [hidden layers, tokens, top k], too, older ones it alone:
the slots that tokens went to, of which windows of tokens are made if these are asked for. Dense layers are rows of 0.

Maps, .json or .pt: only ``physical_to_logical_map`` [hidden layers, slots]; SGLang passes any other key on as an
argument.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .content import read_content
from .files import as_map, recorded
from .format import Format, Need, Side
from .held import Loads
from .held_map import ExpertMap, experts_of
from .plain import MAP_KEY, json_bytes
from .routing import Routing
from .sglang_counts import COUNTED, counted
from .sglang_passes import passes_of
from .sglang_tokens import has_tokens, routing_of


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
    load, labels = counted(dumps, source) if is_counted else passes_of(dumps, source)
    return recorded(load, labels, source)


def has_routing(content: Any) -> bool:
    """A dump that says where each token went; of a folder only its files do."""
    if isinstance(content, Path):
        return has_loads(content)
    return has_loads(content) and has_tokens(content)


def decode_routing(content: Any, source: str) -> Routing:
    """The tokens of all dumps; dense layers are dropped when they are counted."""
    return routing_of(_dumps(content, source), source)


def _dumps(content: Any, source: str) -> Iterator[tuple[str, Any]]:
    """The dumps, one after the other: all those of a folder may be more than memory holds."""
    if not isinstance(content, Path):
        yield source, content
        return
    for path in sorted(content.glob("*.pt")):
        yield str(path), read_content(path)


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
    return _torch_bytes(rows)


def _torch_bytes(rows: npt.NDArray[np.int64]) -> bytes:
    """A torch file of a map."""
    import torch

    buffer = io.BytesIO()
    torch.save({MAP_KEY: torch.from_numpy(rows)}, buffer)
    return buffer.getvalue()


FORMAT = Format(
    name="sglang",
    summary="SGLang: dumps of its expert distribution recorder (.pt); the map of --init-expert-location (.json, .pt)",
    loads=Side(recognises=has_loads, reads=decode_loads),
    maps=Side(recognises=has_map, reads=decode_map, writes=encode_map, refuses=refuses),
    routing=Side(recognises=has_routing, reads=decode_routing),
    needs=frozenset({Need.HIDDEN_LAYERS}),
)
