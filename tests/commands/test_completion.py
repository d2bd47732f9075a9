"""Shell completion: what a shell reads, and what bash then completes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from eplb_opt.cli import main
from eplb_opt.commands.completion import SHELLS

shtab = pytest.importorskip("shtab")

COMPLETE = """
source ./script
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
$(complete -p eplb-opt | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_every_shell(shell, capsys):
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert "eplb-opt" in text
    assert "--fail-above" in text


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("eplb-opt so", {"solve"}),
        ("eplb-opt gap loads.npz --fail", {"--fail-above"}),
        ("eplb-opt solve loads.npz --method gr", {"greedy"}),
        ("eplb-opt solve lo", {"loads.npz"}),
    ],
)
def test_bash_completes(words, found, tmp_path, capsys):
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "loads.npz").touch()
    run = subprocess.run(
        ["bash", "-c", COMPLETE.format(words=words)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found <= set(run.stdout.split())


def test_without_its_package_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert 'needs the package shtab: pip install "eplb_opt[completion]"' in capsys.readouterr().err.replace(
        " (import of shtab halted; None in sys.modules)", ""
    )
