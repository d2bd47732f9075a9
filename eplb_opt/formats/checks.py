"""What must hold before a map or loads are written, and what is doubtful of loads that are read."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning
from ..problem.placement import Placement
from .held import Loads
from .held_map import ExpertMap, experts_of
from .layers import check_ids, listed


def check_map(expert_map: ExpertMap, path: str | Path) -> None:
    """Raise `FormatError` unless every layer has every expert, as engines need it, and sizes and ids fit."""
    slots = expert_map.phy2log.shape[1]
    experts = experts_of(expert_map)
    if experts > slots:
        raise FormatError(
            f"{path}: {experts} experts in {slots} slots: a slot for each is the least"
        )
    _check_all_experts(expert_map, experts, path)
    ranks = expert_map.num_ranks
    is_even = expert_map.rank_slots is None
    if ranks is not None and is_even and (ranks < 1 or slots % ranks):
        raise FormatError(
            f"{path}: {slots} slots on {ranks} ranks: use --ranks with a divisor of {slots}"
        )
    check_ids(expert_map.layer_ids or (), expert_map.hidden_layers, path)


def _check_all_experts(expert_map: ExpertMap, experts: int, path: str | Path) -> None:
    """Raise `FormatError` unless every layer has every expert, and no other."""
    ids = expert_map.layer_ids or ()
    phy2log = expert_map.phy2log
    placement = Placement(phy2log, experts, ids)
    if phy2log.min() < 0 or phy2log.max() >= experts:
        raise FormatError(f"{path}: the map has experts outside 0..{experts - 1}")
    is_absent = placement.counts() == 0  # [layers, experts]
    if is_absent.any():
        row, expert = np.argwhere(is_absent)[0]
        raise FormatError(
            f"{path}: layer {ids[row]}: expert {expert} has no replica: no engine loads it"
        )


def check_loads(loads: Loads, path: str | Path) -> None:
    """Raise `FormatError` unless loads are finite and >= 0, and layer ids fit."""
    is_finite = np.isfinite(loads.load).all()
    if not is_finite or loads.load.min() < 0:
        raise FormatError(
            f"{path}: a load is negative or not finite: expected routed tokens, numbers >= 0"
        )
    check_ids(loads.layer_ids or (), loads.hidden_layers, path)


def warn_of_idle(loads: Loads, source: str, asked: bool) -> None:
    """Warn of loads that may not be what they are taken for.

    Warns
    -----
    FormatWarning
        Layers without a token, unless they were asked for, or a recording in which most experts do not appear.
    """
    is_active = (loads.load != 0).any(axis=0)  # [layers, experts]
    if not asked:
        _warn_of_silent_layers(loads, is_active, source)
    experts = is_active.shape[1]
    active = int(np.count_nonzero(is_active.any(axis=0)))
    if 0 < 2 * active < experts:
        warnings.warn(
            f"{source}: most experts ({experts - active} of {experts}) have no token in any layer and window: one "
            "rank's file? Add up the recordings of all ranks",
            FormatWarning,
            stacklevel=4,
        )


def _warn_of_silent_layers(
    loads: Loads, is_active: npt.NDArray[np.bool_], source: str
) -> None:
    silent = np.flatnonzero(~is_active.any(axis=1)).tolist()
    if not silent:
        return
    ids = silent
    if loads.layer_ids is not None:
        ids = [loads.layer_ids[row] for row in silent]
    warnings.warn(
        f"{source}: no token in {len(silent)} of {len(is_active)} layers ({listed(ids)}): any map of them counts as "
        "perfect; if they are dense, leave them out with --layers",
        FormatWarning,
        stacklevel=5,
    )
