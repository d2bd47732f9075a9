"""``eplb-opt demo``: synthetic loads solved, no file needed."""

from __future__ import annotations

import argparse
from typing import Any

from ..methods.needs import require_method
from .files import check_files
from .options import add_limits, limits_of
from .output import (
    STANDARD_OUTPUT,
    json_file,
    print_lines,
    print_report,
    print_table,
    run_methods,
    save_json,
    say_interrupted,
)
from .signals import INTERRUPTED

DEMO_MODEL = "deepseek-v3-decode"
METHODS = ("greedy", "optimal")


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser(
        "demo", help="solve synthetic DeepSeek-V3 loads: no file needed, under a minute"
    )
    add_limits(parser, seconds=40.0)
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from ..checker.schema import in_order
    from ..problem.instance import Instance
    from ..report.gap import best_bound, gap_rows
    from ..report.tables import gap_table
    from ..synthetic import MODELS, synthetic_load

    limits = limits_of(options)
    for method in METHODS:
        require_method(method, limits)
    check_files({"--json": json_file(options.json)})
    first = MODELS[DEMO_MODEL].first_layer
    load = synthetic_load(DEMO_MODEL, seed=options.seed)
    instance = Instance(
        load,
        num_replicas=288,
        num_ranks=32,
        layer_ids=range(first, first + load.shape[1]),
    )
    results, interrupted = run_methods(instance, METHODS, limits)
    report = in_order({"interrupted": interrupted} | results[-1].to_dict())
    save_json(options.json, report)
    if options.json == STANDARD_OUTPUT:
        return INTERRUPTED if interrupted else 0
    print_lines(
        [
            f"synthetic loads, {DEMO_MODEL}, seed {options.seed} (lognormal, calibrated to recorded loads)"
        ]
    )
    print_report(report, instance.describe())
    bound, _ = best_bound(results)
    objectives = {r.method: r.objective for r in results}
    seconds = {r.method: r.seconds for r in results}
    print_table(gap_table(gap_rows(instance, objectives, seconds, bound, limits.gap)))
    if interrupted:
        say_interrupted()
    return INTERRUPTED if interrupted else 0
