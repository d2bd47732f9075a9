"""What ``gap`` judges beside methods: a user's own maps and policies."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import FormatError, InstanceError
from .messages import say
from .step import look_in_current_folder

EVEN = 0.02  # above 1: the imbalance of a map on the ranks that it is for, at most
TIMES = 10  # as uneven on others
MOST_TIMES_RANKS = 4


class Judged(NamedTuple):
    """Placements of others by name, and seconds where they were computed here."""

    placements: dict[str, Any]
    seconds: dict[str, float]


def own_map(path: Path, instance: Any) -> Any:
    """A user's map, valid for the instance; what is taken for granted of it is said.

    Raises
    ------
    FormatError
        The file cannot be read, or is of another model or topology.
    """
    from ..formats import read_map

    placement = read_map(
        path, instance.num_experts, instance.layer_ids, num_ranks=instance.num_ranks
    )
    _check_model(path, placement, instance)
    try:
        placement.require_valid(instance)
    except InstanceError as error:
        raise FormatError(f"{path}: {error}") from error
    if placement.num_ranks is None:
        _say_of_ranks(path, placement, instance)
    return placement


def _check_model(path: Path, placement: Any, instance: Any) -> None:
    """Raise `FormatError` where a map is of another model, or of another number of slots."""
    slots = placement.phy2log.shape[1]
    if slots != instance.num_replicas:
        raise FormatError(
            f"{path}: a map of {slots} slots a layer, not {instance.num_replicas} (--replicas): it is of another "
            "topology, or the loads are of another model"
        )
    experts = int(placement.phy2log.max()) + 1
    if experts > instance.num_experts:
        raise FormatError(
            f"{path}: a map of {experts} experts or more, the loads have {instance.num_experts}: they are of two models"
        )


def _say_of_ranks(path: Path, placement: Any, instance: Any) -> None:
    """Say that a map does not say its ranks, and for how many it seems to be, if for fewer."""
    ranks = instance.num_ranks
    if instance.unequal is not None:
        say("note", f"{path} does not say its ranks: taken for a map of these")
        return
    say(
        "note",
        f"{path} does not say for how many ranks it is: taken for one of --ranks {ranks}",
    )
    imbalance = imbalance_on(placement, instance, ranks)
    likely = likely_ranks(placement, instance)
    if likely != ranks:
        there = imbalance_on(placement, instance, likely)
        say(
            "warning",
            f"{path}: imbalance {imbalance:.4f} on {ranks} ranks, {there:.4f} on {likely}: it seems to be a map for "
            f"{likely} ranks",
        )


def imbalance_on(placement: Any, instance: Any, ranks: int) -> float:
    """Heaviest over mean rank load in the mean over layers, were the map's slots shared out among so many ranks."""
    rows = np.arange(len(placement.phy2log))[:, None]
    shares = instance.weight / placement.counts()
    slots = shares[rows, placement.phy2log]
    loads = slots.reshape(len(slots), ranks, -1).sum(axis=2)
    means = loads.mean(axis=1)
    is_loaded = means > 0
    if not is_loaded.any():
        return 1.0
    return float((loads.max(axis=1)[is_loaded] / means[is_loaded]).mean())


def likely_ranks(placement: Any, instance: Any) -> int:
    """Ranks that the map seems to be for: the instance's, or a part of them on which it is far more even.

    Examples
    --------
    >>> from eplb_opt import Instance, Placement
    >>> instance = Instance([[9, 8, 2, 1]], 4, num_ranks=4)
    >>> likely_ranks(Placement([[0, 3, 1, 2]], 4), instance)
    2
    """
    ranks = int(instance.num_ranks)
    excess = imbalance_on(placement, instance, ranks) - 1
    for times in range(2, MOST_TIMES_RANKS + 1):
        fewer = ranks // times
        if ranks % times or fewer < 2:
            continue
        other = imbalance_on(placement, instance, fewer) - 1
        if other <= EVEN and excess > max(EVEN, TIMES * other):
            return fewer
    return ranks


def own_policies(specs: Sequence[str]) -> dict[str, Any]:
    """The user's policies by name; modules are also looked for in the current folder, as `python -m` does."""
    from ..external import load_policy

    look_in_current_folder(specs)
    return {f"policy {spec}": load_policy(spec) for spec in specs}


def judge(policies: dict[str, Any], instance: Any) -> Judged:
    """What each policy places, each called once."""
    from ..external import call_policy

    judged = Judged({}, {})
    for name, policy in policies.items():
        start = time.monotonic()
        placement = call_policy(policy, instance, name)
        judged.seconds[name] = time.monotonic() - start
        judged.placements[name] = placement
    return judged
