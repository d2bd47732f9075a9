"""``eplb-opt solve``: place experts and certify the map."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .options import METHODS, add_input, add_output, instance_of, limits_of, read_selected
from .output import print_result, run_method, unnumbered


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser("solve", help="place experts and certify the map")
    add_input(parser)
    parser.add_argument("--method", choices=METHODS, default="optimal", help="default: %(default)s")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the map here")
    add_output(parser)
    parser.set_defaults(run=_solve)


def _solve(options: argparse.Namespace) -> None:
    from ..formats import check_writable, output_format, write_json

    limits = limits_of(options)
    if options.output is not None:
        options.format = output_format(options.output, options.format)
    for path in (options.output, options.json):
        if path is not None:
            check_writable(path)
    loads = read_selected(options).with_hidden_layers(options.hidden_layers, str(options.loads))
    instance = instance_of(options, loads)
    if options.output is not None:
        _check_sayable(options, instance, loads)
    result = run_method(instance, options.method, limits)
    saved = None if options.output is None else _write(options, loads, result.placement)
    print_result(result)
    if saved:
        print(saved)
    if options.json is not None:
        write_json(options.json, {"windows": options.windows} | result.to_dict())


def _check_sayable(options: argparse.Namespace, instance: Any, loads: Any) -> None:
    """What the format cannot say is known before the long work, from a map of the same shape."""
    from ..formats import check_map_format, encode_loads

    if options.format == "lmdeploy":
        encode_loads(options.output, loads, options.format)
    else:
        check_map_format(options.output, options.format, instance, loads.hidden_layers)


def _write(options: argparse.Namespace, loads: Any, placement: Any) -> str:
    from ..formats import write_loads, write_map

    if options.format == "lmdeploy":
        write_loads(options.output, loads, "lmdeploy")
        return f"loads: {options.output} (LMDeploy loads no map: it plans from these loads with its own greedy)"
    write_map(options.output, placement, options.format, options.ranks, loads.hidden_layers)
    if loads.layer_ids is not None or options.format in ("npz", "json"):
        return f"map: {options.output}"
    return f"map: {options.output} ({unnumbered(loads.load.shape[1])})"
