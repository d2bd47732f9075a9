"""Every command that the documentation shows runs, on recorded or synthetic input."""

from __future__ import annotations

import re
import sys

import pytest

from eplb_opt.cli import command_parser, main
from eplb_opt.commands.parser import commands_of, options_of

from .inputs import make_inputs
from .pages import PAGES, commands_in, inline_commands, name_of, words

# What a run here does not need: these end searches early, and keep them in this process.
SHORT = {"--time-limit": "1", "--workers": "1"}
NEEDS_A_GPU = {"calibrate"}
WITH_COMMANDS = [page for page in PAGES if list(commands_in(page.read_text()))]
PARSERS = commands_of(command_parser())


def shortened(given: list[str]) -> list[str]:
    """The same with less time."""
    known = options_of(PARSERS[given[0]])
    more = [word for option, value in SHORT.items() if option in known for word in (option, value)]
    return given + more


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_the_commands_of_a_page_run_one_after_the_other(page, tmp_path, monkeypatch, capsys):
    text = page.read_text()
    make_inputs(text, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for lines in commands_in(text):
        given = words(lines, tmp_path)
        if given[0] in NEEDS_A_GPU:
            command_parser().parse_args(given)
            continue
        code = main(shortened(given))
        assert code == 0, (given, capsys.readouterr().err)
    sys.modules.pop("my_pkg", None)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_a_line_of_text_have_these_options(page):
    for command in inline_commands(page.read_text()):
        given = re.split(r"[\s=]+", command)[1:]
        if given[0].islower():
            assert given[0] in PARSERS, command
            options = {word for word in given if word.startswith("--")}
            assert options <= {*options_of(PARSERS[given[0]]), "--help"}, command
