"""Steps of recorded traffic on the ranks of several maps, for `benchmarks.step_time`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eplb_opt import Instance, Limits, Placement, solve

from .cases import data_folder

SEED = 0
STEPS = 16  # sampled a cell, each of a layer of its own
CONTIGUOUS = "contiguous"
METHODS = ("greedy", "refined")


@dataclass(frozen=True)
class Case:
    """Recorded loads, the shape of their experts, and where they are placed.

    Attributes
    ----------
    loads : str
        Name of the recording.
    window : int or None
        Of the recording; None: all of them added.
    cost : str
        Name of the shipped cost.
    hidden, intermediate, top_k : int
        Of the model.
    places : tuple of (replicas, ranks)
    tokens : tuple of int
        Of a step, before routing.
    """

    name: str
    loads: str
    window: int | None
    cost: str
    hidden: int
    intermediate: int
    top_k: int
    places: tuple[tuple[int, int], ...]
    tokens: tuple[int, ...]

    def is_recorded(self) -> bool:
        """Whether the loads are there."""
        return (data_folder() / self.loads).exists()

    def read(self) -> np.ndarray:
        """Routed tokens, [layers, experts]."""
        with np.load(data_folder() / self.loads) as archive:
            load = archive["load"].astype(np.float64)
        return load.sum(axis=0) if self.window is None else load[self.window]


CASES = (
    Case(
        "deepseek-v3", "deepseek_v3.npz", 0, "h100-deepseek-v3", 7168, 2048, 8,
        places=((256, 32), (288, 32), (320, 32)), tokens=(256, 1024, 4096, 16384),
    ),
    Case(
        "gpt-oss", "gpt_oss_20b_prompts.npz", None, "h100-gpt-oss-120b", 2880, 2880, 4,
        places=((32, 16), (48, 16), (64, 16), (64, 32)), tokens=(16384, 65536),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """A map of the layers that are sampled.

    Attributes
    ----------
    slots : array [layers, ranks, slots a rank]
    """

    method: str
    replicas: int
    ranks: int
    slots: np.ndarray

    @property
    def name(self) -> str:
        """For people and results."""
        return f"{self.method} {self.replicas}/{self.ranks}"


def sampled_layers(case: Case) -> np.ndarray:
    """Loads of the layers whose steps are sampled, [steps, experts]: all differ where there are as many."""
    load = case.read()
    random = np.random.default_rng(SEED)
    return load[random.permutation(np.resize(np.arange(len(load)), max(len(load), STEPS)))[:STEPS]]


def maps_of(case: Case, load: np.ndarray) -> Iterator[Placed]:
    """Every map of a case: experts in their order where no slot is spare, and what each method places."""
    experts = load.shape[1]
    for replicas, ranks in case.places:
        if replicas == experts:
            slots = np.tile(np.arange(experts), (len(load), 1))
            yield Placed(CONTIGUOUS, replicas, ranks, slots.reshape(len(load), ranks, -1))
        instance = Instance(load, replicas, num_ranks=ranks)
        for method in METHODS:
            placement: Placement = solve(instance, method, Limits(seconds=None)).placement
            yield Placed(method, replicas, ranks, placement.phy2log.reshape(len(load), ranks, -1))


def routed(load: np.ndarray, copies: int, random: np.random.Generator) -> np.ndarray:
    """Tokens of each expert in a sampled step of each layer, [layers, experts]; the same on every machine."""
    rows = []
    for row in load:
        ends = np.cumsum(row)
        drawn = np.searchsorted(ends, random.random(copies) * ends[-1], side="right")
        rows.append(np.bincount(drawn, minlength=len(row)))
    return np.stack(rows)


def tokens_of_slots(tokens: np.ndarray, slots: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Whole tokens of each slot of a layer, [ranks, slots a rank]: an expert's replicas take turns, from any of them.

    Parameters
    ----------
    tokens : array [experts]
    slots : array [ranks, slots a rank]
    """
    flat = slots.reshape(-1)
    counts = np.bincount(flat, minlength=len(tokens))
    first = random.integers(0, counts)
    order = np.argsort(flat, kind="stable")
    turn = np.empty(len(flat), dtype=np.int64)
    starts = np.cumsum(counts) - counts
    turn[order] = np.arange(len(flat)) - starts[flat[order]]
    number = (turn - first[flat]) % counts[flat]
    each, more = np.divmod(tokens, counts)
    return (each[flat] + (number < more[flat])).reshape(slots.shape)
