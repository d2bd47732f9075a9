"""Write what docs/how-to shows of costs and sweeps: ``python -m benchmarks.time_readme``.

The cost is the shipped one of DeepSeek-V3, as `eplb-opt calibrate` would print it; the sweep is run here on recorded
loads, and kept where there are none.
"""

from __future__ import annotations

import json
import subprocess
import sys

from eplb_opt.costs_measured import measured_path
from eplb_opt.report import cost
from eplb_opt.report.layout import table_lines

from .cases import data_folder
from .environment import environment, origin
from .options import chosen
from .table import HOW_TO, replace

COST = "h100-deepseek-v3"
SWEEP = "--windows 0 --replicas 256:352:32 --ranks 32,64 --tokens-per-step 1024,4096,16384"


def calibrated() -> str:
    """A cost as the command prints it, without the file's name."""
    path = measured_path(COST)
    if path is None:
        raise SystemExit(f"no cost {COST!r} ships with the package")
    content = json.loads(path.read_text())
    lines = [*cost.measured_lines(content), *table_lines(cost.cost_table(content)), *cost.held_out_lines(content)]
    about = content["about"]
    return _block(lines) + f"\n\nCommit {about['commit']}, {about['date']}."


def swept() -> str:
    """What a sweep says of recorded loads."""
    loads = data_folder() / "deepseek_v3.npz"
    command = f"sweep {loads} {SWEEP} --cost {COST} --bytes-per-expert 42MiB --workers 2"
    run = subprocess.run(
        [sys.executable, "-m", "eplb_opt.cli", *command.split()], capture_output=True, text=True, check=True
    )
    return _block([line.rstrip() for line in run.stdout.splitlines()]) + f"\n\n{origin(environment(0))}"


def _block(lines: list[str]) -> str:
    return "\n".join(["```text", *lines, "```"])


def main() -> None:
    """Write the sections."""
    chosen(__doc__, {})
    replace(HOW_TO / "time.md", "calibrate", calibrated())
    if (data_folder() / "deepseek_v3.npz").exists():
        replace(HOW_TO / "redundancy.md", "sweep", swept())


if __name__ == "__main__":
    main()
