"""``eplb-opt demo``: synthetic loads solved, no file needed."""

from __future__ import annotations

import argparse
from typing import Any

from .options import add_limits, limits_of
from .output import print_result, print_table, run_method

DEMO_MODEL = "deepseek-v3-decode"


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser("demo", help="solve synthetic DeepSeek-V3 loads: no file needed, under a minute")
    add_limits(parser, seconds=40.0)
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> None:
    from ..formats import check_writable, write_json
    from ..instance import Instance
    from ..report.gap import best_bound, gap_rows
    from ..report.tables import gap_table
    from ..synthetic import MODELS, synthetic_load

    limits = limits_of(options)
    if options.json is not None:
        check_writable(options.json)
    first = MODELS[DEMO_MODEL].first_layer
    load = synthetic_load(DEMO_MODEL, seed=options.seed)
    instance = Instance(load, num_replicas=288, num_ranks=32, layer_ids=range(first, first + load.shape[1]))
    print(f"synthetic loads, {DEMO_MODEL}, seed {options.seed} (lognormal, calibrated to recorded loads)")
    results = [run_method(instance, method, limits) for method in ("greedy", "optimal")]
    print_result(results[-1])
    bound, _ = best_bound(results)
    objectives, seconds = {r.method: r.objective for r in results}, {r.method: r.seconds for r in results}
    print_table(gap_table(gap_rows(instance, objectives, seconds, bound, limits.gap)))
    if options.json is not None:
        write_json(options.json, results[-1].to_dict())
