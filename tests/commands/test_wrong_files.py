"""A file of another kind: every command that reads one says in a line what it is, and what takes it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt import Cost
from eplb_opt.cli import main
from eplb_opt.own_files import BY_SCHEMA

from .common import TOPOLOGY, write_loads

FAST = ["--method", "greedy"]
STEP = ["--tokens-per-step", "64"]
GAP = ["gap", "loads.npz", *TOPOLOGY, "--methods", "greedy"]
# What each file is; those of sweep, replay and so on are told by their schema as well.
FILES = {
    "loads.npz": "recorded loads",
    "map.npz": "a map",
    "vllm.json": "a map",
    "report.json": "a report of solve",
    "gap.json": "what gap found",
    "inspect.json": "what inspect found",
    "diff.json": "what diff found",
    "cost.json": "a cost of experts",
    "page.html": "a page for people",
    "jobs.sqlite": "a journal",
}
LOADS = {"loads.npz"}
MAPS = {"map.npz", "vllm.json"}
PAGES = {"report.json", "gap.json"}
NO_JSON_OF_OURS = {"loads.npz", "map.npz", "vllm.json", "page.html", "jobs.sqlite"}  # all that a cost is told from
# Commands that read a file in place of {}, and those that they take.
READERS = {
    "inspect": (["inspect", "{}"], LOADS),
    "solve": (["solve", "{}", *TOPOLOGY, *FAST], LOADS),
    "gap": (["gap", "{}", *TOPOLOGY, "--methods", "greedy"], LOADS),
    "replay": (["replay", "{}", *TOPOLOGY, "--policies", "greedy"], LOADS),
    "sweep": (["sweep", "{}", *TOPOLOGY, *FAST, *STEP], LOADS),
    "report": (["report", "{}", *TOPOLOGY, *FAST, "-o", "new.html"], LOADS | PAGES),
    "convert": (["convert", "{}", "new.npz"], LOADS | MAPS),
    "diff OLD": (["diff", "{}", "map.npz", "--ranks", "8"], MAPS),
    "diff NEW": (["diff", "map.npz", "{}", "--ranks", "8"], MAPS),
    "diff --loads": (["diff", "map.npz", "map.npz", "--loads", "{}"], LOADS),
    "--map": ([*GAP, "--map", "{}"], MAPS),
    "--previous": (["solve", "loads.npz", *TOPOLOGY, *FAST, "--previous", "{}"], MAPS),
    "report --loads": (["report", "report.json", "--loads", "{}", "-o", "new.html"], LOADS),
    "verify REPORT": (["verify", "map.npz", "{}", "loads.npz"], {"report.json"}),
    "--cost": (["solve", "loads.npz", *TOPOLOGY, *FAST, *STEP, "--top-k", "2", "--cost", "{}"], {"cost.json"}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("wrong")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        write_loads(path)
        Cost.roofline(40.0, 0.5).save("cost.json")
        solve = ["solve", "loads.npz", *TOPOLOGY, *FAST, "-q"]
        made = [
            [*solve, "-o", "map.npz", "--json", "report.json", "--report", "page.html"],
            [*solve, "-o", "vllm.json", "--format", "vllm"],
            [*solve, "--journal", "jobs.sqlite"],
            [*GAP, "-q", "--json", "gap.json"],
            ["inspect", "loads.npz", "-q", "--json", "inspect.json"],
            ["diff", "map.npz", "map.npz", "-q", "--json", "diff.json"],
        ]
        for arguments in made:
            assert main(arguments) == 0
    return path


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("reader", READERS)
def test_a_file_of_another_kind_is_named(reader, file, capsys):
    command, taken = READERS[reader]
    if file in taken:
        return
    assert main([file if word == "{}" else word for word in command]) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    assert file in streams.err
    is_unread = reader == "--cost" and file in NO_JSON_OF_OURS
    assert ("give a file that Cost.save" if is_unread else FILES[file]) in streams.err
    assert "among" not in streams.err


# A replay takes more than one window.
@pytest.mark.parametrize("reader", [reader for reader in READERS if reader != "replay"])
def test_the_right_file_is_read(reader):
    command, taken = READERS[reader]
    file = "loads.npz" if "loads.npz" in taken else min(taken)
    assert main([file if word == "{}" else word for word in command]) == 0


@pytest.mark.parametrize("file", [file for file in FILES if file != "jobs.sqlite"])
def test_merge_takes_journals_alone(file, capsys):
    assert main(["merge", file, "-o", "merged.npz"]) == 2
    assert f"{file} is no journal: name one that --journal wrote" in capsys.readouterr().err


def test_every_schema_is_known_by_its_file():
    for file in FILES:
        if file.endswith(".json") and file != "vllm.json":
            with open(file) as content:
                schema = json.load(content)["schema"]
            assert BY_SCHEMA[schema.rpartition("/")[0]].what == FILES[file]


def test_a_folder_is_no_report(tmp_path, capsys):
    assert main(["verify", "map.npz", str(tmp_path), "loads.npz"]) == 2
    assert "a folder, give the report's file" in capsys.readouterr().err


def test_a_map_of_another_model_is_said_to_be_that(capsys):
    np.savez("small.npz", load=np.ones((1, 16, 4)), layer_ids=range(16))
    assert main(["solve", "small.npz", *TOPOLOGY, *FAST, "-q", "-o", "small_map.npz"]) == 0
    assert main([*GAP, "--map", "small_map.npz"]) == 2
    assert "small_map.npz: a map of 4 experts, not 12: it is of another model" in capsys.readouterr().err
