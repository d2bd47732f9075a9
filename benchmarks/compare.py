"""Two results files of the same kind compared: ``python -m benchmarks.compare OLD NEW`` names every regression.

Quality: imbalance, layers proven, seconds of exact methods under the same limits. Speed: milliseconds. Times of another
kind of machine are not compared, but paired ratios to the fastest peer are. A method that is gone from a case is a
regression; a case that the new file does not have is only named. The exit code is 1 if there is a regression.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .store import read_lines

Line = dict[str, Any]
FIELDS = ("case", "method", "threads", "device")


@dataclass(frozen=True)
class Tolerance:
    """What is noise.

    Attributes
    ----------
    imbalance : float
        Relative increase of the mean or largest imbalance.
    time : float
        Relative increase of a time; exact methods must lose a second too, calls must leave the old spread.
    """

    imbalance: float = 2e-4
    time: float = 0.2


def regressions(old: list[Line], new: list[Line], tolerance: Tolerance) -> list[str]:
    """One line of text a regression."""
    after = {_key(line): line for line in new}
    run = {line["case"] for line in new}
    found = []
    for line in old:
        if "error" in line or line["case"] not in run:
            continue
        name = ", ".join(str(part) for part in _key(line) if part)
        other = after.get(_key(line))
        if other is None or "error" in other:
            found.append(f"{name}: {'gone' if other is None else 'fails now: ' + other['error']}")
        elif line.get("instance") != other.get("instance"):
            found.append(f"{name}: another instance, not comparable (loads or topology changed)")
        else:
            found += [f"{name}: {text}" for text in _worse(line, other, tolerance)]
    return found


def _key(line: Line) -> tuple[str, ...]:
    return tuple(str(line.get(field, "")) for field in FIELDS)


def _worse(old: Line, new: Line, tolerance: Tolerance) -> Iterator[str]:
    for field in ("imbalance_mean", "imbalance_max"):
        if new[field] > old[field] * (1 + tolerance.imbalance):
            yield f"{field} {old[field]:.6f} -> {new[field]:.6f}"
    if "totals" in old and "totals" in new:
        if new["totals"]["optimal"] < old["totals"]["optimal"]:
            yield f"layers proven {old['totals']['optimal']} -> {new['totals']['optimal']}"
        settings = ("cpu", "cores", "workers", "time_limit")
        alike = all(old.get(field) == new.get(field) for field in settings)
        lost = new["seconds"] - old["seconds"]
        if alike and _slower(old["seconds"], new["seconds"], tolerance.time) and lost > 1:
            yield f"seconds {old['seconds']:.1f} -> {new['seconds']:.1f}"
    if "ms" in old and "ms" in new:
        yield from _slower_calls(old, new, tolerance.time)


def _slower_calls(old: Line, new: Line, time: float) -> Iterator[str]:
    """By the clock on the same kind of machine; by the ratio to the same peer on another one."""
    if (old["cpu"], old["cores"], old["device"]) == (new["cpu"], new["cores"], new["device"]):
        if _slower(old["ms"], new["ms"], time) and new["ms_p10"] > old["ms_p90"]:
            yield f"ms {old['ms']:.2f} ({old['ms_p10']:.2f}-{old['ms_p90']:.2f}) -> {new['ms']:.2f}"
        return
    field = "times_faster_than_fastest_peer"
    paired = field in old and field in new and old["fastest_peer"] == new["fastest_peer"] != old["method"]
    if paired and _slower(1 / old[field], 1 / new[field], time):
        yield f"times faster than {old['fastest_peer']}: {old[field]:.2f} -> {new[field]:.2f}"


def _slower(old: float, new: float, time: float) -> bool:
    return new > old * (1 + time)


def main() -> int:
    """Compare two files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--imbalance", type=float, default=Tolerance.imbalance, help="relative; default: %(default)s")
    parser.add_argument("--time", type=float, default=Tolerance.time, help="relative; default: %(default)s")
    options = parser.parse_args()
    try:
        old, new = read_lines(options.old), read_lines(options.new)
    except (OSError, ValueError) as error:
        parser.error(f"cannot read results: {error}")
    found = regressions(old, new, Tolerance(options.imbalance, options.time))
    for text in found:
        print(f"REGRESSION {text}")
    left_out = dict.fromkeys(line["case"] for line in old if line["case"] not in {line["case"] for line in new})
    if left_out:
        print(f"not in {options.new}: {', '.join(left_out)}")
    both = {_key(line) for line in old} & {_key(line) for line in new}
    print(f"{len(both)} results compared, {len(found)} regressions "
          f"(tolerance: imbalance {options.imbalance:g}, time {options.time:g})")  # fmt: skip
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
