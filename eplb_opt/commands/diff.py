"""``eplb-opt diff``: what moves from one map to another, what that costs and what it gains."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InstanceError, OptionError
from ..problem.across import ACROSS
from .baseline import contiguous_imbalance
from .common import add_command
from .compared import Compared, notes_of, read_compared
from .files import check_files
from .options import add_json, add_mode, add_reading, layer_ids, positive
from .output import (
    STANDARD_OUTPUT,
    add_all_layers,
    json_file,
    print_lines,
    print_rows,
    print_table,
    save_json,
    shown_rows,
)
from .parser import one_of, real
from .stated import said_of_options
from .units import bytes_in, speed_in

if TYPE_CHECKING:
    from ..moves.links import Links
    from ..moves.traffic import MoveLimits
    from ..problem.instance import Instance

NEEDS = {  # an option and the one that it is of no use without
    "within_node": "bytes_per_expert",
    "across_nodes": "bytes_per_expert",
    "moves_per_rank": "schedule",
    "moves_per_pair": "schedule",
    "schedule": "loads",
}


EXAMPLES = """
eplb-opt diff old.npz new.npz --loads loads.npz
eplb-opt diff old.npz new.npz --loads loads.npz \\
    --nodes 4 --bytes-per-expert 44MiB \\
    --within-node 400GB/s --across-nodes 50GB/s \\
    --schedule --moves-per-rank 2
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "diff",
        "what moves from one map to another, and what it gains",
        EXAMPLES,
        usage="OLD NEW [options]",
    )
    parser.add_argument(
        "old", type=Path, metavar="OLD", help="the map in use, in any format"
    )
    parser.add_argument(
        "new", type=Path, metavar="NEW", help="the map to come, in any format"
    )
    _add_topology(parser)
    _add_loads(parser)
    _add_cost(parser)
    _add_schedule(parser)
    add_json(parser)
    add_all_layers(parser)
    parser.set_defaults(run=_diff)


def _add_topology(parser: argparse.ArgumentParser) -> None:
    """Ranks, nodes and groups; the slots are those of the maps."""
    parser.add_argument(
        "--ranks",
        type=positive,
        metavar="N",
        help="GPUs of NEW, where its file does not say",
    )
    parser.add_argument(
        "--old-ranks",
        type=positive,
        metavar="N",
        help="GPUs of OLD, where its file does not say; default: it has as many slots on each as NEW",
    )
    parser.add_argument(
        "--failed-ranks",
        type=rank_numbers,
        default=[],
        metavar="RANKS",
        help="of OLD, such as 3,7 or 8:16: they hold nothing any more; if NEW has fewer ranks, the others move up",
    )
    add_mode(parser)


def rank_numbers(text: str) -> list[int]:
    """Numbers of ranks, as those of layers are written."""
    return layer_ids(text)


def _add_loads(parser: argparse.ArgumentParser) -> None:
    """The loads on which the maps are compared."""
    parser.add_argument(
        "--loads",
        type=Path,
        metavar="FILE",
        help="recorded loads, a file or a folder: say what the moves gain",
    )
    add_reading(parser)
    parser.add_argument(
        "--windows",
        default="all",
        metavar="WHICH",
        help="of the loads: index, range 0:16, label, or all (the default)",
    )
    parser.add_argument(
        "--across",
        type=one_of(ACROSS),
        choices=ACROSS,
        metavar="NAME",
        help="what counts of several windows, see solve; default: mean",
    )
    parser.add_argument(
        "--level",
        type=real,
        default=0.9,
        metavar="X",
        help="of cvar: the worst 1 - X of the windows count; default: %(default)s",
    )


def _add_cost(parser: argparse.ArgumentParser) -> None:
    """What weights weigh, and how fast links are."""
    parser.add_argument(
        "--bytes-per-expert",
        type=bytes_in,
        metavar="SIZE",
        help="of one replica in one layer, such as 44MiB: say bytes",
    )
    parser.add_argument(
        "--within-node",
        type=speed_in,
        metavar="SPEED",
        help="of a rank's link to its node, in one direction, such as 400GB/s: say seconds",
    )
    parser.add_argument(
        "--across-nodes",
        type=speed_in,
        metavar="SPEED",
        help="of a node's links to all others, in one direction, such as 50GB/s or 400Gbit/s",
    )


def _add_schedule(parser: argparse.ArgumentParser) -> None:
    """The order of the moves."""
    parser.add_argument(
        "--schedule",
        action="store_true",
        help="in which order to go: layers, and batches of them, first what gains most for what it copies",
    )
    parser.add_argument(
        "--moves-per-rank",
        type=positive,
        metavar="N",
        help="replicas that a rank receives at a time at most, and sends at most",
    )
    parser.add_argument(
        "--moves-per-pair",
        type=positive,
        metavar="N",
        help="replicas that one rank sends to one other at a time at most",
    )


def _diff(options: argparse.Namespace) -> int:
    _check_options(options)
    inputs = [options.old, options.new, options.loads]
    check_files(
        {"--json": json_file(options.json)},
        [path for path in inputs if path is not None],
    )
    compared = read_compared(options)
    notes = notes_of(options, compared)
    report = _report(options, compared) | {"notes": notes}
    save_json(options.json, report)
    if options.json != STANDARD_OUTPUT:
        _print(report, compared.instance, options.all_layers)
    return 0


def _report(options: argparse.Namespace, compared: Compared) -> dict[str, Any]:
    """What moves; what is wrong is said of the options."""
    from ..report.diff import diff_report

    try:
        return diff_report(
            compared.new,
            compared.old,
            compared.instance,
            links=_links(options),
            limits=_limits(options),
            failed_ranks=options.failed_ranks,
        )
    except InstanceError as error:
        message = str(error).replace("failed_ranks has", "--failed-ranks")
        raise InstanceError(said_of_options(message)) from error


def _check_options(options: argparse.Namespace) -> None:
    """What is of no use without another option."""
    for name, needed in NEEDS.items():
        if getattr(options, name) and not getattr(options, needed):
            raise OptionError(f"{_option(name)} needs {_option(needed)}: give both")
    has_speed = options.within_node or options.across_nodes
    if not has_speed:
        return
    if options.within_node is None:
        raise OptionError("--across-nodes needs --within-node: give both speeds")
    if options.across_nodes is None and options.nodes > 1:
        raise OptionError(
            f"--within-node with --nodes {options.nodes} needs --across-nodes: give both speeds"
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _links(options: argparse.Namespace) -> Links | None:
    from ..moves.links import Links

    if options.bytes_per_expert is None:
        return None
    return Links(options.bytes_per_expert, options.within_node, options.across_nodes)


def _limits(options: argparse.Namespace) -> MoveLimits | None:
    from ..moves.traffic import MoveLimits

    if not options.schedule:
        return None
    return MoveLimits(options.moves_per_rank, options.moves_per_pair)


def _worth(report: Mapping[str, Any], instance: Instance) -> Iterator[str]:
    """What the new map is worth where there was no EPLB, if there are loads."""
    from ..report.worth import baseline_line

    after = report["totals"]["imbalance_after"]
    if after is not None:
        yield baseline_line(after, contiguous_imbalance(instance), "the new map")


def _print(report: Mapping[str, Any], instance: Instance, all_layers: bool) -> None:
    """What moves, layer by layer, and in all; then the schedule."""
    from ..report import diff_tables as tables
    from ..report.shortened import moved_layers, other_moves_line

    print_lines(tables.head_lines(report))
    layers = report["layers"]
    rows = shown_rows(len(layers), moved_layers(layers), all_layers)
    print_rows(tables.layer_table(report), rows)
    if len(rows) < len(layers):
        print_lines([other_moves_line(layers, rows)])
    print_lines(tables.totals_lines(report))
    print_lines(_worth(report, instance))
    if report["schedule"] is None:
        return
    print_lines(["", *tables.schedule_lines(report)])
    if report["schedule"]["steps"]:
        print_table(tables.schedule_table(report))
    print_lines(tables.half_line(report))
