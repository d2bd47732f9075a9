"""Documentation that runs: every example, and one for every public name."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import eplb_opt

PACKAGE = Path(eplb_opt.__file__).parent
PUBLIC = [name for name in eplb_opt.__all__ if callable(getattr(eplb_opt, name))]


def modules_with_examples() -> list[str]:
    """Every module of the package that has an example somewhere."""
    found = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text()]
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in found]
    return [name.removesuffix(".__init__") for name in names]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name):
    text = inspect.cleandoc(getattr(eplb_opt, name).__doc__)
    assert "Examples\n--------\n" in text
    assert ">>> " in text


@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_of_a_public_name_is_documented(name):
    made = getattr(eplb_opt, name)
    fields = getattr(made, "__dataclass_fields__", {})
    if inspect.isclass(made) and not fields:
        return  # errors, warnings and enumerations are made by this package
    names = fields or [p.name for p in inspect.signature(made).parameters.values() if p.kind is not p.VAR_KEYWORD]
    text = inspect.cleandoc(made.__doc__)
    documented = {word for line in text.splitlines() if " : " in line for word in line.split(" : ")[0].split(", ")}
    assert {n for n in names if n != "_"} <= documented


def test_the_package_lists_its_public_names():
    assert set(eplb_opt.__all__) <= set(dir(eplb_opt))
    assert dir(eplb_opt) == sorted(dir(eplb_opt))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        eplb_opt.no_such_name  # noqa: B018
