"""The benchmark's cases: recorded loads where they are present, calibrated synthetic ones always."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt.problem.instance import Instance
from eplb_opt.synthetic import synthetic_load

from .environment import ROOT

# name -> (load model, replicas, groups, nodes, ranks)
SYNTHETIC = {
    "synthetic-ds3-decode-ep32": ("deepseek-v3-decode", 288, 1, 1, 32),
    "synthetic-ds3-decode-ep32-hier": ("deepseek-v3-decode", 288, 8, 4, 32),
    "synthetic-ds3-decode-ep32-16groups": ("deepseek-v3-decode", 288, 16, 4, 32),
    "synthetic-ds3-decode-ep144-hier": ("deepseek-v3-decode", 288, 8, 4, 144),
    "synthetic-ds3-prefill-ep64": ("deepseek-v3-prefill", 320, 1, 1, 64),
    "synthetic-gemma4-ep16": ("gemma-4", 144, 1, 1, 16),
    "synthetic-gemma4-ep32-r0": ("gemma-4", 128, 1, 1, 32),
}
# E=16 pools, 10 of each distribution: name -> (slots, ranks)
RANDOM_POOLS = {"random-16-24-8": (24, 8), "random-16-32-8": (32, 8)}
# A few of every kind, for `make bench-quick`.
QUICK = (
    "ds3-decode-ep32", "ds3-decode-ep32-hier", "dsv2l-ep16", "gptoss-ep16", "gptoss-ep32", "mixtral-ep8",
    "synthetic-ds3-decode-ep32", "synthetic-ds3-decode-ep32-hier", "synthetic-gemma4-ep16", "random-16-24-8",
)  # fmt: skip


def cases(names: list[str] | tuple[str, ...] = ()) -> Iterator[tuple[str, Instance]]:
    """The cases named (all, if none is), recorded ones first.

    Raises
    ------
    SystemExit
        No case has such a name. (A recorded case without its loads is absent, and is said to be.)
    """
    builders = registry()
    for name in names:
        if name not in builders and name not in QUICK:
            raise SystemExit(f"no case {name!r}: choose from {', '.join(builders)}")
    for name, build in builders.items():
        if not names or name in names:
            yield name, build()


def data_folder() -> Path:
    """Where recorded loads are looked for."""
    return Path(os.environ.get("EPLB_OPT_DATA", ROOT.parent / "shared" / "data"))


def registry() -> dict[str, Callable[[], Instance]]:
    """Every case by name, built when it is called."""
    found: dict[str, Callable[[], Instance]] = {}
    folder = data_folder().parent
    listed = folder / "cases.json"
    for case in json.loads(listed.read_text()) if listed.exists() else ():
        if (data_folder() / Path(case["data"]).name).exists():
            found[case["name"]] = lambda case=case: _recorded(case)
    for name, (model, *topology) in SYNTHETIC.items():
        found[name] = lambda model=model, topology=topology: _engine_instance(synthetic_load(model), *topology)
    for name, (slots, ranks) in RANDOM_POOLS.items():
        found[name] = lambda slots=slots, ranks=ranks: Instance(_random_pools(), slots, num_ranks=ranks)
    return found


def _recorded(case: dict[str, Any]) -> Instance:
    with np.load(data_folder() / Path(case["data"]).name) as archive:
        load, ids = archive["load"], archive["layer_ids"]
    if case["windows"] != "all":
        load = load[case["windows"]]
    topology = {name: case[name] for name in ("num_ranks", "num_groups", "num_nodes")}
    return Instance(load, case["num_replicas"], **topology, layer_ids=ids)


def _engine_instance(load: np.ndarray, replicas: int, groups: int, nodes: int, ranks: int) -> Instance:
    """An instance in the engines' order of arguments."""
    return Instance(load, replicas, num_ranks=ranks, num_groups=groups, num_nodes=nodes)


def _random_pools() -> np.ndarray:
    """30 pools of 16 experts as layers: lognormal sigma 1 and 1.5, and Zipf 1 in random order; seed 0."""
    random = np.random.default_rng(0)
    zipf = np.array([random.permutation(1 / np.arange(1, 17)) for _ in range(10)])
    loads = np.concatenate([random.lognormal(0, 1, (10, 16)), random.lognormal(0, 1.5, (10, 16)), zipf])
    return np.rint(loads * 1e6)  # the same loads on machines whose exp differs in the last bit
