"""Compiled modules: absent without a word where there is no compiler, said where one is there and does not work."""

from __future__ import annotations

import importlib
import sys
import warnings

import pytest

from eplb_opt.errors import FastPathWarning
from eplb_opt.heuristics import optional as room
from eplb_opt.heuristics.optional import optional


@pytest.fixture
def failing(monkeypatch):
    """Imports of this package's modules raise an error."""

    def fail(error):
        def raises(name, package=None):
            raise error

        monkeypatch.setattr(room.importlib, "import_module", raises)

    monkeypatch.setattr(room, "_broken", set())
    yield fail
    monkeypatch.undo()


def test_a_module_that_is_there():
    assert optional("exchange_compiled") is importlib.import_module("eplb_opt.heuristics.exchange_compiled")


@pytest.mark.parametrize("compiler", ["numba", "triton"])
def test_without_its_compiler_it_is_absent(compiler, failing):
    failing(ModuleNotFoundError(f"No module named {compiler!r}", name=compiler))
    assert optional("exchange_compiled") is None  # a warning would be an error here


def test_numba_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("eplb_opt.compiled", "eplb_opt.heuristics.exchange_compiled"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert optional("exchange_compiled") is None


@pytest.mark.parametrize(
    "error",
    [
        ImportError("Numba needs NumPy 2.4 or less. Got NumPy 3.0."),
        ModuleNotFoundError("No module named 'llvmlite'", name="llvmlite"),
        ModuleNotFoundError("No module named 'eplb_opt.compield'", name="eplb_opt.compield"),
        NameError("name 'nb' is not defined"),
        AttributeError("module 'numpy' has no attribute 'long'"),
    ],
)
def test_what_is_there_and_broken_is_said_once_with_its_cause(error, failing):
    failing(error)
    with pytest.warns(FastPathWarning, match="exchange_compiled cannot be used") as caught:
        assert optional("exchange_compiled") is None
    assert f"{type(error).__name__}: {error}" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert optional("exchange_compiled") is None
