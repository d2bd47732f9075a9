"""Typed errors: every message names the offending value and the fix."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from types import ModuleType

MOST_SHOWN = 60  # characters of a value in an error's line
# PyPI name -> the extra of this package that brings it, in versions that fit.
EXTRAS = {
    "highspy": "solvers",
    "matplotlib": "plot",
    "loky": "solvers",
    "numba": "solvers",
    "ortools": "solvers",
    "pulp": "solvers",
    "pyarrow": "arrow",
    "pyyaml": "files",
    "ray": "ray",
    "safetensors": "files",
    "shtab": "completion",
    "tomli": "files",
}


class EplbError(Exception):
    """Base class of every error that eplb_opt raises on purpose.

    Examples
    --------
    >>> from eplb_opt import EplbError, Limits
    >>> try:
    ...     Limits(workers=0)
    ... except EplbError as error:
    ...     print(error)
    Limits.workers is 0: give an integer from 1 to 2147483647
    """


class InstanceError(EplbError, ValueError):
    """The loads, the topology or a map do not describe a placement problem.

    Examples
    --------
    >>> from eplb_opt import Instance
    >>> Instance([[3, 1]], num_replicas=3, num_ranks=2)
    Traceback (most recent call last):
    eplb_opt.errors.InstanceError: num_replicas=3 is not a multiple of num_ranks=2: use 4
    """


class OptionError(EplbError, ValueError):
    """A limit, a method name or a policy option is not one we know.

    Examples
    --------
    >>> from eplb_opt import POLICIES, configure
    >>> configure(POLICIES["refined"], steps=-3)
    Traceback (most recent call last):
    eplb_opt.errors.OptionError: RefinedPolicy.steps=-3: give an integer from 0 to 10000
    """


class FormatError(EplbError, ValueError):
    """A file cannot be read, is truncated, or is in no known format.

    Examples
    --------
    >>> from eplb_opt.formats import read_loads
    >>> read_loads("no_such_file.npz")
    Traceback (most recent call last):
    eplb_opt.errors.FormatError: cannot read no_such_file.npz: No such file or directory
    """


class JournalError(EplbError, ValueError):
    """A journal is open in another process, is of another job, or cannot be read or written.

    Examples
    --------
    >>> from eplb_opt.merging.merge import merged
    >>> merged(["no_such_file.sqlite"])
    Traceback (most recent call last):
    eplb_opt.errors.JournalError: there is no journal no_such_file.sqlite: name a file of --journal
    """


class SolverError(EplbError, RuntimeError):
    """A solver failed, or returned something that its own model forbids: a fault to be reported.

    `solve` itself keeps the best map so far where a solver fails, and says so with a `FallbackWarning`.

    Examples
    --------
    >>> from eplb_opt import EplbError, SolverError
    >>> issubclass(SolverError, EplbError) and issubclass(SolverError, RuntimeError)
    True
    """


class MissingPackageError(EplbError, ImportError):
    """A package that a method or a format needs is not installed, or cannot be imported.

    Parameters
    ----------
    package : str
        Its name on PyPI.
    needed_for : str
        What needs it, as a person would say it: ``method 'milp'``.
    reason : str, optional
        Why it cannot be imported although it is installed.

    Examples
    --------
    >>> from eplb_opt import MissingPackageError
    >>> print(MissingPackageError("pulp", "method 'milp'"))
    method 'milp' needs the package pulp: pip install "eplb_opt[solvers]"
    """

    def __init__(self, package: str, needed_for: str, reason: str = "") -> None:
        self.package = package
        self.needed_for = needed_for
        self.reason = reason
        cause = f" ({reason})" if reason else ""
        # The extra, where there is one: the newest version of a package by itself need not fit.
        install = f'"eplb_opt[{EXTRAS[package]}]"' if package in EXTRAS else package
        super().__init__(
            f"{needed_for} needs the package {package}{cause}: pip install {install}"
        )

    def __reduce__(self) -> tuple[type[MissingPackageError], tuple[str, str, str]]:
        # As worker processes hand errors over.
        return type(self), (self.package, self.needed_for, self.reason)


class PolicyError(EplbError, RuntimeError):
    """A policy from outside cannot be loaded, raised, or returned no valid map.

    Examples
    --------
    >>> from eplb_opt.external import load_policy
    >>> load_policy("no_colon")
    Traceback (most recent call last):
    eplb_opt.errors.PolicyError: policy 'no_colon': write package.module:Name
    """


class DeviceError(EplbError, RuntimeError):
    """There is no GPU, or it cannot do what was asked of it.

    Examples
    --------
    >>> from eplb_opt.errors import DeviceError, EplbError
    >>> issubclass(DeviceError, EplbError)
    True
    """


class FastPathWarning(UserWarning):
    """Compiled code is there and cannot be used: the same maps come slower."""


class FormatWarning(UserWarning):
    """A recording is incomplete, or is taken for something that it does not say."""


class JournalWarning(UserWarning):
    """A journal cannot be written: the work goes on, and would begin again where the journal ends."""


class FallbackWarning(UserWarning):
    """A solver failed, or could not be tried, and the best map so far was kept.

    Examples
    --------
    A caller that would rather have no map than one of another method makes it an error:

    >>> import warnings
    >>> from eplb_opt import FallbackWarning, Instance, solve
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", FallbackWarning)
    ...     result = solve(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "refined")
    """


class TopologyWarning(UserWarning):
    """Whole groups cannot stay on nodes as the call's topology asks: the mode is global.

    Examples
    --------
    >>> import warnings
    >>> import torch
    >>> from eplb_opt import POLICIES, TopologyWarning, configure
    >>> policy = configure(POLICIES["greedy"], distinct=True)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", TopologyWarning)
    ...     maps = policy.rebalance_experts(torch.ones(1, 6), 6, 3, 2, 2)
    >>> print(caught[0].message)
    global mode: 3 groups cannot be shared out among 2 nodes, so whole groups do not stay on nodes
    """


def shown(value: object) -> str:
    """A value as an error's line shows it: short, whatever it is."""
    try:
        text = repr(value)
    # An integer of thousands of digits, lists in lists in lists.
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} and so on"


def is_fault_of_ours(error: Exception) -> bool:
    """Whether code of this package names what does not exist: no file and no option is to blame for that.

    A list where a mapping was expected has no ``values`` either; that is the file's fault.

    Parameters
    ----------
    error : Exception
        As it was caught, with its traceback.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not frames or not _is_ours(frames[-1].f_globals.get("__name__")):
        return False
    if isinstance(error, AttributeError):
        owner = error.obj if isinstance(error.obj, type) else type(error.obj)
        return isinstance(error.obj, ModuleType) or _is_ours(owner.__module__)
    return isinstance(error, NameError)


def _is_ours(module: str | None) -> bool:
    """Whether a module of this name is in this package."""
    return (module or "").partition(".")[0] == __name__.partition(".")[0]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """What an error says between an unknown name and the known ones: the nearest, if one is near.

    Parameters
    ----------
    name : str
        What somebody wrote.
    names : iterable of str
        What would have been understood.

    Returns
    -------
    str
        Begins with a colon and ends without a full stop; empty if none is near.

    Examples
    --------
    >>> from eplb_opt.errors import did_you_mean
    >>> did_you_mean("gredy", ["greedy", "optimal"]), did_you_mean("paint", ["greedy"])
    (': did you mean greedy?', '')
    """
    import difflib

    nearest = difflib.get_close_matches(name, list(names), n=1)
    return f": did you mean {nearest[0]}?" if nearest else ""
