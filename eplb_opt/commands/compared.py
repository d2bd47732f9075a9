"""Two maps of one model as files hold them, and the instance of the new one, for ``diff``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import FormatError, InstanceError, OptionError
from .messages import say
from .stated import instance_of, read_selected, say_no_effect

if TYPE_CHECKING:
    from ..formats import ExpertMap, Loads
    from ..problem.instance import Instance
    from ..problem.placement import Placement


class Compared(NamedTuple):
    """The map in use, the map to come, and the instance of the latter; without loads it has none."""

    old: Placement
    new: Placement
    instance: Instance


class _File(NamedTuple):
    """A map, and the file that holds it."""

    path: Path
    held: ExpertMap


def read_compared(options: argparse.Namespace) -> Compared:
    """Read the files, and see that they are of one model.

    Raises
    ------
    FormatError
        A file cannot be read, or is of another model.
    InstanceError
        The new map is not valid on the topology that the options state.
    OptionError
        Nobody says how many ranks there are.
    """
    loads = None if options.loads is None else read_selected(options)
    old, new = _maps(options, loads)
    experts = _experts(loads, [new, old])
    ranks = _ranks(new, options.ranks)
    if ranks is None:
        raise OptionError(
            f"--ranks is missing: {new.path} does not say for how many GPUs it is"
        )
    placement = _placement(new, experts, ranks)
    in_use = _placement(old, experts, _ranks(old, options.old_ranks))
    instance = _instance(options, loads, placement)
    try:
        placement.require_valid(instance)
    except InstanceError as error:
        raise InstanceError(f"{new.path}: {error}") from error
    return Compared(in_use, placement, instance)


def _maps(options: argparse.Namespace, loads: Loads | None) -> tuple[_File, _File]:
    """The old and the new map, of the layers that an option, the loads or a map says, else of all."""
    from ..formats import read_expert_map

    old = read_expert_map(options.old)
    new = read_expert_map(options.new)
    said = [options.layers, None if loads is None else loads.layer_ids]
    said += [new.layer_ids, old.layer_ids, range(len(new.phy2log))]
    ids = next(tuple(known) for known in said if known)
    return (
        _File(options.old, old.with_layers(ids, str(options.old))),
        _File(options.new, new.with_layers(ids, str(options.new))),
    )


def _experts(loads: Loads | None, files: Sequence[_File]) -> int:
    """Logical experts: of the loads, of a file that says, or of both maps."""
    from ..formats.held_map import experts_of

    if loads is not None:
        experts = int(loads.load.shape[2])
    else:
        said = [file.held.num_experts for file in files if file.held.num_experts]
        experts = said[0] if said else max(experts_of(file.held) for file in files)
    for path, held in files:
        is_other = held.num_experts not in (None, experts)
        if is_other or held.phy2log.max() >= experts:
            raise FormatError(
                f"{path}: a map of {experts_of(held)} experts, not {experts}"
            )
        slots = held.phy2log.shape[1]
        if path == files[0].path and slots < experts:
            raise FormatError(
                f"{path}: {slots} slots a layer for {experts} experts: every expert needs one"
            )
    return experts


def _ranks(file: _File, given: int | None) -> int | None:
    from ..formats import agreed

    return agreed("ranks", file.held.num_ranks, given, str(file.path))


def _placement(file: _File, experts: int, ranks: int | None) -> Placement:
    from ..problem.placement import Placement

    held = file.held
    if held.rank_slots is not None:
        raise FormatError(
            f"{file.path}: its ranks have not as many slots, and diff compares maps of equal ranks only"
        )
    try:
        return Placement(held.phy2log, experts, held.layer_ids, ranks)
    except InstanceError as error:
        message = re.sub(r"num_ranks=(\d+)", r"\1 ranks", str(error))
        raise FormatError(f"{file.path}: {message}") from error


def _instance(
    options: argparse.Namespace, loads: Loads | None, new: Placement
) -> Instance:
    """The new map's instance; of several windows their mean imbalance counts, unless an option says otherwise."""
    layers, replicas = new.phy2log.shape
    if loads is None:
        loads = _no_loads(layers, new)
    usual = "mean" if len(loads.load) > 1 else "sum"
    stated = {
        "replicas": replicas,
        "ranks": new.num_ranks,
        "across": options.across or usual,
    }
    with_layers = loads.with_layers(new.layer_ids, str(options.loads))
    instance: Instance = instance_of(
        argparse.Namespace(**(vars(options) | stated)), with_layers, ()
    )
    return instance


def _no_loads(layers: int, new: Placement) -> Loads:
    import numpy as np

    from ..formats import Loads

    return Loads(np.zeros((1, layers, new.num_experts)), new.layer_ids, ("none",))


def notes_of(options: argparse.Namespace, compared: Compared) -> list[str]:
    """Say what is taken for granted of the maps and which options have no effect; returns what is said."""
    from ..moves.worth import ranks_of

    old, new, instance = compared
    notes = []
    slots = old.phy2log.shape[1]
    if old.num_ranks is None and slots != new.phy2log.shape[1]:
        notes.append(
            f"{options.old} has {slots} slots, taken as {instance.slots_per_rank} on each of "
            f"{ranks_of(old, instance)} ranks, as {options.new} has them (--old-ranks says otherwise)"
        )
    if options.groups > 1 and options.nodes > 1 and not instance.hierarchical:
        notes.append(
            f"--groups {options.groups} has no effect: {instance.why_global}; the mode is global"
        )
    for note in notes:
        say("note", note)
    if options.nodes == 1:
        notes += say_no_effect(options, instance)
    return notes
