"""Packages beyond torch and numpy: imported when used, and missed in one line."""

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
        root = module.partition(".")[0]
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            missing = (error.name or root).partition(".")[0]
            raise MissingPackageError(PYPI_NAMES.get(missing, missing), needed_for) from error
        except ImportError as error:
            raise MissingPackageError(PYPI_NAMES.get(root, root), needed_for, str(error)) from error
