"""``eplb-opt demo``: synthetic loads solved, no file needed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..methods.needs import require_method
from .common import add_command
from .files import check_files
from .options import add_limits, limits_of
from .output import (
    STANDARD_OUTPUT,
    add_all_layers,
    exit_code_of,
    json_file,
    print_lines,
    print_report,
    print_table,
    run_methods,
    save_json,
)

if TYPE_CHECKING:
    from ..problem.instance import Instance
    from ..result import Result

DEMO_MODEL = "deepseek-v3-decode"
METHODS = ("greedy", "optimal")


EXAMPLES = """
eplb-opt demo
eplb-opt demo --time-limit 10 --json report.json
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "demo",
        "solve synthetic DeepSeek-V3 loads: no file needed, under a minute",
        EXAMPLES,
    )
    add_limits(parser, seconds=40.0)
    add_all_layers(parser)
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from ..checker.schema import in_order

    limits = limits_of(options)
    for method in METHODS:
        require_method(method, limits)
    check_files({"--json": json_file(options.json)})
    instance = _instance(options.seed)
    results, interrupted = run_methods(instance, METHODS, limits)
    report = in_order({"interrupted": interrupted} | results[-1].to_dict())
    save_json(options.json, report)
    if options.json != STANDARD_OUTPUT:
        origin = f"synthetic loads, {DEMO_MODEL}, seed {options.seed}"
        print_lines([f"{origin} (lognormal, calibrated to recorded loads)"])
        print_report(report, instance.describe(), options.all_layers)
        _print_methods(instance, results, limits.gap)
    return exit_code_of(interrupted)


def _instance(seed: int) -> Instance:
    """DeepSeek-V3 on 32 GPUs."""
    from ..problem.instance import Instance
    from ..synthetic import MODELS, synthetic_load

    load = synthetic_load(DEMO_MODEL, seed=seed)
    first = MODELS[DEMO_MODEL].first_layer
    layer_ids = range(first, first + load.shape[1])
    return Instance(load, num_replicas=288, num_ranks=32, layer_ids=layer_ids)


def _print_methods(instance: Instance, results: Sequence[Result], gap: float) -> None:
    """The methods side by side."""
    from ..replayer.players import contiguous
    from ..report.gap import best_bound, gap_rows
    from ..report.tables import gap_table
    from ..report.worth import WITHOUT_EPLB, worth_lines

    bound, _ = best_bound(results)
    objectives = {WITHOUT_EPLB: contiguous(instance).objective(instance)}
    objectives |= {result.method: result.objective for result in results}
    seconds = {result.method: result.seconds for result in results}
    rows = gap_rows(
        instance,
        objectives,
        seconds,
        bound,
        gap,
    )
    print_table(gap_table(rows))
    print_lines(worth_lines(rows))
