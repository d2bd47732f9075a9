"""``python -m tests.installed dist/*.whl dist/*.tar.gz``: each installed in a clean environment, and tried there.

Dependencies are those of the environment that runs this, which has them already; of the package nothing is: it is
found where it was installed, with what belongs to it, and the command does what a first user asks of it.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

CHECK = """
import importlib.metadata
import sys
from pathlib import Path
import numpy as np
import eplb_opt

place = Path(eplb_opt.__file__)
assert place.is_relative_to(sys.prefix), place
assert (place.parent / "py.typed").is_file()
assert importlib.metadata.version("eplb_opt") == eplb_opt.__version__
points = {one.group: one.load() for one in importlib.metadata.entry_points(name="eplb_opt")}
assert {"vllm.general_plugins", "sglang.srt.plugins"} <= points.keys(), points
recording = eplb_opt.demo_recording()
np.savez("loads.npz", load=recording.load[:4])
"""
TOPOLOGY = ("--replicas", "80", "--ranks", "16")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--version",),
    ("solve", "loads.npz", *TOPOLOGY, "--windows", "0", "--work", "0.05", "-o", "map.npz", "--json", "report.json"),
    ("verify", "map.npz", "report.json", "loads.npz"),
    ("report", "loads.npz", *TOPOLOGY, "--map", "map.npz", "-o", "page.html"),
)
PROVEN = (0, 3)  # of `verify`: sound, and all proven or not


def installed(archive: Path, folder: Path) -> Path:
    """A new environment with an archive; its programs' folder."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    python = programs / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, archive.resolve()], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    paths = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    Path(own, "dependencies.pth").write_text("\n".join(paths) + "\n")
    return programs


def tried(programs: Path, folder: Path) -> None:
    """Run what a first user would; `CalledProcessError` where something does not work."""
    subprocess.run([programs / "python", "-I", "-c", CHECK], cwd=folder, check=True)
    for command in COMMANDS:
        ended = subprocess.run([programs / "eplb-opt", *command], cwd=folder, capture_output=True, text=True)
        allowed = PROVEN if command[0] == "verify" else (0,)
        if ended.returncode not in allowed:
            raise SystemExit(f"eplb-opt {' '.join(command)}: exit code {ended.returncode}\n{ended.stderr}")


def main(archives: Sequence[str]) -> None:
    """Try each archive."""
    if not archives:
        raise SystemExit("give the files that make dist has built")
    for archive in archives:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            programs = installed(Path(archive), folder / "venv")
            (folder / "work").mkdir()
            tried(programs, folder / "work")
        print(f"{archive}: installed and tried")


if __name__ == "__main__":
    main(sys.argv[1:])
