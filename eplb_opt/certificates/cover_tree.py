"""The search for a cover of all ranks by rank contents, as whoever checks a proof does it (``models/README.md``, X11).

It is the tree of the prover (`exact.cover_kernel`), found again from the loads and the target: no compiled code, and
nothing else that the prover says. All children of a node are looked at together, in numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..problem.pool import Ints, Pool
from .patterns import TooManyError, contents
from .rank_model import Model
from .window_model import WindowModel

MOST_LOOKS = 500_000_000  # contents looked at in all, each child of a node by itself
NODE = 1_000  # looks that a node takes as long as, whatever it holds
MOST_STEPS = 80_000_000  # of listing: as many as the prover's may take
MOST_CONTENTS = 60_000
MOST_HELD = 40_000_000  # contents times experts: memory
AT_ONCE = 4_000_000  # looks made together: memory
MOST_SHORT = 2**15  # sums of prices stay below this in 16 bits

Prices = npt.NDArray[
    np.signedinteger[Any]
]  # of 16 bits where they suffice, as most of the time is spent on them
Bools = npt.NDArray[np.bool_]


class _Contents(NamedTuple):
    """All contents that a rank may have at a target, fullest first.

    ``expert``, ``extra`` (its count beyond the least) and ``code`` are of each slot, [contents, slots a rank]; ``load``
    [contents]; ``holds`` says which experts are in it, 0 or 1, [contents, experts]; ``seen`` is the load in each
    window, [windows, contents], of no windows if there are none.
    """

    expert: Ints
    extra: Ints
    code: Ints
    load: Ints
    holds: npt.NDArray[np.float32]
    seen: Ints


class _Node(NamedTuple):
    """Some ranks are filled: the contents that may still come, and what is left.

    ``price`` [experts, options, slots a rank]: spare slots that the m-th replica of a type on a rank takes, more than
    there are where it cannot be had. ``counts`` and ``left`` [experts]: the count decided on (0: none), and replicas of
    it that are not placed. ``peaks`` and ``rest`` [windows]: the least that a window's heaviest rank has, and what is
    left of the window.
    """

    depth: int
    listed: Ints
    price: Prices
    counts: Ints
    left: Ints
    slack: int
    spare: int
    peaks: Ints
    rest: Ints


class _Children(NamedTuple):
    """Nodes with one rank more each, [children, ..] of what a node has; ``chosen`` is what was put on that rank."""

    chosen: Ints
    price: Prices
    counts: Ints
    left: Ints
    slack: Ints
    spare: Ints
    peaks: Ints
    rest: Ints

    def node(self, child: int, depth: int, listed: Ints) -> _Node:
        """One of them, with its list."""
        return _Node(
            depth,
            listed,
            self.price[child],
            self.counts[child],
            self.left[child],
            int(self.slack[child]),
            int(self.spare[child]),
            self.peaks[child],
            self.rest[child],
        )


def has_no_cover(pool: Pool, model: Model, windows: WindowModel | None = None) -> bool:
    """Whether no contents fill all ranks and hold all replicas: False also where that takes too long to tell.

    Parameters
    ----------
    pool : Pool
    model : Model
        Types of replicas and limits at a target.
    windows : WindowModel, optional
        What the windows allow at that target.
    """
    try:
        found = _all_contents(pool, model, windows)
    except TooManyError:
        return False
    return found is None or _Tree(pool, model, found, windows).is_refuted()


def is_listed(size: int, experts: int) -> bool:
    """Whether so many contents are few enough to be held."""
    return size <= MOST_CONTENTS and size * experts <= MOST_HELD


def _all_contents(
    pool: Pool, model: Model, windows: WindowModel | None
) -> _Contents | None:
    """Everything that a rank may hold; None: nothing."""
    blocks: list[Ints] = []
    size = 0
    for block in contents(pool, model, MOST_STEPS, windows):
        blocks.append(block)
        size += len(block)
        if not is_listed(size, pool.num_experts):
            raise TooManyError
    if not blocks:
        return None
    types = np.concatenate(blocks)
    load = model.item[types].sum(axis=1)
    fullest = np.argsort(-load, kind="stable")
    return _described(pool, model, types[fullest], load[fullest], windows)


def _described(
    pool: Pool, model: Model, types: Ints, load: Ints, windows: WindowModel | None
) -> _Contents:
    copy = np.zeros_like(types)  # of its type on the rank: the first is 0
    for slot in range(1, pool.slots_per_rank):
        is_again = types[:, slot] == types[:, slot - 1]
        copy[:, slot] = np.where(is_again, copy[:, slot - 1] + 1, 0)
    expert = model.expert[types]
    extra = model.count[types] - model.least[expert]
    code = (expert * model.options + extra) * pool.slots_per_rank + copy
    holds = np.zeros((len(types), pool.num_experts), np.float32)
    np.put_along_axis(holds, expert, 1.0, axis=1)
    nothing = np.zeros((0, len(types)), np.int64)
    seen = nothing if windows is None else windows.loads_of(types)
    return _Contents(
        expert,
        extra,
        code,
        load,
        holds,
        seen,
    )


class _Tree:
    """Every way to fill the ranks one by one, some expert that is not placed yet first (X7)."""

    def __init__(
        self, pool: Pool, model: Model, found: _Contents, windows: WindowModel | None
    ) -> None:
        self.model = model
        self.windows = windows
        self.found = found
        self.ranks = pool.ranks
        self.copies = np.arange(pool.slots_per_rank)
        self.never = model.spare + 1  # the price of what cannot be had
        self.looks = 0

    def is_refuted(self) -> bool:
        """Whether the whole tree holds no packing, and is small enough to be looked through."""
        levels = [iter([self._root()])]
        while levels:
            node = next(levels[-1], None)
            if node is None:
                levels.pop()
                continue
            candidates = self._candidates(node)
            self.looks += NODE * bool(candidates.size)
            is_full = node.depth == self.ranks - 1
            # a packing, up to rounding, if there is one more content
            if self.looks > MOST_LOOKS or (is_full and candidates.size):
                return False
            levels.append(self._below(node, candidates))
        return True

    def _root(self) -> _Node:
        experts = self.model.least.size
        price = self._first_prices()
        nothing = np.zeros(experts, np.int64)
        listed = np.arange(len(self.found.load))
        rest = np.zeros(0, np.int64) if self.windows is None else self.windows.totals
        return _Node(
            0,
            listed,
            price,
            nothing,
            nothing,
            self.model.slack,
            self.model.spare,
            -(-rest // self.ranks),
            rest,
        )

    def _first_prices(self) -> Prices:
        """A type's first replica on a rank takes the spare slots of its count, the others nothing."""
        model = self.model
        extra = np.arange(model.options)
        size = self.copies.size
        fits = self.copies < (model.least[:, None] + extra)[:, :, None]
        first = np.where(self.copies == 0, extra[:, None], 0)
        is_short = size * self.never < MOST_SHORT
        kind = np.int16 if is_short else np.int32
        return np.where(fits, first, self.never).astype(kind)

    def _candidates(self, node: _Node) -> Ints:
        """Positions in the node's list of the contents that hold one expert which must come: the one in the fewest."""
        tally = self.found.holds[node.listed].sum(axis=0)
        must_come = (node.counts == 0) | (node.left > 0)
        pivot = int(np.where(must_come, tally, np.inf).argmin())
        return np.flatnonzero(self.found.holds[node.listed, pivot])

    def _below(self, node: _Node, candidates: Ints) -> Iterator[_Node]:
        """The children of a node that may still become packings, one for each candidate at most."""
        size = max(AT_ONCE // max(node.listed.size, node.price.size), 1)
        for first in range(0, candidates.size, size):
            chosen = candidates[first : first + size]
            children = self._filled(node, node.listed[chosen])
            listed, fits = self._still_fit(node, children)
            _leave_out(fits, candidates[:first], chosen)
            if self.windows is not None:
                unfilled = self.ranks - node.depth - 1
                self._see(self.windows, children, unfilled, listed, fits)
            for child in self._alive(children, listed, fits):
                yield children.node(child, node.depth + 1, listed[fits[:, child]])

    def _alive(self, children: _Children, listed: Ints, fits: Bools) -> Ints:
        """The children in whose lists every expert is that must come."""
        tally = self.found.holds[listed].T @ fits.astype(np.float32)
        must_come = (children.counts == 0) | (children.left > 0)
        return np.flatnonzero(~((tally.T == 0) & must_come).any(axis=1))

    def _filled(self, node: _Node, chosen: Ints) -> _Children:
        """One more rank filled with each of some contents."""
        size = chosen.size
        rows = np.arange(size)
        counts = np.repeat(node.counts[None], size, axis=0)
        left = np.repeat(node.left[None], size, axis=0)
        spare = np.full(size, node.spare)
        for slot in range(self.copies.size):
            expert = self.found.expert[chosen, slot]
            extra = self.found.extra[chosen, slot]
            count = self.model.least[expert] + extra
            is_new = counts[rows, expert] == 0
            spare -= np.where(is_new, extra, 0)
            before = np.where(is_new, count, left[rows, expert])
            counts[rows, expert] = count
            left[rows, expert] = before - 1
        price = self._priced(node.price, chosen, left)
        slack = node.slack - (self.model.limit - self.found.load[chosen])
        seen = self.found.seen[:, chosen].T
        rest = node.rest - seen
        # Some rank that is left carries the mean of what is left.
        means = -(-rest // max(self.ranks - node.depth - 1, 1))
        peaks = np.maximum(np.maximum(node.peaks, seen), means)
        return _Children(
            chosen,
            price,
            counts,
            left,
            slack,
            spare,
            peaks,
            rest,
        )

    def _priced(self, before: Prices, chosen: Ints, left: Ints) -> Prices:
        """With a count decided on, its replicas take nothing as far as they are left, and no others can be had."""
        rows = np.arange(chosen.size)
        price = np.repeat(before[None], chosen.size, axis=0)
        for slot in range(self.copies.size):
            expert = self.found.expert[chosen, slot]
            extra = self.found.extra[chosen, slot]
            is_left = self.copies < left[rows, expert][:, None]
            price[rows, expert] = self.never
            price[rows, expert, extra] = np.where(is_left, 0, self.never)
        return price

    def _still_fit(self, node: _Node, children: _Children) -> tuple[Ints, Bools]:
        """Contents of the node's list, and which of them fit each child, [contents, children]."""
        # A lighter rank leaves more unused than the ranks from there on may.
        lightest = self.model.limit - children.slack
        loads = self.found.load[node.listed]
        ends = np.searchsorted(-loads, -lightest, side="right")
        end = int(ends.max())
        listed = node.listed[:end]
        self.looks += int(ends.sum())
        of_code = np.ascontiguousarray(
            children.price.reshape(children.chosen.size, -1).T
        )
        code = self.found.code[listed]
        price = of_code[code[:, 0]]
        for slot in range(1, self.copies.size):
            price += of_code[code[:, slot]]
        fits = price <= children.spare
        fits &= loads[:end, None] >= lightest
        return listed, fits

    def _see(
        self,
        windows: WindowModel,
        children: _Children,
        unfilled: int,
        listed: Ints,
        fits: Bools,
    ) -> None:
        """Leave in ``fits`` what the windows allow each child, which has so many ranks to fill (W5)."""
        content, child = np.nonzero(fits)
        self.looks += content.size
        seen = self.found.seen[:, listed[content]]
        rest = children.rest[child].T
        # A lighter rank leaves more than the others can carry.
        least = rest - (unfilled - 1) * windows.most[:, None]
        heaviest = np.maximum(children.peaks[child].T, seen)
        fits[content, child] = (seen >= least).all(axis=0) & windows.within(heaviest)


def _leave_out(fits: Bools, before: Ints, chosen: Ints) -> None:
    """Below a candidate the ones before it do not come: all packings with them have been looked at (X7).

    ``before`` and ``chosen`` are positions [candidates] of the rows of ``fits`` [contents, children].
    """
    rows = len(fits)
    fits[before[before < rows]] = False
    children = np.arange(chosen.size)
    kept = np.flatnonzero(chosen < rows)
    fits[chosen[kept]] &= kept[:, None] >= children
