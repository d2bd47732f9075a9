"""Long proofs lie in a compressed file beside the report: found by whoever reads it, and refused if it is another."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

pytest.importorskip("highspy")

from eplb_opt import FormatError
from eplb_opt.checker.__main__ import main as check
from eplb_opt.cli import main
from eplb_opt.formats import proof_file, read_report, write_report
from eplb_opt.pages.reading import read_found

from ..reports import CASES


@pytest.fixture(scope="module")
def case():
    return CASES["pairs"]()


@pytest.fixture
def files(case, tmp_path, monkeypatch):
    """Map, report and loads as a command's arguments; every proof is a long one."""
    monkeypatch.setattr(proof_file, "MOST_INLINE", 10)
    arguments = case.write(tmp_path)
    write_report(arguments[1], case.report)
    return arguments


def proofs_of(arguments: list[str]) -> Path:
    return Path(arguments[1]).with_name("report.proofs.json.gz")


def test_long_proofs_are_apart_and_found_again(case, files, capsys):
    written = json.loads(Path(files[1]).read_text())
    assert written["proof_file"]["path"] == proofs_of(files).name
    for layer in written["layers"]:
        assert all(proof.keys() == {"groups", "kind", "target", "in_file"} for proof in layer["proofs"])
    found = read_report(files[1])
    assert found["layers"] == case.report["layers"]
    assert read_found(Path(files[1]))[1]["layers"] == case.report["layers"]
    assert main(["verify", *files]) == case.code == check(files)
    assert "not known" not in capsys.readouterr().out


def test_short_proofs_stay_in_the_report(case, tmp_path):
    arguments = case.write(tmp_path)
    write_report(arguments[1], case.report)
    is_long = any(
        len(json.dumps(p)) > proof_file.MOST_INLINE for layer in case.report["layers"] for p in layer["proofs"]
    )
    assert proofs_of(arguments).exists() == is_long


def test_the_file_is_the_same_every_time(case, files):
    before = proofs_of(files).read_bytes()
    write_report(files[1], case.report)
    assert proofs_of(files).read_bytes() == before


def changed(content: bytes) -> bytes:
    held = json.loads(gzip.decompress(content))
    next(iter(held.values()))["target"] *= 1.01
    return gzip.compress(json.dumps(held).encode(), mtime=0)


@pytest.mark.parametrize("how", [None, b"", b"x", lambda b: b[:-9], lambda b: b + b"x", changed])
def test_another_file_is_refused(how, files, capsys):
    path = proofs_of(files)
    if how is None:
        path.unlink()
    else:
        path.write_bytes(how(path.read_bytes()) if callable(how) else how)
    with pytest.raises(FormatError, match="its file of proofs cannot be read"):
        read_report(files[1])
    assert main(["verify", *files]) == 2 == check(files)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "keep it beside the report" in said[0]


def resealed(files: list[str], held: object) -> None:
    """Another file of proofs, which the report names as if it were its own."""
    content = gzip.compress(json.dumps(held).encode(), mtime=0)
    proofs_of(files).write_bytes(content)
    report = json.loads(Path(files[1]).read_text())
    report["proof_file"]["sha256"] = hashlib.sha256(content).hexdigest()
    Path(files[1]).write_text(json.dumps(report))


def test_forged_proofs_in_a_file_are_refused(case, files, capsys):
    held = json.loads(gzip.decompress(proofs_of(files).read_bytes()))
    resealed(files, held)
    assert main(["verify", *files]) == case.code == check(files)
    for change in ({"target": 1e9}, {"levels": [1.0]}, {"nodes": []}):
        resealed(files, {place: proof | change for place, proof in held.items()})
        assert main(["verify", *files]) == 1 == check(files)
    for other in ({}, [], 1, {"0/0": 1}):
        resealed(files, other)
        assert main(["verify", *files]) in (1, 2)
        assert check(files) in (1, 2)
    capsys.readouterr()


@pytest.mark.parametrize("path", ["../report.proofs.json.gz", "/etc/passwd", "", ".", "..", "a/b", 1, None])
def test_files_in_other_places_are_not_read(path, files):
    report = json.loads(Path(files[1]).read_text())
    report["proof_file"]["path"] = path
    Path(files[1]).write_text(json.dumps(report))
    assert main(["verify", *files]) == 2 == check(files)
