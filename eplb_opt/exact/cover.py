"""Pools proven by covering all replicas with rank contents, counts decided on the way (``models/README.md``, X6-X8).

A *pattern* is what one rank may hold: a multiset of replica types (expert, count). Every rank carries at most T, so
none carries less than ``W - (R - 1) T``, and near the mean few patterns are left. R of them are searched that agree on
the counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..bounds.pattern_list import list_all
from ..budget import Budget
from ..certificates.cover import CoverCertificate
from ..certificates.cover_tree import MOST_LOOKS, NODE, is_listed
from ..certificates.rank_model import Model, rank_model
from ..certificates.window_model import WindowModel, window_model
from ..limits import Limits
from ..outcome import PoolOutcome
from ..problem.pool import Ints, Packing, Pool
from ..problem.status import StopReason
from .cover_kernel import (
    COVERED,
    IMPOSSIBLE,
    Codes,
    Tree,
    cover,
    fill_first,
    reset_costs,
)
from .cover_windows import Seen
from .targets import Targets, Verdict

METHOD = "rank patterns"
CHUNK = 10_000_000  # ticks between two looks at the clock
MOST_PATTERNS = 400_000
MOST_ENTRIES = 20_000_000  # patterns times ranks: memory
SHORT = 0.9  # of what a checker looks at, for a tree with a certificate
FEW_PATTERNS = 20_000  # of a tree that is searched for its certificate alone
FEW_TICKS = 5_000_000

Content = tuple[int, ...]  # experts of a rank, ascending


def solve_patterns(
    pool: Pool,
    upper: Packing,
    limits: Limits,
    lower: float = 0.0,
    worth: Mapping[Content, float] | None = None,
) -> PoolOutcome:
    """The best packing of a pool and a lower bound, target by target from the bound upwards.

    A target is low at first: impossible targets just above the bound are the cheap ones, and each raises the bound. It
    ends at the first target that is reached, or at ``objective(upper) / (1 + gap)``.

    Parameters
    ----------
    upper : Packing
        A solution to start from; the outcome's packing is never worse.
    limits : Limits
        ``gap``, ``seconds``, and ``work``: 80 million patterns looked at a unit. Below a gap of about 1e-12, that much
        is proven.
    lower : float
        A bound that is proven already.
    worth : mapping from the experts of a rank (ascending) to a load
        A rank with this content counts for that much, if that is more than its load; the outcome is then of the loads
        counted in this way.

    Returns
    -------
    PoolOutcome
        Stop TOO_LARGE: there are too many patterns at the next target. Whatever the stop, ``lower_bound`` is proven.
    """
    known = worth or {}

    def within(target: float, budget: Budget) -> Verdict:
        forbidden = [content for content, load in known.items() if load > target]
        return decide(pool, target, budget, forbidden=forbidden)

    def value(packing: Packing) -> float:
        return worth_of(packing, pool, known)

    return Targets(
        pool,
        upper,
        limits,
        lower,
        METHOD,
        within,
        value,
    ).ascend()


def decide(
    pool: Pool,
    target: float,
    budget: Budget,
    near: Ints | None = None,
    width: int = 0,
    forbidden: Sequence[Content] = (),
) -> Verdict:
    """Find a packing within a target or prove that there is none.

    Parameters
    ----------
    target : float
        Load of the heaviest rank, > 0, in units of load.
    budget : Budget
        Patterns that may be looked at; without a clock the verdict is deterministic. It is not changed: the verdict
        says what was spent.
    near, width : array [experts], int
        If given, only counts that differ by at most ``width`` from these: ``impossible`` then says nothing of others.
    forbidden : experts of a rank (ascending) that no rank may hold
    """
    model = rank_model(pool, target, near, width)
    if model is None:
        return Verdict(None, True, 0.0)
    most = min(MOST_PATTERNS, MOST_ENTRIES // pool.ranks)
    windows = window_model(pool, model, target)
    patterns = list_all(pool, model, most, windows)
    if patterns is None:
        return Verdict(None, False, 0.0, StopReason.TOO_LARGE)
    types, load = _without(model, *patterns, forbidden)
    search = CoverSearch(pool, model, types, load, windows)
    verdict = search.run(budget.scaled(1.0))
    if near is not None or forbidden:
        return verdict
    return replace(verdict, proof=search.certificate(target, verdict))


def short_proof(pool: Pool, target: float) -> CoverCertificate | None:
    """The certificate of a target that is impossible, whatever proved that, if its tree is very small.

    Parameters
    ----------
    pool : Pool
    target : float
        Load of the heaviest rank, > 0, in units of load.
    """
    model = rank_model(pool, target)
    listed = None if model is None else list_all(pool, model, FEW_PATTERNS)
    if model is None or listed is None:
        return None
    search = CoverSearch(pool, model, *listed)
    return search.certificate(target, search.run(Budget(work=FEW_TICKS)))


class CoverSearch:
    """The patterns of a model, and how far the search for a cover is.

    Parameters
    ----------
    pool : Pool
    model : Model
    types : array [patterns, slots a rank], int64
        As `list_all` gives them, or a part in the same order.
    load : array [patterns], int64
    windows : WindowModel, optional
        What the windows allow.
    """

    def __init__(
        self,
        pool: Pool,
        model: Model,
        types: Ints,
        load: Ints,
        windows: WindowModel | None = None,
    ) -> None:
        self.model = model
        self.types = types
        self.load = load
        self.code, self.expert = _encode(model, types)
        self.seen = _seen(windows, types)
        self.tree = _tree(pool, model, self.expert, windows)

    def keep(self, chosen: Ints) -> None:
        """Fill ranks with some of the patterns, before the search: only the other ranks' are searched for.

        Parameters
        ----------
        chosen : array [ranks kept], int64
            Rows of ``types`` that fit together; fewer than there are ranks.
        """
        model = self.model
        fill_first(
            self.code,
            self.expert,
            self.load,
            model.least,
            model.limit,
            chosen,
            self.tree,
        )

    def run(self, left: Budget) -> Verdict:
        """Search until there is an answer or nothing is left."""
        spent = 0.0
        stop = None
        while stop is None:
            status, used = self._go_on(int(min(CHUNK, left.work)))
            spent += used
            left.spend(used)
            if status == COVERED:
                return Verdict(self._packing(), False, spent)
            if status == IMPOSSIBLE:
                return Verdict(None, True, spent)
            stop = left.stop()
        return Verdict(None, False, spent, stop)

    def certificate(self, target: float, verdict: Verdict) -> CoverCertificate | None:
        """Of a target found impossible, if the tree is small enough to be looked through again (X11)."""
        looks = verdict.ticks + NODE * int(self.tree.state[2])
        is_small = is_listed(len(self.types), self.model.least.size)
        if verdict.impossible and is_small and looks <= MOST_LOOKS * SHORT:
            return CoverCertificate(target)
        return None

    def _go_on(self, ticks: int) -> tuple[int, int]:
        """The kernel's answer, and the ticks that it took."""
        least = self.model.least
        limit = self.model.limit
        status, used = cover(
            self.code,
            self.expert,
            self.load,
            least,
            limit,
            ticks,
            self.seen,
            self.tree,
        )
        return int(status), int(used)

    def _packing(self) -> Packing:
        """The patterns chosen at all depths, one a rank."""
        depths = np.arange(len(self.tree.lists))
        chosen = self.types[self.tree.lists[depths, self.tree.cursor]]
        return Packing(self.model.order[self.model.expert[chosen]])


def worth_of(packing: Packing, pool: Pool, worth: Mapping[Content, float]) -> float:
    """The objective of a packing, with what the contents of its ranks count for."""
    value = packing.objective(pool)
    if worth:
        for rank in np.sort(packing.experts, axis=1).tolist():
            value = max(value, worth.get(tuple(rank), 0.0))
    return value


def _without(
    model: Model, types: Ints, load: Ints, forbidden: Sequence[Content]
) -> tuple[Ints, Ints]:
    """Patterns and loads, those of forbidden contents left out."""
    if not forbidden:
        return types, load
    held = np.sort(model.order[model.expert[types]], axis=1)
    kept = np.ones(len(types), dtype=np.bool_)
    for content in forbidden:
        kept &= (held != np.array(content)).any(axis=1)
    return types[kept], load[kept]


def _encode(model: Model, types: Ints) -> tuple[Codes, Codes]:
    """What ``cover`` reads: codes and experts, [patterns, slots] each."""
    slots = types.shape[1]
    repeat = np.zeros_like(types)
    for q in range(1, slots):
        repeat[:, q] = np.where(types[:, q] == types[:, q - 1], repeat[:, q - 1] + 1, 0)
    kind = model.expert * model.options + model.count - model.least[model.expert]
    code = (kind[types] * slots + repeat).astype(np.int32)
    expert = np.where(repeat == 0, model.expert[types], -1).astype(np.int32)
    return code, expert


def _seen(windows: WindowModel | None, types: Ints) -> Seen:
    """What the kernel reads of the windows."""
    if windows is None:
        nothing = np.zeros(0, np.int64)
        return Seen(np.zeros((len(types), 0), np.int64), nothing, np.zeros(0), 0.0)
    load = np.ascontiguousarray(windows.loads_of(types).T)
    return Seen(load, windows.most, windows.caps, windows.limit)


def _tree(pool: Pool, model: Model, expert: Codes, windows: WindowModel | None) -> Tree:
    """The root: every pattern still fits."""
    experts = pool.num_experts
    ranks = pool.ranks
    slots = pool.slots_per_rank
    size, cursor, pivot, slack, spare = np.zeros((5, ranks), np.int64)
    lists = np.empty((ranks, len(expert)), np.int32)
    lists[0] = np.arange(len(expert))
    size[0] = len(expert)
    slack[0] = model.slack
    spare[0] = model.spare
    totals = np.zeros(0, np.int64) if windows is None else windows.totals
    peaks, rest = np.zeros((2, ranks, totals.size), np.int64)
    peaks[0] = -(-totals // ranks)
    rest[0] = totals
    return Tree(
        np.array([0, 1, 0]),
        lists,
        size,
        cursor,
        pivot,
        slack,
        spare,
        np.zeros(experts, np.int64),
        np.zeros(experts, np.int64),
        np.full((ranks, slots), -1),
        _costs(model, experts, slots),
        np.zeros(len(expert), np.bool_),
        np.bincount(expert[expert >= 0], minlength=experts),
        peaks,
        rest,
    )


def _costs(model: Model, experts: int, slots: int) -> Codes:
    """Spare slots that each replica takes while no count is decided."""
    cost = np.empty(experts * model.options * slots, np.int32)
    for f in range(experts):
        reset_costs(f, model.least, slots, cost)
    return cost
