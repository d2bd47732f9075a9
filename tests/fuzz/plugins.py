"""Calls of engines to both plug-ins: any loads, any map in use, any topology, on two ranks that must answer alike."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from eplb_opt import POLICIES, configure
from eplb_opt.plugins import sglang, vllm
from eplb_opt.plugins.history import History
from eplb_opt.plugins.past import Past

from .oracle_maps import map_faults
from .part import Part, Tally, raised

RANKS = 2  # of an engine, each with a plug-in of its own
POLICY_OPTIONS: tuple[dict[str, Any], ...] = ({}, {"max_moves": 3}, {"slack": 0.05}, {"distinct": True})
Call = dict[str, Any]


class TheirPolicy:
    """Stands for the engine's own policy."""

    @classmethod
    def rebalance_experts(
        cls, weight: Any, num_replicas: int, num_groups: int, num_nodes: int, num_ranks: int, old: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        raise NotImplementedError


def never() -> bool:
    """No rank joins later."""
    return False


class Engine:
    """A rank of an engine that asks one of the plug-ins."""

    def __init__(self, policy: Any, is_vllm: bool, remembers: bool) -> None:
        past = Past(History(4, never)) if remembers else None
        self.is_vllm = is_vllm
        self.theirs = vllm.make_policy(TheirPolicy, policy, past)
        self.algorithm = sglang.EplbOptAlgorithm(policy, past)

    def maps(self, call: Call) -> list[np.ndarray]:
        """The three maps of a call."""
        slots, ranks = call["slots"], call["ranks"]
        if self.is_vllm:
            found = self.theirs.rebalance_experts(
                call["loads"], slots, call["groups"], call["nodes"], ranks, call["old"]
            )
        else:
            found = sglang.rebalance(
                _never_called, call["loads"], slots, slots // ranks, call["groups"], call["nodes"], self.algorithm
            )
        return [one.numpy() for one in found]


def _never_called(**named: Any) -> Any:
    raise AssertionError("the engine's own algorithm was asked")


def loads_of(random: np.random.Generator, shape: tuple[int, ...]) -> torch.Tensor:
    """Counts, now and then none, or what cannot be planned for."""
    counts = np.rint(random.lognormal(3, 1, shape))
    kind = random.integers(8)
    if kind == 0:
        counts[:] = 0
    elif kind == 1:
        counts[..., 0, :] = 0
    elif kind == 2:
        counts.flat[random.integers(counts.size)] = random.choice([np.nan, np.inf, -np.inf, -1, 2.0**60])
    dtype = random.choice(["int32", "int64", "float32", "float64"])
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(counts.astype(dtype))


def old_map(random: np.random.Generator, layers: int, experts: int, slots: int) -> torch.Tensor | None:
    """A map in use: none, one of any width, with empty slots, or of other layers."""
    kind = random.integers(5)
    if kind == 0:
        return None
    width = slots if kind < 3 else int(random.integers(1, 2 * slots + 1))
    rows = layers if kind < 4 else int(random.integers(1, layers + 2))
    experts_of = random.integers(-1 if random.random() < 0.5 else 0, experts, (rows, width))
    return torch.from_numpy(experts_of)


def call_of(random: np.random.Generator, sizes: tuple[int, int], last: np.ndarray | None) -> Call:
    """A call of an engine of so many layers and experts; most have the map that the last one gave."""
    layers, experts = sizes
    nodes = int(random.choice([1, 1, 2]))
    ranks = nodes * int(random.integers(1, 5))
    slots = ranks * (-(-experts // ranks) + int(random.integers(0, 3)))
    shape = sizes if random.random() < 0.5 else (int(random.integers(1, 4)), *sizes)
    old = old_map(random, layers, experts, slots)
    if last is not None and random.random() < 0.6:
        old = torch.from_numpy(last)
    groups = [None, 1, nodes, 2 * nodes, 3][random.integers(5)]
    return {"loads": loads_of(random, shape), "slots": slots, "groups": groups, "nodes": nodes, "ranks": ranks,
            "old": old}  # fmt: skip


def faults_of(call: Call, maps: list[list[np.ndarray]], sizes: tuple[int, int]) -> list[str]:
    """What is wrong with the answers of all ranks to a call; in hierarchical mode they may be any valid map."""
    found = [f"invalid: {fault}" for fault in map_faults(maps[0], sizes, (call["slots"], 1, 1, call["ranks"]))]
    is_alike = all(np.array_equal(one, two) for other in maps[1:] for one, two in zip(maps[0], other, strict=True))
    return found if is_alike else [*found, "another map on another rank"]


def sequence(random: np.random.Generator, count: int) -> tuple[list[str], int]:
    """Calls of one engine, one after the other; its faults, and how many calls."""
    sizes = (int(random.integers(1, 4)), int(random.integers(1, 13)))
    policy = configure(POLICIES[str(random.choice(["refined", "greedy"]))], **random.choice(POLICY_OPTIONS))
    is_vllm = bool(random.integers(2))
    remembers = bool(random.integers(2))
    engines = [Engine(policy, is_vllm, remembers) for _ in range(RANKS)]
    faults: list[str] = []
    last = None
    for turn in range(count):
        call = call_of(random, sizes, last)
        try:
            maps = [engine.maps(call) for engine in engines]
            found = faults_of(call, maps, sizes)
        except Exception as error:
            found = [raised(error)]
        else:
            last = maps[0][0]
        said = {name: value for name, value in call.items() if name not in ("loads", "old")}
        faults += [f"call {turn} of {policy.__name__}, {sizes}, {said}: {fault}" for fault in found]
    return faults, count


def run(seed: int, number: int, count: int) -> Tally:
    """So many calls, in sequences of some."""
    with _silent():
        return _run(seed, number, count)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without what is logged: each call that cannot be planned for says so."""
    log = logging.getLogger("eplb_opt")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)


def _run(seed: int, number: int, count: int) -> Tally:
    random = np.random.default_rng([seed, number])
    faults: list[str] = []
    figures: Counter[str] = Counter()
    judged = 0
    while judged < count:
        found, calls = sequence(random, int(random.integers(1, 9)))
        faults += found
        figures["engines"] += 1
        judged += calls
    return Tally(judged, tuple(faults), figures)


PART = Part("plugins", "calls of engines to the plug-ins, on two ranks", 20_000, 200, run)
