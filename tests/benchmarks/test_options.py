"""Every benchmark says what its options are, and refuses others instead of running for an hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.options import chosen, folders

FOLDER = Path(__file__).parents[2] / "benchmarks"
RUN = [path for path in sorted(FOLDER.rglob("*.py")) if '__name__ == "__main__"' in path.read_text()]
PARTS = {"page": "the page", "times": "times"}


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_every_module_that_runs_reads_its_options(path):
    source = path.read_text()
    assert any(
        reader in source for reader in ("parse_args(", "chosen(__doc__", "folders(__doc__", "page_or_layers(__doc__")
    )
    assert "sys.argv" not in source


@pytest.mark.parametrize(("arguments", "part"), [([], None), (["--page"], "page"), (["--times"], "times")])
def test_a_part(arguments, part):
    assert chosen("text", PARTS, arguments) == part


@pytest.mark.parametrize("arguments", [["--nothing"], ["more"], ["--page", "--times"]])
def test_what_is_no_part_is_refused(arguments, capsys):
    for parts in (PARTS, {}):
        with pytest.raises(SystemExit) as stopped:
            chosen("text", parts, arguments)
        assert stopped.value.code == 2
    assert "error" in capsys.readouterr().err


def test_help_says_what_is_measured(capsys):
    for parts in (PARTS, {}):
        with pytest.raises(SystemExit) as stopped:
            chosen("What is measured.", parts, ["--help"])
        assert stopped.value.code == 0
    assert capsys.readouterr().out.count("What is measured.") == 2


def test_folders(capsys):
    assert [folder.name for folder in folders("text", "FOLDER", "RUN", arguments=["a", "b"])] == ["a", "b"]
    assert folders("text", "FOLDER", or_none=True, arguments=[]) == []
    for arguments in ([], ["a"], ["a", "b", "c"], ["--nothing"]):
        with pytest.raises(SystemExit) as stopped:
            folders("text", "FOLDER", "RUN", arguments=arguments)
        assert stopped.value.code == 2
    assert "give FOLDER and RUN" in capsys.readouterr().err
