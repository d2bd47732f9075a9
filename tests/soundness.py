"""Bound <= optimum <= objective on many random pools: ``python -m tests.soundness [POOLS] [SEED]``.

The optimum is brute force in exact fractions. Every pool is given to L0, L1, L2 (certificates re-checked in integers),
rank patterns, count enumeration, matching (s <= 2) and the portfolio; the proven bounds and the objectives are compared
exactly, up to the rounding of the objective's sum. Cuts of both kinds, separated at random points and targets, are
evaluated in fractions on every count vector whose best packing is within the target.
"""

from __future__ import annotations

import sys
from collections import Counter
from fractions import Fraction

import numpy as np

from eplb_opt import Limits
from eplb_opt.bounds.cuts import cut_bound
from eplb_opt.bounds.patterns import pattern_bound
from eplb_opt.budget import Budget
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.exact.counts import decide_counts, solve_counts
from eplb_opt.exact.cover import decide, solve_patterns
from eplb_opt.exact.matching import solve_matching
from eplb_opt.methods.run import run
from eplb_opt.methods.task import Task
from eplb_opt.problem.pool import Packing, Pool
from models.export import assignment

from .bounds.test_cuts import check_cuts, solutions
from .oracle import pool_optimum

WORK = Limits(seconds=None, work=1.0)
ROUNDING = Fraction(1, 2**48)


def random_pool(random: np.random.Generator) -> Pool:
    """At most 6 experts and 9 slots: integer, fractional, tied, zero and heavy-tailed loads."""
    while True:
        experts, ranks, slots_per_rank = (int(random.integers(1, high)) for high in (7, 5, 5))
        slots = ranks * slots_per_rank
        if experts <= slots <= 9:
            break
    kind = random.integers(4)
    loads = [
        random.integers(0, 30, experts), random.lognormal(0, 1, experts), random.integers(1, 4, experts) * 12,
        np.exp2(random.integers(-3, 8, experts)),
    ][kind]  # fmt: skip
    return Pool(loads.astype(float), slots, ranks, bool(random.integers(2)) and slots <= experts * ranks)


def faults(pool: Pool, optimum: Fraction, edges: tuple[float, float]) -> list[str]:
    """What is unsound on a pool; ``edges``: target and cutoff of a task as multiples of the optimum."""
    start = assignment(pool).incumbent
    found: list[str] = []

    def below(name: str, bound: float | None) -> None:
        if bound is not None and Fraction(bound) > optimum:
            found.append(f"{name}: bound {bound} > {float(optimum)}")

    def above(name: str, packing: Packing) -> None:
        if packing.violations(pool) or Fraction(packing.objective(pool)) < optimum * (1 - ROUNDING):
            found.append(f"{name}: objective below {float(optimum)}, or invalid")

    above("greedy", start)
    below("L0", trivial_bound(pool)[0])
    bound, certificate = cut_bound(pool, start.objective(pool))
    below("L1", bound)
    if certificate is not None and not certificate.holds(pool):
        found.append("L1: certificate does not hold")
    second, pattern_proof = pattern_bound(pool, start.objective(pool), lower=bound)
    below("L2", second)
    if second < bound or (pattern_proof is not None and not pattern_proof.holds(pool)):
        found.append("L2: below L1, or its certificate does not hold")
    outcomes = {
        "patterns": solve_patterns(pool, start, WORK),
        "counts": solve_counts(pool, start, WORK),
        "optimal": run("optimal", Task(pool, start, trivial_bound(pool)[0], WORK)),
    }
    target, cutoff = (float(optimum) * factor for factor in edges)
    outcomes["optimal between"] = run("optimal", Task(pool, start, trivial_bound(pool)[0], WORK, 0, target, cutoff))
    if optimum > 0:  # beside the optimum: impossible below, a packing above
        for name, method in (("patterns", decide), ("counts", decide_counts)):
            under, over = (method(pool, float(optimum) * factor, Budget()) for factor in (1 - 1e-9, 1 + 1e-9))
            if not under.impossible or over.packing is None:
                found.append(f"{name}: wrong beside the optimum")
            else:
                above(f"{name} beside the optimum", over.packing)
    if pool.slots_per_rank <= 2:
        outcomes["matching"] = solve_matching(pool, start, WORK)
    for name, outcome in outcomes.items():
        below(name, outcome.lower_bound)
        if outcome.packing is not None:
            above(name, outcome.packing)
        if outcome.proof is not None and not outcome.proof.holds(pool):
            found.append(f"{name}: certificate does not hold")
    if Fraction(outcomes["optimal"].objective(pool)) > optimum * Fraction(10002, 10000):
        found.append(f"optimal: objective above {float(optimum)}")
    return found


def checked_cuts(pool: Pool, random: np.random.Generator) -> int:
    """How many times a cut was evaluated, all of them in order; AssertionError if one was not."""
    if pool.slots_per_rank == 1 or not pool.loads.any():
        return 0
    return check_cuts(pool, solutions(pool), random)


def main() -> None:
    """Run, and exit with 1 if anything is unsound."""
    many, seed = (int(x) for x in (sys.argv[1:] + ["5000", "0"][len(sys.argv) - 1 :]))
    random, kinds, bad, evaluated = np.random.default_rng(seed), Counter(), 0, 0
    for n in range(many):
        pool = random_pool(random)
        optimum = pool_optimum(tuple(pool.loads.tolist()), pool.slots, pool.ranks, pool.distinct)
        kinds[f"s={pool.slots_per_rank}" + (" distinct" if pool.distinct else "")] += 1
        found = faults(pool, optimum, (random.uniform(0.8, 1.1), random.uniform(0.95, 1.3)))
        try:
            evaluated += checked_cuts(pool, random)
        except AssertionError as error:
            found.append(f"L1: a cut is violated: {error}")
        for fault in found:
            bad += 1
            print(f"pool {n} {pool.loads.tolist()} {pool.slots}/{pool.ranks} distinct={pool.distinct}: {fault}")
    print(f"{many} pools, seed {seed} ({dict(sorted(kinds.items()))}), cuts evaluated {evaluated} times: {bad} faults")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
