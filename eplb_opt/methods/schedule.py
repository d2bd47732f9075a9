"""What the portfolio does with a pool, in this order, while its gap is open and time is left.

Most layers end with the search before the bound, most pools of few experts with the first proof by rank patterns.
"""

from __future__ import annotations

from dataclasses import replace

from . import steps
from .attempt import Attempt, Step

FULL_SEARCH = 64  # slots from which on the first search has its full time; smaller pools are sooner proven
MOST_LP_SLOTS = 48  # of pools whose linear program over patterns is worth solving; in larger ones it gives the mean
MOST_COVERED = 5  # slots of ranks whose contents near given counts may be few
MOST_EXPERTS = 64  # of pools whose rank contents are worth listing; in larger ones the search meets the bound
BOUND_ATTEMPTS = 2  # the second time with more time and a better incumbent
HARMLESS = 1e-3  # gap from which on packings without repeats are looked for first
FIRST_SEARCH = 0.25  # seconds, or the same in units of Limits.work
FIRST_PROOF = 0.5
FIRST_COUNTS = 1.0
FIRST_COVERS = 0.5
FIRST_RANGES = 2.0
RANGE_SHARE = 0.25  # of the time that is left then, for the first ranges, where no more than the mean is proven
COUNT_SHARE = 0.3  # of the time after that, for the proof by enumerating counts; little is used where they are too many
PROOF_SHARE = 0.6  # of the time after the first steps, for the proof by rank patterns
IS_MEAN = 1 + 1e-9  # times the mean: a bound up to here is the mean


def always(_: Attempt) -> bool:
    """Whatever the attempt."""
    return True


def is_first(at: Attempt) -> bool:
    """Whether nothing was tried before."""
    return at.number == 0


def _has_bounds_to_gain(at: Attempt) -> bool:
    return at.number < BOUND_ATTEMPTS


def has_few_slots(at: Attempt) -> bool:
    """Whether the linear program over rank contents is worth solving, at first."""
    return at.number == 0 and at.pool.slots <= MOST_LP_SLOTS


def _has_few_experts(at: Attempt) -> bool:
    return at.pool.num_experts <= MOST_EXPERTS


def _has_time_for_counts(at: Attempt) -> bool:
    return COUNT_SHARE * at.remaining() > FIRST_COUNTS


def _has_ranges(at: Attempt) -> bool:
    return _has_few_experts(at) and at.bracket.lower > 0


def _has_covers(at: Attempt) -> bool:
    """Whether the contents of a rank may be few enough to be listed."""
    return _has_ranges(at) and at.pool.slots_per_rank <= MOST_COVERED


def _first_search(at: Attempt) -> float:
    return FIRST_SEARCH * min(1.0, (at.pool.slots / FULL_SEARCH) ** 2)


def _first_ranges(at: Attempt) -> float:
    is_search_open = at.bracket.lower <= at.pool.mean * IS_MEAN  # rather than the bound
    return (
        max(FIRST_RANGES, RANGE_SHARE * at.remaining())
        if is_search_open
        else FIRST_RANGES
    )


SEARCH = ("search.search",)
CUTS = ("bounds.cuts",)
PATTERN_LP = ("bounds.patterns",)
RANK_PATTERNS = ("exact.cover",)
COUNT_ENUMERATION = ("exact.counts",)
COVERS = ("search.covers",)
COUNT_RANGES = ("search.count_ranges",)


def _count_share(at: Attempt) -> float:
    return COUNT_SHARE * at.remaining()


def _proof_share(at: Attempt) -> float:
    return PROOF_SHARE * at.remaining()


def _is_harmless(at: Attempt) -> bool:
    """Whether the gap leaves room for packings that changed loads hurt less: in which no expert is twice on a rank."""
    return at.number == 0 and at.bracket.gap >= HARMLESS and at.apart is not None


def _has_harmless_covers(at: Attempt) -> bool:
    return _is_harmless(at) and _has_covers(at)


def _has_harmless_ranges(at: Attempt) -> bool:
    return _is_harmless(at) and _has_ranges(at)


# What looks for packings and proves nothing, in the pool where no rank has an expert twice.
APART_SCHEDULE = (
    Step("search", steps.search_apart, _is_harmless, _first_search, modules=SEARCH),
    Step(
        "covers",
        steps.covers_apart,
        _has_harmless_covers,
        lambda at: FIRST_COVERS,
        modules=COVERS,
    ),
    Step(
        "count ranges",
        steps.count_ranges_apart,
        _has_harmless_ranges,
        _first_ranges,
        modules=COUNT_RANGES,
    ),
)

# name, what it does, when, how much of the time or work (seconds, or units of Limits.work), and which random numbers
SCHEDULE = (
    *APART_SCHEDULE,
    Step("search", steps.search, is_first, _first_search, lambda at: 0, SEARCH),
    Step("cuts", steps.cuts, _has_bounds_to_gain, Attempt.remaining, modules=CUTS),
    Step(
        "pattern LP",
        steps.pattern_lp,
        has_few_slots,
        Attempt.remaining,
        modules=PATTERN_LP,
    ),
    Step(
        "rank patterns",
        steps.rank_patterns,
        _has_few_experts,
        lambda at: FIRST_PROOF,
        modules=RANK_PATTERNS,
    ),
    Step(
        "count enumeration",
        steps.count_enumeration,
        always,
        lambda at: FIRST_COUNTS,
        modules=COUNT_ENUMERATION,
    ),
    Step(
        "covers",
        steps.covers,
        _has_covers,
        lambda at: FIRST_COVERS,
        lambda at: at.number,
        COVERS,
    ),
    Step(
        "count ranges",
        steps.count_ranges,
        _has_ranges,
        _first_ranges,
        lambda at: 2 * at.number,
        COUNT_RANGES,
    ),
    Step(
        "count enumeration",
        steps.count_enumeration,
        _has_time_for_counts,
        _count_share,
        modules=COUNT_ENUMERATION,
    ),
    Step(
        "rank patterns",
        steps.rank_patterns,
        _has_few_experts,
        _proof_share,
        modules=RANK_PATTERNS,
    ),
    Step(
        "count ranges",
        steps.count_ranges,
        _has_ranges,
        Attempt.remaining,
        lambda at: 2 * at.number + 1,
        COUNT_RANGES,
    ),
    Step(
        "search",
        steps.search,
        always,
        Attempt.remaining,
        lambda at: 1 + at.number,
        SEARCH,
    ),
)

MOST_EXACT = 4_000  # placement variables times windows, up to which the model over windows is tried
EXACT_SHARE = 0.5  # of the time, for it
CPSAT_MODEL = ("exact.cpsat_solver",)


def exact_share(at: Attempt) -> float:
    """What an exact method may spend of the time."""
    return EXACT_SHARE * at.remaining()


FIRST_TIMES = (
    0.5  # seconds of the first search in time, or the same in units of Limits.work
)
TIME_SEARCH = ("costs.search",)
TIME_BOUND = ("bounds.counts_in_time",)
UNEQUAL_BOUND = ("bounds.unequal",)


def _is_small_in_time(at: Attempt) -> bool:
    """Whether the exact model with a cost may end."""
    windows = 1 if at.pool.windows is None else len(at.pool.windows.shares)
    most = at.pool.max_count * at.pool.num_experts * at.pool.ranks
    return at.number == 0 and most * windows <= MOST_EXACT


def _adds_windows(at: Attempt) -> bool:
    return at.pool.windows is None


def _is_not_divided(at: Attempt) -> bool:
    """Whether rank times, not their proportions to a mean that depends on the counts, are the objective."""
    return at.pool.windows is None or at.pool.cost is None


# With a cost. Over windows nothing but the exact model proves more than that the slowest rank is above the mean.
TIME_SCHEDULE = (
    Step(
        "counts in time",
        steps.counts_in_time,
        _adds_windows,
        exact_share,
        modules=TIME_BOUND,
    ),
    Step(
        "search in time",
        steps.search_times,
        always,
        lambda at: FIRST_TIMES,
        lambda at: 2 * at.number,
        TIME_SEARCH,
    ),
    Step(
        "counts in time",
        steps.counts_in_time,
        _adds_windows,
        exact_share,
        modules=TIME_BOUND,
    ),
    Step(
        "exact in time",
        steps.exact,
        _is_small_in_time,
        exact_share,
        modules=CPSAT_MODEL,
    ),
    Step(
        "search in time",
        steps.search_times,
        always,
        Attempt.remaining,
        lambda at: 2 * at.number + 1,
        TIME_SEARCH,
    ),
    Step(
        "counts in time",
        steps.counts_in_time,
        _adds_windows,
        Attempt.remaining,
        modules=TIME_BOUND,
    ),
)

# Of unequal ranks, in time or in tokens.
UNEQUAL_SCHEDULE = tuple(
    replace(
        step,
        name="unequal ranks",
        run=steps.unequal_ranks,
        when=_is_not_divided,
        modules=UNEQUAL_BOUND,
    )
    if step.run is steps.counts_in_time
    else step
    for step in TIME_SCHEDULE
)
