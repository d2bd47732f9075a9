"""``eplb-opt report``: loads, or what another command wrote, as one HTML page."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..claims.schema import in_order
from ..errors import FormatError, OptionError
from ..methods import METHODS
from ..methods.needs import require_method
from .common import add_command
from .files import check_files
from .idle import say_idle
from .messages import say
from .moving import add_previous
from .options import add_input, limits_of, reading_of
from .output import (
    STANDARD_OUTPUT,
    exit_code_of,
    json_file,
    print_lines,
    run_methods,
    save_json,
)
from .page import page_of_result, save_page
from .parser import one_of
from .signals import put_off
from .stated import (
    check_moves,
    instance_in_time,
    moves_of,
    read_selected,
    say_no_effect,
)

if TYPE_CHECKING:
    from ..pages.content import Page
    from ..pages.reading import Found
    from ..problem.instance import Instance
    from ..problem.placement import Placement

EXAMPLES = """
eplb-opt report loads.npz --replicas 288 --ranks 32 \\
    --map served.npz -o page.html
eplb-opt report report.json --loads loads.npz \\
    --map map.npz -o page.html
eplb-opt report replay.json -o page.html
"""
# Options of what is planned for loads.
OF_LOADS = (
    "method", "across", "level", "groups", "nodes", "distinct", "windows", "time_limit", "work", "gap", "workers",
    "seed", "max_moves", "slack", "move_price", "failed_ranks",
)  # fmt: skip
INPUT = """input:
  recorded loads, for which a map is planned, or a file that
  solve, gap, replay or sweep wrote with --json"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "report",
        "one page with figures: who waits for whom, what is proven",
        EXAMPLES,
        usage="FILE -o PAGE [options]",
        further=INPUT,
    )
    add_input(parser, is_required=False)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        required=True,
        help="the page to write (HTML, one file that needs no network)",
    )
    parser.add_argument(
        "--method",
        type=one_of(METHODS),
        choices=list(METHODS),
        metavar="NAME",
        default="optimal",
        help=f"of loads: {', '.join(METHODS)}; default: %(default)s",
    )
    add_previous(parser)
    _add_found(parser)
    usual = {name: parser.get_default(name) for name in OF_LOADS}
    parser.set_defaults(run=partial(_report, usual))


def _add_found(parser: argparse.ArgumentParser) -> None:
    """What belongs to a file that another command wrote."""
    parser.add_argument(
        "--map",
        type=Path,
        dest="previous",
        metavar="MAP",
        help="of loads the same as --previous; of a file of solve the map that solve wrote, for figures of its ranks",
    )
    parser.add_argument(
        "--loads",
        type=Path,
        dest="of_report",
        metavar="FILE",
        help="the loads that a file of solve is of, for figures of ranks and experts",
    )


def _report(usual: Mapping[str, Any], options: argparse.Namespace) -> int:
    from ..pages.reading import read_found

    inputs = [options.loads, options.previous, options.of_report]
    outputs = {"-o": options.output, "--json": json_file(options.json)}
    check_files(outputs, [path for path in inputs if path is not None])
    found = read_found(options.loads)
    if found is None:
        return _of_loads(options)
    _check_of_loads(options)
    _say_idle_of_found(options, usual)
    _say(options, _page_of(*found, options))
    return 0


def _check_of_loads(options: argparse.Namespace) -> None:
    """Raise `OptionError` for an option that only loads need: what was found says it already.

    Sizes may be there with ``--config``, whose file has them for all commands.
    """
    sizes = () if options.config is not None else ("replicas", "ranks")
    for name in (*sizes, "json"):
        value = getattr(options, name)
        if value is not None:
            raise OptionError(
                f"--{name} {value} goes with recorded loads: {options.loads} is what a command found"
            )


def _say_idle_of_found(options: argparse.Namespace, usual: Mapping[str, Any]) -> None:
    """Say which options have no effect, as nothing is planned; a file of options has those of other commands, too."""
    if options.config is not None:
        return
    given = [name for name in OF_LOADS if getattr(options, name) != usual[name]]
    if given:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        verb = "have" if len(given) > 1 else "has"
        say(
            "note",
            f"{named} {verb} no effect: {options.loads} is what a command found",
        )


def _of_loads(options: argparse.Namespace) -> int:
    """Plan, and show the new map beside those that everybody knows and the one in use."""
    limits = limits_of(options)
    check_moves(options)
    with put_off() as loading:
        require_method(options.method, limits)
    loads = read_selected(options)
    _check_topology(options)
    instance, is_early = instance_in_time(
        options, loads, [options.method], loading.came
    )
    notes = say_no_effect(options, instance)
    notes += say_idle(options, instance.num_windows)
    from_map = moves_of(options, instance)
    (result, *_), interrupted = run_methods(
        instance, [options.method], limits, from_map, is_early
    )
    head = {"windows": options.windows, "notes": notes, "interrupted": interrupted}
    report = in_order(head | result.to_dict())
    page = page_of_result(report, result, loads, from_map.get("previous"))
    save_json(options.json, report)
    _say(options, page)
    return exit_code_of(interrupted)


def _check_topology(options: argparse.Namespace) -> None:
    if options.replicas is None or options.ranks is None:
        raise OptionError(
            f"{options.loads} holds loads: give --replicas and --ranks, the slots of a layer and the GPUs"
        )
    if options.of_report is not None:
        raise OptionError(
            f"--loads {options.of_report} goes with a file that solve wrote: {options.loads} holds loads itself"
        )


def _page_of(kind: str, content: Found, options: argparse.Namespace) -> Page:
    """The page about what another command wrote."""
    from ..pages.of_maps import page_of_maps
    from ..pages.of_replay import page_of_replay
    from ..pages.of_sweep import page_of_sweep
    from ..pages.reading import GAP, REPLAY, REPORT
    from ..pages.studies import study_of_methods, study_of_report

    if kind == REPORT:
        return page_of_maps(study_of_report(content, *_loads_of(content, options)))
    for option, path in (("--loads", options.of_report), ("--map", options.previous)):
        if path is not None:
            raise OptionError(
                f"{option} {path} goes with a file that solve wrote: {options.loads} is one of {kind}"
            )
    if kind == GAP:
        return page_of_maps(study_of_methods(content))
    return page_of_replay(content) if kind == REPLAY else page_of_sweep(content)


def _loads_of(
    report: Found, options: argparse.Namespace
) -> tuple[Instance | None, Placement | None]:
    """The instance and the map of a report, as far as they are given."""
    from ..claims.digest import loads_digest
    from ..formats import read_loads, read_map
    from .verify import instance_of_report

    path = options.of_report
    if path is None:
        if options.previous is not None:
            raise OptionError(
                f"--map {options.previous} needs the loads, too: give --loads FILE"
            )
        return None, None
    recorded = read_loads(path, **reading_of(options))
    instance = instance_of_report(report, recorded)
    digest = report.get("loads_sha256")
    if digest not in (None, loads_digest(instance.load)):
        raise FormatError(
            f"{path} holds other loads than those of {options.loads}: give the file that solve read"
        )
    if options.previous is None:
        return instance, None
    placement = read_map(
        options.previous,
        instance.num_experts,
        instance.layer_ids,
        num_ranks=instance.num_ranks,
    )
    placement.require_valid(instance)
    return instance, placement


def _say(options: argparse.Namespace, page: Page) -> None:
    """Write the page, then say what it says first."""
    said = save_page(options.output, lambda: page)
    if options.json != STANDARD_OUTPUT:
        print_lines([page.subtitle, *page.summary, *said])
