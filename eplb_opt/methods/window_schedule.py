"""What the portfolio does with a pool that several windows judge: search, then proofs where the pool is small."""

from __future__ import annotations

from . import steps
from .attempt import Attempt, Step
from .schedule import (
    CPSAT_MODEL,
    CUTS,
    MOST_EXACT,
    PATTERN_LP,
    RANK_PATTERNS,
    always,
    exact_share,
    has_few_slots,
    is_first,
)

MOST_WINDOWS = 64  # over which rank contents are listed
SEARCH_SHARE = 0.3  # of the time, for the first search, where proofs follow
WINDOW_SEARCH = ("foresight.search",)


def _has_few_windows(at: Attempt) -> bool:
    """Whether the contents of a rank may be few enough over windows."""
    windows = at.pool.windows
    return (
        windows is not None
        and len(windows.shares) <= MOST_WINDOWS
        and has_few_slots(at)
    )


def _is_small(at: Attempt) -> bool:
    """Whether the exact model over windows may end."""
    windows = at.pool.windows
    if windows is None or at.number > 0:
        return False
    most = at.pool.max_count * at.pool.num_experts * at.pool.ranks
    return most * len(windows.shares) <= MOST_EXACT


def _first_search(at: Attempt) -> float:
    return SEARCH_SHARE * at.remaining() if _has_few_windows(at) else at.remaining()


# Over windows. The mix's bounds hold, and are loose; rank contents prove small pools.
WINDOW_SCHEDULE = (
    Step(
        "search over windows",
        steps.search_windows,
        always,
        _first_search,
        lambda at: 2 * at.number,
        WINDOW_SEARCH,
    ),
    Step("cuts", steps.cuts, is_first, exact_share, modules=CUTS),
    Step(
        "pattern LP",
        steps.pattern_lp,
        _has_few_windows,
        Attempt.remaining,
        modules=PATTERN_LP,
    ),
    Step(
        "rank patterns",
        steps.rank_patterns,
        _has_few_windows,
        exact_share,
        modules=RANK_PATTERNS,
    ),
    Step(
        "exact over windows",
        steps.exact,
        _is_small,
        exact_share,
        modules=CPSAT_MODEL,
    ),
    Step(
        "search over windows",
        steps.search_windows,
        always,
        Attempt.remaining,
        lambda at: 2 * at.number + 1,
        WINDOW_SEARCH,
    ),
)
