"""The write-up: made of the results alone, and what is committed is what the committed results give."""

from __future__ import annotations

import re

import pytest

from benchmarks import table
from benchmarks.bounds import Bounds, check, contradictions
from benchmarks.cases import RANDOM_POOLS, SYNTHETIC, registry
from benchmarks.gaps import gap_table
from benchmarks.regimes import layers_of, redundancy, regime_table, skew, slots
from benchmarks.store import read_lines


def line(case, method, gaps, **fields):
    return {
        "case": case, "method": method, "kind": "heuristic", "instance": case, "num_experts": 8, "num_replicas": 12,
        "num_ranks": 4, "mode": "global", "imbalance_mean": 1.0 + sum(gaps), "imbalance_max": 2.0, "gaps": gaps,
        "gap_mean": sum(gaps) / len(gaps), "gap_max": max(gaps), "layer_skew": [1.2, 5.0][: len(gaps)], **fields,
    }  # fmt: skip


def test_the_gap_table_says_what_is_missing():
    lines = [line("a", "greedy", [0.01, 0.03]), line("a", "vllm", [0.0, 0.0001]), line("b", "greedy", [0.05]),
             {"case": "b", "method": "vllm", "kind": "peer", "error": "no such mode"}]  # fmt: skip
    shown = gap_table(lines, [("refined", "not in this version"), ("greedy", "")])
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in shown.splitlines()[:4]]
    assert cells[0] == ["case", "E", "P/R", "slots a rank", "greedy", "vllm"]
    assert cells[2] == ["a", "8", "12/4", "3", "2.00 / 3.00", "0.0050 / 0.0100"]
    assert cells[3] == ["b", "8", "12/4", "3", "5.00 / 5.00", "n/a"]
    assert "Absent: refined (not in this version)." in shown


def test_regimes_group_layers_not_cases():
    lines = [line("a", "greedy", [0.01, 0.03]), line("a", "vllm", [0.02]), line("b", "greedy", [0.05, 0.07],
             num_replicas=8, num_ranks=1)]  # fmt: skip
    assert {slots(layer) for layer in layers_of(lines[::2])} == {"3", "8"}
    assert {redundancy(layer) for layer in layers_of(lines[::2])} == {"over 30 %", "none"}
    rows = regime_table(lines[::2], skew, "skew").splitlines()[2:]
    assert [re.sub(r"\s+", " ", row) for row in rows] == [
        "| below 1.5 | 2 | 3.00 / 5.00 |",
        "| 4 to 8 | 2 | 5.00 / 7.00 |",
    ]


def test_an_unknown_placeholder_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "template.md").write_text("{{nothing}}")
    monkeypatch.setattr(table, "BENCHMARKS", tmp_path)
    with pytest.raises(KeyError, match="nothing"):
        table.write_up(read_lines(table.RESULTS / "quality.jsonl"), [], {})


def test_the_committed_readme_is_what_the_committed_results_give():
    quality = read_lines(table.RESULTS / "quality.jsonl")
    speed = table.RESULTS / "speed.jsonl"
    speed = read_lines(speed) if speed.exists() else []
    written = table.write_up(quality, speed, {"speed": "plots/speed.png"})
    assert (table.BENCHMARKS / "README.md").read_text() == written
    assert table.short_table(quality) in (table.ROOT / "README.md").read_text()
    for plot in re.findall(r"\((plots/\w+\.png)\)", written):
        assert (table.BENCHMARKS / plot).stat().st_size > 1000


def test_no_stored_bound_lies_above_any_objective():
    bounds = {row["instance"]: row for row in Bounds().store}
    judged = 0
    for row in read_lines(table.RESULTS / "quality.jsonl"):
        if "error" in row:
            continue
        stored = [layer["lower_bound"] for layer in bounds[row["instance"]]["layers"]]
        objective = [layer["objective"] for layer in row["layers"]]
        assert not any(b > o * (1 + 1e-9) for b, o in zip(stored, objective, strict=True)), row["method"]
        judged += 1
    assert judged > len(SYNTHETIC)


@pytest.mark.parametrize("name", ["synthetic-gemma4-ep32-r0", "random-16-24-8"])
def test_stored_certificates_hold(name):
    instance = registry()[name]()
    layers = Bounds().layers(instance)
    assert layers is not None
    proven, faults = check(instance, layers)
    assert not faults
    assert proven or name in RANDOM_POOLS
    assert not contradictions(instance.weight.sum(axis=1), Bounds().lower_bound(instance))
