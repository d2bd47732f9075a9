"""``python -m checker MAP REPORT LOADS``: the verdict, and the exit code that ``eplb-opt verify`` gives."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .files import read, read_loads, read_map, with_proofs
from .pool import require
from .problem import Problem, check_layer


def main(arguments: Sequence[str]) -> int:
    """0: all is proven again; 1: something contradicts the report; 2: unreadable; 3: sound, not all proven."""
    try:
        require(len(arguments) == 3, "usage: python -m checker MAP REPORT LOADS")
        return _verdict(*map(Path, arguments))
    # Whatever is wrong with a file is no verdict of the report.
    except Exception as error:
        print(ascii(f"checker: error: {error!r}")[1:300], file=sys.stderr)
        return 2


def _verdict(map_path: Path, report_path: Path, loads_path: Path) -> int:
    report = with_proofs(read(report_path), report_path.parent)
    require(report["schema"] == "eplb_opt.report/1", "a report of another schema")
    load, ids = read_loads(loads_path, report["windows"])
    layers = report["layers"]
    require([fields["layer_id"] for fields in layers] == ids, "layers of other loads")
    problem, rows = Problem(load, report), read_map(map_path, ids)
    found = [check_layer(problem, i, rows[i], layer) for i, layer in enumerate(layers)]
    for fields, one in zip(layers, found, strict=True):
        unproven = f"NOT PROVEN: {fields['lower_bound']}; re-proven: {one.bound}"
        for line in one.faults or [unproven] * (not one.is_proven):
            print(ascii(f"layer {fields['layer_id']}: {line}")[1:-1])
    wrong = sum(bool(one.faults) for one in found)
    proven = sum(one.is_proven and not one.faults for one in found)
    print(f"{len(found)} layers: {wrong} with faults; objectives recomputed; ", end="")
    print(f"{proven} bounds re-proven; largest gap {max(one.gap for one in found):.4%}")
    return 1 if wrong else 3 * (proven < len(found))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
