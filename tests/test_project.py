"""The project's own files: ranges and their oldest versions, the changelog, the version."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import requires
from pathlib import Path

import pytest

from eplb_opt import __version__

ROOT = Path(__file__).parents[1]
NOT_IN_THE_MATRIX = {"eplb_opt", "build", "coverage", "mypy", "pre-commit", "ruff", "matplotlib", "scipy",
                     "pandas", "playwright", "pyarrow", "ray", "tokenizers", "transformers",
                     "furo", "myst-parser", "sphinx", "sphinxcontrib-programoutput"}  # fmt: skip


def pinned(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(re.match(r"([\w-]+)==([\d.]+)", line).groups() for line in lines)


def numbers(version: str) -> tuple[int, ...]:
    found = [int(part) for part in version.split(".")]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def least_versions() -> dict[str, str | None]:
    """Package -> the least version that pyproject.toml allows; None where it names none."""
    found = {}
    for line in requires("eplb_opt") or ():
        name = re.match(r"[\w-]+", line).group().replace("eplb-opt", "eplb_opt")
        least = re.search(r">=([\d.]+)", line.partition(";")[0])
        found[name] = least and least.group(1)
    return found


def test_the_oldest_versions_are_those_that_pyproject_allows():
    oldest = pinned(ROOT / "constraints-oldest.txt")
    expected = {name: least for name, least in least_versions().items() if name not in NOT_IN_THE_MATRIX}
    assert oldest.keys() == expected.keys()
    for name, least in expected.items():
        version = numbers(oldest[name])
        assert least is None or version[: len(numbers(least))] == numbers(least), name


def test_versions_for_development_are_allowed():
    least = least_versions()
    for name, version in pinned(ROOT / "constraints.txt").items():
        assert least[name] is None or numbers(version) >= numbers(least[name]), name


def test_the_version_is_a_semantic_one():
    assert re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}((a|b|rc)\d+)?", __version__)


PLACES = {"pyproject.toml", "eplb_opt", "models", "tests", "benchmarks", "docs", "README.md", "CHANGELOG.md",
          "CONTRIBUTING.md", "LICENSE", "NOTICE", "SECURITY.md", "Makefile", "constraints.txt",
          "constraints-oldest.txt", ".ci", ".gitignore", ".pre-commit-config.yaml"}  # fmt: skip


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone")
def test_what_is_committed_has_its_place():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {line.partition("/")[0] for line in listed.stdout.splitlines()} <= PLACES


CHANGES = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def test_the_changelog_is_kept():
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d|unreleased)", version) for version in versions[1:])
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= set(CHANGES)
    assert f"[{__version__}]" in text


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name
)
def test_links_to_files_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
        assert target.startswith(("http", "mailto:")) or (path.parent / target).exists(), target
