"""Packages beyond torch and numpy: who needs which, imported when used, and missed in one line."""

from __future__ import annotations

import importlib

from .errors import MissingPackageError

# Module -> name on PyPI, where they differ.
PYPI_NAMES = {"yaml": "pyyaml"}


def require(needed_for: str, *modules: str) -> None:
    """Import modules, or say which package to install.

    Parameters
    ----------
    needed_for : str
        What needs them, as a person would say it: ``method 'milp'``.
    *modules : str
        Names as they are imported: ``"ortools.sat.python.cp_model"``.

    Raises
    ------
    MissingPackageError
        One of them is not installed, or its import fails.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        # What does not fit the versions beside it may raise anything.
        except Exception as error:
            raise missing(error, needed_for, module) from error


def is_usable(module: str) -> bool:
    """Whether a module can be imported here."""
    try:
        require(module, module)
    except MissingPackageError:
        return False
    return True


def missing(error: Exception, needed_for: str, module: str = "") -> MissingPackageError:
    """The error that says what to install, from what an import raised.

    Parameters
    ----------
    error : Exception
    needed_for : str
        As in `require`.
    module : str, optional
        What was imported, where the error does not name it.
    """
    absent = isinstance(error, ModuleNotFoundError)
    named = getattr(error, "name", None) or ""
    package = ((named if absent else module) or module or named).partition(".")[0]
    return MissingPackageError(
        PYPI_NAMES.get(package, package), needed_for, "" if absent else str(error)
    )
