"""Parquet and Arrow: tables of loads as in CSV, arrays of lists, damaged files."""

from __future__ import annotations

import random
import sys

import pytest

from eplb_opt import FormatError, MissingPackageError
from eplb_opt.formats import columns, read_loads

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TABLES = {
    "wide": ({"layer": [3, 4], "expert_0": [1, 4], "expert_1": [2, 5]}, [[[1, 2], [4, 5]]], (3, 4), ("0",)),
    "long": (
        {"layer_id": [3, 3, 4, 4], "expert_id": [0, 1, 0, 1], "count": [1, 2, 4, 5]},
        [[[1, 2], [4, 5]]],
        (3, 4),
        ("0",),
    ),
    "steps": (
        {"step": ["a", "b"], "layer": [3, 3], "expert_0": [1, 4], "expert_1": [2.5, 5.0]},
        [[[1, 2.5]], [[4, 5]]],
        (3,),
        ("a", "b"),
    ),
    "numbers": ({"0": [1, 4], "1": [2, 5]}, [[[1, 2], [4, 5]]], None, ("0",)),
    "lists": ({"load": [[1, 2], [4, 5]], "layer_ids": [3, 4]}, [[[1, 2], [4, 5]]], (3, 4), ("0",)),
}


def write(path, columns, kind):
    table = pa.table(columns)
    if kind == "parquet":
        pq.write_table(table, path)
        return
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("name", TABLES)
def test_tables_are_read_as_others(name, kind, tmp_path):
    columns, load, ids, windows = TABLES[name]
    write(tmp_path / "loads", columns, kind)
    loads = read_loads(tmp_path / "loads")
    assert (loads.load.tolist(), loads.layer_ids, loads.windows) == (load, ids, windows)


def test_the_index_of_pandas_is_no_column(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"layer": [3, 4], "expert_0": [1, 4], "expert_1": [2, 5]}, index=[7, 9])
    frame.to_parquet(tmp_path / "loads.parquet")
    assert read_loads(tmp_path / "loads.parquet").load.tolist() == [[[1, 2], [4, 5]]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"layer": [3], "expert_0": [None]}, "is no number"),
        ({"layer": [3], "expert_0": ["x"]}, "is no number"),
        ({"a": [3], "b": [4]}, "known tables"),
        ({"layer": pa.array([], pa.int64()), "expert_0": pa.array([], pa.int64())}, "no rows"),
        ({"load": [[1, 2], [4]]}, "not rectangular"),
        ({"load": [{"a": 1}]}, "expected numbers"),
    ],
)
def test_tables_that_are_refused(columns, message, tmp_path):
    write(tmp_path / "loads", columns, "parquet")
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path / "loads")


def test_many_values_in_few_bytes(tmp_path, monkeypatch):
    write(tmp_path / "loads", {"layer": pa.array([1] * 3_000_000)}, "parquet")
    assert (tmp_path / "loads").stat().st_size < 1 << 16
    monkeypatch.setenv("EPLB_OPT_MAX_FILE_MIB", "8")
    with pytest.raises(FormatError, match="its arrays take 22 MiB"):
        read_loads(tmp_path / "loads")


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_damaged_files(kind, tmp_path):
    pick = random.Random(0)
    write(tmp_path / "loads", TABLES["wide"][0], kind)
    good = (tmp_path / "loads").read_bytes()
    said = []
    for _ in range(150):
        data = bytearray(good)
        for _ in range(pick.randrange(1, 4)):
            data[pick.randrange(8, len(data))] = pick.randrange(256)
        if pick.random() < 0.3:
            data = data[: pick.randrange(8, len(data))]
        (tmp_path / "bad").write_bytes(data)
        try:
            load = read_loads(tmp_path / "bad").load
        except FormatError as error:
            said.append(str(error))
        else:
            assert load.ndim == 3
    assert said
    assert not any("\n" in text for text in said)


def test_a_file_that_ends_the_process(tmp_path, monkeypatch):
    write(tmp_path / "loads", TABLES["wide"][0], "parquet")
    (tmp_path / "script.py").write_text("import os\nos.abort()\n")
    monkeypatch.setattr(columns, "SCRIPT", tmp_path / "script.py")
    with pytest.raises(FormatError, match="no parquet file that can be read: pyarrow ended on it"):
        read_loads(tmp_path / "loads")


def test_without_the_package(tmp_path, monkeypatch):
    write(tmp_path / "loads", TABLES["wide"][0], "parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingPackageError, match=r'pip install "eplb_opt\[arrow\]"'):
        read_loads(tmp_path / "loads")
