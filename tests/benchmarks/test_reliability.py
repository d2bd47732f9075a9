"""The page of the campaign, and of what long jobs cost: what is on them follows from the results."""

from __future__ import annotations

import json

import pytest

from benchmarks import overhead, reliability
from benchmarks.environment import environment
from benchmarks.store import read_lines

LINE = {
    "part": "files", "summary": "damaged files", "count": 1500, "whole": 100_000, "chunks": 3, "of_chunks": 200,
    "faults": 1, "seconds": 7200.0, "figures": {"read": 400, "refused": 1100}, "most": {}, "measures": [],
    "examples": ["chunk 2: KeyError"], "machines": ["AMD EPYC (16 cores)"], **environment(3),
}  # fmt: skip
OVERRUNS = LINE | {
    "part": "overruns", "measures": [0.1] * 98 + [0.9, 1.5], "most": {"bytes of a worker": 300 << 20}, "examples": [],
}  # fmt: skip
COSTS = {"entry": 0.001, "start": 4.0, "layer": 0.01, "merge": 0.0001, "ray": 0.0005}


def test_a_row_a_part_with_its_faults_and_origin():
    text = reliability.page([LINE])
    assert "| files | damaged files | 1,500  | 100,000   | 1      | 2.00            |" in text
    assert "- files: read: 400; refused: 1,100.\n- files, fault: `chunk 2: KeyError`" in text
    assert (
        f"files: commit {LINE['commit']}, {LINE['date']}, AMD EPYC (16 cores), seed 3, Python {LINE['python']}." in text
    )
    assert "## Over time" not in text
    assert "## Long jobs" not in text


def test_what_one_in_a_hundred_exceeds():
    text = reliability.page([OVERRUNS])
    assert "100 calls of `optimal`" in text
    assert "one half took at most 10%, 99 of 100 at most 91%, all at most 150%; more than\nis allowed took 1." in text
    assert "A worker took at most 300 MiB" in text


def test_the_bottleneck_follows_from_the_costs():
    lines = list(overhead.lines(overhead.Costs(**COSTS)))
    assert "  the bottleneck: commands, one a job, 86% of what the shards do" in lines
    slow = list(overhead.lines(overhead.Costs(**COSTS | {"layer": 60.0, "ray": None})))
    assert "  the bottleneck: work, 100% of what the shards do" in slow
    assert not any("cluster" in line for line in slow)
    text = reliability.page([LINE], [{"seconds": COSTS, **environment(0)}])
    assert "\n".join(lines) in text


def test_results_of_a_folder_are_taken_in(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reliability, "RESULTS", tmp_path / "results" / "reliability.jsonl")
    monkeypatch.setattr(reliability, "PAGE", tmp_path / "RELIABILITY.md")
    monkeypatch.setattr(overhead, "RESULTS", tmp_path / "overhead.jsonl")
    (tmp_path / reliability.JUDGED).write_text(json.dumps(LINE) + "\n")
    reliability.main(["--take", str(tmp_path)])
    (tmp_path / reliability.JUDGED).write_text(json.dumps(LINE | {"count": 2000}) + "\n" + json.dumps(OVERRUNS) + "\n")
    reliability.main(["--take", str(tmp_path)])
    assert [line["count"] for line in read_lines(reliability.RESULTS)] == [2000, 1500]
    assert reliability.PAGE.read_text() == reliability.page(read_lines(reliability.RESULTS))
    assert capsys.readouterr().out.endswith(reliability.PAGE.read_text() + "\n")


def test_the_page_is_made_of_the_results():
    if not reliability.RESULTS.exists():
        pytest.skip("no campaign was taken in yet")
    costs = read_lines(overhead.RESULTS) if overhead.RESULTS.exists() else []
    assert reliability.PAGE.read_text() == reliability.page(read_lines(reliability.RESULTS), costs)
