"""``eplb-opt solve``: place experts and certify the map."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..limits import Limits
from ..methods import METHODS
from ..methods.needs import require_method
from .baseline import contiguous_imbalance, contiguous_time
from .common import add_command
from .dry_run import add_dry_run, end_dry_run, plan_of
from .files import check_files, save
from .idle import say_idle
from .moving import add_previous, add_spare
from .options import (
    add_input,
    add_output,
    limits_of,
)
from .output import (
    STANDARD_OUTPUT,
    add_all_layers,
    exit_code_of,
    json_file,
    print_lines,
    print_report,
    run_methods,
    save_json,
    unnumbered,
)
from .page import add_page, page_of_result, save_page
from .parser import one_of
from .signals import put_off
from .stated import (
    check_moves,
    check_spare,
    instance_in_time,
    moves_of,
    read_selected,
    say_no_effect,
)
from .step import add_cost, add_step
from .unequal import add_unequal

EXAMPLES = """
eplb-opt solve loads.npz --replicas 288 --ranks 32 \\
    -o map.npz --json report.json
eplb-opt solve dump.pt --replicas 288 --ranks 32 \\
    --nodes 4 --groups 8 --format sglang -o map.json
eplb-opt solve loads.npz --replicas 288 --ranks 32 \\
    --previous served.npz --max-moves 32 -o next.npz
eplb-opt solve loads.npz --config options.toml --dry-run
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "solve",
        "place experts and certify the map",
        EXAMPLES,
        usage="FILE --replicas N --ranks N [options]",
    )
    add_input(parser)
    add_unequal(parser)
    parser.add_argument(
        "--method",
        type=one_of(METHODS),
        choices=list(METHODS),
        metavar="NAME",
        default="optimal",
        help=f"{', '.join(METHODS)}; default: %(default)s",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write the map here",
    )
    add_output(parser)
    add_previous(parser)
    add_spare(parser)
    add_page(parser)
    add_dry_run(parser)
    add_all_layers(parser)
    add_cost(parser)
    add_step(parser)
    parser.set_defaults(run=_solve)


def _solve(options: argparse.Namespace) -> int:
    from ..checker.schema import in_order

    limits = limits_of(options)
    check_moves(options)
    with put_off() as loading:
        require_method(options.method, limits)
    _check_outputs(options)
    loads = _read(options)
    instance, is_early = instance_in_time(
        options, loads, [options.method], loading.came
    )
    check_spare(options, instance)
    if options.output is not None:
        _check_sayable(options, instance, loads)
    notes = say_no_effect(options, instance)
    notes += say_idle(options, instance.num_windows, of_cost=["tokens_per_step"])
    from_map = moves_of(options, instance)
    if options.dry_run:
        plan = _dry_plan(options, limits, instance.num_windows)
        return end_dry_run(options, loads, options.replicas, notes, plan)
    told = from_map | {"spare": options.spare}
    (result, *_), interrupted = run_methods(
        instance, [options.method], limits, told, is_early
    )
    saved = []
    if options.output is not None:
        saved.append(_write(options, loads, result.placement))
    head = {"windows": options.windows, "notes": notes, "interrupted": interrupted}
    report = in_order(head | result.to_dict())
    save_json(options.json, report)
    previous = from_map.get("previous")
    saved += save_page(
        options.report, lambda: page_of_result(report, result, loads, previous)
    )
    if options.json != STANDARD_OUTPUT:
        print_report(report, instance.describe(), options.all_layers)
        print_lines([_worth(report, instance)])
        print_lines(saved)
    return exit_code_of(interrupted)


def _dry_plan(options: argparse.Namespace, limits: Limits, windows: int) -> list[str]:
    """What a dry run says would be done."""
    files = [options.output, json_file(options.json), options.report]
    return list(plan_of(options, [options.method], limits, windows, files))


def _worth(report: dict[str, Any], instance: Any) -> str:
    """What the map is worth where there was no EPLB."""
    from ..report.worth import baseline_line, imbalance_line, time_line

    objective = instance.objective
    if objective.timed_by is not None and objective.adds_windows:
        times = [layer["objective"] for layer in report["layers"]]
        return time_line(sum(times), contiguous_time(instance), objective.cost.unit)
    imbalance = report["totals"]["imbalance_mean"]
    line = baseline_line if objective.timed_by is None else imbalance_line
    return line(imbalance, contiguous_imbalance(instance))


def _read(options: argparse.Namespace) -> Any:
    """The loads, with the number of the model's layers."""
    selected = read_selected(options)
    return selected.with_hidden_layers(options.hidden_layers, str(options.loads))


def _check_outputs(options: argparse.Namespace) -> None:
    """The map's format is known, and no file that is written is another one."""
    from ..formats import output_format

    if options.output is not None:
        options.format = output_format(options.output, options.format)
    outputs = {
        "-o": options.output,
        "--json": json_file(options.json),
        "--report": options.report,
    }
    inputs = [options.loads, options.previous, options.cost]
    check_files(outputs, [path for path in inputs if path is not None])


def _check_sayable(options: argparse.Namespace, instance: Any, loads: Any) -> None:
    """What the format cannot say is known before the long work, from a map of the same shape."""
    from ..formats import check_map_format, encode_loads, format_named

    output = format_named(options.format)
    if output.writes_maps:
        check_map_format(options.output, options.format, instance, loads.hidden_layers)
    else:
        encode_loads(options.output, loads, options.format)


def _write(options: argparse.Namespace, loads: Any, placement: Any) -> str:
    """Write the map, or the loads for an engine that loads none; returns what to say."""
    from ..formats import format_named, write_loads, write_map

    output = format_named(options.format)
    if not output.writes_maps:
        save(options.output, lambda path: write_loads(path, loads, options.format))
        return f"loads: {options.output} ({output.remark})"

    def write(path: Path) -> None:
        write_map(path, placement, options.format, options.ranks, loads.hidden_layers)

    save(options.output, write)
    if loads.layer_ids is not None or output.is_ours:
        return f"map: {options.output}"
    return f"map: {options.output} ({unnumbered(loads.load.shape[1])})"
