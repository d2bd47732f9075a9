"""The policies by the names of their methods."""

from __future__ import annotations

import difflib

from ..errors import OptionError, shown
from ..methods import METHODS
from ..methods.method import Method
from .by_method import (
    CpSatPolicy,
    GreedyPolicy,
    MethodPolicy,
    MilpPolicy,
    OptimalPolicy,
    RefinedPolicy,
    SolverPolicy,
)
from .policy import AbstractEplbPolicy


class UnknownPolicyError(OptionError, KeyError):
    """`POLICIES` has no such name."""

    __str__ = Exception.__str__  # a KeyError's text is the repr of its message


class Policies(dict[str, type[AbstractEplbPolicy]]):
    """Policies by name: a dict whose error names the names that there are."""

    def __missing__(self, name: object) -> type[AbstractEplbPolicy]:
        """Raise `UnknownPolicyError` with the nearest name."""
        nearest = difflib.get_close_matches(str(name), self, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        names = ", ".join(self)
        raise UnknownPolicyError(f"policy {shown(name)}: {hint}choose from {names}")


_WRITTEN = (GreedyPolicy, RefinedPolicy, MilpPolicy, CpSatPolicy, OptimalPolicy)
_OWN: dict[str, type[AbstractEplbPolicy]] = {p.method: p for p in _WRITTEN}


def policy_of(method: Method) -> type[AbstractEplbPolicy]:
    """The policy of a method: its own class, or else one of what the method places, or of what `solve` finds with it.

    Parameters
    ----------
    method : Method
        Of `eplb_opt.methods`, or like them.
    """
    if method.name in _OWN:
        return _OWN[method.name]
    name = f"{method.name.title()}Policy"
    base = MethodPolicy if method.improve is None else SolverPolicy
    body = {"__module__": __name__, "__doc__": method.summary}
    return type(name, (base,), body, of=method)


POLICIES = Policies({name: policy_of(method) for name, method in METHODS.items()})
