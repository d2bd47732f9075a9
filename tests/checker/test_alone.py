"""The checker alone: small, of nothing but the standard library and numpy, and of one mind with ``verify``."""

from __future__ import annotations

import ast
import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eplb_opt.checker.__main__ import main as check
from eplb_opt.checker.files import read
from eplb_opt.cli import main

from ..reports import CASES, Case
from .code_lines import code_lines

CHECKER = Path(__file__).resolve().parents[2] / "eplb_opt" / "checker"
FILES = sorted(CHECKER.glob("*.py"))
MOST_LINES = 600
# Runs the copy of the directory with numpy's folder and no other on the path, and says what was imported.
ALONE = """
import sys
sys.path[:0] = sys.argv[1:3]
from checker.__main__ import main
code = main(sys.argv[3:])
from_elsewhere = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
print(sorted(from_elsewhere - {"numpy", "checker", "__main__"}))
raise SystemExit(code)
"""


@pytest.fixture(scope="module")
def cases():
    made: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in made:
            made[name] = CASES[name]()
        return made[name]

    return case


def test_it_is_small():
    assert sum(map(code_lines, FILES)) < MOST_LINES
    assert {path.parent for path in CHECKER.rglob("*.py")} == {CHECKER}


def test_lines_of_code_are_counted(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(
        '"""A text.\n\nof lines\n"""\n\n# no code\nA = (\n    1,\n)\n\n\ndef f():\n    """One."""\n    return A\n'
    )
    assert code_lines(path) == 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_imports_nothing_of_the_package(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            inside = node.level == 1 and (node.module is None or "." not in node.module)
            assert inside or (node.level == 0 and is_outside(node.module or "")), ast.dump(node)
        elif isinstance(node, ast.Import):
            assert all(is_outside(alias.name) for alias in node.names)


def is_outside(module: str) -> bool:
    name = module.partition(".")[0]
    return name == "numpy" or name in sys.stdlib_module_names


def alone(folder: Path, arguments: list[str]) -> tuple[int, list[str]]:
    """The exit code and what is printed by a copy of the directory, in a process without any other package."""
    shutil.copytree(CHECKER, folder / "copy" / "checker", ignore=shutil.ignore_patterns("__pycache__"))
    of_numpy = Path(np.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALONE, str(folder / "copy"), str(of_numpy), *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.stderr == ""
    return run.returncode, run.stdout.splitlines()


@pytest.mark.parametrize("name", CASES)
def test_the_directory_alone_gives_the_same_verdict(name, cases, tmp_path, capsys):
    arguments = cases(name).write(tmp_path)
    code, lines = alone(tmp_path, arguments)
    assert code == cases(name).code == main(["verify", *arguments])
    last = capsys.readouterr().out.splitlines()[-1]
    assert lines[-1] == "[]"
    assert lines[-2].partition(";")[0] == last.partition(";")[0]
    proven = last.partition("recomputed; ")[2].partition(" bound")[0]
    assert f"recomputed; {proven} bounds re-proven" in lines[-2]


def forged(report: dict) -> list[dict]:
    """A report with one figure that is wrong each."""
    changes = [
        lambda layer: layer.update(objective=layer["objective"] * (1 - 1e-6)),
        lambda layer: layer.update(lower_bound=layer["lower_bound"] * (1 + 1e-6)),
        lambda layer: layer.update(gap=layer["gap"] + 1e-6),
        lambda layer: layer.update(status="FEASIBLE" if layer["status"] == "OPTIMAL" else "OPTIMAL"),
        lambda layer: layer.update(bound_method="rank patterns"),
        lambda layer: layer.update(bound_method="L0b max replica"),
        lambda layer: layer.update(proofs=[]),
        lambda layer: layer.update(proofs=layer["proofs"] * 2),
        lambda layer: layer["proofs"][0].update(groups=[99]),
        lambda layer: layer["proofs"][0].update(target=layer["proofs"][0]["target"] * 1.5),
        lambda layer: layer["proofs"][0].update(target="1"),
        lambda layer: layer["proofs"][0].update(kind="magic"),
        lambda layer: layer.update(objective=None),
        lambda layer: layer.pop("lower_bound"),
    ]
    found = []
    for change in changes:
        other = copy.deepcopy(report)
        change(other["layers"][-1])
        found.append(other)
    return found


@pytest.mark.parametrize("name", CASES)
def test_forgeries_get_the_same_verdict(name, cases, tmp_path, capsys):
    case = cases(name)
    arguments = case.write(tmp_path)
    differ = []
    for number, report in enumerate(forged(case.report)):
        Path(arguments[1]).write_text(json.dumps(report))
        codes = check(arguments), main(["verify", *arguments])
        # What cannot be read is a certificate that does not hold, to one of them.
        is_same = codes[0] == codes[1] or set(codes) == {1, 2}
        if not is_same:
            differ.append((number, codes))
    assert differ == []
    capsys.readouterr()


def test_other_files(cases, tmp_path, capsys):
    """Loads and maps as npz, npy, json and csv, in other orders and without names."""
    case = cases("cuts")
    arguments = case.write(tmp_path)
    load, placed = case.instance.load[0], case.placement.phy2log
    np.save(tmp_path / "loads.npy", load)
    (tmp_path / "loads.json").write_text(json.dumps({"load": load.tolist()}))
    (tmp_path / "loads.csv").write_text("\n".join(",".join(map(repr, row)) for row in load.tolist()))
    np.save(tmp_path / "map.npy", placed)
    (tmp_path / "map.json").write_text(
        json.dumps({"physical_to_logical_map": placed[::-1].tolist(), "layer_ids": [1, 0]})
    )
    for loads in ("loads.npy", "loads.json", "loads.csv"):
        for name in ("map.npy", "map.json"):
            assert check([str(tmp_path / name), arguments[1], str(tmp_path / loads)]) == case.code, (loads, name)
    assert check([arguments[0], arguments[1]]) == 2
    assert check([arguments[2], arguments[1], arguments[0]]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_a_key_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "some.json"
    path.write_text('{"a": 1, "a": 2}')
    with pytest.raises(ValueError, match="twice"):
        read(path)
