"""Tables of the quality results, in Markdown: what the README shows and what a run ends with."""

from __future__ import annotations

from typing import Any

Line = dict[str, Any]

# What columns are called; other names as they are.
ORDER = ("greedy", "refined", "vllm", "sglang-deepseek", "sglang-vec", "sglang-elastic", "lmdeploy", "ascend-default",
         "ascend-flashlb", "optimal")  # fmt: skip


def by_case(lines: list[Line]) -> dict[str, dict[str, Line]]:
    """Lines by case and method, in the order of the results."""
    found: dict[str, dict[str, Line]] = {}
    for line in lines:
        found.setdefault(line["case"], {})[line["method"]] = line
    return found


def methods(lines: list[Line]) -> list[str]:
    """The methods that occur, ours and the peers in a fixed order, policies after them."""
    present = dict.fromkeys(line["method"] for line in lines)
    return [m for m in ORDER if m in present] + [m for m in present if m not in ORDER]


def gap_table(lines: list[Line], looked_for: list[tuple[str, str]] = ()) -> str:
    """Gap to the certified bound in percent, mean / max over layers: one row a case, one column a method."""
    columns = methods(lines)
    rows = [["case", "E", "P/R", "slots a rank", *columns]]
    for case, found in by_case(lines).items():
        first = next(iter(found.values()))
        slots = first["num_replicas"] // first["num_ranks"]
        topology = [str(first.get("num_experts", "")), f"{first['num_replicas']}/{first['num_ranks']}", str(slots)]
        rows.append([case, *topology, *(_gap(found.get(m)) for m in columns)])
    text = markdown(rows)
    text += "\n\nGap %, mean / max over layers, to the certified bound; n/a: the algorithm does not do this case."
    absent = [f"{name} ({reason})" for name, reason in looked_for if reason]
    return text + (f"\nAbsent: {'; '.join(absent)}." if absent else "")


def proof_table(lines: list[Line]) -> str:
    """What the exact methods found, proved and took."""
    rows = [["case", "method", "imbalance mean / max", "own gap % mean / max", "layers proven", "seconds",
             "all within 1 %, 0.1 %, 0.01 % after, s"]]  # fmt: skip
    for line in (line for line in lines if "totals" in line):
        t = line["totals"]
        times = ["-" if r["layers"] < t["layers"] else f"{r['seconds']:.1f}" for r in t["reached"]]
        rows.append([
            line["case"], line["method"], f"{t['imbalance_mean']:.5f} / {t['imbalance_max']:.5f}",
            f"{t['gap_mean'] * 100:.4f} / {t['gap_max'] * 100:.4f}", f"{t['optimal']} of {t['layers']}",
            f"{t['seconds']:.1f}", ", ".join(times),
        ])  # fmt: skip
    return markdown(rows)


def imbalance_table(lines: list[Line]) -> str:
    """Imbalance, mean / max over layers."""
    columns = methods(lines)
    rows = [["case", *columns]]
    for case, found in by_case(lines).items():
        rows.append([case, *(_cell(found.get(m), "imbalance_mean", "imbalance_max", "{:.4f}", 1) for m in columns)])
    return markdown(rows)


def markdown(rows: list[list[str]]) -> str:
    """A table; the columns are aligned, so that it reads in a terminal too."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def _gap(line: Line | None) -> str:
    digits = "{:.4f}" if line is not None and line.get("gap_mean", 1) < 1e-3 else "{:.2f}"
    return _cell(line, "gap_mean", "gap_max", digits, 100)


def _cell(line: Line | None, mean: str, most: str, digits: str, factor: float) -> str:
    if line is None:
        return "-"
    if "error" in line:
        return "n/a"
    if mean not in line:
        return "no bound"
    return f"{digits.format(line[mean] * factor)} / {digits.format(line[most] * factor)}"
