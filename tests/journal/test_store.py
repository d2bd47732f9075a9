"""A journal's file: one process at a time, whole entries, and errors that say what to do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from eplb_opt.errors import FormatError, JournalError, OptionError
from eplb_opt.journal.shard import Shard
from eplb_opt.journal.store import Store


def test_entries_come_back_in_their_order_with_every_float(tmp_path):
    store = Store(tmp_path / "j")
    store.put("task", {(3, (0, 1), 0): {"bound": 0.1 + 0.2, "row": np.array([1, 2]), "none": np.float64("inf")}}, 1.5)
    store.put("task", {(1, (), 0): None, (2, (), 0): 1}, 2.5)
    store.close()
    again = Store(tmp_path / "j")
    assert list(again.entries("task")) == [(3, (0, 1), 0), (1, (), 0), (2, (), 0)]
    assert again.entries("task")[3, (0, 1), 0] == {"bound": 0.1 + 0.2, "row": [1, 2], "none": float("inf")}
    assert again.head("spent") == 2.5
    assert again.entries("choice") == {}


def test_another_process_is_told_that_the_file_is_open(tmp_path):
    store = Store(tmp_path / "j")
    code = f"from eplb_opt.journal.store import Store; Store(__import__('pathlib').Path({str(tmp_path / 'j')!r}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "is open in another process: wait for that, or name a file of its own" in ended.stderr
    store.close()
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_same_process_is_told_so_too(tmp_path):
    store = Store(tmp_path / "j")
    with pytest.raises(JournalError, match="open in another process"):
        Store(tmp_path / "j")
    store.put_head(a=1)
    assert store.head("a") == 1


def test_other_files_are_no_journals_and_stay_as_they_are(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"text " * 1000)
    with pytest.raises(JournalError, match="is no journal: name one that --journal wrote"):
        Store(other)
    assert other.read_bytes() == b"text " * 1000
    database = tmp_path / "database"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    with pytest.raises(JournalError, match="is no journal"):
        Store(database)


def test_a_newer_journal_is_refused(tmp_path):
    store = Store(tmp_path / "j")
    store.put_head(schema="eplb_opt.journal/3")
    store.close()
    with pytest.raises(JournalError, match="no journal of this version"):
        Store(tmp_path / "j")


def test_where_no_file_can_be(tmp_path):
    with pytest.raises(FormatError, match="there is no folder"):
        Store(tmp_path / "none" / "j")
    with pytest.raises(FormatError, match="it is a folder"):
        Store(tmp_path)
    with pytest.raises(JournalError, match="there is no journal"):
        Store(tmp_path / "j", must_exist=True)
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/0", "1", "a/b", "-1/2", "1/2/3", "", "1.0/2", "1/99999999999"])
def test_what_is_no_shard(text):
    with pytest.raises(OptionError, match="give i/n with i from 1 to n"):
        Shard.parse(text)


@pytest.mark.parametrize(("of", "layers"), [(1, 5), (2, 5), (5, 5), (9, 5), (3, 1)])
def test_every_layer_is_in_one_shard(of, layers):
    parts = [Shard(number, of).parts(layers) for number in range(1, of + 1)]
    assert sorted(layer for part in parts for layer in part) == list(range(layers))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
