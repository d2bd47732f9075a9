"""Optimal placement of replicated experts on expert-parallel ranks: ``Instance``, ``solve``, policies.

Names load when used, so that worker processes and the command line start fast.
"""

from __future__ import annotations

from .version import __version__

# That of `typing`, as type checkers know it: an interrupt while that is loaded would be a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .certificates.layer import LayerCertificate
    from .errors import (
        EplbError,
        FallbackWarning,
        FormatError,
        InstanceError,
        JournalError,
        MissingPackageError,
        OptionError,
        PolicyError,
        SolverError,
        TopologyWarning,
    )
    from .journal.journal import Journal
    from .limits import Limits
    from .moves.renaming import match_ranks
    from .policies import POLICIES, AbstractEplbPolicy, configure
    from .problem.cost import Cost
    from .problem.instance import Instance
    from .problem.objective import Objective
    from .problem.placement import Placement
    from .problem.status import Status, StopReason
    from .recordings import demo_recording
    from .replayer.play import replay
    from .replayer.result import ReplayInterrupted
    from .result import Result, SolveInterrupted
    from .solver import solve
    from .warmup import warm_up

_NAMES = {  # module -> public names
    "errors": (
        "EplbError",
        "FallbackWarning",
        "FormatError",
        "InstanceError",
        "JournalError",
        "MissingPackageError",
        "OptionError",
        "PolicyError",
        "SolverError",
        "TopologyWarning",
    ),
    "certificates.layer": ("LayerCertificate",),
    "journal.journal": ("Journal",),
    "limits": ("Limits",),
    "moves.renaming": ("match_ranks",),
    "policies": ("POLICIES", "AbstractEplbPolicy", "configure"),
    "problem.cost": ("Cost",),
    "problem.instance": ("Instance",),
    "problem.objective": ("Objective",),
    "problem.placement": ("Placement",),
    "problem.status": ("Status", "StopReason"),
    "recordings": ("demo_recording",),
    "replayer.play": ("replay",),
    "replayer.result": ("ReplayInterrupted",),
    "result": ("Result", "SolveInterrupted"),
    "solver": ("solve",),
    "warmup": ("warm_up",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}
__all__ = [
    "POLICIES",
    "AbstractEplbPolicy",
    "Cost",
    "EplbError",
    "FallbackWarning",
    "FormatError",
    "Instance",
    "InstanceError",
    "Journal",
    "JournalError",
    "LayerCertificate",
    "Limits",
    "MissingPackageError",
    "Objective",
    "OptionError",
    "Placement",
    "PolicyError",
    "ReplayInterrupted",
    "Result",
    "SolveInterrupted",
    "SolverError",
    "Status",
    "StopReason",
    "TopologyWarning",
    "__version__",
    "configure",
    "demo_recording",
    "match_ranks",
    "replay",
    "solve",
    "warm_up",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
