"""Cases in which the production heuristic is furthest from the optimum: synthetic loads, and skewed recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from eplb_opt.problem.instance import Instance

from .cases import data_folder

SEED, LAYERS = 23, 12
# name -> experts, replicas, ranks: lognormal loads and Zipf's
MIXED = {
    "60 experts, 72/24": (60, 72, 24),
    "60 experts, 120/60": (60, 120, 60),
    "128 experts, 192/64": (128, 192, 64),
    "32 experts, 48/16": (32, 48, 16),
    "64 experts, 128/64": (64, 128, 64),
}
# name -> experts, replicas, ranks: one expert has from half of the load to nearly all
HEAVY = {
    "128 experts, 144/16, one heavy": (128, 144, 16),
    "64 experts, 72/8, one heavy": (64, 72, 8),
    "60 experts, 72/24, one heavy": (60, 72, 24),
}
# name -> experts, replicas, groups, nodes, ranks: loads of sigma 2 in a short window of tokens
SKEWED = {
    "256 experts, 288/32, skewed": (256, 288, 1, 1, 32),
    "256 experts, 320/64, skewed": (256, 320, 1, 1, 64),
    "256 experts, 288/32 on 4 nodes, skewed": (256, 288, 8, 4, 32),
}
# name -> file, window (None: all), replicas, groups, nodes, ranks
RECORDED = {
    "gptoss-ep16-s3": ("gpt_oss_20b_prompts", None, 48, 1, 1, 16),
    "gemma4, one window, 144/16": ("gemma4_26b", 0, 144, 1, 1, 16),
    "gemma4, one window, 160/32": ("gemma4_26b", 0, 160, 1, 1, 32),
    "gemma4, one window, 144/16 on 4 nodes": ("gemma4_26b", 0, 144, 8, 4, 16),
    "dsv2l, one window, 80/16": ("deepseek_v2_lite_windows", 0, 80, 1, 1, 16),
    "dsv2l, one window, 72/8 on 2 nodes": ("deepseek_v2_lite_windows", 0, 72, 8, 2, 8),
}
SHORT_WINDOW = 8 * 1024  # routed tokens


def weak_cases() -> Iterator[tuple[str, Instance]]:
    """Every case by name; recorded ones where the recordings are."""
    for name, build in _builders().items():
        yield name, build()


def _builders() -> dict[str, Callable[[], Instance]]:
    """A function of no arguments a case."""
    found: dict[str, Callable[[], Instance]] = {}
    for name, (experts, *topology) in MIXED.items():
        found[name] = partial(_made, mixed_loads, experts, *_flat(*topology))
    for name, (experts, *topology) in HEAVY.items():
        found[name] = partial(_made, heavy_loads, experts, *_flat(*topology))
    for name, (experts, *topology) in SKEWED.items():
        found[name] = partial(_made, short_windows, experts, *topology)
    for name, (file, window, *topology) in RECORDED.items():
        path = data_folder() / f"{file}.npz"
        if path.exists():
            found[name] = partial(_recorded, path, window, *topology)
    return found


def mixed_loads(experts: int, layers: int = LAYERS, seed: int = SEED) -> np.ndarray:
    """Tokens [layers, experts]: two thirds lognormal, sigma 0.6 to 1.2; one third Zipf with exponents 0.6 to 1.2."""
    random = np.random.default_rng(seed)
    zipf = layers // 3
    sigma = np.linspace(0.6, 1.2, layers - zipf)
    lognormal = np.exp(sigma[:, None] * random.standard_normal((layers - zipf, experts)))
    order = random.permuted(np.tile(np.arange(1, experts + 1), (zipf, 1)), axis=1)
    by_rank = order ** -np.linspace(0.6, 1.2, zipf)[:, None]
    return np.concatenate([_tokens(lognormal), _tokens(by_rank)])


def heavy_loads(experts: int, layers: int = LAYERS, seed: int = SEED) -> np.ndarray:
    """Tokens [layers, experts]: lognormal, sigma 1, but one expert has 50 % of the first layer, 99 % of the last."""
    random = np.random.default_rng(seed)
    loads = np.exp(random.standard_normal((layers, experts)))
    share = np.linspace(0.5, 0.99, layers)
    loads[:, 0] = 0.0
    loads[:, 0] = share / (1 - share) * loads.sum(axis=1)
    return _tokens(loads)


def short_windows(experts: int, layers: int = LAYERS, seed: int = SEED) -> np.ndarray:
    """Tokens [layers, experts] of a window so short that many experts have a few: chances are lognormal, sigma 2."""
    random = np.random.default_rng(seed)
    chance = np.exp(2.0 * random.standard_normal((layers, experts)))
    return random.multinomial(SHORT_WINDOW, chance / chance.sum(axis=1, keepdims=True)).astype(np.float64)


def _tokens(loads: np.ndarray) -> np.ndarray:
    """Rounded to the same integers on machines whose exp differs in the last bit."""
    return np.rint(loads / loads.sum(axis=1, keepdims=True) * 1e7)


def _flat(replicas: int, ranks: int) -> tuple[int, int, int, int]:
    """The topology of one node, in the order of `_instance`."""
    return replicas, 1, 1, ranks


def _made(loads: Callable[[int], np.ndarray], experts: int, *topology: int) -> Instance:
    return _instance(loads(experts), *topology)


def _recorded(path: Path, window: int | None, *topology: int) -> Instance:
    with np.load(path) as archive:
        load = archive["load"]
    chosen = load.sum(axis=0) if window is None else load[window]
    return _instance(np.asarray(chosen, dtype=np.float64), *topology)


def _instance(loads: np.ndarray, replicas: int, groups: int, nodes: int, ranks: int) -> Instance:
    return Instance(loads, replicas, num_groups=groups, num_nodes=nodes, num_ranks=ranks)
