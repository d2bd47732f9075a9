"""What the options state: the loads that they select, and the instance of these."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from ..errors import InstanceError, OptionError
from ..methods import METHODS
from ..packages import is_usable
from ..problem.objective import SUM, Objective
from .messages import say, say_done
from .options import reading_of
from .signals import put_off
from .step import check_top_k, cost_in
from .unequal import check_unequal, ranks_in

SIZE = re.compile(r"\bnum_(replicas|ranks|nodes|groups)=")  # an argument of Instance
RANKS = re.compile(r"\brank_(speeds|slots)")
SPARE = re.compile(r"\bspare='(\w+)'")
OF_OBJECTIVE = re.compile(r"\b(level|tokens_per_step|top_k)=")


def read_selected(options: argparse.Namespace) -> Any:
    """The loads that the options name, of the windows that they select."""
    return said_of_axes(options, read_recorded(options)).select(options.windows)


def read_recorded(options: argparse.Namespace) -> Any:
    """The loads that the options name, all windows of them."""
    from ..formats import read_loads

    return read_loads(options.loads, **reading_of(options))


def said_of_axes(options: argparse.Namespace, loads: Any) -> Any:
    """The loads, and where their axes seem to be others, a warning."""
    from ..report.inspection import guessed_axes

    windows, layers, experts = loads.load.shape
    say_done(
        f"read {options.loads}: {windows} windows, {layers} layers, {experts} experts"
    )
    guess = guessed_axes(loads.load)
    if guess is not None:
        say("warning", f"{options.loads}: {guess}")
    return loads


def instance_of(options: argparse.Namespace, loads: Any, methods: Sequence[str]) -> Any:
    """The instance that the options state; what is wrong with them is said of the options.

    Where they do not say what counts of several windows, it is their mean imbalance if all methods can do that and it
    makes windows more even that are left out.

    Raises
    ------
    InstanceError
        The loads cannot be placed on that topology.
    """
    is_dry = getattr(options, "dry_run", False)
    if options.across is not None or is_dry:  # what windows left out say takes time
        return _instance(options, loads, options.across or "sum")
    added = _instance(options, loads, "sum")
    if added.num_windows == 1 or not is_usable("numba"):
        return added
    if added.objective.timed_by is not None:
        say("note", "planned for the sum of the windows, in time (--across chooses)")
        return added
    if added.unequal is not None:
        say("note", "planned for the sum of the windows (--across chooses)")
        return added
    over_windows = _instance(options, loads, "mean")
    if any(METHODS[method].supports(over_windows) for method in methods):
        return added
    return over_windows if _helps(over_windows, options.workers) else added


def instance_in_time(
    options: argparse.Namespace,
    loads: Any,
    methods: Sequence[str],
    is_interrupted: bool = False,
) -> tuple[Any, bool]:
    """The same, and whether an interrupt came before it was known what counts of the windows: then it is their sum."""
    if not is_interrupted and len(loads.load) > 1 and options.across is None:
        with put_off() as loading:
            is_usable("numba")
        is_interrupted = loading.came
    if is_interrupted:
        return _summed(options, loads)
    try:
        return instance_of(options, loads, methods), False
    except KeyboardInterrupt:
        return _summed(options, loads)


def _summed(options: argparse.Namespace, loads: Any) -> tuple[Any, bool]:
    """The instance of an interrupted command."""
    return _instance(options, loads, options.across or "sum"), True


def _helps(over_windows: Any, workers: int) -> bool:
    """Whether plans over windows help on windows that are left out; it is said."""
    with put_off() as loading:
        from ..foresight.left_out import left_out
        from ..warmup import warm_up
    if loading.came:
        raise KeyboardInterrupt
    warm_up("refined", windows=True)
    found = left_out(over_windows, workers=workers)
    if found is None:
        return False
    chosen = "mean imbalance of windows" if found.helps else "sum"
    say(
        "note",
        f"planned for the {chosen}: windows left out of a plan have imbalance {found.planned:.4f} "
        f"if it is made over windows, {found.summed:.4f} if for their sum (--across chooses)",
    )
    return found.helps


def _instance(options: argparse.Namespace, loads: Any, across: str) -> Any:
    objective = stated_objective(options, across)
    check_top_k(options, loads.load.shape[-1])
    instance = plain_instance(options, loads, options.replicas, objective)
    check_unequal(options, instance)
    return instance


def stated_objective(options: argparse.Namespace, across: str) -> Objective:
    """The objective of the options of windows, step and cost; what is wrong is said of the options."""
    try:
        return Objective(across, level=options.level, **cost_in(options))
    except OptionError as error:
        raise OptionError(OF_OBJECTIVE.sub(_as_option, str(error))) from error


def plain_instance(
    options: argparse.Namespace, loads: Any, replicas: int, objective: Objective = SUM
) -> Any:
    """The instance of so many slots; by default of the sum of the windows."""
    from ..problem.instance import Instance

    try:
        return Instance(
            loads.load,
            replicas,
            num_groups=options.groups,
            num_nodes=options.nodes,
            num_ranks=options.ranks,
            distinct=options.distinct,
            layer_ids=loads.layer_ids,
            objective=objective,
            **ranks_in(options),
        )
    except InstanceError as error:
        raise InstanceError(said_of_options(str(error))) from error


def said_of_options(message: str) -> str:
    """A message about an instance's arguments as one about the command's options."""
    with_ranks = RANKS.sub(r"--rank-\1", message)
    with_sizes = SPARE.sub(r"--spare \1", SIZE.sub(r"--\1 ", with_ranks))
    return with_sizes.replace("distinct=True", "--distinct")


def topology_of(options: argparse.Namespace) -> Any:
    """The topology that the options state; what is wrong with them is said of the options."""
    from ..problem.topology import Topology

    try:
        return Topology(
            num_ranks=options.ranks, num_groups=options.groups, num_nodes=options.nodes
        )
    except InstanceError as error:
        raise InstanceError(said_of_options(str(error))) from error


def say_no_effect(options: argparse.Namespace, instance: Any) -> list[str]:
    """Say, before the work, which of ``--groups`` and ``--nodes`` have no effect, and why; returns what is said."""
    given = [
        f"--{name} {value}"
        for name in ("groups", "nodes")
        if (value := getattr(options, name)) > 1 and not _says_what_fails(options, name)
    ]
    if instance.hierarchical or not given:
        return []
    if options.nodes == 1:
        reason = "one node (--nodes 1, the default) holds every group"
    else:
        reason = instance.why_global + (
            " (--groups names no more)" if options.groups == 1 else ""
        )
    note = f"{' '.join(given)} {'have' if len(given) > 1 else 'has'} no effect: {reason}; the mode is global"
    say("note", note)
    return [note]


def check_spare(options: argparse.Namespace, instance: Any) -> None:
    """Raise `InstanceError`, said of the options, where the instance has no map that is spare as they ask."""
    from ..problem.spare import require_spare

    if options.spare is None:
        return
    try:
        require_spare(instance, options.spare)
    except InstanceError as error:
        raise InstanceError(said_of_options(str(error))) from error


def _says_what_fails(options: argparse.Namespace, name: str) -> bool:
    """Whether an option has its effect through ``--spare``, in global mode, too."""
    return name == "nodes" and getattr(options, "spare", None) == "node"


RULE = re.compile(r"\b(max_moves|slack|move_price)=")  # an argument of MoveRule
MOVE_OPTIONS = ("max_moves", "slack", "move_price", "failed_ranks")


def _as_option(argument: re.Match[str]) -> str:
    return f"--{argument[1].replace('_', '-')} "


def check_moves(options: argparse.Namespace) -> None:
    """Raise `OptionError` where there are limits on moves, but no map in use, or no such limits."""
    from ..moves.rule import MoveRule

    try:
        MoveRule(options.max_moves, options.slack, options.move_price)
    except OptionError as error:
        message = RULE.sub(_as_option, str(error)).removesuffix(", or None")
        raise OptionError(message) from error
    given = [name for name in MOVE_OPTIONS if getattr(options, name) not in (None, [])]
    if options.previous is None and given:
        option = given[0].replace("_", "-")
        raise OptionError(
            f"--{option} is about moves from a map in use: give --previous MAP"
        )


def moves_of(options: argparse.Namespace, instance: Any) -> dict[str, Any]:
    """What the options state of the map in use, as `solve` takes it; empty without such a map.

    Raises
    ------
    FormatError
        The map cannot be read.
    """
    from ..formats import read_map

    if options.previous is None:
        return {}
    previous = read_map(options.previous, instance.num_experts, instance.layer_ids)
    stated = {name: getattr(options, name) for name in MOVE_OPTIONS}
    return {"previous": previous, **stated}
