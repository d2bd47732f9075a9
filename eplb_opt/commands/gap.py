"""``eplb-opt gap``: how far methods, and a user's own map, are from optimal."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import OptionError, did_you_mean
from ..limits import Limits
from ..methods import METHODS
from ..methods.needs import require_method
from .common import add_command
from .dry_run import add_dry_run, end_dry_run, plan_of
from .files import check_files
from .idle import say_idle
from .journalled import add_journal_alone, begun_gap, journal_of, print_shard
from .judged import Judged, judge, own_map, own_policies
from .messages import RESULTS
from .options import (
    add_input,
    limits_of,
)
from .output import (
    STANDARD_OUTPUT,
    exit_code_of,
    finite,
    json_file,
    print_lines,
    print_table,
    run_methods,
    save_json,
)
from .page import add_page, save_page
from .signals import put_off
from .stated import instance_in_time, read_selected, say_no_effect
from .step import add_cost, add_step, copies_in, top_k_in
from .unequal import add_unequal
from .verdict import ABOVE, EXIT_CODES, above, add_fail_above, say_above

if TYPE_CHECKING:
    from ..journal.journal import Journal

EXAMPLES = """
eplb-opt gap loads.npz --replicas 288 --ranks 32
eplb-opt gap loads.npz --replicas 288 --ranks 32 \\
    --methods optimal --map served.npz --fail-above 1%
eplb-opt gap loads.npz --replicas 288 --ranks 32 \\
    --policy my_package.my_module:MyPolicy
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "gap",
        "how far methods, and your own map, are from optimal",
        EXAMPLES,
        further=EXIT_CODES,
        usage="FILE --replicas N --ranks N [options]",
    )
    add_input(parser)
    add_unequal(parser)
    parser.add_argument(
        "--methods",
        default="greedy,optimal",
        help="comma-separated; default: %(default)s",
    )
    _add_own(parser)
    add_fail_above(parser)
    add_step(parser)
    add_page(parser)
    add_dry_run(parser)
    add_cost(parser)
    add_journal_alone(parser)
    parser.set_defaults(run=_gap)


def _add_own(parser: argparse.ArgumentParser) -> None:
    """What else is judged: maps and policies."""
    parser.add_argument(
        "--map",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a map to judge; repeatable",
    )
    parser.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="MODULE:NAME",
        help="a policy of yours to judge: a class with rebalance_experts, or a function; repeatable",
    )


def _gap(options: argparse.Namespace) -> int:
    costs = [] if options.cost is None else [options.cost]
    inputs = [options.loads, *options.map, *costs]
    outputs = {"--json": json_file(options.json), "--report": options.report}
    check_files(outputs, inputs)
    with journal_of(options, outputs, *inputs) as journal:
        return _gap_with(options, journal)


def _gap_with(options: argparse.Namespace, journal: Journal | None) -> int:
    limits = limits_of(options)
    methods = _methods(options.methods)
    with put_off() as loading:
        for name in methods:
            require_method(name, limits)
    copies = _copies(options)
    policies = own_policies(options.policy)
    loads = read_selected(options)
    instance, is_early = instance_in_time(options, loads, methods, loading.came)
    own = {f"map {path}": own_map(path, instance) for path in options.map}
    notes = say_no_effect(options, instance)
    notes += say_idle(options, instance.num_windows)
    if options.dry_run:
        plan = _dry_plan(options, methods, limits, instance.num_windows)
        plan += [f"would judge {name}" for name in [*policies, *own]]
        return end_dry_run(options, loads, options.replicas, notes, plan)
    judged = judge(policies, instance)
    # What an interrupt made of the call is not the job that the journal is of.
    kept = None if is_early else begun_gap(journal)
    results, interrupted = run_methods(
        instance, methods, limits, is_interrupted=is_early, journal=kept
    )
    print_shard(kept, instance.num_layers, interrupted)
    theirs = Judged(judged.placements | own, judged.seconds)
    found = _found(instance, results, theirs, limits.gap, copies)
    step = {
        "tokens_per_step": options.tokens_per_step,
        "top_k": None if options.tokens_per_step is None else top_k_in(options),
    }
    failed = above(found.rows, theirs.placements, options.fail_above)
    verdict = {"fail_above": options.fail_above, "above": failed}
    content = _content(instance, found, step | verdict, notes, interrupted)
    save_json(options.json, content)
    saved = save_page(options.report, lambda: _page(content, instance, found, loads))
    if options.json != STANDARD_OUTPUT:
        _print(instance, found, step)
        print_lines(saved)
    if interrupted or not failed:
        return exit_code_of(interrupted, RESULTS)
    say_above(found.rows, failed, options.fail_above)
    return ABOVE


def _dry_plan(
    options: argparse.Namespace, methods: list[str], limits: Limits, windows: int
) -> list[str]:
    """What a dry run says would be solved."""
    files = [json_file(options.json), options.report, options.journal]
    return list(plan_of(options, methods, limits, windows, files))


def _copies(options: argparse.Namespace) -> int | None:
    """Routed tokens of a step, where what sampling adds is asked for; known for these objectives only."""
    if options.cost is not None:
        return None
    is_known = options.across in (None, "sum", "mean")
    if options.tokens_per_step is not None and not is_known:
        raise OptionError(
            f"--tokens-per-step with --across {options.across}: give --across sum or mean"
        )
    return copies_in(options)


def _content(
    instance: Any,
    found: _Found,
    step: dict[str, Any],
    notes: list[str],
    interrupted: bool,
) -> dict[str, Any]:
    """What ``--json`` writes."""
    from ..report.gap import SCHEMA

    return {
        "schema": SCHEMA,
        "instance": instance.describe(),
        "mode": instance.mode,
        "objective": instance.objective.to_dict(),
        "notes": notes,
        "interrupted": interrupted,
        "layer_ids": list(instance.layer_ids),
        "lower_bound": found.bound.tolist(),
        "bound_method": found.proofs,
        "gap_limit": found.gap_limit,
        **step,
        "baseline": finite([found.baseline])[0],
        "methods": finite(found.rows),
    }


class _Found(NamedTuple):
    """The best bound [layers], what proved it, and a row for each method, policy and map, and without EPLB.

    Also the placement of each, and the gap up to which a layer is optimal.
    """

    bound: Any
    proofs: list[str]
    rows: list[dict[str, Any]]
    baseline: dict[str, Any]
    placements: dict[str, Any]
    gap_limit: float


def _page(content: dict[str, Any], instance: Any, found: _Found, loads: Any) -> Any:
    """The page that ``--report`` writes."""
    from ..pages.of_maps import page_of_maps
    from ..pages.studies import study_of_methods

    placements = found.placements
    return page_of_maps(study_of_methods(content, instance, placements, loads.windows))


def _found(
    instance: Any,
    results: Sequence[Any],
    theirs: Judged,
    gap: float,
    copies: int | None,
) -> _Found:
    from ..replayer.players import contiguous
    from ..report.gap import best_bound, gap_rows
    from ..report.worth import WITHOUT_EPLB

    bound, proofs = best_bound(results)
    objectives = {result.method: result.objective for result in results}
    seconds = {result.method: result.seconds for result in results}
    placements = {result.method: result.placement for result in results}
    others = {WITHOUT_EPLB: contiguous(instance), **theirs.placements}
    objectives |= {name: map_.objective(instance) for name, map_ in others.items()}
    placements |= others
    rows = gap_rows(
        instance,
        objectives,
        seconds | theirs.seconds,
        bound,
        gap,
        {name: placements[name].mean_ranks(instance) for name in objectives},
    )
    for row in rows:
        row["sampling"] = _sampling(placements[row["method"]], instance, copies)
    baseline = next(row for row in rows if row["method"] == WITHOUT_EPLB)
    rows.remove(baseline)
    return _Found(bound, proofs, rows, baseline, placements, gap)


def _sampling(
    placement: Any, instance: Any, copies: int | None
) -> dict[str, Any] | None:
    """What sampling adds to a map's imbalance in steps of so many routed tokens."""
    if copies is None:
        return None
    from ..problem.objective import Objective
    from ..replayer.parts import sampling_of

    if instance.objective.adds_windows:
        instance = replace(instance, load=instance.weight, objective=Objective())
    windows = range(instance.num_windows)
    sampling = sampling_of(lambda window: placement, instance, windows, copies)
    return {**sampling.added(), "windows": sampling.windows}


def _print(instance: Any, found: _Found, step: dict[str, Any]) -> None:
    """The tables, and what proved the bounds."""
    from ..report.replay import sampling_table, step_lines
    from ..report.tables import gap_table
    from ..report.worth import worth_lines

    print_lines([instance.describe()])
    rows = [found.baseline, *found.rows]
    print_table(gap_table(rows))
    layers_of = Counter(found.proofs)
    counted = ", ".join(f"{proof} ({count})" for proof, count in layers_of.items())
    print_lines([f"bound proved by (layers): {counted}"])
    objective = instance.objective
    # In time and window by window each map is over its own mean, so no time is saved by so much.
    if objective.timed_by is None or objective.adds_windows:
        print_lines(worth_lines(rows))
    if any(row["sampling"] is not None for row in found.rows):
        print_lines(["", *step_lines(**step)])
        print_table(sampling_table(rows))


def _methods(names: str) -> list[str]:
    """The methods asked for."""
    methods = [name.strip() for name in names.split(",") if name.strip()]
    if not methods:
        raise OptionError("--methods names none: the bound needs at least one")
    for name in methods:
        if name not in METHODS:
            near = did_you_mean(name, METHODS) or ":"
            raise OptionError(
                f"--methods: no {name!r}{near} choose from {', '.join(METHODS)}"
            )
    return methods
