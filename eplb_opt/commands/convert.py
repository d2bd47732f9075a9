"""``eplb-opt convert``: a map, or loads, from one format into another."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from .common import add_command
from .files import check_files, save
from .options import (
    add_output,
    add_reading,
    formats_needing,
    positive,
    reading_of,
)
from .output import print_lines, unnumbered

EXAMPLES = """
eplb-opt convert map.npz map.json --format sglang \\
    --hidden-layers 61
eplb-opt convert dump.pt loads.npz
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "convert",
        "write a map, or loads, in another format",
        EXAMPLES,
        usage="INPUT OUTPUT [options]",
    )
    parser.add_argument(
        "input", type=Path, help="a map or recorded loads, in any format that is read"
    )
    parser.add_argument("output", type=Path, help="the file to write")
    add_output(parser)
    add_reading(parser)
    listing = formats_needing("--ranks")
    parser.add_argument(
        "--ranks",
        type=positive,
        metavar="N",
        help=f"GPUs, where the format lists them ({listing})",
    )
    parser.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> None:
    from ..formats import holds_map, output_format

    name = output_format(options.output, options.format)
    check_files({"the output": options.output}, [options.input])
    convert = _convert_map if holds_map(options.input, name) else _convert_loads
    print_lines([convert(options, name)])


def _convert_map(options: argparse.Namespace, name: str) -> str:
    """Write the map that the input holds; returns what to say."""
    from ..formats import agreed, format_named, read_expert_map, write_expert_map

    source = str(options.input)
    found = read_expert_map(
        options.input, options.input_format, options.experts, options.ranks
    )
    expert_map = found.with_layers(options.layers, source)
    hidden_layers = agreed(
        "hidden layers", expert_map.hidden_layers, options.hidden_layers, source
    )
    ranks = agreed("ranks", expert_map.num_ranks, options.ranks, source)
    expert_map = replace(expert_map, hidden_layers=hidden_layers, num_ranks=ranks)
    output = format_named(name)
    save(options.output, lambda path: write_expert_map(path, expert_map, name))
    layers, replicas = expert_map.phy2log.shape
    is_numbered = bool(expert_map.layer_ids) or output.numbers_moe_layers
    note = "" if is_numbered else f" ({unnumbered(layers)})"
    return f"map: {layers} layers x {replicas} replicas, {name}: {options.output}{note}"


def _convert_loads(options: argparse.Namespace, name: str) -> str:
    """Write the loads that the input holds; returns what to say."""
    from ..formats import format_named, read_loads, write_loads

    loads = read_loads(options.input, **reading_of(options))
    loads = loads.with_hidden_layers(options.hidden_layers, str(options.input))
    output = format_named(name)
    save(options.output, lambda path: write_loads(path, loads, name))
    windows, layers, experts = loads.load.shape
    summed = " (summed)" if output.holds_one_window and windows > 1 else ""
    return f"loads: {windows} windows{summed} x {layers} layers x {experts} experts, {name}: {options.output}"
