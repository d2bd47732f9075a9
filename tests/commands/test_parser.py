"""Usage errors name the option and the nearest one; every help has examples that parse, and fits 60 columns."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from eplb_opt.cli import command_parser, main
from eplb_opt.commands.parser import commands_of

from .common import TOPOLOGY

COMMANDS = commands_of(command_parser())


def said(arguments, capsys):
    """The one line that is said of bad usage."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    return streams.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["solv"], "no command 'solv': did you mean solve?"),
        (["paint"], "no command 'paint': choose from inspect, solve"),
        (["solve", "x", "--replcas", "3", "--ranks", "1"], "no option --replcas: did you mean --replicas?"),
        (["solve", "x", "--replcas=3"], "no option --replcas: did you mean --replicas?"),
        (["solve", "--zzz"], "eplb-opt solve: error: no option --zzz (see"),
        (["solve", "x", *TOPOLOGY, "--method", "gredy"], "--method: no 'gredy': did you mean greedy?"),
        (["solve", "x", *TOPOLOGY, "--across", "means"], "--across: no 'means': did you mean mean?"),
        (["solve", "x", "--replicas", "3x", "--ranks", "1"], "--replicas: '3x': give an integer"),
        (["solve", "x", *TOPOLOGY, "--gap", "small"], "--gap: 'small': give a number"),
        (["solve", "x", *TOPOLOGY, "--layers", "5,5"], "--layers: '5,5': give different numbers"),
        (["replay", "x", "--ranks", "4", "--replicas", "a"], "--replicas: 'a': give numbers between commas"),
        (["diff", "x", "y", "--ranks", "0"], "--ranks: '0': give an integer >= 1"),
    ],
)
def test_what_is_wrong_is_said_of_the_option(arguments, message, capsys):
    assert message in said(arguments, capsys)


def test_an_option_may_be_shortened_and_end(tmp_path, capsys):
    assert main(["solve", "--repl", "16", "--ranks", "8", "--", "--missing.npz"]) == 2
    assert "--missing.npz" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_readable_at_60_columns_and_ends_with_examples(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    assert stopped.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert "..." not in "".join(lines)
    assert any(line.startswith(f"  eplb-opt {command}".rstrip()) for line in lines[lines.index("examples:") :])


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_examples_of_help_parse(command):
    parser = command_parser()
    text = (COMMANDS[command] if command else parser).epilog.replace("\\\n", " ")
    lines = [re.split(r" [>|] ", line)[0].split() for line in text.splitlines() if line.startswith("  eplb-opt")]
    assert lines
    for line in lines:
        assert callable(parser.parse_args(shlex.split(" ".join(line[1:])) + options_from_file(line)).run)


def options_from_file(line):
    """What the example's file of options would say."""
    return ["--replicas", "288", "--ranks", "32"] if "--config" in line else []


def test_python_runs_the_package():
    run = subprocess.run([sys.executable, "-m", "eplb_opt", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("eplb-opt ")
