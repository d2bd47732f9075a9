"""The benchmark's cases: recorded loads where they are present, calibrated synthetic ones always."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eplb_opt import Instance
from eplb_opt.synthetic import synthetic_load

ROOT = Path(__file__).parents[1]
# name -> (load model, replicas, groups, nodes, ranks)
SYNTHETIC = {
    "synthetic-ds3-decode-ep32": ("deepseek-v3-decode", 288, 1, 1, 32),
    "synthetic-ds3-decode-ep32-hier": ("deepseek-v3-decode", 288, 8, 4, 32),
    "synthetic-ds3-prefill-ep64": ("deepseek-v3-prefill", 320, 1, 1, 64),
    "synthetic-gemma4-ep16": ("gemma-4", 144, 1, 1, 16),
    "synthetic-gemma4-ep32-r0": ("gemma-4", 128, 1, 1, 32),
}
# E=16 pools, 10 of each distribution: name -> (slots, ranks)
RANDOM_POOLS = {"random-16-24-8": (24, 8), "random-16-32-8": (32, 8)}


def cases(names: list[str]) -> Iterator[tuple[str, Instance]]:
    """The cases named (all, if none is), recorded ones first."""
    for name, build in _builders().items():
        if not names or name in names:
            yield name, build()


def data_folder() -> Path:
    """Where recorded loads are looked for."""
    return Path(os.environ.get("EPLB_OPT_DATA", ROOT.parent / "shared" / "data"))


def _builders() -> dict:
    data = data_folder().parent
    found = {}
    if (data / "cases.json").exists():
        for case in json.loads((data / "cases.json").read_text()):
            found[case["name"]] = lambda case=case: _recorded(data, case)
    for name, (model, *topology) in SYNTHETIC.items():
        found[name] = lambda model=model, topology=topology: Instance(synthetic_load(model), *topology)
    for name, (slots, ranks) in RANDOM_POOLS.items():
        found[name] = lambda slots=slots, ranks=ranks: Instance(_random_pools(), slots, num_ranks=ranks)
    return found


def _recorded(folder: Path, case: dict) -> Instance:
    with np.load(folder / case["data"]) as archive:
        load, ids = archive["load"], archive["layer_ids"]
    if case["windows"] != "all":
        load = load[case["windows"]]
    topology = (case["num_replicas"], case["num_groups"], case["num_nodes"], case["num_ranks"])
    return Instance(load, *topology, layer_ids=ids)


def _random_pools() -> np.ndarray:
    """30 pools of 16 experts as layers: lognormal sigma 1 and 1.5, and Zipf 1 in random order; seed 0."""
    random = np.random.default_rng(0)
    zipf = np.array([random.permutation(1 / np.arange(1, 17)) for _ in range(10)])
    return np.concatenate([random.lognormal(0, 1, (10, 16)), random.lognormal(0, 1.5, (10, 16)), zipf])
