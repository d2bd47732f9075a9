"""Compiling comes once for a cache, before the clock, wherever a folder can be written."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from eplb_opt import Instance, Limits, Objective, solve, solving, warm_up
from eplb_opt.heuristics.refine import refined
from eplb_opt.methods import METHODS
from eplb_opt.warmup import _call_all

numba = pytest.importorskip("numba")
caching = pytest.importorskip("numba.core.caching")
compiled = pytest.importorskip("eplb_opt.compiled")

ONLY_WHERE_TOLD = getattr(caching, "UserProvidedCacheLocator", None) or caching._UserProvidedCacheLocator
COLD = """
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s")
from eplb_opt import warm_up
seconds = warm_up("refined")
warm_up("refined")
print(seconds > 0)
"""


def test_the_first_process_compiles_and_says_so_the_next_one_does_neither(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", COLD], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in runs] == ["True", "False"]
    assert [run.stderr.count("compiling for 'refined', once") for run in runs] == [1, 0]


def test_a_process_compiles_everything_that_optimal_calls():
    """After `warm_up` no method compiles any more: one pool for each of the portfolio's ways."""
    warm_up()
    before = compiled.compilations()
    rng = np.random.default_rng(0)
    for experts, slots, ranks in ((12, 16, 8), (12, 18, 6), (24, 48, 6), (16, 32, 4)):
        for distinct in (False, True):
            load = rng.lognormal(0, 1, (1, experts)).round(3)
            instance = Instance(load, slots, num_ranks=ranks, distinct=distinct)
            solve(instance, "optimal", Limits(seconds=None, work=0.3, gap=1e-9))
    assert compiled.compilations() == before


def test_a_process_compiles_everything_that_refined_calls():
    """After `warm_up` no shape compiles any more, so no engine waits in traffic."""

    def loaded():  # compiled here or read from the cache
        return sum(len(kernel.signatures) for kernel in compiled._kernels)

    METHODS["refined"].compile_all()
    before = loaded()
    rng = np.random.default_rng(0)
    for each, ranks, layers, fewer in itertools.product((1, 2, 3, 4, 5, 7, 9, 12), (2, 16), (1, 13), (0, 3)):
        experts = max(each * ranks - fewer, ranks)
        for load in (rng.lognormal(0, 1.5, (layers, experts)), rng.integers(0, 9, (layers, experts))):
            refined(Instance(load, each * ranks, num_ranks=ranks))
    refined(Instance(rng.random((3, 60)), 72, num_ranks=24, distinct=True))
    refined(Instance(rng.random((3, 64)), 96, num_ranks=32, num_groups=8, num_nodes=4))
    assert loaded() == before


def test_a_process_compiles_what_plans_over_windows_call():
    warm_up("refined", windows=True)
    before = compiled.compilations()
    load = np.random.default_rng(0).lognormal(0, 1, (5, 2, 24))
    for across in ("mean", "cvar"):
        for distinct in (False, True):
            solve(Instance(load, 32, num_ranks=8, distinct=distinct, objective=Objective(across)), "refined")
    assert compiled.compilations() == before


def test_compiling_is_outside_the_limit_and_reported(monkeypatch):
    """A compilation of 1,000 seconds leaves the tasks their whole time."""
    deadlines = []
    compiling = iter([1000.0, 500.0, 0.0])
    monkeypatch.setattr(solving, "warm_up", lambda method, windows: next(compiling))
    monkeypatch.setattr(solving, "run_tasks", lambda *arguments: deadlines.append(arguments[4]))
    start = time.monotonic()
    instance = Instance(np.random.default_rng(1).lognormal(0, 1, (1, 24)), 48, num_ranks=12)
    result = solve(instance, "optimal", Limits(seconds=60.0, gap=0.0))
    assert deadlines[0] >= start + 1500.0 + 60.0 * (1 - solving.CHOICE_SHARE)
    assert result.compile_seconds == 1500.0
    moments = [moment for c in result.certificates for moment in c.reached if moment is not None]
    assert moments
    assert max(moments) < -900.0  # compiling is left out of them, and this one took no time
    assert result.totals()["compile_seconds"] == 1500.0


def test_nothing_is_compiled_for_the_greedy(monkeypatch):
    monkeypatch.setattr("eplb_opt.warmup._call_all", None)
    assert warm_up("greedy") == 0.0


def test_a_read_only_installation_is_cached_in_a_folder_of_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [ONLY_WHERE_TOLD])
    kernel = compiled.compiled(lambda x: x + 1)
    assert kernel(1) == 2
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbc"))
    assert numba.config.CACHE_DIR == ""


def test_a_folder_that_others_can_write_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [ONLY_WHERE_TOLD])
    folder = tmp_path / f"eplb_opt-cache-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    before = compiled.compilations()
    kernel = compiled.compiled(lambda x: x + 1)
    assert kernel(1) == 2
    assert not list(folder.rglob("*.nbc"))
    assert compiled.compilations() == before + 1


@pytest.fixture(autouse=True)
def forgotten_kernels(monkeypatch):
    """Kernels of a test do not count in the next."""
    monkeypatch.setattr(compiled, "_kernels", list(compiled._kernels))
    _call_all.cache_clear()
