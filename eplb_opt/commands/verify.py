"""``eplb-opt verify``: re-check a map and its report without a solver."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .options import add_loads


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser("verify", help="re-check a map and its --json report without a solver")
    parser.add_argument("map", type=Path, help="the map that solve wrote")
    parser.add_argument("report", type=Path, help="the report that solve --json wrote")
    add_loads(parser)
    parser.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    from ..formats import read_loads, read_map, read_report
    from ..instance import Instance
    from ..report.figures import percent
    from ..verify import verify

    report = read_report(options.report)
    loads = read_loads(options.loads, options.input_format, options.layers).select(report["windows"])
    instance = Instance(
        loads.load, report["num_replicas"], report["num_groups"], report["num_nodes"], report["num_ranks"],
        report["distinct"], loads.layer_ids,
    )  # fmt: skip
    placement = read_map(options.map, instance.num_experts, instance.layer_ids, num_ranks=instance.num_ranks)
    checks = verify(instance, placement, report["layers"])
    print(f"map: valid; {instance.describe()}")
    for check in checks:
        for fault in check.faults:
            print(f"layer {check.layer_id}: FAULT: {fault}")
        if not check.bound_proven:
            print(f"layer {check.layer_id}: claimed bound {check.claimed_bound:.9g} rests on a search tree; "
                  f"re-proven: {check.bound:.9g}, gap {percent(check.gap)} %")  # fmt: skip
    faults = sum(bool(check.faults) for check in checks)
    proven = sum(check.bound_proven and not check.faults for check in checks)
    worst = max(check.gap for check in checks)
    print(f"{len(checks)} layers: {faults} with faults; objectives recomputed; {proven} bounds re-proven in full; "
          f"largest re-proven gap {percent(worst)} %")  # fmt: skip
    return 1 if faults else 0
