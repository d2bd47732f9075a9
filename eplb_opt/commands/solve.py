"""``eplb-opt solve``: place experts and certify the map."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .options import METHODS, add_input, limits_of, read_instance
from .output import print_result, run_method


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser("solve", help="place experts and certify the map")
    add_input(parser)
    parser.add_argument("--method", choices=METHODS, default="optimal", help="default: %(default)s")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the map here")
    parser.add_argument("--format", metavar="NAME", help="format of the map: npz or json (default: the file's ending)")
    parser.set_defaults(run=_solve)


def _solve(options: argparse.Namespace) -> None:
    from ..formats import check_writable, write_json, write_map
    from ..formats.plain import map_format

    limits = limits_of(options)
    if options.output is not None:
        map_format(options.output, options.format)
    for path in (options.output, options.json):
        if path is not None:
            check_writable(path)
    instance = read_instance(options)
    result = run_method(instance, options.method, limits)
    if options.output is not None:
        write_map(options.output, result.placement, options.format)
    print_result(result)
    if options.output is not None:
        print(f"map: {options.output}")
    if options.json is not None:
        write_json(options.json, {"windows": options.windows} | result.to_dict())
