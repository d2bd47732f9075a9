"""``eplb-opt verify``: re-check a map and its report without a solver."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EplbError, FormatError
from .files import check_files
from .options import add_json, add_loads
from .output import STANDARD_OUTPUT, json_file, print_lines, save_json

if TYPE_CHECKING:
    from ..checker.checks import LayerCheck, ReportCheck
    from ..problem.instance import Instance
    from ..problem.objective import Objective
    from ..problem.placement import Placement

MOST_UNKNOWN = 8  # keys named

EXIT_CODES = """exit codes:
  0  valid map, true report, every bound re-proven
  1  something contradicts the report
  2  a file cannot be read, or is not of these loads
  3  nothing contradicts the report, but not every bound is re-proven (those of search trees cannot be)"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser(
        "verify",
        help="re-check a map and its --json report without a solver",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("map", type=Path, help="the map that solve wrote")
    parser.add_argument("report", type=Path, help="the report that solve --json wrote")
    add_loads(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit code, which is the verdict, known before anything is printed."""
    from ..formats import read_loads, read_map, read_report
    from ..problem.instance import Instance

    check_files(
        {"--json": json_file(options.json)},
        [options.map, options.report, options.loads],
    )
    report = read_report(options.report)
    loads = read_loads(options.loads, options.input_format, options.layers).select(
        report["windows"]
    )
    instance = Instance(
        loads.load,
        report["num_replicas"],
        num_ranks=report["num_ranks"],
        num_groups=report["num_groups"],
        num_nodes=report["num_nodes"],
        distinct=report["distinct"],
        layer_ids=loads.layer_ids,
        objective=_objective(report),
    )
    placement = read_map(
        options.map,
        instance.num_experts,
        instance.layer_ids,
        num_ranks=instance.num_ranks,
    )
    check = _check(instance, placement, report, options.report)
    save_json(options.json, check.to_dict())
    if options.json != STANDARD_OUTPUT:
        print_lines(list(_lines(instance, check)))
    return check.exit_code


def _objective(report: dict[str, Any]) -> Objective:
    """The objective that the report says it is of; windows were added before reports said so."""
    from ..problem.objective import Objective

    said = report.get("objective", {})
    given = {name: value for name, value in said.items() if value is not None}
    names = ("across", "level", "weights")
    return Objective(**{name: given[name] for name in names if name in given})


def _check(
    instance: Instance, placement: Placement, report: dict[str, Any], path: Path
) -> ReportCheck:
    from ..checker.verify import verify_report

    try:
        return verify_report(instance, placement, report)
    except EplbError:
        raise
    except (
        Exception
    ) as error:  # the exit code of a traceback is 1, which would be a verdict
        raise FormatError(
            f"{path} cannot be checked ({type(error).__name__}: {error})"
        ) from error


def _lines(instance: Instance, check: ReportCheck) -> Iterator[str]:
    """What was found, the summary last."""
    from ..report.figures import percent

    yield f"map: {'valid' if check.map_valid else 'NOT VALID'}; {instance.describe()}"
    for fault in check.faults:
        yield f"report: FAULT: {fault}"
    for layer in check.layers:
        yield from _layer_lines(layer)
    if check.unknown:
        named = ", ".join(check.unknown[:MOST_UNKNOWN])
        others = len(check.unknown) - MOST_UNKNOWN
        more = f" and {others} more" if others > 0 else ""
        yield f"not checked, as not known: keys {named}{more}"
    yield f"OPTIMAL: {check.optimal} layers, which the report says of gaps up to {percent(check.gap_limit)} %"
    of_report = (
        f" and {len(check.faults)} in the report's head and totals"
        if check.faults
        else ""
    )
    largest = percent(max(layer.gap for layer in check.layers))
    yield (
        f"{len(check.layers)} layers: {check.with_faults} with faults{of_report}; objectives recomputed; "
        f"{check.proven} bounds re-proven in full; largest re-proven gap {largest} %"
    )


def _layer_lines(layer: LayerCheck) -> Iterator[str]:
    """Faults, and a bound that nothing short proves again."""
    from ..report.figures import percent

    for fault in layer.faults:
        yield f"layer {layer.layer_id}: FAULT: {fault}"
    if not (layer.faults or layer.bound_proven):
        yield (
            f"layer {layer.layer_id}: NOT PROVEN: claimed bound {layer.claimed_bound:.9g} by {layer.bound_method} "
            f"rests on a search tree; re-proven: {layer.bound:.9g}, gap {percent(layer.gap)} %"
        )
