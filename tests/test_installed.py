"""What is installed is tried: a package from elsewhere, or a command that fails, is found."""

from __future__ import annotations

import subprocess
import sys

import pytest

from . import installed


def programs(folder, command):
    """Programs of an environment: this Python, and a command."""
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "eplb-opt").write_text(f"#!/bin/sh\n{command}\n")
    for name in ("python", "eplb-opt"):
        (folder / name).chmod(0o755)
    return folder


def test_a_package_from_elsewhere_is_found(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        installed.tried(programs(tmp_path, "exit 0"), tmp_path)


def test_a_command_that_fails_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(installed, "CHECK", "")
    installed.tried(programs(tmp_path, "exit 0"), tmp_path)
    with pytest.raises(SystemExit, match="eplb-opt --version: exit code 3\nbad"):
        installed.tried(programs(tmp_path, "echo bad >&2; exit 3"), tmp_path)


def test_nothing_to_try():
    with pytest.raises(SystemExit, match="give the files"):
        installed.main([])
