"""``eplb-opt solve``: place experts and certify the map."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..methods import METHODS
from ..methods.needs import require_method
from .baseline import baseline_of, worth_of
from .common import add_command
from .dry_run import add_dry_run, end_dry_run, plan_of
from .files import check_files, save
from .idle import say_idle
from .journalled import (
    DONE,
    add_executor,
    add_journal,
    is_empty,
    journal_of,
    print_shard,
    said_of,
)
from .messages import BEST_MAPS
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
)
from .page import add_page, page_of_result, save_page
from .parser import one_of
from .saved_map import save_map
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

if TYPE_CHECKING:
    from ..journal.journal import Journal

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
    add_journal(parser)
    add_executor(parser)
    add_all_layers(parser)
    add_cost(parser)
    add_step(parser)
    parser.set_defaults(run=_solve)


def _solve(options: argparse.Namespace) -> int:
    check_moves(options)
    with put_off() as loading:
        require_method(options.method, limits_of(options))
    outputs = _checked_outputs(options)
    with journal_of(options, outputs, *_inputs(options)) as journal:
        return _solve_with(options, journal, loading.came)


def _solve_with(
    options: argparse.Namespace, journal: Journal | None, is_interrupted: bool
) -> int:
    from ..claims.schema import in_order

    limits = limits_of(options)
    loads = _read(options)
    instance, is_early = instance_in_time(
        options, loads, [options.method], is_interrupted
    )
    check_spare(options, instance)
    if options.output is not None:
        _check_sayable(options, instance, loads)
    notes = say_no_effect(options, instance)
    notes += say_idle(options, instance.num_windows, of_cost=["tokens_per_step"])
    from_map = moves_of(options, instance)
    if options.dry_run:
        return _end_dry_run(options, loads, notes, instance.num_windows)
    if is_empty(journal, instance.num_layers):
        return 0
    if journal is not None:
        journal.say(**said_of(options, instance, loads, notes))
    # What an interrupt made of the call is not the job that the journal is of.
    kept = None if is_early else journal
    told = from_map | {"spare": options.spare, "executor": options.executor}
    (result, *_), interrupted = run_methods(
        instance, [options.method], limits, told | {"journal": kept}, is_early
    )
    head = {"windows": options.windows, "notes": notes, "interrupted": interrupted}
    report = in_order(head | result.to_dict())
    _write_all(options, loads, result, report, from_map.get("previous"))
    print_shard(kept, instance.num_layers, interrupted)
    return exit_code_of(interrupted, BEST_MAPS if kept is None else DONE)


def _write_all(
    options: argparse.Namespace,
    loads: Any,
    result: Any,
    report: dict[str, Any],
    previous: Any,
) -> None:
    """Write the files that are asked for, then say what there is."""
    saved = []
    if options.output is not None:
        saved.append(_write(options, loads, result.placement))
    save_json(options.json, report)
    saved += save_page(
        options.report, lambda: page_of_result(report, result, loads, previous)
    )
    if options.json == STANDARD_OUTPUT:
        return
    print_report(report, result.instance.describe(), options.all_layers)
    print_lines([worth_of(report, baseline_of(result.instance))])
    print_lines(saved)


def _end_dry_run(
    options: argparse.Namespace, loads: Any, notes: list[str], windows: int
) -> int:
    """Say what would be done."""
    files = [
        options.output,
        json_file(options.json),
        options.report,
        options.journal,
    ]
    plan = plan_of(options, [options.method], limits_of(options), windows, files)
    return end_dry_run(options, loads, options.replicas, notes, plan)


def _read(options: argparse.Namespace) -> Any:
    """The loads, with the number of the model's layers."""
    selected = read_selected(options)
    return selected.with_hidden_layers(options.hidden_layers, str(options.loads))


def _checked_outputs(options: argparse.Namespace) -> dict[str, Path | None]:
    """The files to write; the map's format is known, and none of them is another one."""
    from ..formats import output_format

    if options.output is not None:
        options.format = output_format(options.output, options.format)
    outputs = {
        "-o": options.output,
        "--json": json_file(options.json),
        "--report": options.report,
    }
    check_files(outputs, _inputs(options))
    return outputs


def _inputs(options: argparse.Namespace) -> list[Path]:
    """The files that are read."""
    inputs = [options.loads, options.previous, options.cost]
    return [path for path in inputs if path is not None]


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
    from ..formats import format_named, write_loads

    output = format_named(options.format)
    if not output.writes_maps:
        save(options.output, lambda path: write_loads(path, loads, options.format))
        return f"loads: {options.output} ({output.remark})"
    return save_map(
        options.output,
        options.format,
        placement,
        options.ranks,
        loads.hidden_layers,
        loads.layer_ids is not None,
    )
