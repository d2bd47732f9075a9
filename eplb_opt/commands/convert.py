"""``eplb-opt convert``: a map, or loads, from one format into another."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from .files import check_files, save
from .options import add_output, add_reading, positive
from .output import print_lines, unnumbered


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser("convert", help="write a map, or loads, in another format")
    parser.add_argument("input", type=Path, help="a map or recorded loads, in any format that is read")
    parser.add_argument("output", type=Path, help="the file to write")
    add_output(parser)
    add_reading(parser)
    parser.add_argument("--ranks", type=positive, metavar="N", help="GPUs, where the format lists them (vllm-ascend)")
    parser.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> None:
    from ..formats import (
        agreed,
        holds_map,
        output_format,
        read_expert_map,
        read_loads,
        write_expert_map,
        write_loads,
    )

    name = output_format(options.output, options.format)
    source = str(options.input)
    check_files({"the output": options.output}, [options.input])
    if holds_map(options.input, name):
        found = read_expert_map(options.input, options.input_format).with_layers(options.layers, source)
        hidden_layers = agreed("hidden layers", found.hidden_layers, options.hidden_layers, source)
        ranks = agreed("ranks", found.num_ranks, options.ranks, source)
        found = replace(found, hidden_layers=hidden_layers, num_ranks=ranks)
        save(options.output, lambda path: write_expert_map(path, found, name))
        layers, replicas = found.phy2log.shape
        note = "" if found.layer_ids or name == "vllm" else f" ({unnumbered(layers)})"
        print_lines([f"map: {layers} layers x {replicas} replicas, {name}: {options.output}{note}"])
    else:
        loads = read_loads(options.input, options.input_format, options.layers)
        loads = loads.with_hidden_layers(options.hidden_layers, source)
        save(options.output, lambda path: write_loads(path, loads, name))
        windows, layers, experts = loads.load.shape
        summed = " (summed)" if name == "lmdeploy" and windows > 1 else ""
        print_lines(
            [f"loads: {windows} windows{summed} x {layers} layers x {experts} experts, {name}: {options.output}"]
        )
