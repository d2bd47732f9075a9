"""Small pools through every method against brute force, and elastic steps: the campaigns of their own modules."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from unittest import mock

import numpy as np

from eplb_opt.heuristics import kernels
from eplb_opt.heuristics.optional import optional

from .. import any_input, cost_soundness, elastic, moves_soundness, soundness, unequal_soundness, windows_soundness
from ..oracle import pool_optimum
from .part import Part, Tally, raised

# The generator and the number of a case -> its faults.
Case = Callable[[np.random.Generator, int], list[str]]


def run(case: Case, seed: int, number: int, count: int) -> Tally:
    """So many cases, each of a generator of its own."""
    faults: list[str] = []
    for turn in range(number * count, (number + 1) * count):
        faults += [f"case {turn}: {fault}" for fault in _judged(case, np.random.default_rng([seed, turn]), turn)]
    return Tally(count, tuple(faults))


def _judged(case: Case, generator: np.random.Generator, turn: int) -> list[str]:
    try:
        return case(generator, turn)
    except (Exception, SystemExit) as error:
        return [raised(error)]


def bounds(generator: np.random.Generator, turn: int) -> list[str]:
    """Every bound and every method on a plain pool."""
    pool = soundness.random_pool(generator)
    optimum = pool_optimum(tuple(pool.loads.tolist()), pool.slots, pool.ranks, pool.distinct)
    edges = (generator.uniform(0.8, 1.1), generator.uniform(0.95, 1.3))
    found = soundness.faults(pool, optimum, edges)
    soundness.checked_cuts(pool, generator)
    return [f"{fault}; {pool}" for fault in found]


def windows(generator: np.random.Generator, turn: int) -> list[str]:
    """Every method over windows."""
    pool, found, _ = windows_soundness.judged(generator, turn)
    return [f"{fault}; {pool}" for fault in found]


def costs(generator: np.random.Generator, turn: int) -> list[str]:
    """Every method in time."""
    pool, found, _ = cost_soundness.judged(generator, turn)
    return [f"{fault}; {pool}" for fault in found]


def unequal(generator: np.random.Generator, turn: int) -> list[str]:
    """Every method on unequal ranks."""
    pool, found, _ = unequal_soundness.judged(generator, turn)
    return [f"{fault}; {pool}" for fault in found]


def moves(generator: np.random.Generator, turn: int) -> list[str]:
    """The fewest moves to a target: solvers, bounds, heuristics."""
    tally = moves_soundness.Tally()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        tally.take(moves_soundness.random_case(generator), f"case {turn}")
    return said.getvalue().splitlines() if tally.faults else []


def steps(generator: np.random.Generator, turn: int) -> list[str]:
    """Two elastic steps, the second one from the map of the first."""
    used = elastic.random_step(generator, None)
    elastic.random_step(generator, used)
    return []


def types(generator: np.random.Generator, turn: int) -> list[str]:
    """Loads of a type, memory order and device: the map of the same numbers as contiguous float64.

    On a GPU in torch's operations: the kernels are compiled for every shape.
    """
    tried = _tried()
    with mock.patch.object(kernels, "optional", lambda name: None if name == "fused" else optional(name)):
        any_input.check(generator, *tried[turn % len(tried)])
    return []


def _tried() -> list[tuple[str, str, str]]:
    return [
        (dtype, layout, kind)
        for dtype in any_input.EXACT
        for layout in any_input.LAYOUTS
        for kind in any_input.cases(dtype)
    ]


def _parts() -> Iterator[Part]:
    for name, summary, whole, chunk, case in (
        ("types", "layers of every type, memory order and device here", 20_000, 500, types),
        ("bounds", "small pools, every bound and method against brute force", 4_000, 50, bounds),
        ("windows", "small pools over windows against brute force", 1_000, 10, windows),
        ("costs", "small pools in time against brute force", 1_000, 10, costs),
        ("unequal", "small pools on unequal ranks against brute force", 1_000, 10, unequal),
        ("moves", "small pools, the fewest moves against brute force", 2_000, 20, moves),
        ("elastic", "elastic steps: slots and ranks come, go and fail", 4_000, 100, steps),
    ):
        yield Part(name, summary, whole, chunk, partial(run, case))


PARTS = tuple(_parts())
