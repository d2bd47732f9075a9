"""``eplb-opt inspect``: what a file of loads holds, before any long work."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ..errors import OptionError
from ..problem.objective import SUM
from .baseline import contiguous_imbalance
from .common import add_command
from .files import check_files
from .options import add_json, add_loads, add_topology
from .output import STANDARD_OUTPUT, json_file, print_lines, print_table, save_json
from .stated import (
    plain_instance,
    read_selected,
    say_no_effect,
    stated_objective,
    topology_of,
)
from .unequal import add_unequal, ranks_in

EXAMPLES = """
eplb-opt inspect loads.npz
eplb-opt inspect loads.npz --replicas 288 --ranks 32 \\
    --nodes 4 --groups 8
eplb-opt inspect record/ --json -
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "inspect",
        "what a file of loads holds, and what is odd about it",
        EXAMPLES,
        usage="FILE [options]",
    )
    add_loads(parser)
    parser.add_argument(
        "--windows",
        default="all",
        metavar="WHICH",
        help="index, range 0:16, label, or all (the default)",
    )
    add_topology(parser, is_required=False)
    add_unequal(parser)
    parser.add_argument(
        "--all-windows", action="store_true", help="show all windows, however many"
    )
    add_json(parser)
    parser.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    check_files({"--json": json_file(options.json)}, [options.loads])
    if options.replicas is not None and options.ranks is None:
        raise OptionError("--replicas needs --ranks: give both")
    if options.replicas is None:
        _check_alone(options)
    loads = read_selected(options)
    notes = []
    if options.ranks is not None:
        notes = say_no_effect(options, topology_of(options))
    found = inspected(options, loads, options.replicas, notes)
    save_json(options.json, found)
    if options.json != STANDARD_OUTPUT:
        print_inspection(found, options.all_windows)
    return 0


def _check_alone(options: argparse.Namespace) -> None:
    """Raise `OptionError` for what says nothing without slots."""
    for name, value in ranks_in(options).items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise OptionError(f"{option} needs --replicas and --ranks: give all three")


def inspected(
    options: argparse.Namespace, loads: Any, replicas: int | None, notes: list[str]
) -> dict[str, Any]:
    """What was read, and on which topology the options place it.

    Parameters
    ----------
    options : namespace
        With the topology.
    loads : Loads
    replicas : int or None
        Slots a layer.
    notes : list of str
        What was said of options without effect.

    Raises
    ------
    FormatError
        A load is negative or not finite.
    """
    from ..formats.checks import check_loads
    from ..report.inspection import inspection

    check_loads(loads, options.loads)
    found = inspection(loads, str(options.loads))
    placed = {"instance": None, "contiguous": None}
    if replicas is not None:
        placed = _placed(options, loads, replicas)
    mode = None if options.ranks is None else topology_of(options).mode
    return {**found, "mode": mode, **placed, "notes": notes}


def _placed(options: argparse.Namespace, loads: Any, replicas: int) -> dict[str, Any]:
    """The instance in a line, and how uneven it is where the experts lie in order."""
    across = getattr(options, "across", None) or SUM.across
    has_objective = hasattr(
        options, "across"
    )  # what a dry run is of, not inspect itself
    objective = stated_objective(options, across) if has_objective else SUM
    instance = plain_instance(options, loads, replicas, objective)
    imbalance = contiguous_imbalance(instance)
    return {"instance": instance.describe(), "contiguous": imbalance}


def print_inspection(found: Mapping[str, Any], all_windows: bool = False) -> None:
    """What was read, for people."""
    from ..report import inspection_tables as tables

    print_lines(tables.head_lines(found))
    print_lines(tables.topology_lines(found))
    print_lines(tables.odd_lines(found))
    print_lines([""])
    print_table(tables.hot_table(found))
    windows = tables.window_table(found, all_windows)
    if windows:
        print_lines([""])
        print_table(windows)
        print_lines(tables.window_lines(found, all_windows))
