"""Policies with other options: classes that are equal, hashed and pickled by policy and options."""

from __future__ import annotations

import copyreg
from abc import ABCMeta
from collections.abc import Mapping
from typing import Any, TypeVar

from ..errors import OptionError, shown
from ..limits import checked
from ..methods.option import Option
from .by_method import MethodPolicy
from .moving import MOVE_OPTIONS
from .policy import DISTINCT, AbstractEplbPolicy
from .windows import WINDOW_OPTIONS

P = TypeVar("P", bound="AbstractEplbPolicy")
Options = dict[str, Any]
Configured = tuple[type[AbstractEplbPolicy], Options]  # a policy and its options


class ConfiguredMeta(ABCMeta):
    """The type of configured policies: two are equal if policy and options are, so that a copy of one is the same."""

    configured: Configured  # of the classes that `configure` makes themselves

    def __eq__(cls, other: object) -> bool:
        given = _configured(cls)
        return cls is other or (given is not None and given == _configured(other))

    def __hash__(cls) -> int:
        given = _configured(cls)
        if given is None:
            return super().__hash__()
        policy, options = given
        return hash((policy, tuple(sorted(options.items()))))


def _configured(cls: object) -> Configured | None:
    """The policy and options that `configure` made a class of; None for any other class, also below such a one."""
    own: Mapping[str, Any] = getattr(cls, "__dict__", {})  # not what it inherits
    given: Configured | None = own.get("configured")
    return given


def _reduce(cls: ConfiguredMeta) -> Any:
    """How a configured policy is pickled: configured again where it is read; a subclass by its name, as any class."""
    given = _configured(cls)
    return cls.__qualname__ if given is None else (_configure_again, given)


def _configure_again(policy: type[P], options: Options) -> type[P]:
    return configure(policy, **options)


copyreg.pickle(ConfiguredMeta, _reduce)  # pickle asks here before it looks a class up


def configure(policy: type[P], **options: Any) -> type[P]:
    """A policy with other options.

    Parameters
    ----------
    policy : type of AbstractEplbPolicy
        A policy of `POLICIES`, or another subclass.
    **options
        Its class attributes: ``distinct``, ``across``, ``level``, ``history``, ``max_moves``, ``slack``, ``move_price``
        and ``min_gain`` of every policy; ``steps``, ``greedy_check``, ``compiled`` and ``workers`` of
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
    given = _checked(policy, options)
    # Configured again, it is the plain policy with all options.
    plain, before = _configured(policy) or (policy, {})
    values = {**before, **given}
    body = {"__module__": plain.__module__, "configured": (plain, values), **values}
    made: Any = ConfiguredMeta(f"Configured{plain.__name__}", (plain,), body)
    return made  # type: ignore[no-any-return]  # a subclass of the policy, which mypy does not see


def options_of(policy: type[AbstractEplbPolicy]) -> dict[str, Option]:
    """What `configure` may set of a policy, by name: ``distinct``, windows, moves, and the options of its method."""
    of_method = policy.options if issubclass(policy, MethodPolicy) else ()
    options = (DISTINCT, *WINDOW_OPTIONS, *MOVE_OPTIONS, *of_method)
    return {option.name: option for option in options}


def _checked(policy: type[AbstractEplbPolicy], options: Options) -> Options:
    """The options, each with a value of its kind, or `OptionError`."""
    known = options_of(policy)
    values = {}
    for name, value in options.items():
        if name not in known:
            raise OptionError(
                f"{policy.__name__} has no option {name!r}: it has {', '.join(known)}"
            )
        option = known[name]
        shown_as = f"{policy.__name__}.{name}"
        values[name] = checked(shown_as, value, option.check, option.kind)
    return values
