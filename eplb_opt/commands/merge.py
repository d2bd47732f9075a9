"""``eplb-opt merge``: the journals of a job's shards, joined into the map and the report of a single run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError, OptionError
from .baseline import worth_of
from .common import add_command
from .files import check_files
from .options import add_json, add_output
from .output import (
    STANDARD_OUTPUT,
    add_all_layers,
    json_file,
    print_lines,
    print_report,
    save_json,
)
from .saved_map import save_map

if TYPE_CHECKING:
    from ..merging.merge import Merged
    from ..merging.parts import Part

EXAMPLES = """
eplb-opt merge part1.sqlite part2.sqlite -o map.npz
eplb-opt merge part*.sqlite -o map.npz --json report.json
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "merge",
        "join the journals of a job's shards",
        EXAMPLES,
        usage="JOURNAL [JOURNAL] -o FILE [options]",
    )
    parser.add_argument(
        "journals",
        type=Path,
        nargs="+",
        metavar="JOURNAL",
        help="of --journal JOURNAL --shard I/N of solve or sweep, one of each shard",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write the map here (of solve)",
    )
    add_output(parser)
    add_json(parser)
    add_all_layers(parser)
    parser.set_defaults(run=_merge)


def _merge(options: argparse.Namespace) -> None:
    from ..merging.parts import read_parts
    from ..merging.results import JOB, LAYER
    from ..sweeping import kept

    _check_outputs(options)
    parts = read_parts(options.journals, {JOB: LAYER, kept.JOB: kept.CELL})
    if parts[0].asked["job"] == kept.JOB:
        _merge_sweep(options, parts)
    else:
        _merge_solve(options, parts)


def _merge_solve(options: argparse.Namespace, parts: Sequence[Part]) -> None:
    """Write the map and the report, then say them as `solve` does."""
    from ..claims.schema import in_order
    from ..merging.merge import joined

    found = joined(parts)
    said = found.said
    head = {name: said[name] for name in ("windows", "notes") if name in said}
    report = in_order(head | {"interrupted": False} | found.report)
    saved = [] if options.output is None else [_save(options, found)]
    save_json(options.json, report)
    if options.json == STANDARD_OUTPUT:
        return
    print_report(report, said.get("description", "merged"), options.all_layers)
    if "baseline" in said:
        print_lines([worth_of(report, said["baseline"])])
    print_lines(saved)


def _merge_sweep(options: argparse.Namespace, parts: Sequence[Part]) -> None:
    """Write the report of a sweep, then say it as `sweep` does."""
    from ..sweeping.merged import joined
    from .sweep import print_sweep

    if options.output is not None:
        raise OptionError(
            f"-o {options.output}: a sweep has no one map: give --json FILE"
        )
    report = joined(parts)
    save_json(options.json, report)
    if options.json != STANDARD_OUTPUT:
        print_sweep(report)


def _check_outputs(options: argparse.Namespace) -> None:
    """Something is written, as a known format, and no file is another one."""
    from ..formats import format_named, output_format

    if options.output is None and options.json is None:
        raise OptionError("nothing to write: give -o FILE for the map, or --json FILE")
    if options.output is not None:
        options.format = output_format(options.output, options.format)
        if not format_named(options.format).writes_maps:
            raise FormatError(
                f"--format {options.format} holds no maps: choose another one"
            )
    outputs = {"-o": options.output, "--json": json_file(options.json)}
    check_files(outputs, options.journals)


def _save(options: argparse.Namespace, found: Merged) -> str:
    """Write the map; returns what to say."""
    hidden_layers = options.hidden_layers or found.said.get("hidden_layers")
    return save_map(
        options.output,
        options.format,
        found.placement,
        found.report["num_ranks"],
        hidden_layers,
        bool(found.said.get("is_numbered")),
    )
