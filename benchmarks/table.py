"""Write what README.md and benchmarks/README.md show of the committed results: ``python -m benchmarks.table``.

The example in README.md is the output of the command itself, run here on recorded loads; without them it is kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from . import gap_time
from .cases import ROOT, data_folder
from .quality import environment, summary

RESULTS = ROOT / "benchmarks" / "results"


def table(rows: list[dict]) -> str:
    """Greedy and optimal side by side, one row a case."""
    by_case: dict[str, dict[str, dict]] = {}
    for row in rows:
        by_case.setdefault(row["case"], {})[row["method"]] = row
    lines = [
        "| case | P/R | greedy: imbalance | greedy: gap % mean / max | optimal: imbalance | optimal: gap % mean / max "
        "| layers proven | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case, methods in by_case.items():
        greedy, best = methods["greedy"], methods["optimal"]
        # The greedy's gap is taken to the best bound, which `optimal` proves.
        gaps = [g["objective"] / max(g["lower_bound"], b["lower_bound"]) - 1
                for g, b in zip(greedy["layers"], best["layers"], strict=True)]  # fmt: skip
        t = best["totals"]
        lines.append(
            f"| {case} | {best['num_replicas']}/{best['num_ranks']} | {greedy['totals']['imbalance_mean']:.4f} "
            f"| {sum(gaps) / len(gaps) * 100:.2f} / {max(gaps) * 100:.2f} | {t['imbalance_mean']:.5f} "
            f"| {t['gap_mean'] * 100:.4f} / {t['gap_max'] * 100:.4f} | {t['optimal']} of {t['layers']} "
            f"| {t['seconds']:.1f} |"
        )
    lines += ["", "Imbalance: mean over layers of heaviest / mean rank load; gaps to the bound that `optimal` proved. "
              + origin(rows[0])]  # fmt: skip
    return "\n".join(lines)


def origin(r: dict) -> str:
    """Commit, machine, limits and versions of a result."""
    versions = ", ".join(f"{name} {version}" for name, version in r["versions"].items())
    workers = "1 worker" if r["workers"] == 1 else f"{r['workers']} workers"
    run = f"{workers}, time limit {r['time_limit']:.0f} s, seed {r['seed']}"
    return ", ".join([f"Commit {r['commit']}", r["date"], r["cpu"], run, f"Python {r['python']}", versions]) + "."


def formulations(rows: list[dict]) -> str:
    """The runs of several methods as they were printed."""
    lines = [summary(row["case"], row["method"], row["totals"]) for row in rows]
    return "```text\n" + "\n".join(lines) + f"\n```\n\n{origin(rows[0])}"


def against_time(rows: list[dict]) -> str:
    """Gap against time: one row a case and method, one column a time limit."""
    seconds = sorted({row["time_limit"] for row in rows})
    lines = [
        "| case | method | " + " | ".join(f"{s:.0f} s" for s in seconds) + " |",
        "| --- " * (2 + len(seconds)) + "|",
    ]
    for case, method in dict.fromkeys((row["case"], row["method"]) for row in rows):
        at = {row["time_limit"]: gap_time.gap(row["totals"])
              for row in rows if (row["case"], row["method"]) == (case, method)}  # fmt: skip
        lines.append(f"| {case} | {method} | " + " | ".join(at.get(s, "") for s in seconds) + " |")
    longest = max(rows, key=lambda row: row["time_limit"])
    return "\n".join([*lines, "", "Gap % mean / max to the method's own bound (layers OPTIMAL). " + origin(longest)])


def example() -> str:
    """The first rows and the totals of a real run."""
    with tempfile.TemporaryDirectory() as folder:
        command = f"solve {data_folder() / 'deepseek_v3.npz'} --windows 0 --replicas 288 --ranks 32 --time-limit 60"
        command += f" --workers 2 -o {folder}/map.npz"
        run = subprocess.run(
            [sys.executable, "-m", "eplb_opt.cli", *command.split()], capture_output=True, text=True, check=True
        )
    lines = [line.rstrip() for line in run.stdout.splitlines()[:-1]]
    rest = next(i for i, line in enumerate(lines) if "layers OPTIMAL" in line)
    shown = [*lines[:6], "   ...", *lines[rest - 2 :], "map: map.npz"]
    machine = environment(0) | {"workers": 2, "time_limit": 60.0}
    return "```text\n" + "\n".join(shown) + f"\n```\n\n{origin(machine)}"


def read(name: str) -> list[dict]:
    """A results file."""
    return [json.loads(line) for line in (RESULTS / name).read_text().splitlines()]


def replace(path: Path, marker: str, text: str) -> None:
    """Put a text between a file's markers."""
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    before, rest = path.read_text().split(begin)
    path.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def main() -> None:
    """Replace what stands between the markers."""
    results = table(read("quality.jsonl"))
    replace(ROOT / "README.md", "results", results)
    replace(ROOT / "benchmarks" / "README.md", "results", results)
    replace(ROOT / "benchmarks" / "README.md", "formulations", formulations(read("formulations.jsonl")))
    replace(ROOT / "benchmarks" / "README.md", "gap_time", against_time(read("gap_time.jsonl")))
    if (data_folder() / "deepseek_v3.npz").exists():
        replace(ROOT / "README.md", "example", example())


if __name__ == "__main__":
    main()
