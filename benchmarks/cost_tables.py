"""The costs that ship with the package: ``python -m benchmarks.cost_tables`` on a machine with the GPU.

Measures ranks with the experts of each model below, as ``eplb-opt calibrate`` does, keeps what every step took in
``results/cost_steps.jsonl``, and writes ``eplb_opt/costs_measured``. ``--refit`` makes the costs of the results again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eplb_opt.calibration.cost_file import cost_content
from eplb_opt.calibration.device import describe_gpu, gpu_clock
from eplb_opt.calibration.fit import fit
from eplb_opt.calibration.run import Calibration, Measured, calibrated
from eplb_opt.calibration.shape import ExpertShape
from eplb_opt.errors import DeviceError
from eplb_opt.formats import write_json

from .environment import ROOT, code_version, environment
from .store import Store, read_lines

RESULTS = ROOT / "benchmarks" / "results" / "cost_steps.jsonl"
COSTS = ROOT / "eplb_opt" / "costs_measured"
SEED = 0
SHAPES = {
    "h100-deepseek-v3": ExpertShape(7168, 2048, 16),
    "h100-qwen3-235b-a22b": ExpertShape(4096, 1536, 20),
    "h100-gpt-oss-120b": ExpertShape(2880, 2880, 32),
    "h100-glm-4.5": ExpertShape(5120, 1536, 20),
    "h100-deepseek-v3-fp8": ExpertShape(7168, 2048, 16, "fp8"),
}


def measured_line(name: str, shape: ExpertShape) -> dict[str, Any]:
    """All that a calibration measured."""
    found = calibrated(shape, gpu_clock(shape), seed=SEED)
    made_by = environment(SEED) | describe_gpu() | {"commit": code_version()}
    return made_by | {"name": name, "shape": asdict(shape)} | {
        part: {"steps": measured.steps, "seconds": [float(f"{value:.4g}") for value in measured.seconds]}
        for part, measured in (("fitted", found.fitted), ("held_out", found.held_out))
    }  # fmt: skip


def calibration_of(line: dict[str, Any]) -> Calibration:
    """The calibration that a line of the results has measured."""
    parts = [line[name] for name in ("fitted", "held_out")]
    fitted, held_out = (Measured([tuple(step) for step in part["steps"]], part["seconds"]) for part in parts)
    return Calibration(ExpertShape(**line["shape"]), fit(fitted.steps, fitted.seconds), fitted, held_out)


def write_cost(line: dict[str, Any], folder: Path = COSTS) -> dict[str, Any]:
    """Write the cost of a line of the results; returns its content."""
    made_by = {name: line[name] for name in ("card", "versions", "commit", "date")}
    content = cost_content(calibration_of(line), made_by)
    write_json(folder / f"{line['name']}.json", content)
    return content


def main() -> None:
    """Measure, then write the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--costs", type=Path, default=COSTS, help="folder of the costs")
    parser.add_argument("--refit", action="store_true", help="make the costs of the results instead of measuring")
    options = parser.parse_args()
    if not options.refit:
        _measure(Store(options.output, ("name",)))
    options.costs.mkdir(parents=True, exist_ok=True)
    for line in read_lines(options.output):
        content = write_cost(line, options.costs)
        print(line["name"], content["per_rank"], json.dumps(content["about"]["held_out_error"]))


def _measure(store: Store) -> None:
    for name, shape in SHAPES.items():
        start = time.monotonic()
        try:
            store.put(measured_line(name, shape))
        except DeviceError as error:
            print(f"{name}: {error}", flush=True)
            continue
        print(f"{name}: measured in {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
