"""``eplb-opt verify``: re-check a map and its report without a solver."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import EplbError, FormatError, InstanceError
from .common import add_command
from .files import check_files
from .misplaced import LOADS, MAP, REPORT, misplaced
from .options import add_json, add_loads, reading_of
from .output import STANDARD_OUTPUT, json_file, print_lines, save_json

if TYPE_CHECKING:
    from ..claims.checks import LayerCheck, ReportCheck
    from ..formats import ExpertMap, Loads
    from ..problem.instance import Instance
    from ..problem.objective import Objective
    from ..problem.placement import Placement

MOST_UNKNOWN = 8  # keys named

EXIT_CODES = """exit codes:
  0  valid map, true report, every bound re-proven
  1  something contradicts the report
  2  a file cannot be read, or is not of these loads
  3  nothing contradicts the report, but not every bound is
     re-proven (those of search trees cannot be)"""


EXAMPLES = """
eplb-opt solve loads.npz --replicas 288 --ranks 32 \\
    -o map.npz --json report.json
eplb-opt verify map.npz report.json loads.npz
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "verify",
        "re-check a map and its --json report without a solver",
        EXAMPLES,
        usage="MAP REPORT LOADS [options]",
        further=EXIT_CODES,
    )
    parser.add_argument("map", type=Path, help="the map that solve wrote")
    parser.add_argument("report", type=Path, help="the report that solve --json wrote")
    add_loads(parser)
    parser.add_argument(
        "--previous",
        type=Path,
        metavar="MAP",
        help="the map that was in use, to count the moves again that the report says",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit code, which is the verdict, known before anything is printed."""
    files = [options.map, options.report, options.loads]
    if options.previous is not None:
        files.append(options.previous)
    check_files({"--json": json_file(options.json)}, files)
    inputs = _inputs(options)
    check = _check(inputs, options.report)
    if options.previous is not None:
        faults = _moved_otherwise(inputs, options.previous)
        check = replace(check, faults=check.faults + tuple(faults))
    of_moves = [] if check.faults else _of_moves(inputs, options.previous)
    save_json(options.json, check.to_dict())
    if options.json != STANDARD_OUTPUT:
        print_lines(of_moves)
        print_lines(list(_lines(inputs.instance, check)))
    return check.exit_code


def _moved_otherwise(inputs: _Inputs, path: Path) -> list[str]:
    """What a map in use says against the report: it is another one, or other replicas move from it."""
    from ..claims.digest import map_digest
    from ..formats import read_map
    from ..moves.held import moves, slots_in_use

    instance = inputs.instance
    said = inputs.report.get("previous")
    if said is None:
        return [f"the report is of no map in use, but {path} is given for one"]
    previous = read_map(path, instance.num_experts, instance.layer_ids)
    before = slots_in_use(previous, instance, said["failed_ranks"])
    digest = map_digest(before)
    if said["map_sha256"] != digest:
        return [
            f"the report is of another map in use: its SHA-256 is {said['map_sha256']}, not {digest}"
        ]
    if inputs.placement.violations(instance):
        return []
    true = moves(inputs.placement, previous, instance, said["failed_ranks"])
    claimed = [layer["moves"] for layer in inputs.report["layers"]]
    return [
        f"layer {layer['layer_id']}: {layer['moves']} moves, the maps have {count}"
        for layer, count, claim in zip(
            inputs.report["layers"], true.tolist(), claimed, strict=True
        )
        if claim != count
    ]


class _Inputs(NamedTuple):
    """What the files hold; the instance is of the loads and of the report's topology."""

    report: dict[str, Any]
    instance: Instance
    placement: Placement


def _inputs(options: argparse.Namespace) -> _Inputs:
    """Read the files; where one cannot be read, they may stand in another order."""
    try:
        return _read(options)
    except EplbError as error:
        expected = {options.map: MAP, options.report: REPORT, options.loads: LOADS}
        if len(expected) < 3:  # a file is given twice
            raise
        hint = misplaced(expected)
        if not hint:
            raise
        raise FormatError(hint) from error


def _read(options: argparse.Namespace) -> _Inputs:
    from ..formats import read_loads, read_report

    report = read_report(options.report)
    recorded = read_loads(options.loads, **reading_of(options))
    instance = instance_of_report(report, recorded)
    return _Inputs(report, instance, _read_placement(options.map, instance))


def instance_of_report(report: Mapping[str, Any], recorded: Loads) -> Instance:
    """The instance that a report is of, of the windows that it names."""
    from ..problem.instance import Instance

    loads = recorded.select(report.get("windows", "all"))
    try:
        return Instance(
            loads.load,
            report["num_replicas"],
            num_ranks=report["num_ranks"],
            num_groups=report["num_groups"],
            num_nodes=report["num_nodes"],
            distinct=report["distinct"],
            layer_ids=loads.layer_ids,
            objective=_objective(report),
            rank_speeds=report.get("rank_speeds"),
            rank_slots=report.get("rank_slots"),
        )
    except InstanceError as error:
        experts = loads.load.shape[-1]
        known = report.get("num_experts", experts)
        if known == experts:
            raise
        raise FormatError(
            f"the loads are of {experts} experts, the report is of {known}: give the loads that solve read"
        ) from error


def _objective(report: Mapping[str, Any]) -> Objective:
    """The objective that the report says it is of; windows were added before reports said so."""
    from ..problem.cost import Cost
    from ..problem.objective import Objective

    said = report.get("objective", {})
    given = {name: value for name, value in said.items() if value is not None}
    names = ("across", "level", "weights", "cost", "tokens_per_step", "top_k")
    if "cost" in given:
        given["cost"] = Cost.from_dict(given["cost"])
    return Objective(**{name: given[name] for name in names if name in given})


def _read_placement(path: Path, instance: Instance) -> Placement:
    """The map of the instance's layers; if it is of other layers, ``--layers`` may be missing."""
    from ..claims.verify import CHOOSE_LAYERS
    from ..formats import read_expert_map, read_map

    wanted = instance.layer_ids or ()
    try:
        return read_map(
            path, instance.num_experts, wanted, num_ranks=instance.num_ranks
        )
    except FormatError as error:
        if _has_layers(read_expert_map(path), wanted):
            raise
        raise FormatError(f"{error}: {CHOOSE_LAYERS}") from error


def _has_layers(expert_map: ExpertMap, wanted: Sequence[int]) -> bool:
    """Whether a map is of these layers; one without ids can be if it has as many."""
    present = expert_map.layer_ids
    if present is None:
        return len(expert_map.phy2log) == len(wanted)
    return set(wanted) <= set(present)


def _check(inputs: _Inputs, path: Path) -> ReportCheck:
    from ..claims.verify import verify_report

    try:
        return verify_report(inputs.instance, inputs.placement, inputs.report)
    except EplbError:
        raise
    # The exit code of a traceback is 1, which would be a verdict.
    except Exception as error:
        raise FormatError(
            f"{path} cannot be checked ({type(error).__name__}: {error})"
        ) from error


def _lines(instance: Instance, check: ReportCheck) -> Iterator[str]:
    """What was found, the summary last."""
    yield f"map: {'valid' if check.map_valid else 'NOT VALID'}; {instance.describe()}"
    for fault in check.faults:
        yield f"report: FAULT: {fault}"
    for layer in check.layers:
        yield from _layer_lines(layer)
    if check.unknown:
        yield f"not checked, as not known: keys {_listed(check.unknown)}"
    yield _optimal_line(check)
    yield _summary(check)


def _of_moves(inputs: _Inputs, path: Path | None) -> list[str]:
    """What is said of moves: that they cannot be counted again, or how many of their bounds are proven again."""
    from ..formats import read_map
    from .proven_moves import layers_with_proven_moves

    report, instance, placement = inputs
    if report.get("previous") is None or placement.violations(instance):
        return []
    if path is None:
        return [
            "moves: not counted again, as that needs the map in use (--previous MAP)"
        ]
    previous = read_map(path, instance.num_experts, instance.layer_ids)
    proven = layers_with_proven_moves(instance, placement, previous, report)
    layers = len(report["layers"])
    return [f"moves: their bounds are proven again in {proven} of {layers} layers"]


def _listed(keys: Sequence[str]) -> str:
    """The first keys by name, the others by their number."""
    named = ", ".join(keys[:MOST_UNKNOWN])
    others = len(keys) - MOST_UNKNOWN
    return f"{named} and {others} more" if others > 0 else named


def _optimal_line(check: ReportCheck) -> str:
    """How many layers are OPTIMAL: of those that the report calls so, the ones without a fault."""
    from ..report.figures import counted, percent

    limit = percent(check.gap_limit)
    layers = counted(check.optimal, "layer")
    line = f"OPTIMAL: {layers}, which the report says of gaps up to {limit} %"
    with_faults = check.claimed_optimal - check.optimal
    if with_faults:
        line += f"; not counted: {with_faults} that it also calls so and that faults concern"
    return line


def _summary(check: ReportCheck) -> str:
    """How much of the report holds."""
    from ..report.figures import counted, percent

    of_report = ""
    if check.faults:
        of_report = f" and {len(check.faults)} in the report's head and totals"
    largest = percent(max(layer.gap for layer in check.layers))
    return (
        f"{counted(len(check.layers), 'layer')}: {check.with_faults} with faults{of_report}; "
        f"objectives recomputed; {counted(check.proven, 'bound')} re-proven in full; "
        f"largest re-proven gap {largest} %"
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
