"""Modules that need more than torch and numpy, where what they need is installed."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

from ..errors import FastPathWarning

# Without them the same maps come slower, and nothing is wrong.
COMPILERS = (
    "numba",
    "triton",
)
_broken: set[str] = set()  # modules that could not be imported, each said once


def optional(name: str) -> ModuleType | None:
    """A module of this package that numba or Triton compiles, or None where it cannot be had.

    Parameters
    ----------
    name : str
        The module's name in this package, as in ``"exchange_compiled"``.

    Returns
    -------
    module or None
        None without a word if its compiler is not installed.

    Warns
    -----
    FastPathWarning
        The compiler is there and the module still cannot be imported: the compiler does not fit the versions beside
        it, or the module has a fault. Once a module and process.
    """
    if name in _broken:
        return None
    try:
        return importlib.import_module(f".{name}", __package__)
    except ModuleNotFoundError as error:
        if error.name in COMPILERS:
            return None
        cause: Exception = error
    # What does not fit the versions beside it may raise anything.
    except Exception as error:
        cause = error
    _broken.add(name)
    text = f"the compiled {name} cannot be used ({type(cause).__name__}: {cause}): the same maps come slower"
    warnings.warn(text, FastPathWarning, stacklevel=2)
    return None
