"""Optimal placement of replicated experts on expert-parallel ranks: ``Instance``, ``solve``, policies.

Names load when used, so that worker processes and the command line start fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        EplbError,
        FormatError,
        InstanceError,
        MissingPackageError,
        OptionError,
        PolicyError,
        SolveInterrupted,
        SolverError,
        TopologyWarning,
    )
    from .instance import Instance
    from .limits import Limits
    from .outcome import Status, StopReason
    from .placement import Placement
    from .policies import POLICIES, AbstractEplbPolicy, configure
    from .result import LayerCertificate, Result
    from .solver import FallbackWarning, solve
    from .warmup import warm_up

_HOME = {
    "EplbError": "errors", "FormatError": "errors", "InstanceError": "errors", "OptionError": "errors",
    "MissingPackageError": "errors", "PolicyError": "errors", "SolveInterrupted": "errors", "SolverError": "errors",
    "TopologyWarning": "errors", "Instance": "instance", "Limits": "limits", "Status": "outcome",
    "StopReason": "outcome", "Placement": "placement", "POLICIES": "policies", "AbstractEplbPolicy": "policies",
    "configure": "policies", "LayerCertificate": "result", "Result": "result", "FallbackWarning": "solver",
    "solve": "solver", "warm_up": "warmup",
}  # fmt: skip
__all__ = [
    "POLICIES", "AbstractEplbPolicy", "EplbError", "FallbackWarning", "FormatError", "Instance", "InstanceError",
    "LayerCertificate", "Limits", "MissingPackageError", "OptionError", "Placement", "PolicyError", "Result",
    "SolveInterrupted", "SolverError", "Status", "StopReason", "TopologyWarning", "configure", "solve", "warm_up",
]  # fmt: skip
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
