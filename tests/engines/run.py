"""Run the engine tests and write their log, ``tests/engines/LOG.md``: `make test-engines`."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOG = Path(__file__).parent / "LOG.md"
FILES = {"vLLM 0.33.0": "test_vllm.py", "SGLang 0.5.23": "test_sglang.py", "LMDeploy 0.18.0": "test_lmdeploy.py"}
SAID = ("rank 0", "heaviest rank", "replicas moved", "weights of experts received", "series")
SHOWN = rf"^(?:\S+: (?:PASSED|FAILED|SKIPPED|ERROR) \S+|(?:{'|'.join(SAID)}): .*)$"


def run(file: str) -> tuple[int, str]:
    """Exit code and output of one file of tests, in a process of its own."""
    folder = Path(__file__).parent
    command = [
        "-m",
        "pytest",
        "-c",
        str(folder / "pytest.ini"),
        "--rootdir",
        str(ROOT),
        "-v",
        "-rP",
        str(folder / file),
    ]
    result = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=ROOT)
    print(result.stdout, result.stderr, sep="\n", flush=True)
    return result.returncode, result.stdout


def section(title: str, output: str) -> str:
    """The tests of one engine and what they print."""
    tests = re.findall(r"^\S*::(\S+(?:\[.*\])?) (PASSED|FAILED|SKIPPED|ERROR)", output, re.M)
    lines = [f"{outcome} {name}" for name, outcome in tests]
    shown = re.findall(SHOWN, output, re.M)
    total = re.findall(r"^=*\s*(\d+ (?:passed|failed).*?) in ", output, re.M)
    text = f"## {title}: {total[-1] if total else 'no result'}\n\n```text\n" + "\n".join(lines) + "\n```\n"
    return text + ("\nWhat they print:\n\n```text\n" + "\n".join(shown) + "\n```\n" if shown else "")


def main() -> int:
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()
    packages = ("vllm", "sglang", "torch", "numpy", "transformers", "triton", "ortools", "numba", "protobuf")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    head = (
        "# Inside the engines\n\nWritten by `make test-engines`; what each test shows is said in its file. "
        f"Commit {commit or 'unknown'}, {datetime.now(timezone.utc):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{versions}.\n"
    )
    results = {title: run(file) for title, file in FILES.items()}
    LOG.write_text("\n".join([head, *(section(title, output) for title, (_, output) in results.items())]))
    print(f"log: {LOG.relative_to(ROOT)}")
    return max(code for code, _ in results.values())


if __name__ == "__main__":
    sys.exit(main())
