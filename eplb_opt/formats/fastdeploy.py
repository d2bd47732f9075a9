"""FastDeploy: its server's reply of loads, and the file of its map in use (read at commit 1353743 of its repository).

Loads: the reply of ``/get_per_expert_tokens_stats``, ``code``, ``msg`` and ``data``: one matrix [hidden layers,
experts] a worker, added up here, or one matrix alone. Dense layers are rows of 0. The map: ``rearrange-experts.json``
with ``ep_rank_to_expert_id_list`` [hidden layers, slots], ``expert_in_rank_num_list`` [hidden layers, experts], the
replicas of each expert, and the loads that it was planned from, ``tokens_per_expert_stats_list``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import FormatError
from .files import as_loads, as_map, recorded, rectangular
from .format import Format, Side
from .held import Loads
from .held_map import ExpertMap

DATA = "data"
REPLY = {"code", "msg"}
SLOTS = "ep_rank_to_expert_id_list"
REPLICAS = "expert_in_rank_num_list"
STATISTICS = "tokens_per_expert_stats_list"


def has_loads(content: Any) -> bool:
    """A reply, or the file of a map that says its loads."""
    if not isinstance(content, Mapping):
        return False
    is_reply = DATA in content and bool(REPLY & set(content))
    return is_reply or (SLOTS in content and content.get(STATISTICS) is not None)


def decode_loads(content: Any, source: str) -> Loads:
    """One window; workers are added up, dense layers are dropped."""
    if not isinstance(content, Mapping) or not has_loads(content):
        raise FormatError(
            f"{source}: no reply of FastDeploy with {DATA!r}, nor a map with {STATISTICS!r}"
        )
    if content.get("code", 0) != 0:
        raise FormatError(
            f"{source}: the reply is an error, code {str(content['code'])[:20]}: {str(content.get('msg'))[:80]}"
        )
    of_workers = as_loads(
        content.get(DATA, content.get(STATISTICS)), None, None, source
    )
    return recorded(of_workers.load.sum(axis=0, keepdims=True), ("0",), source)


def has_map(content: Any) -> bool:
    """The file of a map."""
    return isinstance(content, Mapping) and SLOTS in content


def decode_map(content: Any, source: str) -> ExpertMap:
    """Row i is hidden layer i; the map must have the replicas that its file says."""
    if not has_map(content):
        raise FormatError(f"{source}: no {SLOTS!r}")
    phy2log = as_map(content[SLOTS], source)
    replicas = rectangular(content.get(REPLICAS), f"{REPLICAS} is", source)
    experts = replicas.shape[-1] if replicas.ndim == 2 else 0
    counted = np.array(
        [np.bincount(row[row >= 0], minlength=experts) for row in phy2log]
    )
    if replicas.shape != counted.shape or not np.array_equal(replicas, counted):
        raise FormatError(
            f"{source}: {REPLICAS} is not of the replicas that {SLOTS} has: the file of a whole map is expected"
        )
    ids = tuple(range(len(phy2log)))
    return ExpertMap(
        phy2log,
        ids,
        num_experts=experts,
        hidden_layers=len(ids),
        dense_layers_unknown=True,
    )


def tells(content: Any, source: str) -> bool | None:
    """The file of a map is one, though it has loads, too."""
    return True if has_map(content) else None


FORMAT = Format(
    name="fastdeploy",
    summary="FastDeploy: its server's reply of loads, and the file of its map in use (.json)",
    loads=Side(recognises=has_loads, reads=decode_loads),
    maps=Side(recognises=has_map, reads=decode_map),
    tells=tells,
)
