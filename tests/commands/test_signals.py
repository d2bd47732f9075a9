"""An interrupted command writes what it has, says so, and ends with 128 and the signal; a second signal ends it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from eplb_opt import SolveInterrupted, SolverError, solver
from eplb_opt.cli import main
from eplb_opt.commands.messages import RESULTS
from eplb_opt.commands.output import exit_code_of

from .common import TOPOLOGY, write_loads

# The command with a solver that says "ready", waits for a signal, and hands over the greedy's result.
PROGRAM = """
import sys, time
from eplb_opt import SolveInterrupted, cli, solver
solve = solver.solve
def slow(instance, method, limits, progress=None, **others):
    try:
        print("ready", file=sys.stderr, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        result = solve(instance, "greedy", limits)
        if {again}:
            print("again", file=sys.stderr, flush=True)
            time.sleep(60)
        raise SolveInterrupted(result) from None
solver.solve = slow
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_loads(tmp_path)
    return tmp_path


@pytest.fixture
def stops(monkeypatch):
    """Make `solve` with one method end as it does on Ctrl-C: with a result, or with none; the others are the greedy."""
    solve = solver.solve

    def stop(where, with_result=True):
        def stopped(instance, method, limits, progress=None, **others):
            result = replace(solve(instance, "greedy", limits), method=method)
            if method != where:
                return result
            raise SolveInterrupted(result) if with_result else KeyboardInterrupt

        monkeypatch.setattr(solver, "solve", stopped)

    return stop


SOLVE = ["solve", "loads.npz", *TOPOLOGY, "-o", "map.npz", "--json", "report.json"]


def test_solve_keeps_the_best_map_so_far(stops, folder, capsys):
    stops("optimal")
    assert main(SOLVE) == 130
    shown = capsys.readouterr()
    assert "2 layers x 12 experts" in shown.out
    assert "map: map.npz" in shown.out
    assert shown.err == "eplb-opt: interrupted: the best maps so far are kept: map.npz, report.json\n"
    report = json.loads((folder / "report.json").read_text())
    assert report["interrupted"]
    assert [layer["objective"] for layer in report["layers"]] == [138.5, 172]
    with np.load("map.npz") as archive:
        assert archive["physical_to_logical_map"].shape == (2, 16)
    assert main(["verify", "map.npz", "report.json", "loads.npz"]) in (0, 3)


def test_without_files_the_table_is_what_is_kept(stops, folder, capsys):
    stops("optimal")
    assert main(SOLVE[:-4]) == 130
    shown = capsys.readouterr()
    assert "2 layers x 12 experts" in shown.out
    assert "no file was asked for" in shown.err


@pytest.mark.parametrize(
    "command", [SOLVE, ["gap", "loads.npz", *TOPOLOGY, "--methods", "optimal", "--json", "report.json"]]
)
def test_an_interrupt_before_any_result_keeps_the_greedys(command, stops, folder, capsys):
    stops("optimal", with_result=False)
    assert main(command) == 130
    assert "are kept: " in capsys.readouterr().err
    assert method_of(folder / "report.json") == "greedy"


def test_where_the_greedy_has_no_map_nothing_is_written(folder, monkeypatch, capsys):
    def stopped(instance, method, limits, **others):
        raise SolverError("none") if method == "greedy" else KeyboardInterrupt

    monkeypatch.setattr(solver, "solve", stopped)
    assert main(SOLVE) == 130
    assert capsys.readouterr() == ("", "eplb-opt: interrupted: nothing written\n")
    assert [path.name for path in folder.iterdir()] == ["loads.npz"]


# The command, interrupted in the middle of a module's import.
IMPORTING = """
import signal, sys
from eplb_opt.cli import main
class Interrupts:
    def find_spec(self, name, *_):
        if name == "{module}" and self in sys.meta_path:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.modules.pop("{module}", None)
sys.meta_path.insert(0, Interrupts())
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("solve", "highspy"),
        ("solve", "numba"),
        ("solve", "eplb_opt.foresight.left_out"),
        ("gap", "eplb_opt.solver"),
        ("report", "highspy"),
    ],
)
def test_an_interrupt_within_an_import_keeps_the_greedys(command, module, folder):
    outputs = {"solve": ["-o", "map.npz"], "gap": [], "report": ["-o", "page.html"]}[command]
    np.savez("loads.npz", load=np.random.default_rng(0).integers(1, 99, (6, 2, 12)))
    words = [command, "loads.npz", *TOPOLOGY, *outputs, "--json", "report.json"]
    program = IMPORTING.format(module=module)
    run = subprocess.run(
        [sys.executable, "-c", program, *words], preexec_fn=default_signals, capture_output=True, text=True
    )
    assert (run.returncode, "Traceback" in run.stderr) == (130, False), run.stderr
    assert "report.json" in run.stderr
    assert method_of(folder / "report.json") == "greedy"
    assert all((folder / name).exists() for name in outputs[1:])


def method_of(path):
    """What made the maps of an interrupted command's report."""
    report = json.loads(path.read_text())
    assert report["interrupted"]
    (row,) = report.get("methods", [report])
    return row["method"]


@pytest.mark.parametrize(("with_result", "methods"), [(True, ["greedy", "optimal"]), (False, ["greedy"])])
def test_gap_and_demo_judge_what_there_is(with_result, methods, stops, folder, capsys):
    stops("optimal", with_result)
    for command in (["gap", "loads.npz", *TOPOLOGY, "--methods", "greedy,optimal,refined"], ["demo"]):
        assert main([*command, "--json", "report.json"]) == 130
        report = json.loads((folder / "report.json").read_text())
        assert report["interrupted"]
        assert report.get("method", methods[-1]) == methods[-1]
        assert [row["method"] for row in report.get("methods", [])] in (methods, [])
        assert "report.json" in capsys.readouterr().err


def test_what_is_done_is_not_called_interrupted(folder):
    assert main([*SOLVE, "--method", "greedy"]) == 0
    assert not json.loads((folder / "report.json").read_text())["interrupted"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_lets_the_command_write_what_it_has(number, code, folder):
    with started(again=False) as run:
        assert run.stderr.readline() == "ready\n"
        run.send_signal(number)
        out, err = run.communicate(timeout=60)
    assert run.returncode == code
    assert err == "eplb-opt: interrupted: the best maps so far are kept: map.npz, report.json\n"
    assert "map: map.npz" in out
    assert json.loads((folder / "report.json").read_text())["interrupted"]


def test_a_second_signal_ends_it_at_once(folder):
    with started(again=True) as run:
        assert run.stderr.readline() == "ready\n"
        run.send_signal(signal.SIGINT)
        assert run.stderr.readline() == "again\n"
        run.send_signal(signal.SIGINT)
        assert run.communicate(timeout=60) == ("", "")
    assert run.returncode == 130
    assert [path.name for path in folder.iterdir()] == ["loads.npz"]


def test_a_signal_that_the_caller_ignores_stays_ignored(folder):
    with started(again=False, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as run:
        assert run.stderr.readline() == "ready\n"
        run.send_signal(signal.SIGHUP)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
    assert run.returncode == 143


def test_handlers_are_put_back(folder):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    main([*SOLVE, "--method", "greedy"])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def default_signals():
    """As a terminal starts a command, whatever the tests were started by ignores."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def started(again, preexec_fn=default_signals):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(again=again), *SOLVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=preexec_fn,
    )  # fmt: skip


@pytest.mark.parametrize("command", [SOLVE, ["gap", "loads.npz", *TOPOLOGY, "--json", "report.json"]])
def test_before_the_objective_is_chosen_the_greedys_map_is_kept(command, folder, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("eplb_opt.foresight.left_out.left_out", interrupted)
    np.savez("loads.npz", load=np.random.default_rng(0).integers(1, 99, (6, 2, 12)))
    assert main(command) == 130
    assert "report.json" in capsys.readouterr().err
    report = json.loads((folder / "report.json").read_text())
    assert report["interrupted"]
    assert "greedy" in (report.get("method"), report.get("methods", [{}])[0].get("method"))


def test_a_replay_keeps_results_not_maps(capsys, monkeypatch):
    monkeypatch.setattr("eplb_opt.commands.messages.written", ["replay.json"])
    assert exit_code_of(True, RESULTS) == 130
    assert capsys.readouterr().err == "eplb-opt: interrupted: the results so far are kept: replay.json\n"


def test_an_interrupt_within_a_text_that_is_executed_does_not_end_python_by_its_signal():
    program = """
import signal, sys
from eplb_opt.commands.signals import ending_signals
with ending_signals() as signals:
    try:
        exec("signal.raise_signal(signal.SIGINT)")
    except KeyboardInterrupt:
        pass
sys.exit(signals.exit_code())
"""
    assert subprocess.run([sys.executable, "-c", program], preexec_fn=default_signals).returncode == 130


def test_what_a_signal_cut_off_is_no_missing_package(folder):
    program = """
import signal, sys
from eplb_opt import cli, formats
def half_imported(*_):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("cannot import name 'nn' from partially initialized module 'torch'")
formats.read_loads = lambda *_, **__: half_imported()
sys.exit(cli.main(sys.argv[1:]))
"""
    run = subprocess.run(
        [sys.executable, "-c", program, *SOLVE], preexec_fn=default_signals, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (130, "")
    assert run.stderr == "eplb-opt: interrupted: nothing written\n"
    assert [path.name for path in folder.iterdir()] == ["loads.npz"]
