"""``eplb-opt demo``: the recording that comes with the package, planned on one day and judged on the next."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..limits import Limits
from ..methods.needs import require_method
from .common import add_command
from .files import check_files
from .messages import RESULTS
from .options import add_limits, limits_of
from .output import (
    STANDARD_OUTPUT,
    exit_code_of,
    json_file,
    print_lines,
    print_table,
    run_methods,
    save_json,
)

if TYPE_CHECKING:
    from ..problem.instance import Instance
    from ..problem.pool import Floats
    from ..result import Result

RECORDING = "days"
REPLICAS = 80
RANKS = 16
OPTIMAL = "optimal"


class _Plan(NamedTuple):
    """A method and what it plans for."""

    name: str
    method: str
    across: str


class _Days(NamedTuple):
    """The windows that are planned on, those that are judged on, and the labels of both."""

    seen: Instance
    unseen: Instance
    labels: tuple[str, ...]


PLANS = (
    _Plan("greedy", "greedy", "sum"),
    _Plan("refined", "refined", "sum"),
    _Plan("refined-windows", "refined", "mean"),
    _Plan(OPTIMAL, "optimal", "sum"),
)


EXAMPLES = """
eplb-opt demo
eplb-opt demo --time-limit 10 --json report.json
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "demo",
        "what maps are worth on traffic they did not see: a real recording, no file needed, under a minute",
        EXAMPLES,
    )
    add_limits(parser, seconds=30.0)
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    limits = limits_of(options)
    for plan in PLANS:
        require_method(plan.method, limits)
    check_files({"--json": json_file(options.json)})
    days = _days()
    results, interrupted = _planned(days.seen, limits)
    report = _head(days, interrupted) | _found(days, results, limits.gap)
    save_json(options.json, report)
    if options.json != STANDARD_OUTPUT:
        _print(report)
    return exit_code_of(interrupted, RESULTS)


def _days() -> _Days:
    """The first and the second half of the recording."""
    from ..problem.instance import Instance
    from ..recordings import demo_recording

    loads = demo_recording(RECORDING)
    both = Instance(loads.load, REPLICAS, num_ranks=RANKS, layer_ids=loads.layer_ids)
    middle = len(loads.windows) // 2
    first = replace(both, load=both.load[:middle])
    second = replace(both, load=both.load[middle:])
    return _Days(first, second, loads.windows)


def _planned(seen: Instance, limits: Limits) -> tuple[dict[str, Result], bool]:
    """The plans by name; after an interrupt those that there are, and that it was."""
    from ..problem.objective import Objective

    results: dict[str, Result] = {}
    for plan in PLANS:
        instance = replace(seen, objective=Objective(plan.across))
        try:
            found, interrupted = run_methods(instance, [plan.method], limits)
        except KeyboardInterrupt:
            if not results:
                raise
            return results, True
        results[plan.name] = found[-1]
        if interrupted:
            return results, True
    return results, False


def _head(days: _Days, interrupted: bool) -> dict[str, Any]:
    """What `--json` says of the loads."""
    from ..recordings import path_of
    from ..report.demo import SCHEMA

    seen = days.seen
    added = replace(seen, load=seen.load.sum(axis=0))
    return {
        "schema": SCHEMA,
        "interrupted": interrupted,
        "recording": _from_here(path_of(RECORDING)),
        "instance": added.describe(),
        "num_replicas": seen.num_replicas,
        "num_ranks": seen.num_ranks,
        "layers": seen.num_layers,
        "seen": list(days.labels[: seen.num_windows]),
        "unseen": list(days.labels[seen.num_windows :]),
    }


def _found(days: _Days, results: Mapping[str, Result], gap: float) -> dict[str, Any]:
    """What `--json` says of the plans."""
    optimal = results.get(OPTIMAL)
    return {
        "gap": gap,
        "proven": None if optimal is None else optimal.totals()["optimal"],
        "plans": _rows(days, results),
    }


def _from_here(path: Path) -> str:
    """A path as one would type it: from the current folder, if it is below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _rows(days: _Days, results: Mapping[str, Result]) -> list[dict[str, Any]]:
    """The plans between doing nothing and what nobody can do."""
    from ..replayer.players import OWN, contiguous
    from ..report.demo import plan_row

    seen, unseen, _ = days
    ids = list(seen.layer_ids or range(seen.num_layers))
    placements = {"contiguous": contiguous(seen)}
    placements |= {name: result.placement for name, result in results.items()}
    seconds = {name: result.seconds for name, result in results.items()}
    rows = []
    for name, placement in placements.items():
        on_seen = placement.window_imbalance(seen)
        on_unseen = placement.window_imbalance(unseen)
        rows.append(plan_row(name, on_seen, on_unseen, ids, seconds.get(name)))
    return [*rows, plan_row(OWN, None, _floor(unseen), ids, None)]


def _floor(unseen: Instance) -> Floats:
    """Imbalance of each window's own plan, [windows, layers]."""
    from ..replayer.rounds import OwnRounds
    from ..replayer.trace import Turn

    served = tuple(range(unseen.num_windows))
    return OwnRounds(unseen).outcome([Turn((), served)], None).imbalance


def _print(report: Mapping[str, Any]) -> None:
    from ..report.demo import foot_lines, head_lines, plan_table

    print_lines(head_lines(report))
    print_table(plan_table(report))
    print_lines(foot_lines(report))
