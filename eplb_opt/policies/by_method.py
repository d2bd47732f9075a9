"""The methods as policies with the engines' class-method interface and standard return tuple.

Every rank of an engine runs its policy by itself, so the defaults bound work, not time: the same loads give the same
bits in every process. The greedy needs torch and numpy only; solvers load when a policy that uses them runs.
"""

from __future__ import annotations

import copyreg
import warnings
from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

import torch

from .errors import OptionError, TopologyWarning, shown
from .heuristics.greedy import greedy
from .heuristics.refine import GREEDY_CHECK, STEPS, refined
from .limits import DISTANCE_IS, STEPS_ARE, Limits, checked, distance, step_count
from .methods import METHODS
from .methods.method import Method
from .problem.instance import Instance

if TYPE_CHECKING:
    from .result import Result

Maps = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
P = TypeVar("P", bound="AbstractEplbPolicy")
Topology = tuple[int, int, int]  # groups, nodes, ranks

_warned: WeakKeyDictionary[type, set[Topology]] = (
    WeakKeyDictionary()
)  # what each policy has said


class AbstractEplbPolicy(ABC):
    """A placement policy as the engines call it.

    Options are class attributes; `configure` returns a subclass with other values.

    Attributes
    ----------
    distinct : bool
        Forbid two replicas of one expert on one rank.

    Examples
    --------
    A policy of one's own needs one method; ``eplb-opt gap --policy my_module:RoundRobin`` then judges it.

    >>> import torch
    >>> from eplb_opt import AbstractEplbPolicy, Placement
    >>> class RoundRobin(AbstractEplbPolicy):
    ...     @classmethod
    ...     def rebalance_experts(cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old=None):
    ...         layers, experts = weight.shape
    ...         return Placement((torch.arange(num_replicas) % experts).repeat(layers, 1), experts).maps()
    >>> RoundRobin.rebalance_experts(torch.ones(1, 4), 6, 1, 1, 2)[0]
    tensor([[0, 1, 2, 3, 0, 1]])
    """

    distinct: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def rebalance_experts(
        cls,
        weight: torch.Tensor,
        num_replicas: int,
        num_groups: int,
        num_nodes: int,
        num_ranks: int,
        old_global_expert_indices: torch.Tensor | None = None,
    ) -> Maps:
        """Place the experts of every layer.

        Parameters
        ----------
        weight : tensor [layers, experts] or [windows, layers, experts]
            Routed tokens of each logical expert; any real dtype and device. Windows are summed.
        num_replicas, num_groups, num_nodes, num_ranks : int
            See `Instance`. Where whole groups cannot stay on nodes, the mode is global, as in the engines.
        old_global_expert_indices : tensor [layers, slots], optional
            The map in use. Of any width, -1 for an empty slot; no policy here needs it.

        Returns
        -------
        physical_to_logical_map : int64 tensor [layers, num_replicas]
        logical_to_physical_map : int64 tensor [layers, experts, X], padded with -1
        expert_count : int64 tensor [layers, experts]
            All on the device of ``weight``.

        Raises
        ------
        InstanceError
            The loads are not valid, no map has so many slots, or ``num_groups`` does not divide the experts.

        Warns
        -----
        TopologyWarning
            Groups or ranks cannot be shared out among the nodes; once a policy and topology.
        """

    @classmethod
    def _instance(
        cls,
        weight: torch.Tensor,
        num_replicas: int,
        num_groups: int,
        num_nodes: int,
        num_ranks: int,
    ) -> Instance:
        instance = Instance(
            weight,
            num_replicas,
            num_groups=num_groups,
            num_nodes=num_nodes,
            num_ranks=num_ranks,
            distinct=cls.distinct,
        )
        if instance.why_global:
            cls._warn_once(instance)
        return instance

    @classmethod
    def _warn_once(cls, instance: Instance) -> None:
        warned = _warned.setdefault(cls, set())
        topology = (instance.num_groups, instance.num_nodes, instance.num_ranks)
        if topology not in warned:
            text = f"global mode: {instance.why_global}, so whole groups do not stay on nodes"
            warnings.warn(text, TopologyWarning, stacklevel=4)
            warned.add(topology)


class GreedyPolicy(AbstractEplbPolicy):
    """The published two-stage greedy (see `heuristics.greedy`)."""

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
        return _on_device(greedy(instance).maps(), weight)


class RefinedPolicy(AbstractEplbPolicy):
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
        placement = refined(
            instance,
            device,
            steps=cls.steps,
            greedy_check=cls.greedy_check,
            compiled=cls.compiled,
        )
        return _on_device(placement.maps(), weight)


class SolverPolicy(AbstractEplbPolicy):
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
        from .solver import solve

        instance = cls._instance(weight, num_replicas, num_groups, num_nodes, num_ranks)
        return solve(instance, cls.method, cls.limits)

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
        result = cls.result(weight, num_replicas, num_groups, num_nodes, num_ranks)
        return _on_device(result.placement.maps(), weight)


class MilpPolicy(SolverPolicy):
    """The reference MILP (PuLP with HiGHS): for small instances."""

    method = "milp"


class CpSatPolicy(SolverPolicy):
    """The reference CP-SAT model: for small instances."""

    method = "cpsat"


class OptimalPolicy(SolverPolicy):
    """The portfolio of bounds, searches and exact methods."""

    method = "optimal"


_OWN: dict[str, type[AbstractEplbPolicy]] = {
    "greedy": GreedyPolicy,
    "refined": RefinedPolicy,
    "milp": MilpPolicy,
    "cpsat": CpSatPolicy,
    "optimal": OptimalPolicy,
}


def policy_of(method: Method) -> type[AbstractEplbPolicy]:
    """The policy of a method: its own class, or else that of `solve` with the method's name.

    Parameters
    ----------
    method : Method
        Of `eplb_opt.methods`, or like them.
    """
    if method.name in _OWN:
        return _OWN[method.name]
    name = f"{method.name.title()}Policy"
    return type(
        name,
        (SolverPolicy,),
        {"__module__": __name__, "__doc__": method.summary, "method": method.name},
    )


POLICIES: dict[str, type[AbstractEplbPolicy]] = {
    name: policy_of(method) for name, method in METHODS.items()
}


def _instance_of(kind: type[Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(value)
        return value

    return check


# Option -> how its value is checked, and what it is.
OPTIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "distinct": (_instance_of(bool), "a bool"),
    "steps": (step_count, STEPS_ARE),
    "greedy_check": (distance, DISTANCE_IS),
    "compiled": (_instance_of(bool), "a bool"),
    "limits": (_instance_of(Limits), "a Limits"),
}


class ConfiguredMeta(ABCMeta):
    """The type of configured policies: two are equal if policy and options are, so that a copy of one is the same."""

    configured: tuple[
        type[AbstractEplbPolicy], dict[str, Any]
    ]  # of the classes that `configure` makes themselves

    def __eq__(cls, other: object) -> bool:
        given = _configured(cls)
        return cls is other or (given is not None and given == _configured(other))

    def __hash__(cls) -> int:
        given = _configured(cls)
        return (
            super().__hash__()
            if given is None
            else hash((given[0], tuple(sorted(given[1].items()))))
        )


def _configured(cls: object) -> tuple[type[AbstractEplbPolicy], dict[str, Any]] | None:
    """The policy and options that `configure` made a class of; None for any other class, also below such a one."""
    options: tuple[type[AbstractEplbPolicy], dict[str, Any]] | None = getattr(
        cls, "__dict__", {}
    ).get("configured")
    return options


def _reduce(cls: ConfiguredMeta) -> Any:
    """How a configured policy is pickled: configured again where it is read; a subclass by its name, as any class."""
    given = _configured(cls)
    return cls.__qualname__ if given is None else (_configure_again, given)


def _configure_again(policy: type[P], options: dict[str, Any]) -> type[P]:
    return configure(policy, **options)


copyreg.pickle(ConfiguredMeta, _reduce)  # pickle asks here before it looks a class up


def configure(policy: type[P], **options: Any) -> type[P]:
    """A policy with other options.

    Parameters
    ----------
    policy : type of AbstractEplbPolicy
        A policy of `POLICIES`, or another subclass.
    **options
        Its class attributes: ``distinct`` of every policy; ``steps``, ``greedy_check`` and ``compiled`` of
        `RefinedPolicy`; ``limits`` of policies with solvers. In an engine limit work, not time
        (``Limits(seconds=None, work=...)``): under a clock, ranks may compute different maps.

    Returns
    -------
    type of AbstractEplbPolicy
        A subclass. Equal policies with equal options are equal, and they can be pickled where the policy can.

    Raises
    ------
    OptionError
        The policy has no such option, or its value is not one of the option's.

    Examples
    --------
    >>> from eplb_opt import POLICIES, configure
    >>> policy = configure(POLICIES["refined"], steps=16, distinct=True)
    >>> policy.steps
    16
    >>> policy == configure(POLICIES["refined"], distinct=True, steps=16)
    True
    """
    if not (isinstance(policy, type) and issubclass(policy, AbstractEplbPolicy)):
        raise OptionError(
            f"{shown(policy)} is no policy: give a class, such as POLICIES['refined']"
        )
    known = [name for name in OPTIONS if hasattr(policy, name)]
    values = {}
    for name, value in options.items():
        if name not in known:
            raise OptionError(
                f"{policy.__name__} has no option {name!r}: it has {', '.join(known)}"
            )
        check, kind = OPTIONS[name]
        values[name] = checked(f"{policy.__name__}.{name}", value, check, kind)
    plain, before = _configured(policy) or (
        policy,
        {},
    )  # configured again, it is the plain policy with all options
    values = {**before, **values}
    body = {"__module__": plain.__module__, "configured": (plain, values), **values}
    made: Any = ConfiguredMeta(f"Configured{plain.__name__}", (plain,), body)
    return made  # type: ignore[no-any-return]  # a subclass of the policy, which mypy does not see


def _on_device(maps: Maps, weight: Any) -> Maps:
    device = getattr(weight, "device", "cpu")
    return maps[0].to(device), maps[1].to(device), maps[2].to(device)
