"""The layout: a file imports only what stands on floors below it, and nothing imports in a circle.

Every import counts: at a file's top, inside functions and for types only.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

PACKAGE = "eplb_opt"
ROOT = Path(__file__).resolve().parent.parent

# Folders and single files, lowest floor first. What stands on one floor does not import each other.
FLOORS = (
    ("checker", "errors", "strict", "version", "costs_measured", "own_files"),
    ("atomic", "installed"),
    ("limits", "problem", "refined_options", "synthetic"),
    ("certificates", "external", "sampling", "step_times"),
    ("claims", "packages"),
    ("compiled", "native", "formats"),
    ("highs", "random_numbers", "moves", "record", "recordings"),
    ("calibration",),
    ("outcome", "budget", "heuristics"),
    ("bracket", "journal"),
    ("pool_state",),
    ("bounds",),
    ("exact",),
    ("foresight", "search"),
    ("costs",),
    ("methods", "replanning", "spare"),
    ("grouping", "next_from", "executors"),
    ("warmup", "layer", "workers", "spare_plan"),
    ("views",),
    ("result", "starts"),
    ("apart", "ground"),
    ("least_harm", "over_nodes", "certified", "standing"),
    ("sharing", "merging", "how"),
    ("resumed",),
    ("solving",),
    ("call",),
    ("solver", "report"),
    ("policies",),
    ("replayer", "sweeping"),
    ("pages",),
    ("plugins", "commands"),
    ("cli",),
    ("__main__",),
    (PACKAGE,),  # the names that load when used
)
LIGHT = ("checker", "claims", "certificates", "problem")  # numpy and the standard library only
TENSORS = f"{PACKAGE}.problem.placement"  # makes maps for engines, torch tensors, when it is asked for them

Imports = Mapping[str, Iterable[str]]  # of each module, the modules of the package


def module_of(path: Path, root: Path = ROOT) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_sources(root: Path = ROOT) -> dict[str, Path]:
    return {module_of(path, root): path for path in sorted((root / PACKAGE).rglob("*.py"))}


def named_imports(module: str, path: Path) -> set[str]:
    """Everything that a file imports, as absolute names; of ``from a import b`` it is ``a.b``."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def imports_of(sources: Mapping[str, Path]) -> dict[str, set[str]]:
    """The modules of the package that each imports."""
    imports = {}
    for module, path in sources.items():
        imported = {name if name in sources else name.rpartition(".")[0] for name in named_imports(module, path)}
        imports[module] = {name for name in imported if name in sources and name != module}
    return imports


def place_of(module: str) -> str:
    """The folder of the package in which a module is, or the file itself."""
    return module.split(".")[1] if "." in module else module


def floor_of(module: str) -> int:
    return next(number for number, places in enumerate(FLOORS) if place_of(module) in places)


def arrows_up(imports: Imports) -> list[str]:
    """Imports that do not run to a floor below."""
    found = []
    for module, imported in imports.items():
        for other in sorted(imported):
            is_inside = place_of(module) == place_of(other)
            if not is_inside and floor_of(other) >= floor_of(module):
                found.append(f"{module} imports {other}")
    return found


def circle(imports: Imports) -> list[str]:
    """Names that import each other in a circle; empty if there is none: what imports nothing that is left goes."""
    left = {name: set(imported) for name, imported in imports.items()}
    while True:
        free = {name for name, imported in left.items() if not imported & left.keys()}
        if not free:
            return sorted(left)
        left = {name: imported for name, imported in left.items() if name not in free}


def between_places(imports: Imports) -> dict[str, set[str]]:
    """What folders and single files import from each other."""
    places: dict[str, set[str]] = {}
    for module, imported in imports.items():
        own = place_of(module)
        places.setdefault(own, set()).update(place_of(other) for other in imported if place_of(other) != own)
    return places


@pytest.fixture(scope="module")
def sources():
    return read_sources()


@pytest.fixture(scope="module")
def imports(sources):
    return imports_of(sources)


def test_every_place_has_its_floor(sources):
    places = [place for floor in FLOORS for place in floor]
    assert len(places) == len(set(places))
    assert sorted({place_of(module) for module in sources} - set(places)) == []


def test_no_arrow_runs_up(imports):
    assert arrows_up(imports) == []


def test_nothing_imports_in_a_circle(imports):
    assert circle(imports) == []
    assert circle(between_places(imports)) == []


@pytest.mark.parametrize("place", LIGHT)
def test_the_checker_needs_numpy_only(place, sources):
    for module, path in sources.items():
        if place_of(module) == place:
            outside = {name.partition(".")[0] for name in named_imports(module, path)} - {PACKAGE, "numpy"}
            allowed = {"torch"} if module == TENSORS else set()
            assert outside - allowed <= sys.stdlib_module_names, module


UPWARD = {  # a file and what is added to it
    "at the top": ("problem/pool.py", "from ..bounds.cuts import cut_bound"),
    "of a module": ("problem/pool.py", "from .. import solver"),
    "by its whole name": ("problem/pool.py", "import eplb_opt.solver"),
    "of an absolute name": ("claims/verify.py", "from eplb_opt.exact.matching import decide"),
    "inside a function": ("certificates/cuts.py", "def f():\n    from ..bounds import cuts"),
    "for types only": ("bounds/cuts.py", "if TYPE_CHECKING:\n    from ..solver import solve"),
    "of a package's file": ("formats/__init__.py", "from ..solver import solve"),
    "on the same floor": ("errors.py", "from .version import __version__"),
    "of the package's own names": ("limits.py", "from . import Instance"),
}


@pytest.mark.parametrize("how", UPWARD)
def test_an_arrow_that_runs_up_is_found(how, sources, tmp_path):
    name, added = UPWARD[how]
    path = tmp_path / PACKAGE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((ROOT / PACKAGE / name).read_text() + "\n" + added + "\n")
    module = module_of(path, tmp_path)
    (found,) = arrows_up(imports_of({**sources, module: path}))
    assert found.startswith(f"{module} imports {PACKAGE}")


def test_circles_are_found():
    straight = {"a.x": {"b"}, "b": {"c"}, "c": set()}
    assert circle(straight) == []
    assert circle({**straight, "c": {"a.x"}}) == ["a.x", "b", "c"]
    folders = {"p.a.x": {"p.b.x"}, "p.b.x": set(), "p.b.y": {"p.a.y"}, "p.a.y": set()}  # of folders, not of files
    assert circle(folders) == []
    assert circle(between_places(folders)) == ["a", "b"]
