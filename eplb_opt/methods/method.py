"""Method: a way to place experts, as the command, the policies, the tests and the benchmarks know it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..outcome import PoolOutcome
from ..problem.instance import Instance
from ..problem.placement import Placement
from .option import Option
from .task import Report, Task


def _anything(_: Instance) -> str:
    return ""


def no_times_over_nodes(instance: Instance) -> str:
    """Of a method that works pool by pool in time: why it cannot do windows of several nodes with a cost."""
    objective = instance.objective
    is_in_time = objective.timed_by is not None and not objective.adds_windows
    if not is_in_time or instance.num_pools == 1:
        return ""
    return (
        "in hierarchical mode it does not plan over windows with a cost "
        f"(objective: their {objective.across}): take the sum of the windows"
    )


def only_plans_of_one_node(instance: Instance) -> str:
    """Of a method that works pool by pool: why it cannot do windows of several nodes, whose heaviest rank counts."""
    if instance.objective.adds_windows or instance.num_pools == 1:
        return ""
    if instance.objective.timed_by is not None:
        return no_times_over_nodes(instance)
    return (
        "in hierarchical mode it does not plan over windows "
        f"(objective: their {instance.objective.across}): take 'refined', or the sum of the windows"
    )


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Method:
    """One method; it has either ``place`` or ``improve``.

    Attributes
    ----------
    name : str
        As users write it.
    summary : str
        One line for help texts.
    needs : tuple of str
        Modules beyond torch and numpy, by the names of their imports.
    options : tuple of Option
        What ``place`` takes as keyword arguments, each with the option's default; `LIMITS` of a method with
        ``improve``, whose tasks carry them.
    place : callable, optional
        An instance to a placement, all layers at once; fast.
    on_device : bool
        ``place`` also takes ``device``, where the loads came from, and computes there; the map is the same everywhere.
    improve : callable, optional
        A task (one pool) and a report to an outcome; runs in worker processes.
    repeats : bool
        A second attempt on the same pool may do more than the first.
    chooses : bool
        Of the maps that are as good as was asked for, `solve` takes one that a change of loads hurts least.
    supports : callable
        Why the method cannot do an instance, for people; empty if it can.
    compile_all : callable
        Calls every compiled function that the method uses, for `warm_up`; nothing if there is none.
    compile_windows : callable
        As ``compile_all``, of what only plans over windows call.
    may_do_without : tuple of str
        Modules among those that ``compile_all`` uses without which the method works, too, though slower.
    compiles_if : Option, optional
        The one among the options that, where it is False, lets ``place`` call nothing that is compiled.
    """

    name: str
    summary: str
    needs: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    place: Callable[..., Placement] | None = None
    on_device: bool = False
    improve: Callable[[Task, Report], PoolOutcome] | None = None
    repeats: bool = False
    chooses: bool = False
    supports: Callable[[Instance], str] = _anything
    compile_all: Callable[[], None] = _nothing
    compile_windows: Callable[[], None] = _nothing
    may_do_without: tuple[str, ...] = ()
    compiles_if: Option | None = None

    def has(self, option: str) -> bool:
        """Whether it has an option of this name."""
        return any(option == one.name for one in self.options)
