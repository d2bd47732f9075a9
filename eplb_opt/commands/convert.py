"""``eplb-opt convert``: a map, or loads, from one format into another."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from .options import add_output, add_reading


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser("convert", help="write a map, or loads, in another format")
    parser.add_argument("input", type=Path, help="a map or recorded loads, in any format that is read")
    parser.add_argument("output", type=Path, help="the file to write")
    add_output(parser)
    add_reading(parser)
    parser.add_argument("--ranks", type=int, metavar="N", help="GPUs, where the format lists them (vllm-ascend)")
    parser.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> None:
    from ..formats import (
        check_writable,
        holds_map,
        output_format,
        read_expert_map,
        read_loads,
        write_expert_map,
        write_loads,
    )

    name, source = output_format(options.output, options.format), str(options.input)
    check_writable(options.output)
    sizes = {key: value for key, value in (("hidden_layers", options.hidden_layers),) if value is not None}
    if holds_map(options.input, name):
        if options.ranks is not None:
            sizes["num_ranks"] = options.ranks
        found = read_expert_map(options.input, options.input_format).with_layers(options.layers, source)
        write_expert_map(options.output, replace(found, **sizes), name)
        layers, replicas = found.phy2log.shape
        print(f"map: {layers} layers x {replicas} replicas, {name}: {options.output}")
    else:
        loads = read_loads(options.input, options.input_format, options.layers)
        write_loads(options.output, replace(loads, **sizes), name)
        windows, layers, experts = loads.load.shape
        print(f"loads: {windows} windows x {layers} layers x {experts} experts, {name}: {options.output}")
