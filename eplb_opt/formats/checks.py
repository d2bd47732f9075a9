"""What must hold before a map or loads are written, and what is doubtful of loads that are read."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from ..errors import FormatError, FormatWarning
from ..problem.placement import Placement
from .files import ExpertMap, Loads
from .layers import check_ids, listed


def check_map(found: ExpertMap, path: str | Path) -> None:
    """Raise `FormatError` unless every layer has every expert, as engines need it, and sizes and ids fit."""
    ids, slots = found.layer_ids or (), found.phy2log.shape[1]
    experts = found.num_experts or int(found.phy2log.max()) + 1
    if experts > slots:
        raise FormatError(f"{path}: {experts} experts in {slots} slots: a slot for each is the least")
    placement = Placement(found.phy2log, experts, ids)
    if found.phy2log.min() < 0 or found.phy2log.max() >= experts:
        raise FormatError(f"{path}: the map has experts outside 0..{experts - 1}")
    absent = (placement.counts() == 0).nonzero()
    if len(absent[0]):
        raise FormatError(
            f"{path}: layer {ids[absent[0][0]]}: expert {absent[1][0]} has no replica: no engine loads it"
        )
    if found.num_ranks is not None and (found.num_ranks < 1 or slots % found.num_ranks):
        raise FormatError(f"{path}: {slots} slots on {found.num_ranks} ranks: use --ranks with a divisor of {slots}")
    check_ids(ids, found.hidden_layers, path)


def check_loads(found: Loads, path: str | Path) -> None:
    """Raise `FormatError` unless loads are finite and >= 0, and layer ids fit."""
    if not np.isfinite(found.load).all() or found.load.min() < 0:
        raise FormatError(f"{path}: a load is negative or not finite: expected routed tokens, numbers >= 0")
    check_ids(found.layer_ids or (), found.hidden_layers, path)


def warn_of_idle(found: Loads, source: str, asked: bool) -> None:
    """Warn of loads that may not be what they are taken for.

    Warns
    -----
    FormatWarning
        Layers without a token, unless they were asked for, or a recording in which most experts do not appear.
    """
    active = (found.load != 0).any(axis=0)  # [layers, experts]
    silent = np.flatnonzero(~active.any(axis=1)).tolist()
    if silent and not asked:
        names = listed(silent if found.layer_ids is None else [found.layer_ids[row] for row in silent])
        warnings.warn(
            f"{source}: no token in {len(silent)} of {len(active)} layers ({names}): any map of them counts as "
            "perfect; if they are dense, leave them out with --layers",
            FormatWarning, stacklevel=4,
        )  # fmt: skip
    experts = active.shape[1]
    idle = experts - int(np.count_nonzero(active.any(axis=0)))
    if experts > 2 * (experts - idle) > 0:
        warnings.warn(
            f"{source}: most experts ({idle} of {experts}) have no token in any layer and window: one rank's file? Add "
            "up the recordings of all ranks",
            FormatWarning, stacklevel=4,
        )  # fmt: skip
