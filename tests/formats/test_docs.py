"""The examples in the texts of formats run, and every public function has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

from eplb_opt import formats

MODULES = sorted(module.name for module in pkgutil.iter_modules(formats.__path__))
FUNCTIONS = [name for name in formats.__all__ if inspect.isfunction(getattr(formats, name))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(f"eplb_opt.formats.{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_described_in_full(name):
    function = getattr(formats, name)
    text = inspect.getdoc(function)
    signature = inspect.signature(function)
    sections = ["Examples", "Parameters"] if signature.parameters else ["Examples"]
    if signature.return_annotation not in (None, "None"):
        sections.append("Returns")
    for section in sections:
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    for parameter in signature.parameters:
        assert parameter in text
