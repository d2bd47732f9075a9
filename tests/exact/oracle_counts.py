"""Plain enumeration of counts and packings in fractions, for tiny pools. Shares no code with the package."""

from __future__ import annotations

import functools
from fractions import Fraction


def count_vectors(experts, slots):
    """Every vector of counts >= 1 with this sum."""
    if experts == 1:
        yield (slots,)
        return
    for first in range(1, slots - experts + 2):
        for rest in count_vectors(experts - 1, slots - first):
            yield (first, *rest)


def least_heaviest(replicas, ranks, slots, distinct, best):
    """Least heaviest rank of these (load, owner) replicas below ``best``; ``best`` if there is none."""

    @functools.cache
    def below(left, limit):
        """Whether a packing stays strictly below the limit: the first replica's rank first."""
        if not left:
            return None
        answers = [None]

        def fill(rank, rest, load):
            if load >= answers[0] if answers[0] is not None else load >= limit:
                return
            if len(rank) == slots:
                bound = limit if answers[0] is None else answers[0]
                tail = below(rest, bound) if rest else load
                if tail is not None and max(load, tail) < bound:
                    answers[0] = max(load, tail)
                return
            seen = set()
            for i, item in enumerate(rest):
                if item in seen or (distinct and any(item[1] == held[1] for held in rank)):
                    continue
                seen.add(item)
                fill((*rank, item), rest[:i] + rest[i + 1 :], load + item[0])

        fill((left[0],), left[1:], left[0][0])
        return answers[0]

    found = below(tuple(sorted(replicas, reverse=True)), best)
    return best if found is None else found


def optimum(loads, slots, ranks, distinct=False):
    """The exact optimum of a pool, as a fraction (None: `distinct` allows no packing)."""
    loads = [Fraction(float(w)) for w in loads]
    best = worst = sum(loads) + 1
    for counts in count_vectors(len(loads), slots):
        if distinct and max(counts) > ranks:
            continue
        if max(w / c for w, c in zip(loads, counts, strict=True)) >= best:
            continue
        replicas = [(w / c, e) for e, (w, c) in enumerate(zip(loads, counts, strict=True)) for _ in range(c)]
        best = least_heaviest(replicas, ranks, slots // ranks, distinct, best)
    return None if best == worst else best
