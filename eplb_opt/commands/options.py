"""Options that commands share: the loads, the topology and the limits."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..limits import Limits

METHODS = ("greedy", "refined", "milp", "cpsat", "optimal")


def add_input(parser: argparse.ArgumentParser) -> None:
    """The loads and the topology to solve for."""
    parser.add_argument("loads", type=Path, help="recorded loads: npz, npy, json, csv or torch .pt")
    parser.add_argument("--windows", default="all", help="index, range 0:16, label, or all (summed; the default)")
    parser.add_argument("--replicas", type=int, required=True, help="physical experts (slots) a layer")
    parser.add_argument("--ranks", type=int, required=True, help="GPUs")
    parser.add_argument("--nodes", type=int, default=1, help="nodes; default: 1")
    parser.add_argument("--groups", type=int, default=1, help="expert groups of the router; default: 1")
    parser.add_argument("--distinct", action="store_true", help="no two replicas of one expert on one rank")
    add_limits(parser, seconds=60.0)


def add_limits(parser: argparse.ArgumentParser, seconds: float) -> None:
    """Time, gap, workers, seed, and the file that takes everything shown."""
    parser.add_argument("--time-limit", type=float, default=seconds, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--gap", type=float, default=1e-4, help="gap at which a layer is OPTIMAL; default: 1e-4")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; default: all cores")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything shown here")


def limits_of(options: argparse.Namespace) -> Limits:
    """The limits that the options state."""
    return Limits(seconds=options.time_limit, gap=options.gap, workers=options.workers, seed=options.seed)


def read_instance(options: argparse.Namespace) -> Any:
    """The instance that the options state."""
    from ..formats import read_loads
    from ..instance import Instance

    loads = read_loads(options.loads).select(options.windows)
    return Instance(
        loads.load, options.replicas, options.groups, options.nodes, options.ranks, options.distinct,
        loads.layer_ids,
    )  # fmt: skip
