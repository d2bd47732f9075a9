"""Two slots a rank, one limit: are there counts that can be paired within it? (``models/README.md``, X3 and X4)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..budget import Budget
from ..certificates.cuts import CutCertificate
from ..errors import SolverError
from ..problem.pool import Ints, Pool
from .pairing import crowded, pair_distinct
from .threshold import (
    Bools,
    Columns,
    chain_certificate,
    columns,
    lonely_certificate,
    slot_bound,
)
from .threshold_cpsat import CountsVerdict, integer_counts
from .threshold_lp import relaxation

MODEL_WORK = 0.02  # what building a model costs, in units of Limits.work
RELAXATION_WORK = 0.02  # and a relaxation
LONGEST = 1e9  # seconds or work that a solver is told where there is no limit
MOST_COLUMNS = 300_000


class Crowd(NamedTuple):
    """An expert that overfilled ranks with replicas of a load."""

    expert: int
    load: float


class LimitDecider:
    """Decides single limits of a pool with two slots a rank; what it learns of crowds holds at all of them.

    Parameters
    ----------
    pool : Pool
    budget : Budget
        What it costs is spent from it.
    seed : int
        Of CP-SAT's random numbers.
    """

    def __init__(self, pool: Pool, budget: Budget, seed: int) -> None:
        self.pool = pool
        self.budget = budget
        self.seed = seed
        self.crowds: list[Crowd] = []

    def relax(self, limit: float) -> Columns | CutCertificate:
        """The columns that counts within the limit may use, or what proves that there are no such counts."""
        cols = columns(self.pool, limit)
        if cols is None:
            return lonely_certificate(self.pool, limit)
        if cols.expert.size > MOST_COLUMNS:
            raise SolverError(
                f"{cols.expert.size} columns are too many for the matching model"
            )
        self.budget.spend(RELAXATION_WORK)
        duals = relaxation(self.pool, cols, self.budget.seconds())
        bound, with_column = slot_bound(self.pool, cols, duals)
        if bound > self.pool.slots:
            return chain_certificate(self.pool, cols, duals, limit)
        return cols.keep(with_column <= self.pool.slots)

    def decide(self, cols: Columns, near: Ints) -> CountsVerdict:
        """Counts of these columns that can be paired, or that there are none, or why neither was found.

        Parameters
        ----------
        cols : Columns
            What may be chosen.
        near : array [experts], int64
            Counts of a good packing, where the search starts.

        Returns
        -------
        CountsVerdict
        """
        while (stop := self.budget.stop()) is None:
            answer = self._integer_counts(cols, near)
            if answer.counts is None:
                return answer
            if not self.pool.distinct:
                return replace(answer, counts=self._filled(answer.counts))
            if pair_distinct(self.pool, answer.counts, cols.limit) is not None:
                return answer
            self._learn_crowd(answer.counts, cols.limit)
        return CountsVerdict(None, False, 0.0, stop)

    def _integer_counts(self, cols: Columns, near: Ints) -> CountsVerdict:
        """Counts by the model over integers, with a row for every crowd known."""
        rows = [_crowd_row(cols, crowd) for crowd in self.crowds]
        extra = [(row, self.pool.ranks) for row in rows if row.any()]
        seconds = min(self.budget.seconds(), LONGEST)
        work = min(self.budget.work, LONGEST)
        answer = integer_counts(
            self.pool,
            cols,
            extra,
            seconds,
            work,
            self.seed,
            near,
        )
        self.budget.spend(MODEL_WORK + answer.work)
        return answer

    def _filled(self, counts: Ints) -> Ints:
        """Counts that fill all slots: more replicas of a light expert never hurt."""
        filled = counts.copy()
        lightest = np.argmin(self.pool.loads / counts)
        filled[lightest] += self.pool.slots - counts.sum()
        return filled

    def _learn_crowd(self, counts: Ints, limit: float) -> None:
        """Remember what ``distinct`` forbids of these counts."""
        expert = crowded(self.pool, counts, limit)
        if expert is None:
            raise SolverError(
                "CP-SAT returned counts that break the chain of its own model"
            )
        load = float(self.pool.loads[expert] / counts[expert])
        self.crowds.append(Crowd(expert, load))


def _crowd_row(cols: Columns, crowd: Crowd) -> Bools:
    """Columns of the row "each replica needs its own rank": this expert's at this load or more, and what fits none."""
    if crowd.load > cols.limit / 2:
        return np.zeros(cols.expert.size, np.bool_)
    heavy = cols.value > cols.limit / 2
    is_own = cols.expert == crowd.expert
    own: Bools = is_own & (cols.value >= crowd.load) & ~heavy
    blocked: Bools = heavy & (crowd.load > cols.limit - cols.value)
    return own | blocked
