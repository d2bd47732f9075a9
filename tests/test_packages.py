"""A package that is missing is one line that says what to install."""

from __future__ import annotations

import pickle
import re
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

import eplb_opt
from eplb_opt import EplbError, MissingPackageError
from eplb_opt.errors import EXTRAS
from eplb_opt.packages import require

EXTRA = re.compile(r"extra == '(\w+)'")


def test_a_missing_package_is_named_as_pypi_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingPackageError, match=r'^format x needs .* pyyaml: pip install "eplb_opt\[files\]"$'):
        require("format x", "yaml")


def test_a_package_that_cannot_be_imported_says_why(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("from os import no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError, match=r"broken_package \(cannot import name 'no_such_name'"):
        require("a test", "broken_package")


def test_what_a_package_itself_misses_is_named(tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError, match="pip install no_such_package_at_all"):
        require("a test", "needs_more")


def test_it_is_an_error_of_ours_that_processes_can_hand_over():
    error = MissingPackageError("pulp", "method 'milp'")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, EplbError)
    assert str(again) == str(error) == "method 'milp' needs the package pulp: pip install \"eplb_opt[solvers]\""


def test_every_extra_that_an_error_names_brings_the_package():
    lines = [line.partition(";") for line in requires("eplb_opt") or ()]
    extras = {(re.split(r"[<>=!~ ]", name)[0], extra) for name, _, marker in lines for extra in EXTRA.findall(marker)}
    assert set(EXTRAS.items()) <= extras


def test_nothing_but_torch_and_numpy_is_needed_beside_an_engine():
    lines = [line.partition(";") for line in requires("eplb_opt") or ()]
    assert {re.split(r"[<>=!~ ]", name)[0] for name, _, marker in lines if "extra" not in marker} == {"numpy", "torch"}


def test_the_package_says_that_it_is_typed():
    assert (Path(eplb_opt.__file__).parent / "py.typed").exists()
