"""Certificates altered field by field: each is refused, or what is proven is still true, as brute force says.

``python -m tests.checker.mutations 1000 [SEED]`` alters every field of every kind so many times.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from eplb_opt import Instance
from eplb_opt.bounds.counts_in_time import counts_in_time
from eplb_opt.bounds.cuts import cut_bound
from eplb_opt.bounds.patterns import pattern_bound
from eplb_opt.bounds.unequal import unequal_bound
from eplb_opt.budget import Budget
from eplb_opt.certificates.certificate import Certificate
from eplb_opt.certificates.cover import CoverCertificate
from eplb_opt.certificates.groups import GroupCertificate, group_pool
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.checker.problem import Problem
from eplb_opt.claims.bounds import problem_of
from eplb_opt.exact.pairing_tree import count_tree
from eplb_opt.problem.hierarchy import members

from ..costs.pools import optimum_of as optimum_in_time
from ..costs.pools import random_instance as random_in_time
from ..costs.unequal_pools import optimum_of as optimum_of_unequal
from ..costs.unequal_pools import random_instance as random_unequal
from ..exact.oracle_counts import optimum

Proof = dict[str, Any]
BELOW = 1 - 1e-6  # of an optimum: the targets that are proven
ROUNDED = 1e-9  # of an optimum that the oracle has in floats
REFUSALS = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError)
KINDS = ("cuts", "counts", "patterns", "cover", "groups", "cost", "unequal", "magic")
ODD = (0, -1, 1e308, -1e308, 5e-324, 2**62, 2**64, 10**400, float("nan"), float("inf"), True, None, "x", [1], {})
NEAR = (1 - 1e-12, 1 + 1e-12, 1 - 1e-6, 1 + 1e-6, 0.99, 1.01, 0.5, 2.0, -1.0)


@dataclass(frozen=True)
class Example:
    """A layer with true certificates, and its optimum."""

    problem: Problem
    proofs: tuple[Proof, ...]
    optimum: Fraction

    def proven(self, proofs: list[Proof]) -> float | None:
        """What is proven of the layer; None: the certificates are refused as they stand."""
        try:
            bound, _, wrong = self.problem.bound(0, proofs)
        except REFUSALS:
            return None
        return None if wrong else bound


def _example(instance: Instance, least: Fraction, proofs: dict[tuple[int, ...], Certificate]) -> Example:
    written = [{"groups": list(groups), **one.to_dict()} for groups, one in proofs.items()]
    return Example(problem_of(instance), tuple(json.loads(json.dumps(written))), least)


def of_pairs(certificate: Callable[[Any, float], Certificate | None]) -> Example:
    """Two slots a rank: with the certificate of a pool at a target."""
    instance = Instance([[2876.0, 1062, 772, 2018, 1540, 1137, 1324]], 14, num_ranks=7)
    pool = instance.pool(0)
    least = optimum(pool.loads, pool.slots, pool.ranks)
    found = certificate(pool, float(least))
    assert found is not None
    return _example(instance, least, {(0,): found})


def of_three(certificate: Callable[[Any, float], Certificate | None]) -> Example:
    """Three slots a rank."""
    instance = Instance([[4.0, 2, 6, 24, 20, 27]], 9, num_ranks=3)
    pool = instance.pool(0)
    least = optimum(pool.loads, pool.slots, pool.ranks)
    found = certificate(pool, float(least))
    assert found is not None
    return _example(instance, least, {(0,): found})


def of_nodes() -> Example:
    """Four groups on two nodes: a tree of every node set, at the best partition's value."""
    load = np.rint(np.random.default_rng(1).lognormal(0, 1, (1, 8)) * 100)
    instance = Instance(load, 12, num_ranks=4, num_groups=4, num_nodes=2)
    sets = list(combinations(range(4), 2))
    pools = {one: instance.pool(0, members(instance, one)) for one in sets}
    values = {one: optimum(pool.loads, pool.slots, pool.ranks) for one, pool in pools.items()}
    others = {one: tuple(sorted({0, 1, 2, 3} - set(one))) for one in sets}
    least = min(max(values[one], values[others[one]]) for one in sets)
    proofs = {one: CoverCertificate(float(value) * BELOW) for one, value in values.items()}
    return _example(instance, least, proofs)


def of_groups() -> Example:
    """Fourteen groups on two nodes, each rank of one slot: the heaviest node decides."""
    load = np.rint(np.random.default_rng(2).lognormal(0, 1, (1, 14)) * 100)
    instance = Instance(load, 14, num_ranks=2, num_groups=14, num_nodes=2)
    pool = group_pool(instance, 0)
    least = optimum(pool.loads, pool.slots, pool.ranks)
    return _example(instance, least, {tuple(range(14)): GroupCertificate(float(least) * BELOW)})


def in_time() -> Example:
    """With a cost: the first random instance whose cuts prove more than L0."""
    for seed in range(100):
        instance, curve = random_in_time(np.random.default_rng([21, seed]), "sum")
        pool, least = instance.pool(0), optimum_in_time(instance, curve)
        lower, _ = trivial_bound(pool)
        found = counts_in_time(pool, lower, least, 1e-4, Budget()) if least > lower * 1.001 else None
        if found is not None and found.cuts:
            return _example(instance, Fraction(least * (1 + ROUNDED)), {(0,): found})
    raise AssertionError("no cuts")


def unequal() -> Example:
    """Unequal ranks: likewise."""
    for seed in range(100):
        instance, curve = random_unequal(np.random.default_rng([71, seed]), "sum")
        if instance.unequal is None:
            continue
        pool, least = instance.pool(0), optimum_of_unequal(instance, curve)
        lower, _ = trivial_bound(pool)
        if least > lower * 1.001:
            found = unequal_bound(pool, instance.unequal, lower, least, 1e-4, Budget())
            if found is not None and found.cuts:
                return _example(instance, Fraction(least * (1 + ROUNDED)), {(0,): found})
    raise AssertionError("no cuts")


EXAMPLES: dict[str, Callable[[], Example]] = {
    "cuts": lambda: of_pairs(lambda pool, least: cut_bound(pool, least)[1]),
    "counts": lambda: of_pairs(lambda pool, least: count_tree(pool, least * BELOW)),
    "patterns": lambda: of_three(lambda pool, least: pattern_bound(pool, least)[1]),
    "cover": lambda: of_three(lambda pool, least: CoverCertificate(least * BELOW)),
    "nodes": of_nodes,
    "groups": of_groups,
    "cost": in_time,
    "unequal": unequal,
}


def fields_of(example: Example) -> list[str]:
    """The keys of its certificates."""
    return list(example.proofs[0])


def altered(random: np.random.Generator, proof: Proof, field: str) -> Proof:
    """With something else in a field, or somewhere in it."""
    other = copy.deepcopy(proof)
    holder: Any = other
    key: Any = field
    while isinstance(holder[key], (list, dict)) and holder[key] and random.random() < 0.8:
        holder = holder[key]
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[int(random.integers(len(keys)))]
    value = holder[key]
    if isinstance(holder, list) and random.random() < 0.3:
        place = int(random.integers(len(holder)))
        (holder.pop, lambda i: holder.insert(i, copy.deepcopy(value)))[int(random.integers(2))](place)
    elif isinstance(value, (int, float)) and random.random() < 0.8:
        holder[key] = _near(random, value)
    elif isinstance(value, str) and random.random() < 0.8:
        holder[key] = KINDS[int(random.integers(len(KINDS)))]
    else:
        holder[key] = ODD[int(random.integers(len(ODD)))]
    return other


def _near(random: np.random.Generator, value: float) -> float:
    if isinstance(value, int) and random.random() < 0.7:
        return value + int(random.choice([-100, -2, -1, 1, 2, 100]))
    factor = float(NEAR[int(random.integers(len(NEAR)))])
    return value * factor


def alterations(example: Example, field: str, ways: int, seed: int) -> Iterator[list[Proof]]:
    """Altered certificates: as they come, and saying that the optimum cannot be reached."""
    random = np.random.default_rng([seed, len(field)])
    for number in range(ways):
        proofs = [copy.deepcopy(proof) for proof in example.proofs]
        place = int(random.integers(len(proofs)))
        proofs[place] = altered(random, proofs[place], field)
        if number % 2:
            above = float(example.optimum) * (1 + float(random.choice([1e-6, 1e-3, 0.1])))
            proofs = [{**proof, "target": above} for proof in proofs]
        yield proofs


def survivors(example: Example, ways: int, seed: int = 0) -> tuple[int, int, list[list[Proof]]]:
    """How many altered certificates are refused, how many are still true, and those that prove what is false."""
    refused = true = 0
    false = []
    for field in fields_of(example):
        for proofs in alterations(example, field, ways, seed):
            bound = example.proven(proofs)
            if bound is None:
                refused += 1
            elif Fraction(bound) <= example.optimum:
                true += 1
            else:
                false.append(proofs)
    return refused, true, false


def main(ways: int, seed: int = 0) -> int:
    """Alter, and say what came of it."""
    wrong = 0
    for name, make in EXAMPLES.items():
        example = make()
        refused, true, false = survivors(example, ways, seed)
        wrong += len(false)
        fields = ", ".join(fields_of(example))
        print(f"{name}: {refused} refused, {true} still true, {len(false)} false; {ways} ways of {fields}", flush=True)
        for proofs in false[:3]:
            print(f"    {proofs}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
