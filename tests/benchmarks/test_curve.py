"""The table of aims."""

from __future__ import annotations

from benchmarks import curve


def test_an_aim_that_is_missed_is_bold_and_the_fastest_run_that_reaches_it_is_named():
    def run(kind, steps, balance, ms):
        line = {"case": "ds3-decode-ep32", "method": f"{curve.NAME}{kind}_{steps}", "ms": ms, "imbalance_mean": balance}
        return line | {
            "kind": "policy",
            "gap_mean": balance - 1,
            "times_faster_than_best_peer": 30 / ms,
            "best_peer": "vllm",
        }

    lines = [run("plain", 2, 1.0004, 2.5), run("plain", 4, 1.00009, 3.0), run("alone", 2, 1.0004, 1.5)]
    lines.append(run("steps", 4, 1.00009, 4.5))
    rows = curve.aims_table(lines).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells == [
        ["ds3-decode-ep32", "1.0005 in 2 ms", "**2.5**", "1.5", "**4.5**", "12.0 (vllm)", "-"],
        ["ds3-decode-ep32", "1.0001 in 4 ms", "3.0", "**not reached**", "**4.5**", "10.0 (vllm)", "1.0001"],
    ]
