"""Whose fault it is: a damaged file is the file's, a name that our own code does not have is ours."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from eplb_opt import FormatError, Instance, MissingPackageError, Placement
from eplb_opt.errors import is_fault_of_ours
from eplb_opt.formats import Loads, check_map_format, content, plain, read_loads, write_map
from eplb_opt.formats.format import Side

from .engine_files import tensorrt_llm_folder

LOADS = Loads(np.ones((1, 1, 2)), None, ("0",))


@pytest.fixture
def loads(tmp_path):
    path = tmp_path / "loads.json"
    path.write_text(json.dumps({"load": [[1, 2], [3, 4]]}))
    return path


def raised(function):
    with pytest.raises((AttributeError, NameError)) as caught:
        function()
    return caught.value


def test_a_missing_name_in_a_parser_of_ours_is_no_damaged_file(loads, monkeypatch):
    monkeypatch.setattr(content, "JSON", property())  # neither JSON nor YAML: a table
    assert not read_is_internal(loads)
    monkeypatch.delattr(content, "JSON")
    assert read_is_internal(loads)


def read_is_internal(path):
    """Whether reading ends with an error that blames the package, not the file."""
    try:
        read_loads(path)
    except FormatError:
        return False
    except (AttributeError, NameError):
        return True
    return False


@pytest.fixture
def ours(monkeypatch):
    """Code of this file counts as the package's."""
    monkeypatch.setitem(globals(), "__name__", "eplb_opt.formats.a_test")


def read_with(reads):
    side = Side(recognises=lambda _: True, reads=reads)
    return side.read([1], "loads.json")


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize(
    "reads",
    [lambda *_: plain.no_such_name, lambda *_: LOADS.no_such_name, lambda *_: no_such_name],  # noqa: F821
)
def test_a_missing_name_in_a_format_is_no_malformed_file(reads):
    with pytest.raises((AttributeError, NameError), match="no_such_name"):
        read_with(reads)


@pytest.mark.usefixtures("ours")
def test_content_of_another_type_is_a_malformed_file():
    with pytest.raises(FormatError, match=r"loads.json is malformed \(AttributeError: 'list' .* 'values'\)"):
        read_with(lambda content, _: content.values())


def test_what_a_library_does_not_have_is_the_inputs_fault():
    assert not is_fault_of_ours(raised(lambda: json.no_such_name))  # this file is not of the package
    assert not is_fault_of_ours(ValueError("a value"))
    assert not is_fault_of_ours(AttributeError("never raised"))


def test_without_yaml_the_file_is_not_called_damaged(tmp_path, monkeypatch):
    path = tmp_path / "map.yaml"
    path.write_text("num_slots: 2\ninitial_global_assignments:\n  1: [0, 1]\nlayer_updates_per_iter: 0\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingPackageError, match=r"reading .*map.yaml needs the package pyyaml: .*eplb_opt\[files\]"):
        read_loads(path)


def test_without_safetensors_the_file_that_needs_it_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "recorded"
    tensorrt_llm_folder(folder)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(
        MissingPackageError, match=r"reading .*rank0.safetensors needs the package safetensors.*eplb_opt\[files\]"
    ):
        read_loads(folder)


def test_without_yaml_the_file_to_write_is_named(tmp_path, monkeypatch):
    path = tmp_path / "map.yaml"
    placement = Placement([[0, 1]], num_experts=2)
    instance = Instance([[3, 1]], 2, num_ranks=2)
    monkeypatch.setitem(sys.modules, "yaml", None)
    message = r"writing .*map.yaml needs the package pyyaml: .*eplb_opt\[files\]"
    with pytest.raises(MissingPackageError, match=message):
        check_map_format(path, "tensorrt-llm", instance, None)
    with pytest.raises(MissingPackageError, match=message):
        write_map(path, placement, "tensorrt-llm")
    assert not path.exists()
