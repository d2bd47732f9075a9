"""Modules that need more than torch and numpy, where what they need is installed."""

from __future__ import annotations

import importlib
from types import ModuleType


def optional(name: str) -> ModuleType | None:
    """A module of this package, or None: numba or Triton is missing, or does not fit the versions beside it."""
    try:
        return importlib.import_module(f".{name}", __package__)
    except ImportError:
        return None
