"""Fetch and unpack the archives: each by its usual client, in the version and with the hash that `sources` names."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path

from .sources import SOURCES, Source

DEBIAN_SOURCES = "deb-src http://deb.debian.org/debian bookworm main\n"


def unpacked(folder: Path) -> dict[str, Path]:
    """The folder of each package's files, fetched where it is not there.

    Raises
    ------
    ValueError
        An archive is not the one that was used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return {source.package: _unpacked(source, folder) for source in SOURCES}


def _unpacked(source: Source, folder: Path) -> Path:
    archive = folder / source.archive
    target = folder / source.package
    if not archive.exists():
        CLIENTS[source.client](source, folder)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != source.sha256:
        raise ValueError(f"{archive} has the SHA-256 {found}, expected {source.sha256}: delete it and fetch again")
    if not target.exists():
        _unpack(archive, target)
    return target


def _unpack(archive: Path, target: Path) -> None:
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(target)], check=True)
        return
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")


def _apt(source: Source, folder: Path) -> None:
    subprocess.run(["apt-get", "download", f"{source.package}={source.version}"], cwd=folder, check=True)


def _apt_source(source: Source, folder: Path) -> None:
    """Source packages need a list of their own, which most machines do not have."""
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.list"
    sources.write_text(DEBIAN_SOURCES)
    options = [f"-oDir::Etc::SourceList={sources.resolve()}", "-oDir::Etc::SourceParts=/dev/null",
               f"-oDir::State::Lists={lists.resolve()}"]  # fmt: skip
    subprocess.run(["apt-get", *options, "update"], cwd=folder, check=True)
    package = f"{source.package}={source.version}"
    subprocess.run(["apt-get", *options, "source", "--download-only", package], cwd=folder, check=True)


def _npm(source: Source, folder: Path) -> None:
    subprocess.run(["npm", "pack", f"{source.package}@{source.version}"], cwd=folder, check=True)


CLIENTS = {"apt": _apt, "apt-source": _apt_source, "npm": _npm}
