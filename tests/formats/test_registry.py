"""Formats as records: what they say of themselves is so, and a new one is a record and a line."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eplb_opt
from eplb_opt import FormatError, Instance, cli
from eplb_opt.formats import (
    ExpertMap,
    Format,
    Loads,
    Need,
    Side,
    check_map_format,
    format_named,
    formats_that_need,
    holds_map,
    input_formats,
    output_format,
    output_formats,
    read_expert_map,
    read_loads,
    read_map,
    registry,
    write_expert_map,
    write_loads,
)
from eplb_opt.formats.files import as_loads, as_map

PACKAGE = Path(eplb_opt.__file__).parent
ROOT = PACKAGE.parent
LOADS = Loads(np.array([[[5, 3, 2], [1, 1, 8]]]), layer_ids=(1, 2), windows=("0",), hidden_layers=3)
MAP = ExpertMap(np.array([[0, 1, 2, 0], [2, 0, 1, 2]]), (1, 2), num_experts=3, num_ranks=2, hidden_layers=3)


# A format in a few lines: JSON with "toy loads" and "toy slots" by layer, for engines of at most 4 slots.


def toy_loads(content, source):
    table = content["toy loads"]
    return as_loads(list(table.values()), [int(layer) for layer in table], None, source)


def toy_map(content, source):
    table = content["toy slots"]
    return ExpertMap(as_map(list(table.values()), source), tuple(int(layer) for layer in table))


def toy_bytes(key, ids, rows):
    return json.dumps({key: dict(zip(ids, rows.tolist(), strict=True))}).encode()


def too_many_slots(found, path):
    slots = found.phy2log.shape[1]
    return f"{slots} slots, and Toy takes 4: give fewer --replicas" if slots > 4 else None


TOY = Format(
    name="toy",
    summary="Toy: loads and slots by layer (.json)",
    loads=Side(
        recognises=lambda content: isinstance(content, Mapping) and "toy loads" in content,
        reads=toy_loads,
        writes=lambda found, path: toy_bytes("toy loads", found.layer_ids, found.load.sum(axis=0)),
    ),
    maps=Side(
        recognises=lambda content: isinstance(content, Mapping) and "toy slots" in content,
        reads=toy_map,
        writes=lambda found, path: toy_bytes("toy slots", found.layer_ids, found.phy2log),
        refuses=too_many_slots,
    ),
    needs=frozenset({Need.RANKS}),
    endings=("toy",),
)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(registry, "FORMATS", (TOY, *registry.FORMATS))


@pytest.mark.usefixtures("toy")
def test_a_new_format_is_listed():
    assert input_formats()[0] == output_formats()[0] == "toy"
    assert formats_that_need(Need.RANKS) == ("toy", "vllm-ascend")
    assert output_format("map.toy") == "toy"
    assert format_named("toy") is TOY


@pytest.mark.usefixtures("toy")
def test_a_new_format_writes_recognises_and_reads(tmp_path):
    write_loads(tmp_path / "loads.toy", LOADS)
    write_expert_map(tmp_path / "map.toy", MAP, "toy")
    assert not holds_map(tmp_path / "loads.toy", "npz")
    assert holds_map(tmp_path / "map.toy", "npz")
    loads = read_loads(tmp_path / "loads.toy")
    assert loads.layer_ids == (1, 2)
    np.testing.assert_array_equal(loads.load, LOADS.load)
    placement = read_map(tmp_path / "map.toy", num_experts=3)
    assert placement.layer_ids == (1, 2)
    np.testing.assert_array_equal(placement.phy2log, MAP.phy2log)
    np.testing.assert_array_equal(read_expert_map(tmp_path / "map.toy", "toy").phy2log, MAP.phy2log)


@pytest.mark.usefixtures("toy")
def test_a_new_format_refuses_and_says_what_it_needs(tmp_path):
    wide = replace(MAP, phy2log=np.array([[0, 1, 2, 0, 1, 2]] * 2))
    with pytest.raises(FormatError, match=r"map\.toy: 6 slots, and Toy takes 4"):
        write_expert_map(tmp_path / "map.toy", wide, "toy")
    with pytest.raises(FormatError, match="use --ranks with a divisor of 4 slots"):
        write_expert_map(tmp_path / "map.toy", replace(MAP, num_ranks=None), "toy")
    with pytest.raises(FormatError, match="6 slots"):
        check_map_format("map.toy", "toy", Instance([[5, 3, 2]], 6, num_ranks=2), None)
    for table, said in (('{"1": 5}', "loads of shape"), ('{"one": [5, 3]}', "malformed"), ("[5, 3]", "malformed")):
        (tmp_path / "bad.toy").write_text(f'{{"toy loads": {table}, "more": 0}}')
        with pytest.raises(FormatError, match=said):
            read_loads(tmp_path / "bad.toy")
    assert not (tmp_path / "map.toy").exists()


@pytest.mark.usefixtures("toy")
def test_a_new_format_is_the_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_loads("loads.npz", LOADS)
    write_expert_map("map.npz", replace(MAP, num_ranks=None), "npz")
    assert cli.main(["convert", "loads.npz", "loads.json", "--format", "toy"]) == 0
    assert "toy: loads.json" in capsys.readouterr().out
    assert cli.main(["convert", "map.npz", "map.json", "--format", "toy", "--ranks", "2"]) == 0
    assert json.loads(Path("map.json").read_text()) == {"toy slots": {"1": [0, 1, 2, 0], "2": [2, 0, 1, 2]}}
    assert cli.main(["convert", "map.json", "back.npz"]) == 0
    np.testing.assert_array_equal(read_expert_map("back.npz").phy2log, MAP.phy2log)
    assert cli.main(["convert", "map.npz", "map.toy"]) == 2
    assert "use --ranks with a divisor of 4 slots" in capsys.readouterr().err
    solve = ["solve", "loads.json", "--ranks", "2", "--method", "greedy"]
    assert cli.main([*solve, "--replicas", "4", "-o", "solved.toy"]) == 0
    assert cli.main([*solve, "--replicas", "6", "-o", "wide.toy"]) == 2
    assert "6 slots, and Toy takes 4" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["convert", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--format NAME toy, sglang" in said
    assert "npz or json by the file's ending" in said
    assert "lists them (toy, vllm-ascend)" in said


# What all formats say of themselves.


@pytest.mark.parametrize("record", registry.FORMATS, ids=lambda record: record.name)
def test_a_record_is_whole(record):
    assert record.is_read or record.is_written
    assert re.fullmatch("[a-z0-9-]+", record.name)
    assert record.summary
    assert "\n" not in record.summary
    for side in (record.loads, record.maps):
        assert (side.reads is None) == (side.recognises is None)
    if record.loads.writes is not None and record.maps.writes is None:
        assert record.remark


def test_names_are_different_and_the_rest_is_taken_last():
    names = [record.name for record in registry.FORMATS]
    assert len(set(names)) == len(names)
    readers = [record for record in registry.FORMATS if record.is_read]
    assert [record.takes_rest for record in readers] == [False] * (len(readers) - 1) + [True]


def written(record, path, **changed):
    """The bytes of a map, or of loads for a format that writes no maps; fields are changed before."""
    if record.writes_maps:
        return record.encode_map(replace(MAP, **changed), path)
    return record.encode_loads(replace(LOADS, **changed), path)


WRITTEN = [record for record in registry.FORMATS if record.is_written]
UNKNOWN = {
    Need.HIDDEN_LAYERS: {"hidden_layers": None},
    Need.RANKS: {"num_ranks": None},
    Need.DISTINCT: {"phy2log": np.array([[0, 0, 1, 2]] * 2)},
}


@pytest.mark.parametrize("record", WRITTEN, ids=lambda record: record.name)
def test_what_is_written_without_a_need_is_refused_with_its_option(record, tmp_path):
    path = tmp_path / "file.json"
    assert written(record, path)
    for need in record.needs:
        with pytest.raises(FormatError, match=need.value):
            written(record, path, **UNKNOWN[need])


@pytest.mark.parametrize("record", WRITTEN, ids=lambda record: record.name)
def test_writing_needs_the_packages_that_it_says_and_no_other(record, tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    optional = {"yaml", "torch", "safetensors"}
    for name in optional - set(record.packages):
        monkeypatch.setitem(sys.modules, name, None)
    assert written(record, path)
    for name in record.packages:
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError):
            written(record, path)


@pytest.mark.parametrize("name", output_formats())
def test_the_documentation_names_it(name):
    record = format_named(name)
    text = "".join((ROOT / "docs" / page).read_text() for page in ("reference/engines.md", "how-to/solve.md"))
    assert f"--format {name}" in text or f".{name}" in text
    assert f"\n## {record.summary.partition(':')[0]}\n" in text or record.is_ours


def test_nobody_compares_with_a_formats_name():
    """But in its own module."""
    names = {record.name for record in registry.FORMATS} - {"json"}  # also what a text holds, and an option
    files = [PACKAGE / "formats", PACKAGE / "commands", PACKAGE / "plugins"]
    for path in (path for folder in files for path in folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                constants = {
                    c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)
                }
                assert not constants & names, f"{path.name}, line {node.lineno}"
