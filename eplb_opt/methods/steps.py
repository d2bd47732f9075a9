"""What each step of the portfolio does: it raises an attempt's bracket, or offers it a packing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..budget import Budget
from ..certificates.names import COST, CUTS, PATTERNS, UNEQUAL
from ..limits import Limits
from ..outcome import PoolOutcome
from ..problem.pool import Packing, Pool
from .attempt import Attempt

SEARCH_WORK = 15_000_000  # the search's own work of one unit
PATTERN_LP = 0.5  # seconds of the linear program over patterns, where there is a clock


def search(at: Attempt, budget: Budget, seed: int) -> None:
    """Anneal and repack."""
    from ..search.search import search as improve

    _improve(at, improve, budget.scaled(SEARCH_WORK), seed, "search")


def search_windows(at: Attempt, budget: Budget, seed: int) -> None:
    """Anneal over the windows."""
    from ..foresight.search import METHOD, WORK
    from ..foresight.search import search_windows as improve

    _improve(at, improve, budget.scaled(WORK), seed, METHOD)


def search_times(at: Attempt, budget: Budget, seed: int) -> None:
    """Anneal and repack replicas of sizes in time."""
    from ..costs.search import METHOD
    from ..costs.search import search_times as improve

    _improve(at, improve, budget.scaled(SEARCH_WORK), seed, METHOD)


def counts_in_time(at: Attempt, budget: Budget, seed: int) -> None:
    """Bound L1 with a cost: counts within a target, and cuts on them."""
    from ..bounds.counts_in_time import counts_in_time as prove

    bracket = at.bracket
    found = prove(at.pool, bracket.lower, bracket.upper, bracket.gap, budget)
    if found is not None:
        bracket.raise_to(found.target, COST, found)


def unequal_ranks(at: Attempt, budget: Budget, seed: int) -> None:
    """Bound L1 of unequal ranks: counts within a target, and what each rank can take of them."""
    from ..bounds.unequal import unequal_bound

    bracket = at.bracket
    ranks = at.pool.unequal
    if ranks is None:
        return
    # Over windows the mix's bounds hold.
    pool = at.pool.mix if at.pool.cost is None else at.pool
    upper = min(bracket.upper, bracket.packing.objective(pool))
    found = unequal_bound(pool, ranks, bracket.lower, upper, bracket.gap, budget)
    if found is not None:
        bracket.raise_to(found.target, UNEQUAL, found)


def exact(at: Attempt, budget: Budget, seed: int) -> None:
    """The reference CP-SAT model, over windows or in time: one (C4) a window."""
    from ..exact.cpsat_solver import solve_cpsat

    at.take(solve_cpsat(at.pool, at.bracket.packing, _limits(at, budget)))


def search_apart(at: Attempt, budget: Budget, seed: int) -> None:
    """Anneal and repack without repeats."""
    from ..search.search import search as improve

    _improve_apart(at, improve, budget.scaled(SEARCH_WORK), seed, "search")


def covers_apart(at: Attempt, budget: Budget, seed: int) -> None:
    """Cover all ranks without repeats."""
    if at.apart is not None:
        _cover(at, at.apart, budget, seed)


def count_ranges_apart(at: Attempt, budget: Budget, seed: int) -> None:
    """Cover all ranks without repeats, with counts near good ones."""
    from ..search.count_ranges import METHOD, search_count_ranges

    _improve_apart(at, search_count_ranges, budget.scaled(SEARCH_WORK), seed, METHOD)


def _improve_apart(
    at: Attempt, improve: Callable[..., Packing], budget: Budget, seed: int, method: str
) -> None:
    """Let a search improve the best packing without repeats until it is within the gap."""
    if at.apart is None:
        return
    bracket = at.bracket
    target = bracket.lower * (1 + bracket.gap)
    start = at.packing_apart or by_greedy(at.apart)
    found = improve(at.apart, start, target=target, budget=budget, seed=seed)
    at.packing_apart = found
    bracket.offer(found, method)


def covers(at: Attempt, budget: Budget, seed: int) -> None:
    """Cover all ranks exactly with counts near the greedy's, of which changed loads hurt the packing least."""
    _cover(at, at.pool, budget, seed)


def _cover(at: Attempt, pool: Pool, budget: Budget, seed: int) -> None:
    from ..search.covers import METHOD, TICKS_PER_WORK, search_covers

    bracket = at.bracket
    ticks = budget.scaled(SEARCH_WORK * TICKS_PER_WORK)
    target = bracket.lower * (1 + bracket.gap)
    packing = search_covers(
        pool, by_greedy(pool), target=target, budget=ticks, seed=seed
    )
    bracket.offer(packing, METHOD)


def by_greedy(pool: Pool) -> Packing:
    """The greedy's packing of a pool."""
    from ..heuristics.greedy import greedy_pools

    slots = greedy_pools(
        pool.loads[None], pool.slots, pool.ranks, distinct=pool.distinct
    )
    return Packing(np.asarray(slots).reshape(pool.ranks, -1))


def count_ranges(at: Attempt, budget: Budget, seed: int) -> None:
    """Cover all ranks exactly with counts near good ones."""
    from ..search.count_ranges import METHOD, search_count_ranges

    _improve(at, search_count_ranges, budget.scaled(SEARCH_WORK), seed, METHOD)


def _improve(
    at: Attempt, improve: Callable[..., Packing], budget: Budget, seed: int, method: str
) -> None:
    """Let a search improve the best packing until it is within the gap."""
    bracket = at.bracket
    target = bracket.lower * (1 + bracket.gap)
    packing = improve(at.pool, bracket.packing, target=target, budget=budget, seed=seed)
    bracket.offer(packing, method)


def cuts(at: Attempt, budget: Budget, seed: int) -> None:
    """Bound L1: cuts on the counts."""
    from ..bounds.cuts import cut_bound

    bracket = at.bracket
    upper = min(bracket.upper, bracket.packing.objective(at.pool.mix))
    bound, certificate = cut_bound(at.pool.mix, upper, bracket.gap, budget)
    if certificate is not None:
        bracket.raise_to(bound, CUTS, certificate)


def pattern_lp(at: Attempt, budget: Budget, seed: int) -> None:
    """Bound L2: the linear program over rank patterns."""
    from ..bounds.patterns import pattern_bound

    bracket = at.bracket
    if budget.has_clock:
        budget = budget.part(PATTERN_LP)
    bound, certificate = pattern_bound(
        at.pool, bracket.upper, bracket.gap, budget, bracket.lower
    )
    if certificate is not None:
        bracket.raise_to(bound, PATTERNS, certificate)


def rank_patterns(at: Attempt, budget: Budget, seed: int) -> None:
    """Cover all replicas with rank patterns, target by target."""
    from ..exact.cover import solve_patterns

    _prove(at, budget, solve_patterns)


def count_enumeration(at: Attempt, budget: Budget, seed: int) -> None:
    """Enumerate the vectors of counts that no price excludes."""
    from ..exact.counts import solve_counts

    _prove(at, budget, solve_counts)


def _prove(
    at: Attempt,
    budget: Budget,
    solve: Callable[[Pool, Packing, Limits, float], PoolOutcome],
) -> None:
    """Let an exact method raise the bound, or find a better packing."""
    bracket = at.bracket
    at.take(solve(at.pool, bracket.packing, _limits(at, budget), bracket.lower))


def _limits(at: Attempt, budget: Budget) -> Limits:
    """What is left of the budget as limits."""
    limits = budget.limits(at.limits)
    return limits if budget.has_clock else replace(limits, work=budget.work)
