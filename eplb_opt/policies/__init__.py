"""The methods as policies with the engines' class-method interface and standard return tuple.

Every rank of an engine runs its policy by itself, so the defaults bound work, not time: the same loads give the same
bits in every process. The greedy needs torch and numpy only; solvers load when a policy that uses them runs.
"""

from __future__ import annotations

from .by_method import (
    CpSatPolicy,
    GreedyPolicy,
    MilpPolicy,
    OptimalPolicy,
    RefinedPolicy,
    SolverPolicy,
)
from .options import ConfiguredMeta, configure
from .policy import AbstractEplbPolicy, Maps, Topology
from .registry import POLICIES, Policies, UnknownPolicyError, policy_of

__all__ = [
    "POLICIES",
    "AbstractEplbPolicy",
    "ConfiguredMeta",
    "CpSatPolicy",
    "GreedyPolicy",
    "Maps",
    "MilpPolicy",
    "OptimalPolicy",
    "Policies",
    "RefinedPolicy",
    "SolverPolicy",
    "Topology",
    "UnknownPolicyError",
    "configure",
    "policy_of",
]
