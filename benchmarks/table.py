"""Write what README.md, docs/how-to and benchmarks/README.md show of results: ``python -m benchmarks.table``.

benchmarks/README.md is made whole from template.md, with its tables, plots and every figure in its sentences. The
examples in docs/how-to are outputs of the command itself, run here on recorded loads; without them they are kept.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from eplb_opt.report.layout import text_lines

from . import ablation, curve, gap_time, phases, proofs, regimes, scaling
from .cases import data_folder
from .environment import ROOT, environment, origin
from .gaps import Line, by_case, gap_table, imbalance_table, markdown, methods, proof_table
from .prose import figures
from .store import read_lines

BENCHMARKS = ROOT / "benchmarks"
RESULTS = BENCHMARKS / "results"
HOW_TO = ROOT / "docs" / "how-to"
# What README.md shows: the usual setting in both modes, one slot and two slots a rank, and one that stays open.
SHOWN = ("ds3-decode-ep32", "ds3-decode-ep32-hier", "ds3-decode-ep144", "gemma4-ep32", "gptoss-ep16-s3")


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quality", type=Path, default=RESULTS / "quality.jsonl")
    parser.add_argument("--speed", type=Path, default=RESULTS / "speed.jsonl")
    parser.add_argument("--no-example", action="store_true", help="keep the examples in docs/how-to")
    options = parser.parse_args()
    quality = read_lines(options.quality)
    speed = read_lines(options.speed) if options.speed.exists() else []
    from .plots import draw

    made = draw(quality, speed, BENCHMARKS / "plots")
    (BENCHMARKS / "README.md").write_text(write_up(quality, speed, made))
    replace(ROOT / "README.md", "results", short_table(quality))
    if not options.no_example and (data_folder() / "deepseek_v3.npz").exists():
        replace(HOW_TO / "inspect.md", "inspect", inspected())
        replace(HOW_TO / "solve.md", "example", example())
        replace(HOW_TO / "windows.md", "replay", replayed())
        replace(HOW_TO / "next_map.md", "diff", compared())
        replace(HOW_TO / "spare.md", "spare", spared())
        replace(HOW_TO / "time.md", "in_time", in_time())


def write_up(quality: list[Line], speed: list[Line], plots: dict[str, str]) -> str:
    """The template with its placeholders filled; an unknown one is a `KeyError`."""
    tried = read_lines(RESULTS / "ablation.jsonl")
    texts = figures(quality, speed) | {
        "gap_table": gap_table(quality),
        "imbalance_table": imbalance_table(quality),
        "proof_table": proof_table(quality),
        "slots_table": regimes.regime_table(quality, regimes.slots, "slots a rank"),
        "skew_table": regimes.regime_table(quality, regimes.skew, "skew"),
        "redundancy_table": regimes.regime_table(quality, regimes.redundancy, "redundant replicas / experts"),
        "mode_table": regimes.regime_table(quality, regimes.mode, "mode"),
        "gap_time": against_time(read_lines(RESULTS / "gap_time.jsonl")),
        "gpu_table": gpu_table(read_lines(RESULTS / "gpu.jsonl")),
        "speed_gpu": speed_section(read_lines(RESULTS / "speed_gpu.jsonl"), {}),
        "curve": curve_section(RESULTS / "curve.jsonl"),
        "aims": curve.aims_table(read_lines(RESULTS / "curve.jsonl")),
        "curve_choice": curve.choice(read_lines(RESULTS / "curve.jsonl")),
        "phases": phases_section(RESULTS / "phases.jsonl"),
        "scaling": scaling_section(RESULTS / "scaling.jsonl"),
        "proofs": proofs_section(RESULTS / "proofs.jsonl"),
        "windows": ablation.ranges_table(tried),
        "enumeration": f"{ablation.enumeration_table(tried)}\n\n{origins(tried)}",
        "origin": origins(quality),
        "speed_section": speed_section(speed, plots),
    }
    template = (BENCHMARKS / "template.md").read_text()
    return re.sub(r"\{\{(\w+)\}\}", lambda match: texts[match.group(1)], template)


def short_table(lines: list[Line]) -> str:
    """For README.md, a few cases: the greedy, the best peer, `refined` where there is a run of it, and `optimal`."""
    lines = [line for line in lines if line["case"] in SHOWN]
    refined = "refined" in methods(lines)
    rows = [["case", "P/R", "greedy: imbalance", "greedy: gap %", "best peer: gap %",
             *(["refined: gap %"] if refined else []), "optimal: imbalance", "optimal: gap %", "layers proven",
             "seconds"]]  # fmt: skip
    for case, found in by_case(lines).items():
        greedy, best = found["greedy"], found["optimal"]
        peers = [line for line in found.values() if line["kind"] == "peer" and "gap_mean" in line]
        peer = min(peers, key=lambda line: line["gap_mean"], default=None)
        t, ours = best["totals"], [_gap(found.get("refined"))] if refined else []
        rows.append([
            case, f"{best['num_replicas']}/{best['num_ranks']}", f"{greedy['imbalance_mean']:.4f}", _gap(greedy),
            "-" if peer is None else f"{peer['method']} {_gap(peer)}", *ours,
            f"{best['imbalance_mean']:.5f}", _gap(best, 4), f"{t['optimal']} of {t['layers']}", f"{t['seconds']:.1f}",
        ])  # fmt: skip
    note = "Imbalance: mean over layers of heaviest / mean rank load; gaps, mean / max, to the best proven bound. "
    return markdown(rows) + "\n\n" + note + origins(lines)


def _gap(line: Line | None, digits: int = 2) -> str:
    if line is None or "gap_mean" not in line:
        return "-"
    return f"{line['gap_mean'] * 100:.{digits}f} / {line['gap_max'] * 100:.{digits}f}"


def origins(lines: list[Line]) -> str:
    """Where results come from: one sentence for every commit and machine among them, exact methods' limits first."""
    ordered = sorted(lines, key=lambda line: "totals" not in line)
    found: dict[tuple[Any, ...], Line] = {}
    for line in ordered:
        found.setdefault((line["commit"], line["cpu"], line.get("device")), line)
    return " ".join(origin(line) for line in found.values())


def speed_section(lines: list[Line], plots: dict[str, str]) -> str:
    """A plot, and for every device and thread count a table of milliseconds."""
    if not lines:
        return "No speed results yet."
    parts = [f"![milliseconds a call]({plots['speed']})"] if "speed" in plots else []
    for device, threads in dict.fromkeys((line["device"], line["threads"]) for line in lines):
        group = [line for line in lines if (line["device"], line["threads"]) == (device, threads)]
        columns = methods(group)
        rows = [["case", *columns]]
        for case, found in by_case(group).items():
            rows.append([case, *(_milliseconds(found.get(m)) for m in columns)])
        parts.append(f"Loads on {device}, {threads} thread{'s'[: threads - 1]}, ms: median (p10 to p90).")
        parts += [markdown(rows), origins(group)]
    return "\n\n".join(parts)


def _milliseconds(line: Line | None) -> str:
    if line is None or "ms" not in line:
        return "-" if line is None else "n/a"
    return f"{line['ms']:.2f} ({line['ms_p10']:.2f} to {line['ms_p90']:.2f})"


def against_time(rows: list[dict[str, Any]]) -> str:
    """Gap against time: one row a case and method, one column a time limit."""
    seconds = sorted({row["time_limit"] for row in rows})
    table = [["case", "method", *(f"{s:.0f} s" for s in seconds)]]
    for case, method in dict.fromkeys((row["case"], row["method"]) for row in rows):
        at = {r["time_limit"]: gap_time.gap(r["totals"]) for r in rows if (r["case"], r["method"]) == (case, method)}
        table.append([case, method, *(at.get(s, "") for s in seconds)])
    return f"{markdown(table)}\n\nGap % mean / max to the method's own bound (layers OPTIMAL). {origins(rows)}"


def curve_section(path: Path) -> str:
    """Imbalance against time of `refined`, case by case."""
    rows = read_lines(path)
    return (
        f"{curve.table(rows)}\n\nMean imbalance in milliseconds a call (median; without compiled code). {origins(rows)}"
    )


def phases_section(path: Path) -> str:
    """Where a call spends its time."""
    rows = read_lines(path)
    return f"{phases.table(rows)}\n\n{origins(rows)}"


def scaling_section(path: Path) -> str:
    """Time and memory against size."""
    rows = read_lines(path)
    return f"{scaling.table(rows)}\n\n{origins(rows)}"


def proofs_section(path: Path) -> str:
    """What each bound proves by itself."""
    rows = read_lines(path)
    note = "Mean / largest over layers (layers within 0.01 %)."
    return f"{proofs.table(rows)}\n\n{note} {origins(rows)}"


def gpu_table(rows: list[dict[str, Any]]) -> str:
    """Graph replays on a GPU: the kernel and the same in torch operations."""
    table = [["case", "path", "steps", "imbalance", "median us (p10 to p90)", "bits as on the CPU"]]
    table += [
        [r["case"], r["path"], str(r["steps"]), f"{r['imbalance_mean']:.5f}",
         f"{r['median_us']:.1f} ({r['p10_us']:.1f} to {r['p90_us']:.1f})", "yes" if r["same_bits"] else "NO"]
        for r in rows
    ]  # fmt: skip
    r = rows[0]
    return (
        f"{markdown(table)}\n\nCommit {r['commit']}, {r['date']}, {r['gpu']}, torch {r['torch']}, numpy {r['numpy']}, "
        f"seed {r['seed']}, {r['replays']} replays."
    )


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


def inspected() -> str:
    """What a recording holds: all but the middle of the table of windows, as on a terminal."""
    loads = data_folder() / "deepseek_v2_lite_windows.npz"
    lines = _lines(f"inspect {loads} --replicas 80 --ranks 16")
    lines[0] = lines[0].replace(str(loads), "windows.npz")
    broken = [part for line in lines for part in text_lines(line, 80)]
    return "```text\n" + "\n".join(broken) + f"\n```\n\n{origin(environment(0))}"


def replayed() -> str:
    """What a recording says when it is replayed."""
    command = f"replay {data_folder() / 'deepseek_v2_lite_windows.npz'} --replicas 72 --ranks 8 --workers 2"
    run = subprocess.run(
        [sys.executable, "-m", "eplb_opt.cli", *command.split()], capture_output=True, text=True, check=True
    )
    lines = [line.rstrip() for line in run.stdout.splitlines()]
    return "```text\n" + "\n".join(lines) + f"\n```\n\n{origin(environment(0) | {'workers': 2})}"


def compared() -> str:
    """What moves between the maps of two stretches of a recording: the first rows of both tables, and the totals."""
    loads = data_folder() / "deepseek_v2_lite_windows.npz"
    links = "--nodes 2 --bytes-per-expert 16.5MiB --within-node 400GB/s --across-nodes 400Gbit/s"
    with tempfile.TemporaryDirectory() as folder:
        for windows, name in (("0:8", "old"), ("8:16", "new")):
            solve = f"solve {loads} --windows {windows} --across mean --replicas 72 --ranks 8 --method refined"
            _lines(f"{solve} -o {folder}/{name}.npz")
        diff = f"diff {folder}/old.npz {folder}/new.npz --loads {loads} --windows 8:16 {links}"
        lines = _lines(f"{diff} --schedule --moves-per-rank 2")
    totals = next(i for i, line in enumerate(lines) if line.startswith("moved: ") and " of " in line)
    schedule = next(i for i, line in enumerate(lines) if line.split()[:2] == ["row", "layer"])
    shown = [*lines[:6], "   ...", *lines[totals : schedule + 4], "   ...", lines[-1]]
    broken = [part for line in shown for part in text_lines(line, 80)]  # as on a terminal
    return "```text\n" + "\n".join(broken) + f"\n```\n\n{origin(environment(0))}"


def spared() -> str:
    """A map that survives the loss of a node, and why another one does not: the first rows, the totals, the error."""
    loads = data_folder() / "deepseek_v3.npz"
    command = f"solve {loads} --windows 0 --ranks 32 --nodes 4 --spare node --method refined"
    lines = _lines(f"{command} --replicas 576")
    rest = next(i for i, line in enumerate(lines) if "layers OPTIMAL" in line)
    refused = subprocess.run(
        [sys.executable, "-m", "eplb_opt.cli", *command.split(), "--replicas", "288"], capture_output=True, text=True
    )
    *_, error = refused.stderr.splitlines()
    shown = [*lines[:4], "   ...", *lines[rest : rest + 2], "", error]
    rows = set(lines[1:4])
    shown = [part for line in shown for part in ([line] if line in rows else text_lines(line, 80))]
    return "```text\n" + "\n".join(shown) + f"\n```\n\n{origin(environment(0))}"


def in_time() -> str:
    """A map planned in time: the first rows and the totals."""
    loads = data_folder() / "deepseek_v3.npz"
    step = "--cost h100-deepseek-v3 --tokens-per-step 16384"
    command = f"solve {loads} --windows 0 --replicas 288 --ranks 32 {step} --time-limit 60 --workers 2"
    lines = _lines(command)
    rest = next(i for i, line in enumerate(lines) if "layers OPTIMAL" in line)
    rows = lines[1:4]
    shown = [lines[0], *rows, "   ...", *lines[rest : rest + 2], lines[-1]]
    broken = [part for line in shown for part in ([line] if line in rows else text_lines(line, 80))]
    return "```text\n" + "\n".join(broken) + f"\n```\n\n{origin(environment(0) | {'workers': 2, 'time_limit': 60.0})}"


def _lines(command: str) -> list[str]:
    """What the command prints."""
    run = subprocess.run(
        [sys.executable, "-m", "eplb_opt.cli", *command.split()], capture_output=True, text=True, check=True
    )
    return [line.rstrip() for line in run.stdout.splitlines()]


def replace(path: Path, marker: str, text: str) -> None:
    """Put a text between a file's markers."""
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    before, rest = path.read_text().split(begin)
    path.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    main()
