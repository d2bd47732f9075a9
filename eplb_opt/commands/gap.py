"""``eplb-opt gap``: how far methods, and a user's own map, are from optimal."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import OptionError
from ..limits import Limits
from ..methods import METHODS
from ..methods.needs import require_method
from .files import check_files
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
from .stated import instance_of, read_selected, say_no_effect
from .step import add_step, copies_in, look_in_current_folder


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser(
        "gap", help="how far methods, and your own map, are from optimal"
    )
    add_input(parser)
    parser.add_argument(
        "--methods",
        default="greedy,optimal",
        help="comma-separated; default: %(default)s",
    )
    _add_own(parser)
    add_step(parser)
    add_page(parser)
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
    limits = limits_of(options)
    methods = _methods(options.methods, limits)
    copies = _copies(options)
    outputs = {"--json": json_file(options.json), "--report": options.report}
    check_files(outputs, [options.loads, *options.map])
    policies = _policies(options.policy)
    loads = read_selected(options)
    instance = instance_of(options, loads, methods)
    own = {f"map {path}": _own(path, instance) for path in options.map}
    notes = say_no_effect(options, instance)
    judged = _judge(policies, instance)
    results, interrupted = run_methods(instance, methods, limits)
    theirs = _Judged(judged.placements | own, judged.seconds)
    found = _found(instance, results, theirs, limits.gap, copies)
    step = {
        "tokens_per_step": options.tokens_per_step,
        "top_k": None if copies is None else options.top_k,
    }
    content = _content(instance, found, step, notes, interrupted)
    save_json(options.json, content)
    saved = save_page(options.report, lambda: _page(content, instance, found, loads))
    if options.json != STANDARD_OUTPUT:
        _print(instance, found, step)
        print_lines(saved)
    return exit_code_of(interrupted)


def _copies(options: argparse.Namespace) -> int | None:
    """Routed tokens of a step, where one is given; known for these objectives only."""
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
        "notes": notes,
        "interrupted": interrupted,
        "layer_ids": list(instance.layer_ids),
        "lower_bound": found.bound.tolist(),
        "bound_method": found.proofs,
        "gap_limit": found.gap_limit,
        **step,
        "methods": finite(found.rows),
    }


class _Judged(NamedTuple):
    """Placements of others by name, and seconds where they were computed here."""

    placements: dict[str, Any]
    seconds: dict[str, float]


class _Found(NamedTuple):
    """The best bound [layers], what proved it, and a row and a placement for each method, policy and map."""

    bound: Any
    proofs: list[str]
    rows: list[dict[str, Any]]
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
    theirs: _Judged,
    gap: float,
    copies: int | None,
) -> _Found:
    from ..report.gap import best_bound, gap_rows

    bound, proofs = best_bound(results)
    objectives = {result.method: result.objective for result in results}
    seconds = {result.method: result.seconds for result in results}
    placements = {result.method: result.placement for result in results}
    placements |= theirs.placements
    objectives |= {
        name: placement.objective(instance)
        for name, placement in theirs.placements.items()
    }
    rows = gap_rows(
        instance,
        objectives,
        seconds | theirs.seconds,
        bound,
        gap,
    )
    for row in rows:
        row["sampling"] = _sampling(placements[row["method"]], instance, copies)
    return _Found(bound, proofs, rows, placements, gap)


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

    print_lines([instance.describe()])
    print_table(gap_table(found.rows))
    layers_of = Counter(found.proofs)
    counted = ", ".join(f"{proof} ({count})" for proof, count in layers_of.items())
    print_lines([f"bound proved by (layers): {counted}"])
    if step["tokens_per_step"] is not None:
        print_lines(["", *step_lines(**step)])
        print_table(sampling_table(found.rows))


def _methods(names: str, limits: Limits) -> list[str]:
    """The methods asked for, whose packages are there."""
    methods = [name.strip() for name in names.split(",") if name.strip()]
    if not methods:
        raise OptionError("--methods names none: the bound needs at least one")
    for name in methods:
        if name not in METHODS:
            raise OptionError(f"method {name!r}: choose from {', '.join(METHODS)}")
        require_method(name, limits)
    return methods


def _own(path: Path, instance: Any) -> Any:
    from ..formats import read_map

    placement = read_map(
        path, instance.num_experts, instance.layer_ids, num_ranks=instance.num_ranks
    )
    placement.require_valid(instance)
    return placement


def _policies(specs: list[str]) -> dict[str, Any]:
    """The user's policies by name; modules are also looked for in the current folder, as `python -m` does."""
    from ..external import load_policy

    look_in_current_folder(specs)
    return {f"policy {spec}": load_policy(spec) for spec in specs}


def _judge(policies: dict[str, Any], instance: Any) -> _Judged:
    """What each policy places, each called once."""
    from ..external import call_policy

    judged = _Judged({}, {})
    for name, policy in policies.items():
        start = time.monotonic()
        placement = call_policy(policy, instance, name)
        judged.seconds[name] = time.monotonic() - start
        judged.placements[name] = placement
    return judged
