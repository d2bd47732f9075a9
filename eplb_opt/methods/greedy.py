"""The published greedy as a method."""

from __future__ import annotations

from ..problem.instance import Instance
from ..problem.placement import Placement
from .method import Method


def _place(instance: Instance) -> Placement:
    from ..heuristics.greedy import greedy

    return greedy(instance)


GREEDY = Method(
    "greedy", "the published two-stage greedy that the engines use", place=_place
)
