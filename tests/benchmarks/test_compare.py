"""Every kind of regression is named, noise is not, and the exit code says so."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks.compare import main

QUALITY = {"case": "a", "method": "m", "instance": "1", "imbalance_mean": 1.02, "imbalance_max": 1.1, "seconds": 20.0,
           "totals": {"optimal": 5}}  # fmt: skip
SPEED = {"case": "a", "method": "m", "threads": 1, "device": "cpu", "cpu": "x", "cores": 2, "instance": "1", "ms": 2.0,
         "ms_p10": 1.9, "ms_p90": 2.1, "imbalance_mean": 1.0, "imbalance_max": 1.0, "fastest_peer": "p",
         "times_faster_than_fastest_peer": 4.0}  # fmt: skip


def compare(old, new, tmp_path, monkeypatch, capsys, *arguments):
    for name, lines in (("old", old), ("new", new)):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr(sys, "argv", ["compare", str(tmp_path / "old"), str(tmp_path / "new"), *arguments])
    return main(), capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "change", "message"),
    [
        (QUALITY, {"imbalance_mean": 1.0204}, "a, m: imbalance_mean 1.020000 -> 1.020400"),
        (QUALITY, {"imbalance_max": 1.2}, "imbalance_max"),
        (QUALITY, {"totals": {"optimal": 4}}, "layers proven 5 -> 4"),
        (QUALITY, {"seconds": 25.0}, "seconds 20.0 -> 25.0"),
        (QUALITY, {"error": "crashed"}, "fails now: crashed"),
        (QUALITY, {"instance": "2"}, "another instance"),
        (QUALITY, {"method": "other"}, "a, m: gone"),
        (SPEED, {"ms": 3.0, "ms_p10": 2.9}, "ms 2.00 (1.90-2.10) -> 3.00"),
        (SPEED, {"cpu": "y", "ms": 9.0, "times_faster_than_fastest_peer": 3.0}, "times faster than p: 4.00 -> 3.00"),
    ],
)
def test_a_regression_is_named(old, change, message, tmp_path, monkeypatch, capsys):
    code, shown = compare([old], [old | change], tmp_path, monkeypatch, capsys)
    assert code == 1
    assert f"REGRESSION {message}" in shown or message in shown
    assert shown.count("REGRESSION") == 1
    assert shown.splitlines()[-1].startswith(("1 results compared, 1 regressions", "0 results compared, 1 regressions"))


@pytest.mark.parametrize(
    ("old", "change"),
    [
        (QUALITY, {}),
        (QUALITY, {"imbalance_mean": 1.0201, "seconds": 20.9}),
        (QUALITY, {"seconds": 60.0, "time_limit": 60.0}),
        (QUALITY, {"imbalance_mean": 1.01, "totals": {"optimal": 6}, "seconds": 1.0}),
        (SPEED, {"ms": 3.0, "ms_p10": 2.05}),
        (SPEED, {"cpu": "y", "ms": 9.0, "ms_p10": 8.0}),
        (SPEED, {"ms": 1.0, "ms_p10": 0.9}),
        (QUALITY | {"error": "no such mode"}, {"method": "other"}),
    ],
)
def test_noise_and_gains_are_no_regression(old, change, tmp_path, monkeypatch, capsys):
    code, shown = compare([old], [old | change], tmp_path, monkeypatch, capsys)
    assert code == 0
    assert "REGRESSION" not in shown


def test_a_case_that_was_not_run_is_named_only(tmp_path, monkeypatch, capsys):
    code, shown = compare([QUALITY, QUALITY | {"case": "b"}], [QUALITY], tmp_path, monkeypatch, capsys)
    assert code == 0
    assert "not in" in shown
    assert shown.splitlines()[0].endswith(": b")


def test_the_tolerances_are_options(tmp_path, monkeypatch, capsys):
    worse = QUALITY | {"imbalance_mean": 1.03}
    assert compare([QUALITY], [worse], tmp_path, monkeypatch, capsys, "--imbalance", "0.02")[0] == 0
    slower = QUALITY | {"seconds": 25.0}
    assert compare([QUALITY], [slower], tmp_path, monkeypatch, capsys, "--time", "0.5")[0] == 0


def test_a_damaged_file_is_an_error(tmp_path, monkeypatch, capsys):
    (tmp_path / "old").write_text("{")
    monkeypatch.setattr(sys, "argv", ["compare", str(tmp_path / "old"), str(tmp_path / "old")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
