"""The methods' policies. Solvers load when a policy that uses them runs; the greedy needs torch and numpy only."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from ..errors import FallbackWarning, MissingPackageError, OptionError
from ..limits import Limits
from ..methods import METHODS
from ..methods.cpsat import CPSAT
from ..methods.greedy import GREEDY
from ..methods.method import Method
from ..methods.milp import MILP
from ..methods.optimal import OPTIMAL
from ..methods.option import LIMITS, Option
from ..methods.refined import REFINED
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..replanning import replanned
from .moving import map_in_use
from .policy import AbstractEplbPolicy, Maps, on_device

if TYPE_CHECKING:
    from ..result import Result


REFINED_SLACK = 0.005  # of `RefinedPolicy`, with a map in use: see benchmarks/moves.md


class MethodPolicy(AbstractEplbPolicy):
    """A method that places whole instances, as a policy: its options are class attributes.

    Attributes
    ----------
    method : str
        Its name.
    options : tuple of Option
        What it may be told besides ``distinct``.
    """

    method: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()

    def __init_subclass__(cls, of: Method | None = None, **others: Any) -> None:
        """Take over the method's name and options, with their defaults; a class below such a one inherits them."""
        super().__init_subclass__(**others)
        if of is None:
            return
        cls.method = of.name
        cls.options = of.options
        for option in of.options:
            setattr(cls, option.name, option.default)

    @classmethod
    def _place(cls, instance: Instance, device: torch.device | str) -> Placement:
        """A placement of the instance, whose loads came from a device."""
        method = METHODS[cls.method]
        if method.place is None:
            raise TypeError(f"{cls.method} places no instances: it improves pools")
        told = {option.name: getattr(cls, option.name) for option in cls.options}
        if method.on_device:
            told["device"] = device
        return method.place(instance, **told)

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
        previous = map_in_use(old_global_expert_indices, instance)
        place = partial(cls._place, device=device)
        if previous is None:
            return on_device(place(instance).maps(), weight)
        placement = replanned(instance, place, previous, cls.move_rule())
        return on_device(placement.maps(), weight)


class GreedyPolicy(MethodPolicy, of=GREEDY):
    """The published two-stage greedy (see `heuristics.greedy`)."""


class RefinedPolicy(MethodPolicy, of=REFINED):
    """The production heuristic (see `heuristics.refine`): fast, deterministic, by default never worse than the greedy.

    Attributes
    ----------
    steps : int
        Exchange steps: the work, 0 to `heuristics.options.MOST_STEPS`. What they cost and give:
        ``benchmarks/README.md``, ``benchmarks.curve``.
    greedy_check : float
        Layers that end further above a bound than this (relatively) are compared with the greedy's map, and the better
        one is kept. The default, 0, makes every map at least as good as the greedy's; more is faster, and with
        ``math.inf`` none is compared.
    compiled : bool
        Let numba do what it does faster on a CPU, where it is installed (the first call compiles, for some seconds).
        The bits are the same without; but without numba a layer either keeps its map or takes a fresh plan, renamed.
    slack : float or None
        By default 0.005: with a map in use, the heaviest rank may have half a percent more than in a fresh plan.
    """

    slack = REFINED_SLACK

    @classmethod
    def _place(cls, instance: Instance, device: torch.device | str) -> Placement:
        """Over windows without a search where none is possible here, as without numba."""
        if instance.objective.adds_windows or instance.objective.cost is not None:
            return super()._place(instance, device)
        from ..foresight.plan import plan_windows, require_search

        try:
            require_search(instance)
        except (MissingPackageError, OptionError) as error:
            message = (
                f"no search over windows, the better of two maps is taken ({error})"
            )
            warnings.warn(message, FallbackWarning, stacklevel=4)
            return plan_windows(instance, moves=0)
        return super()._place(instance, device)


class SolverPolicy(MethodPolicy):
    """A method of `solve` as a policy: never invalid, never worse than the greedy.

    Where a solver fails or is missing, the layer keeps its best map, and a `FallbackWarning` and the certificate say
    why.

    Attributes
    ----------
    limits : Limits
        Default: deterministic work a pool, one worker, no wall-clock limit.
    slack : float or None
        By default 0: with a map in use, of the maps as good as a fresh plan the one that moves least is taken.
    """

    options = (LIMITS,)
    slack = 0.0
    limits: ClassVar[Limits] = LIMITS.default

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


class MilpPolicy(SolverPolicy, of=MILP):
    """The reference MILP (PuLP with HiGHS): for small instances."""


class CpSatPolicy(SolverPolicy, of=CPSAT):
    """The reference CP-SAT model: for small instances."""


class OptimalPolicy(SolverPolicy, of=OPTIMAL):
    """The portfolio of bounds, searches and exact methods."""
