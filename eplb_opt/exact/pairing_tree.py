"""Two slots a rank: a tree over counts that proves a limit impossible, for its certificate (``models/README.md``, X12).

Branch and bound on the linear relaxation of X4. Its duals are rounded to integers, and what these say of counts is what
the checker will find: the certificate holds by construction, whatever the solver does.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..budget import Budget
from ..certificates.certificate import plain_pool
from ..certificates.count_tree import CountTreeCertificate, Node
from ..checker.counts import SLOT, THRESHOLD, Cut, Table, Vector, allowed_counts
from ..checker.pool import MARGIN, Bools
from ..highs import run_highs
from ..problem.pool import Floats, Ints, Pool
from .threshold import Columns, below, levels_of, prices_of
from .threshold_lp import chain_program

MOST_NODES = 1_000
MOST_COLUMNS = 30_000
CANDIDATES = 8  # experts whose two children are solved before one is branched on
ENOUGH = 0.1  # of the columns that are left: if one program takes away so many, another is solved
LEAST_GAIN = 1e-6  # slots
LEAST_SHARE = 1e-7  # of a column, in a solution that counts as fractional
SLACK = 1e-3  # slots above all of them: what a child that is impossible is worth where branches are compared


def count_tree(
    pool: Pool,
    limit: float,
    budget: Budget | None = None,
    most_nodes: int | None = None,
) -> CountTreeCertificate | None:
    """The certificate of a limit that is impossible; None: its tree is too large, or there is none.

    Parameters
    ----------
    pool : Pool
        With two slots a rank.
    limit : float
        T > 0, in units of load.
    budget : Budget, optional
        Its clock ends the search. Default: no limit, deterministic.
    most_nodes : int, optional
        Of the tree. Default: `MOST_NODES`.

    Raises
    ------
    SolverError
        HiGHS refused the model.
    """
    counts = allowed_counts(plain_pool(pool), limit)
    if counts is None:
        return CountTreeCertificate(limit, (), ())
    cols = _every_column(pool, limit, *counts)
    if cols.expert.size > MOST_COLUMNS:
        return None
    levels = _levels(cols)
    cuts: list[Cut] = [(THRESHOLD, level, None) for level in levels]
    table = Table(plain_pool(pool), limit, cuts)
    search = _Search(pool, cols, table, budget or Budget())
    nodes = search.nodes(MOST_NODES if most_nodes is None else most_nodes)
    return None if nodes is None else _certificate(limit, levels, nodes)


def _every_column(pool: Pool, limit: float, least: Ints, top: Ints) -> Columns:
    """Every count from each expert's least one on, as many for all: those beyond an expert's range are not allowed."""
    width = int((top - least).max()) + 1
    expert = np.repeat(np.arange(pool.num_experts), width)
    count = (least[:, None] + np.arange(width)).ravel()
    value = pool.loads[expert] / count
    most = limit * (1 + MARGIN)
    heavy = value > most / 2
    level, levels = levels_of(value, heavy, most)
    moved = np.where(heavy, -count, count)
    role = np.where(level > 0, moved, 0)
    alone = float(value[heavy & (level == 0)].min(initial=math.inf))
    return Columns(most, expert, count, value, level, role, levels, alone)


def _levels(cols: Columns) -> list[float]:
    """The least load that is heavy at each level of the chain, and last the least one beside which nothing fits."""
    levels = []
    for level in range(1, cols.levels + 1):
        taken = cols.value[(cols.level == level) & (cols.role < 0)]
        levels.append(below(taken.min()))
    if math.isfinite(cols.alone):
        levels.append(below(cols.alone))
    return levels


def _certificate(
    limit: float, levels: list[float], nodes: list[Node]
) -> CountTreeCertificate:
    """The tree with the levels that it uses."""
    used = sorted({level for n in nodes for prices in n.prices for level, _ in prices})
    number = {level: i for i, level in enumerate(used)}
    renamed = tuple(
        node._replace(
            prices=tuple(
                tuple((number[level], m) for level, m in vector)
                for vector in node.prices
            )
        )
        for node in nodes
    )
    return CountTreeCertificate(limit, tuple(levels[level] for level in used), renamed)


class _Solution(NamedTuple):
    """Of the relaxation: the slots that it needs, what it takes of every count, and its duals in integers."""

    slots: float
    shares: Floats
    prices: Vector


class _Relaxation:
    """The linear program of X4 over all columns, of which some are allowed."""

    def __init__(self, pool: Pool, cols: Columns, budget: Budget) -> None:
        self.cols = cols
        self.budget = budget
        self.before_chain = pool.num_experts + 1  # rows of the experts and of the slots
        self.solver: Any = chain_program(pool, cols)
        self.solver.setOptionValue("presolve", "off")
        self.which = np.arange(cols.expert.size, dtype=np.int32)

    def solve(self, allowed: Bools) -> _Solution | None:
        """The solution within some counts [experts, range]; None: the solver has none."""
        size = self.which.size
        most = allowed.ravel().astype(np.float64)
        self.solver.changeColsBounds(size, self.which, np.zeros(size), most)
        if not run_highs(self.solver, self.budget.seconds()):
            return None
        solution = self.solver.getSolution()
        shares = np.array(solution.col_value)[:size].reshape(allowed.shape)
        duals = np.array(solution.row_dual)[self.before_chain :]
        slots = float(self.solver.getInfo().objective_function_value)
        return _Solution(slots, shares * allowed, _integers(duals))


def _integers(duals: Floats) -> Vector:
    """By how much the price of a slot's part falls behind each level, in the certificate's unit."""
    price = np.rint(prices_of(duals)[1:] * SLOT).astype(np.int64)
    falls = price - np.append(price[1:], 0)
    used = np.flatnonzero(falls)
    return list(zip(used.tolist(), falls[used].tolist(), strict=True))


class _Branch(NamedTuple):
    """Two children, and what tells them apart: the first has at most so many replicas of the expert."""

    expert: int
    most: int
    few: Bools
    many: Bools


class _Search:
    """Branch and bound over counts: nodes in preorder."""

    def __init__(self, pool: Pool, cols: Columns, table: Table, budget: Budget) -> None:
        self.table = table
        self.budget = budget
        self.relaxation = _Relaxation(pool, cols, budget)
        self.most = pool.slots + SLACK
        self.first: list[Vector] = []
        if math.isfinite(cols.alone):
            # dearer than all slots: such counts are out
            self.first = [[(cols.levels, SLOT * (pool.slots + 1))]]

    def nodes(self, most: int) -> list[Node] | None:
        """The whole tree; None: it is too large, or some leaf stays open."""
        found: list[Node] = []
        stack = [self.table.allowed]
        while stack:
            if len(found) == most or self.budget.stop() is not None:
                return None
            vectors = [] if found else list(self.first)
            allowed, solution = self._narrowed(stack.pop(), vectors)
            if allowed is None:
                found.append(Node(vectors))
                continue
            branch = None if solution is None else self._branch(allowed, solution)
            if branch is None:
                return None
            found.append(Node(vectors, branch.expert, branch.most))
            stack += [branch.many, branch.few]
        return found

    def _narrowed(
        self, allowed: Bools, vectors: list[Vector]
    ) -> tuple[Bools | None, _Solution | None]:
        """What prices leave of some counts, and the last solution; None: nothing, or the solver has no solution.

        ``vectors`` are taken first, and the ones that were of use are added.
        """
        left: Bools | None = allowed
        for prices in vectors:
            left = None if left is None else self.table.narrowed(left, prices)
        while left is not None and left.any(axis=1).all():
            solution = self.relaxation.solve(left)
            if solution is None:
                return left, None
            after = self.table.narrowed(left, solution.prices)
            gone = int(left.sum()) - (0 if after is None else int(after.sum()))
            if gone:
                vectors.append(solution.prices)
            is_little = gone < ENOUGH * int(left.sum())
            left = after
            if left is not None and is_little:
                return left, solution
        if left is not None:
            vectors.append([])  # an expert has no count left
        return None, None

    def _branch(self, allowed: Bools, solution: _Solution) -> _Branch | None:
        """Of the experts whose counts the solution mixes most, the one whose children gain most (product rule)."""
        best = None
        most = 0.0
        slots = solution.slots
        for expert, count in self._splits(allowed, solution.shares):
            many, few = self.table.halves(allowed, expert, count)
            worth = self._gain(few, slots) * self._gain(many, slots)
            if worth > most:
                most = worth
                best = _Branch(expert, count, few, many)
        return best

    def _gain(self, allowed: Bools, slots: float) -> float:
        """How many more slots a child needs than its parent, as far as that is of interest: > 0."""
        solution = self.relaxation.solve(allowed)
        needed = self.most if solution is None else min(solution.slots, self.most)
        return max(needed - slots, LEAST_GAIN)

    def _splits(self, allowed: Bools, shares: Floats) -> list[tuple[int, int]]:
        """Experts, and the count up to which the first child has them; the most mixed ones first."""
        count = self.table.count
        total = np.maximum(shares.sum(axis=1), LEAST_SHARE)
        mean = (shares * count).sum(axis=1) / total
        spread = (shares * np.abs(count - mean[:, None])).sum(axis=1)
        choices = allowed.sum(axis=1)
        spread[choices < 2] = 0.0
        mixed = np.flatnonzero(spread > LEAST_SHARE)
        mixed = mixed[np.argsort(-spread[mixed], kind="stable")][:CANDIDATES]
        if not mixed.size:
            mixed = np.flatnonzero(choices > 1)[:1]
        return [(e, self._split(allowed[e], e, mean[e])) for e in mixed.tolist()]

    def _split(self, allowed: Bools, expert: int, mean: float) -> int:
        """The mean rounded down, so that both children have counts."""
        counts = self.table.count[expert, allowed]
        return int(np.clip(math.floor(mean), counts[0], counts[-2]))
