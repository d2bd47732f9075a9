"""Manners of every command: a handful; ``python -m tests.manners`` has all of them."""

from __future__ import annotations

import pytest

from eplb_opt.cli import COMMANDS
from tests import manners
from tests.every_command import CASES, write_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs")
    write_inputs(path)
    return path


@pytest.mark.parametrize("command", ["convert", "completion", "diff"])
def test_short_commands_have_manners(command, inputs):
    assert manners.faults(CASES[command], inputs) == []


def test_every_command_is_there():
    names = {module.__name__.rpartition(".")[2] for module in COMMANDS}
    assert {case.arguments[0] for case in CASES.values()} == names


def test_what_must_not_be_is_found(inputs, tmp_path):
    case = CASES["convert"]
    assert list(manners.refuses(case._replace(bad=case.arguments), inputs)) == [
        "bad input: exit code 0",
        "bad input: 'map: 6 layers x 48 replicas, json: map.json\\n'",
        "bad input: files are written",
    ]
    assert list(manners.is_read_in_part(case._replace(arguments=case.bad), inputs))
    assert list(manners.prints_nowhere(case._replace(codes=()), inputs)) == []
    assert list(manners.fits(case._replace(codes=()), inputs))
    assert list(manners._ill_shown("x" * 61 + "...", "here")) == [
        "here: a line of 64 characters",
        "here: something is shortened",
    ]
