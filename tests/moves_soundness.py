"""Random small pools with a map in use against brute force: ``python -m tests.moves_soundness 500 [SEED]``.

The reference MILP, CP-SAT and brute force over all maps agree on the three goals: the lightest heaviest rank within a
number of moves, the fewest moves to a target, the least imbalance with a price for each move. No bound is above what it
bounds. Heuristics (`HEURISTICS`) are within the target, and how many moves they take beyond the fewest is said.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from eplb_opt import Instance, Limits
from eplb_opt.bounds.moves import pattern_moves_bound
from eplb_opt.exact import moves_cpsat, moves_milp
from eplb_opt.exact.moves import MovesOutcome, moves_of
from eplb_opt.heuristics.refine import refined
from eplb_opt.moves.bound import fewest_moves_bound
from eplb_opt.moves.held import held_experts
from eplb_opt.moves.node_pools import repaired_rows
from eplb_opt.moves.start import nearest_maps
from eplb_opt.problem.pool import Packing, Pool

from .moves_oracle import Frontier, fewest_moves, frontier, least_cost, least_load

LIMITS = Limits(seconds=None, work=20.0, gap=0.0)
SOLVERS = {"MILP": moves_milp, "CP-SAT": moves_cpsat}
EXACT = 2e-6  # relative: what solvers' tolerances may cost
ROUNDING = Fraction(1, 10**9)  # of sums, by which a target may be exceeded

# Of a pool, the experts in the slots of its map in use [ranks, slots a rank] (-1: none) and a target for the heaviest
# rank to a packing that moves little; None: it finds none. A heuristic by its name is compared with the fewest moves.
Heuristic = Callable[[Pool, np.ndarray, float], Packing | None]


def repaired(pool: Pool, in_use: np.ndarray, target: float) -> Packing | None:
    """The packing near the map in use that is repaired until it is within the target."""
    instance = Instance(pool.loads[None], pool.slots, num_ranks=pool.ranks, distinct=pool.distinct)
    before = in_use[None]
    fresh = refined(instance).phy2log
    rows, _ = nearest_maps(instance, before, fresh)
    held = held_experts(before, pool.num_experts)
    found = repaired_rows(instance, rows, held, np.array([target]), searches=3)
    packing = Packing(found.reshape(pool.ranks, -1))
    return packing if packing.objective(pool) <= target * (1 + 1e-9) else None


HEURISTICS: dict[str, Heuristic] = {"repair": repaired}


@dataclass(frozen=True, eq=False)
class Case:
    """A pool, the map in use, a packing to start from, and the three limits."""

    pool: Pool
    in_use: np.ndarray  # [ranks, slots a rank of the map in use]
    start: Packing
    max_moves: int
    move_price: float
    of_target: float  # how far the target is, from the least load to that of the fewest moves

    @cached_property
    def held(self) -> np.ndarray:
        return held_experts(self.in_use[None], self.pool.num_experts)[0]

    @cached_property
    def best(self) -> Frontier:
        """By brute force."""
        pool = self.pool
        return frontier(pool.loads.tolist(), pool.slots, pool.ranks, self.held.tolist(), pool.distinct)

    @cached_property
    def target(self) -> float:
        """Between two loads that some numbers of moves reach, or on one of them, or below all."""
        loads = sorted(set(self.best.values()))
        place = self.of_target * len(loads)
        below = loads[int(place)]
        if self.of_target < 0.5:
            return float(below)
        above = loads[min(int(place) + 1, len(loads) - 1)]
        return float((below + above) / 2) if below < above else float(below) * 0.99

    def __str__(self) -> str:
        pool = self.pool
        return f"{pool.loads.tolist()} {pool.slots}/{pool.ranks} distinct={pool.distinct} in use {self.in_use.tolist()}"


def random_case(random: np.random.Generator) -> Case:
    """A pool that brute force can do: 2 or 3 ranks of 2 or 3 slots; ranks that hold nothing, or more than they will."""
    ranks = int(random.integers(2, 4))
    each = int(random.integers(2, 4))
    slots = ranks * each
    experts = int(random.integers(2, min(slots, 5) + 1))
    kinds = [random.integers(0, 30, experts), random.lognormal(0, 1, experts), random.integers(1, 4, experts) * 12]
    loads = kinds[random.integers(3)].astype(float)
    distinct = bool(random.random() < 0.4 and each <= experts)
    in_use = random.integers(-1, experts, (ranks, each + int(random.integers(-1, 2))))
    if random.random() < 0.25:
        in_use[random.integers(ranks)] = -1
    if random.random() < 0.25:
        in_use[-1] = in_use[0]  # ranks that are alike
    pool = Pool(loads, slots, ranks, distinct)
    max_moves = int(random.integers(0, slots + 1))
    move_price = float(random.choice([0.0, 0.01, 0.05, 0.2, 1.0]))
    return Case(pool, in_use, dealt(pool), max_moves, move_price, float(random.random()))


def dealt(pool: Pool) -> Packing:
    """A valid packing: replicas dealt round the ranks, those of an expert one after the other."""
    experts = np.arange(pool.slots) * pool.num_experts // pool.slots
    return Packing(np.ascontiguousarray(experts.reshape(-1, pool.ranks).T))


def wrong_claims(case: Case, outcome: MovesOutcome, optimum: Fraction | None) -> list[str]:
    """What does not hold of an outcome that should be optimal."""
    if optimum is None:
        is_right = outcome.packing is None and outcome.lower_bound == np.inf
        return [] if is_right else ["finds a packing where there is none, or proves too little"]
    if outcome.packing is None:
        return ["finds no packing"]
    best = float(optimum)
    noise = EXACT * best + 1e-12
    found = [*outcome.packing.violations(case.pool)]
    if outcome.moves != moves_of(outcome.packing, case.held) or outcome.objective != outcome.packing.objective(
        case.pool
    ):
        found.append("claims another load or number of moves than its packing has")
    if not best * (1 - 1e-9) <= outcome.cost <= best + noise:
        found.append(f"finds {outcome.cost} instead of {best}")
    if not best - 10 * noise <= outcome.lower_bound <= best * (1 + 1e-9):
        found.append(f"proves {outcome.lower_bound} of {best}")
    return found


def faults_of_solvers(case: Case) -> list[str]:
    """What is wrong with the exact methods."""
    best = case.best
    mean = case.pool.total / case.pool.ranks
    target = Fraction(case.target) * (1 + ROUNDING)
    fewest = fewest_moves(best, target)
    optima = {
        "least_load": (case.max_moves, least_load(best, case.max_moves)),
        "fewest_moves": (case.target, None if fewest is None else Fraction(fewest)),
        "least_cost": (case.move_price, least_cost(best, mean, Fraction(case.move_price))),
    }
    found = []
    for name, solver in SOLVERS.items():
        for goal, (limit, optimum) in optima.items():
            outcome = getattr(solver, goal)(case.pool, case.held, limit, case.start, LIMITS)
            claims = wrong_claims(case, outcome, optimum)
            found += [f"{name}, {goal} {limit}: {claim}" for claim in claims]
    return found


BOUNDS = {"without a solver": fewest_moves_bound, "from rank contents": pattern_moves_bound}


def bounds_of(case: Case, bound: Callable[[Pool, np.ndarray, float], int]) -> list[tuple[int, int, float]]:
    """At every load that is the least of some number of moves: the bound of the moves, their number, the load."""
    found = []
    for load in sorted(set(case.best.values())):
        target = float(load * (1 + ROUNDING))
        fewest = fewest_moves(case.best, Fraction(target))
        found.append((bound(case.pool, case.held, target), fewest, target))
    return found


def extra_moves(case: Case, heuristic: Heuristic) -> int | str | None:
    """Moves beyond the fewest to the target, or what is wrong; None: the target is out of reach, or was not met."""
    fewest = fewest_moves(case.best, Fraction(case.target) * (1 + ROUNDING))
    packing = heuristic(case.pool, case.in_use, case.target)
    if packing is None or fewest is None:
        return None
    if packing.violations(case.pool) or packing.objective(case.pool) > case.target * (1 + 1e-9):
        return "is invalid, or above the target"
    extra = moves_of(packing, case.held) - fewest
    return extra if extra >= 0 else f"{extra} moves beyond the fewest"


class Tally:
    """Averages, and a line for each fault."""

    def __init__(self) -> None:
        self.faults = 0
        self.bounds: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.extra: dict[str, list[int]] = defaultdict(list)

    def take(self, case: Case, label: str) -> None:
        """Compare everything on one pool."""
        found = faults_of_solvers(case)
        for name, prover in BOUNDS.items():
            for bound, fewest, target in bounds_of(case, prover):
                self.bounds[name].append((bound, fewest))
                if bound > fewest:
                    found.append(f"bound {name}: {bound} moves to {target}, where {fewest} suffice")
        for name, heuristic in HEURISTICS.items():
            extra = extra_moves(case, heuristic)
            if isinstance(extra, str):
                found.append(f"{name}: {extra}")
            elif extra is not None:
                self.extra[name].append(extra)
        for fault in found:
            self.faults += 1
            print(f"{label}, {case}: {fault}")

    def lines(self) -> list[str]:
        """What to say at the end."""
        lines = []
        for name, pairs in self.bounds.items():
            bound, fewest = np.array(pairs).T
            met = (bound == fewest).mean()
            lines.append(
                f"bound {name}: {bound.mean():.2f} of {fewest.mean():.2f} moves on average, met at {met:.0%} of "
                f"{len(bound)} targets"
            )
        for name, extra in self.extra.items():
            lines.append(f"{name}: {np.mean(extra):.2f} moves beyond the fewest on average, {max(extra)} at most")
        return lines


def main() -> None:
    """Compare and count."""
    number = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    tally = Tally()
    for i in range(number):
        tally.take(random_case(np.random.default_rng([seed, i])), f"seed {seed}, pool {i}")
    print(f"{number} pools, {tally.faults} faults")
    print("\n".join(tally.lines()))
    raise SystemExit(tally.faults > 0)


if __name__ == "__main__":
    main()
