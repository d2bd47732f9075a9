"""Typed errors: every message names the offending value and the fix."""

from __future__ import annotations

MOST_SHOWN = 60  # characters of a value in an error's line


class EplbError(Exception):
    """Base class of every error that eplb_opt raises on purpose."""


class InstanceError(EplbError, ValueError):
    """The loads, the topology or a map do not describe a placement problem."""


class OptionError(EplbError, ValueError):
    """A limit, a method name or a policy option is not one we know."""


class FormatError(EplbError, ValueError):
    """A file cannot be read, is truncated, or is in no known format."""


class SolverError(EplbError, RuntimeError):
    """A solver is missing, failed, or returned something that its own model forbids."""


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
    """

    def __init__(self, package: str, needed_for: str, reason: str = "") -> None:
        self.package = package
        self.needed_for = needed_for
        self.reason = reason
        cause = f" ({reason})" if reason else ""
        super().__init__(f"{needed_for} needs the package {package}{cause}: pip install {package}")

    def __reduce__(self) -> tuple[type[MissingPackageError], tuple[str, str, str]]:
        return type(self), (self.package, self.needed_for, self.reason)  # as worker processes hand errors over


class PolicyError(EplbError, RuntimeError):
    """A policy from outside cannot be loaded, raised, or returned no valid map."""


class FormatWarning(UserWarning):
    """A recording is incomplete, or is taken for something that it does not say."""


class TopologyWarning(UserWarning):
    """Whole groups cannot stay on nodes as the call's topology asks: the mode is global."""


def shown(value: object) -> str:
    """A value as an error's line shows it: short, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists in lists in lists
        text = f"a {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} and so on"
