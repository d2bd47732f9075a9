"""Where a peer's package is, and how one module of it is imported without the rest of the package."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / ".peers"


class PeerMissingError(RuntimeError):
    """The peer's package, or a library that it needs, is not here."""


def root_of(package: str, distribution: str) -> Path:
    """The folder that holds the package: unpacked, or installed."""
    unpacked = sorted(FOLDER.glob(f"{distribution}-*/{package}"))
    if unpacked:
        return unpacked[-1].parent
    found = None if package in sys.modules else importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise PeerMissingError(f"{distribution} is not here: python -m benchmarks.peers fetch {distribution}")
    return Path(next(iter(found.submodule_search_locations))).parent


def version_of(package: str, distribution: str) -> str:
    """The version of the package that `root_of` finds."""
    root = root_of(package, distribution)
    if root.parent == FOLDER:
        return root.name.removeprefix(f"{distribution}-")
    return importlib.metadata.version(distribution)


def import_alone(distribution: str, module: str, stubs: dict[str, dict[str, Any]] | None = None) -> Any:
    """Import one module; the packages above it become empty ones that know their folder only.

    So an engine's ``__init__`` files, which load models and kernels, are not run. ``stubs`` are small stand-ins for
    modules that the algorithm imports but does not need: name -> attributes.
    """
    parts = module.split(".")
    root = root_of(parts[0], distribution)
    for i in range(1, len(parts)):
        _empty(".".join(parts[:i]), root.joinpath(*parts[:i]))
    for name, attributes in (stubs or {}).items():
        above = name.split(".")
        for i in range(1, len(above)):
            _empty(".".join(above[:i]), root.joinpath(*above[:i]))
        _empty(name, None).__dict__.update(attributes)
    return importlib.import_module(module)


def _empty(name: str, folder: Path | None) -> types.ModuleType:
    """The package of that name, made empty if nothing has imported it."""
    if name not in sys.modules:
        made = types.ModuleType(name)
        made.__path__ = [] if folder is None else [str(folder)]
        sys.modules[name] = made
    return sys.modules[name]
