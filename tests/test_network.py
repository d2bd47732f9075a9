"""No command, and none of its workers, opens a connection or asks for an address."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

# Of every process below the test: what asks the network ends the process, and leaves a word.
WATCH = """
import os
import sys

ASKING = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind")

def watch(event, arguments):
    if event not in ASKING:
        return
    address = arguments[1] if event in ("socket.connect", "socket.sendto", "socket.bind") else arguments[0]
    if isinstance(address, (str, bytes)) and event in ("socket.connect", "socket.bind"):
        return  # a path: a socket of this machine
    with open(os.environ["ASKED"], "a") as file:
        file.write(f"{event} {address}\\n")

sys.addaudithook(watch)
"""
TOPOLOGY = "--replicas 12 --ranks 4"
COMMANDS = (
    f"solve loads.npz {TOPOLOGY} --windows 0 --time-limit 2 --workers 2 -o map.npz --json report.json --report a.html",
    "verify map.npz report.json loads.npz",
    f"gap loads.npz {TOPOLOGY} --work 0.05 --methods greedy,refined,optimal",
    f"replay loads.npz {TOPOLOGY} --policies greedy,refined-windows,own --workers 2",
    "sweep loads.npz --replicas 8:13:4 --ranks 4 --tokens-per-step 64 --work 0.05",
    f"report loads.npz {TOPOLOGY} --map map.npz -o page.html",
    "inspect loads.npz",
    "convert map.npz map.json --format vllm",
)
RUN = """
import shlex
import sys
from eplb_opt.cli import main
for command in sys.argv[1:]:
    code = main(shlex.split(command))
    assert code in (0, 3), (command, code)
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A folder with loads, an environment in which processes are watched, and what they asked."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    np.savez(tmp_path / "loads.npz", load=np.rint(np.random.default_rng(0).lognormal(3, 1, (6, 2, 8))))
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path / "watch"), before])))
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "asked"


def test_nothing_is_asked_of_a_network(asked):
    pytest.importorskip("ortools")
    pytest.importorskip("numba")
    ended = subprocess.run([sys.executable, "-c", RUN, *COMMANDS], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert not asked.exists(), asked.read_text()


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 9)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
    ],
)
def test_what_asks_is_seen(code, asked):
    subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert "127.0.0.1" in asked.read_text() or "localhost" in asked.read_text()


def test_a_worker_process_that_asks_is_seen(asked):
    code = """
from loky import get_reusable_executor
import socket
get_reusable_executor(max_workers=1).submit(socket.getaddrinfo, "localhost", 9).result()
"""
    pytest.importorskip("loky")
    subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert "socket.getaddrinfo localhost" in asked.read_text()
