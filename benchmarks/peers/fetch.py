"""Download peers' packages with pip and unpack the few modules needed: no dependencies, nothing is run or built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from .unpacked import FOLDER

# A wheel's Python sources are the same on every platform; this one exists.
WHEEL = [
    "--only-binary", ":all:", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
    "--platform", "manylinux_2_34_x86_64", "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64",
]  # fmt: skip
SDIST = ["--no-binary", ":all:", "--no-build-isolation"]
# distribution -> (version, pip options, paths to unpack); in all but lmdeploy (107 MB) fetched by default
PACKAGES = {
    "vllm": ("0.33.0", SDIST, "vllm/distributed/eplb/policy/"),
    "sglang": ("0.5.23", WHEEL, "sglang/srt/eplb/eplb_algorithms/"),
    "vllm-ascend": ("0.23.0.post1", SDIST, "vllm_ascend/eplb/core/policy/"),
    "lmdeploy": ("0.18.0", WHEEL, "lmdeploy/pytorch/nn/eplb.py"),
}
BY_DEFAULT = ("vllm", "sglang", "vllm-ascend")

# pip asks a source package's build system for its metadata, and that needs torch and a compiler. This one, found before
# the real one, hands on the metadata that the package already holds.
BACKEND = """
import email, pathlib, shutil

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    head = email.message_from_string(pathlib.Path("PKG-INFO").read_text())
    info = pathlib.Path(metadata_directory) / f"{head['Name'].replace('-', '_')}-{head['Version']}.dist-info"
    info.mkdir()
    shutil.copy("PKG-INFO", info / "METADATA")
    return info.name
"""


def fetch(distribution: str) -> Path:
    """Unpack a package's modules into ``.peers`` unless they are there; returns the folder.

    Raises
    ------
    RuntimeError
        pip could not download it: the message is pip's.
    """
    version, options, wanted = PACKAGES[distribution]
    target = FOLDER / f"{distribution}-{version}"
    if target.exists():
        return target
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        archive = _download(f"{distribution}=={version}", options, folder)
        _unpack(archive, wanted, folder / "unpacked")
        shutil.move(folder / "unpacked", target)
    return target


def _download(requirement: str, options: list[str], folder: Path) -> Path:
    backend = folder / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(BACKEND)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", *options]
    run = subprocess.run(
        [*command, "--dest", str(folder / "archive"), requirement], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(backend.parent)},
    )  # fmt: skip
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if "ERROR" in line]
        raise RuntimeError(f"pip could not download {requirement}: {lines[-1][:200] if lines else run.stderr[-200:]}")
    return next((folder / "archive").iterdir())


def _unpack(archive: Path, wanted: str, target: Path) -> None:
    """The Python files below ``wanted``; a source package's own top folder is left out."""
    target.mkdir()
    files: dict[str, bytes] = {}
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            files = {n: wheel.read(n) for n in wheel.namelist() if n.startswith(wanted) and n.endswith(".py")}
    else:
        with tarfile.open(archive) as source:
            for member in source:
                name = member.name.partition("/")[2]
                if member.isfile() and name.startswith(wanted) and name.endswith(".py"):
                    files[name] = source.extractfile(member).read()
    if not files:
        raise RuntimeError(f"{archive.name} holds no {wanted}")
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
