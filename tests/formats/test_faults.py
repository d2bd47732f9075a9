"""Whose fault it is: a damaged file is the file's, a name that our own code does not have is ours."""

from __future__ import annotations

import json
import sys

import pytest

from eplb_opt import FormatError, MissingPackageError
from eplb_opt.errors import is_fault_of_ours
from eplb_opt.formats import content, plain, read_loads, registry


@pytest.fixture
def loads(tmp_path):
    path = tmp_path / "loads.json"
    path.write_text(json.dumps({"load": [[1, 2], [3, 4]]}))
    return path


def fails(*_):
    return plain.no_such_name


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


def test_a_missing_name_in_a_format_is_no_malformed_file():
    with pytest.raises(AttributeError, match="no_such_name"):
        registry._decode(fails, {}, "loads.json")


def test_what_a_library_does_not_have_is_the_inputs_fault():
    assert not is_fault_of_ours(raised(lambda: json.JSONEncoder(separators=(",", ":")).iterencode.no_such_name))
    assert not is_fault_of_ours(ValueError("a value"))
    assert not is_fault_of_ours(AttributeError("never raised"))


def test_without_yaml_the_file_is_not_called_damaged(tmp_path, monkeypatch):
    path = tmp_path / "map.yaml"
    path.write_text("num_slots: 2\ninitial_global_assignments:\n  1: [0, 1]\nlayer_updates_per_iter: 0\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingPackageError, match=r"reading .*map.yaml needs the package pyyaml: .*eplb_opt\[files\]"):
        read_loads(path)
