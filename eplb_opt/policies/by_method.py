"""The methods' policies. Solvers load when a policy that uses them runs; the greedy needs torch and numpy only."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch

from ..heuristics.greedy import greedy
from ..heuristics.pools import STEPS
from ..heuristics.refine import GREEDY_CHECK, refined
from ..limits import Limits
from ..problem.instance import Instance
from ..problem.placement import Placement
from .policy import AbstractEplbPolicy, Maps, on_device

if TYPE_CHECKING:
    from ..result import Result


class MethodPolicy(AbstractEplbPolicy):
    """A policy that places an instance; subclasses say how."""

    @classmethod
    @abstractmethod
    def _place(cls, instance: Instance, device: torch.device | str) -> Placement:
        """A placement of the instance, whose loads came from a device."""

    @classmethod
    def rebalance_experts(  # noqa: D102  (inherited)
        cls,
        weight: torch.Tensor,
        num_replicas: int,
        num_groups: int,
        num_nodes: int,
        num_ranks: int,
        old_global_expert_indices: torch.Tensor | None = None,
    ) -> Maps:
        instance = cls._instance(weight, num_replicas, num_groups, num_nodes, num_ranks)
        device = getattr(weight, "device", "cpu")
        return on_device(cls._place(instance, device).maps(), weight)


class GreedyPolicy(MethodPolicy):
    """The published two-stage greedy (see `heuristics.greedy`)."""

    @classmethod
    def _place(cls, instance: Instance, device: torch.device | str) -> Placement:
        return greedy(instance)


class RefinedPolicy(MethodPolicy):
    """The production heuristic (see `heuristics.refine`): fast, deterministic, by default never worse than the greedy.

    Attributes
    ----------
    steps : int
        Exchange steps: the work, 0 to `limits.MOST_STEPS`. What they cost and give: ``benchmarks/README.md``,
        ``benchmarks.curve``.
    greedy_check : float
        Layers that end further above a bound than this (relatively) are compared with the greedy's map, and the better
        one is kept. The default, 0, makes every map at least as good as the greedy's; more is faster, and with
        ``math.inf`` none is compared.
    compiled : bool
        Let numba do what it does faster on a CPU, where it is installed (the first call compiles, for some seconds).
        The bits are the same without.
    """

    steps: ClassVar[int] = STEPS
    greedy_check: ClassVar[float] = GREEDY_CHECK
    compiled: ClassVar[bool] = True

    @classmethod
    def _place(cls, instance: Instance, device: torch.device | str) -> Placement:
        return refined(
            instance,
            device,
            steps=cls.steps,
            greedy_check=cls.greedy_check,
            compiled=cls.compiled,
        )


class SolverPolicy(MethodPolicy):
    """A method of `solve` as a policy: never invalid, never worse than the greedy.

    Where a solver fails or is missing, the layer keeps its best map, and a `FallbackWarning` and the certificate say
    why.

    Attributes
    ----------
    limits : Limits
        Default: deterministic work a pool, one worker, no wall-clock limit.
    """

    method: ClassVar[str]
    limits: ClassVar[Limits] = Limits(seconds=None, work=0.5, workers=1, seed=0)

    @classmethod
    def result(
        cls,
        weight: torch.Tensor,
        num_replicas: int,
        num_groups: int,
        num_nodes: int,
        num_ranks: int,
    ) -> Result:
        """What `rebalance_experts` computes, with its certificates."""
        instance = cls._instance(weight, num_replicas, num_groups, num_nodes, num_ranks)
        return cls._solved(instance)

    @classmethod
    def _solved(cls, instance: Instance) -> Result:
        from ..solver import solve

        return solve(instance, cls.method, cls.limits)

    @classmethod
    def _place(cls, instance: Instance, device: torch.device | str) -> Placement:
        return cls._solved(instance).placement


class MilpPolicy(SolverPolicy):
    """The reference MILP (PuLP with HiGHS): for small instances."""

    method = "milp"


class CpSatPolicy(SolverPolicy):
    """The reference CP-SAT model: for small instances."""

    method = "cpsat"


class OptimalPolicy(SolverPolicy):
    """The portfolio of bounds, searches and exact methods."""

    method = "optimal"
