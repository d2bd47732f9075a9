"""--config: options from a file, by the same names; what is typed wins, what is wrong names the file."""

from __future__ import annotations

import json

import pytest

from eplb_opt.cli import main

from .common import write_loads

TOML = """
replicas = 16
ranks = 8
workers = 1
tokens-per-step = 64  # of other commands

[solve]
method = "greedy"
distinct = true
quiet = true

[gap]
methods = ["greedy", "refined"]
top_k = 2
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_loads(tmp_path)
    return tmp_path


def output_of(arguments, capsys):
    assert main([*arguments, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("where", [["--config", "options.toml"], ["--config=options.toml"], ["--conf", "options.toml"]])
def test_toml(where, folder, capsys):
    (folder / "options.toml").write_text(TOML)
    report = output_of(["solve", "loads.npz", *where], capsys)
    found = [report[key] for key in ("method", "num_replicas", "num_ranks", "distinct")]
    assert found == ["greedy", 16, 8, True]
    assert report["limits"]["workers"] == 1
    found = output_of(["gap", "loads.npz", *where], capsys)
    assert [row["method"] for row in found["methods"]] == ["greedy", "refined"]
    assert (found["tokens_per_step"], found["top_k"]) == (64, 2)


def test_json_and_what_is_typed_wins(folder, capsys):
    (folder / "o.json").write_text(json.dumps({"replicas": 16, "ranks": 8, "solve": {"method": "optimal"}}))
    report = output_of(["solve", "loads.npz", "--config", "o.json", "--replicas", "24", "--method", "greedy"], capsys)
    assert (report["method"], report["num_replicas"]) == ("greedy", 24)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("replica = 1", "options.toml: no option 'replica': did you mean replicas?"),
        ("replicas = 'x'", "options.toml: replicas: 'x': give an integer"),
        ("replicas = true", "options.toml: replicas is True: give a value"),
        ("replicas = []", "options.toml: replicas is []: give a value"),
        ("distinct = 'yes'", "options.toml: distinct is 'yes': give true or false"),
        ("[solv]\nranks = 1", "options.toml: no command 'solv': did you mean solve?"),
        ("[solve]\npolicies = 'own'", "options.toml: no option 'policies'"),
        ("[solve]\nmethod = 'gredy'", "options.toml: method: no 'gredy': did you mean greedy?"),
        ("config = 'more.toml'", "options.toml: no option 'config'"),
        ("replicas = ", "options.toml: "),
        (None, "cannot read options.toml: No such file or directory"),
    ],
)
def test_what_is_wrong_names_the_file(text, message, folder, capsys):
    if text is not None:
        (folder / "options.toml").write_text(text)
    assert main(["solve", "loads.npz", "--config", "options.toml", "--replicas", "16", "--ranks", "8"]) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    assert streams.err.startswith("eplb-opt: error: ")
    assert message in streams.err


def test_json_that_is_no_mapping(folder, capsys):
    (folder / "o.json").write_text("[1]")
    assert main(["solve", "loads.npz", "--config", "o.json"]) == 2
    assert "o.json: expected names of options" in capsys.readouterr().err
