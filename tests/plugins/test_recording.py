"""The recording of an engine's loads: read by the package, written by rank 0 alone, and never in the way."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from eplb_opt import POLICIES, cli
from eplb_opt.formats import read_loads, recordings
from eplb_opt.plugins import recording, said
from eplb_opt.plugins.options import read_options
from eplb_opt.plugins.past import past_of
from eplb_opt.plugins.planning import plan
from eplb_opt.plugins.recording import Recorder

from ..conftest import TWO_LAYERS

WEIGHT = torch.tensor(TWO_LAYERS)
GREEDY = POLICIES["greedy"]
TOPOLOGY = (16, 1, 1, 8)
LOAD = np.array([TWO_LAYERS], dtype=np.float64)  # one window


def never():
    return False


@pytest.fixture
def log(caplog, monkeypatch):
    """The log, of a process that has said nothing yet."""
    monkeypatch.setattr(said, "_said", set())
    return caplog


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "record"


def files(folder):
    return sorted(path.name for path in folder.iterdir())


# What is written


def test_calls_are_windows_that_the_command_reads(folder, tmp_path):
    kept = past_of(read_options({"EPLB_OPT_RECORD": str(folder), "EPLB_OPT_POLICY": "greedy"}), GREEDY, never, False)
    for times in (1, 2, 3):
        plan(GREEDY, WEIGHT * times, *TOPOLOGY, past=kept)
    plan(GREEDY, WEIGHT * 0, *TOPOLOGY, past=kept)  # profiling
    assert files(folder) == [f"loads-2x12-0000000{number}.npz" for number in range(3)]
    loads = read_loads(folder)
    assert loads.load.tolist() == [(WEIGHT * times).tolist() for times in (1, 2, 3)]
    assert loads.load.dtype == np.int64
    assert loads.layer_ids is None
    assert all(re.fullmatch(r"\d{8}T\d{6}Z", label) for label in loads.windows)
    path = tmp_path / "map.npz"
    command = ["solve", str(folder), "--replicas", "16", "--ranks", "8", "--method", "greedy", "-o", str(path)]
    assert cli.main(command) == 0
    assert np.array_equal(np.load(path)["physical_to_logical_map"], plan(GREEDY, WEIGHT * 6, *TOPOLOGY))


def test_steps_are_put_together(folder):
    steps = torch.from_numpy(np.random.default_rng(0).integers(1, 9, (100, 2, 12)))
    kept = past_of({"record": str(folder)}, GREEDY, never, False)
    plan(GREEDY, steps, *TOPOLOGY, past=kept)
    loads = read_loads(folder)
    assert len(loads.load) == recording.MOST_WINDOWS
    assert loads.load.sum(axis=0).tolist() == steps.sum(dim=0).tolist()


def test_loads_that_cannot_be_planned_for_are_not_recorded(folder, log):
    kept = past_of({"record": str(folder)}, GREEDY, never, False)
    plan(GREEDY, WEIGHT * float("nan"), *TOPOLOGY, past=kept)
    assert not folder.exists()


def test_loads_that_are_no_whole_tokens_stay_what_they_are(folder):
    Recorder(str(folder), False).record(LOAD / 3)
    assert read_loads(folder).load.tolist() == (LOAD / 3).tolist()


def test_dense_layers_are_left_out_in_reading(folder, tmp_path):
    load = np.zeros((1, 5, 12))
    load[:, [2, 3]] = LOAD
    recorder = Recorder(str(folder), has_dense_rows=True)
    recorder.record(load)
    load[:, 4] = 7.0
    recorder.record(load)
    loads = read_loads(folder)
    assert (loads.layer_ids, loads.hidden_layers) == ((2, 3, 4), 5)
    assert loads.load[:, :2].tolist() == [TWO_LAYERS, TWO_LAYERS]
    assert loads.load[:, 2, 0].tolist() == [0, 7]
    command = ["solve", str(folder), "--replicas", "16", "--ranks", "8", "--method", "greedy", "--format", "sglang"]
    assert cli.main([*command, "-o", str(tmp_path / "map.json")]) == 0


def test_numbers_go_on_after_a_restart(folder):
    for _ in range(2):
        recorder = Recorder(str(folder), False)
        recorder.record(LOAD)
        recorder.record(LOAD)
    assert files(folder)[-1] == "loads-2x12-00000003.npz"
    assert len(read_loads(folder).load) == 4


def test_the_newest_files_stay(folder, monkeypatch):
    most = 6
    monkeypatch.setattr(recording, "MOST_FILES", most)
    recorder = Recorder(str(folder), False)
    for number in range(9):
        recorder.record(LOAD + number)
        (folder / "notes.txt").touch()  # not ours
        newest = range(max(0, number + 1 - most), number + 1)
        assert files(folder) == [f"loads-2x12-0000000{kept}.npz" for kept in newest] + ["notes.txt"]
        assert read_loads(folder).load[:, 0, 0].tolist() == [TWO_LAYERS[0][0] + kept for kept in newest]


def test_another_model_has_a_folder_of_its_own(folder):
    drafter = np.ones((1, 1, 12))
    for _ in range(2):
        recorder = Recorder(str(folder), False)
        recorder.record(LOAD)
        recorder.record(drafter)
    assert read_loads(folder).load.shape == (2, 2, 12)
    assert read_loads(folder / "1x12").load.shape == (2, 1, 12)


# What does not hurt


def test_a_full_disk_ends_the_recording_alone(folder, log, monkeypatch):
    kept = past_of({"record": str(folder)}, GREEDY, never, False)
    plan(GREEDY, WEIGHT, *TOPOLOGY, past=kept)
    calls = []

    def full(*arguments):
        calls.append(arguments)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        for _ in range(3):
            found = plan(GREEDY, WEIGHT, *TOPOLOGY, past=kept)
            assert np.array_equal(found, plan(GREEDY, WEIGHT, *TOPOLOGY))
    assert len(calls) == 1  # not tried again
    plan(GREEDY, WEIGHT, *TOPOLOGY, past=kept)
    assert files(folder) == ["loads-2x12-00000000.npz"]
    (record,) = log.records
    assert record.levelname == "WARNING"
    assert "No space left on device" in log.text


def test_a_folder_that_cannot_be_made_ends_it(tmp_path, log):
    (tmp_path / "file").touch()
    kept = past_of({"record": str(tmp_path / "file" / "below")}, GREEDY, never, False)
    for _ in range(2):
        assert np.array_equal(plan(GREEDY, WEIGHT, *TOPOLOGY, past=kept), plan(GREEDY, WEIGHT, *TOPOLOGY))
    assert len(log.records) == 1


def test_a_folder_that_cannot_be_written_ends_it(folder, log, monkeypatch):
    folder.mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and access(path, mode))  # also as root
    recorder = Recorder(str(folder), False)
    for _ in range(2):
        recorder.record(LOAD)
    assert files(folder) == []
    assert "no permission to write" in log.text
    assert len(log.records) == 1


def test_a_folder_that_is_taken_away_is_made_again(folder):
    recorder = Recorder(str(folder), False)
    recorder.record(LOAD)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    recorder.record(LOAD)
    assert files(folder) == ["loads-2x12-00000000.npz"]


CRASH = """
import os, sys
import numpy as np
from eplb_opt.plugins.recording import Recorder
recorder = Recorder(sys.argv[1], False)
recorder.record(np.ones((1, 2, 12)))
os.replace = lambda *_: os._exit(1)  # the process ends between writing and naming
recorder.record(np.ones((1, 2, 12)))
"""


def test_a_crash_leaves_whole_files_only(folder):
    run = subprocess.run([sys.executable, "-c", CRASH, str(folder)], check=False)
    assert run.returncode == 1
    assert len(files(folder)) == 2  # the second one without its name
    assert len(read_loads(folder).load) == 1
    Recorder(str(folder), False).record(LOAD)
    assert len(read_loads(folder).load) == 2


# Who writes


def test_the_rank_is_torchs_or_the_environments(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert recording.rank() == 0
    for text, expected in (("3", 3), ("0", 0), ("", 0), ("none", 0)):
        monkeypatch.setenv("RANK", text)
        assert recording.rank() == expected
    monkeypatch.setenv("RANK", "3")
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    try:
        assert recording.rank() == 0
    finally:
        dist.destroy_process_group()


RANK = """
import sys
from datetime import timedelta
import torch, torch.distributed as dist
from eplb_opt import POLICIES
from eplb_opt.plugins.past import past_of
from eplb_opt.plugins.planning import plan
rank = int(sys.argv[1])
store = dist.FileStore(sys.argv[2], 2)
dist.init_process_group("gloo", rank=rank, world_size=2, store=store, timeout=timedelta(seconds=120))
kept = past_of({"record": sys.argv[3]}, POLICIES["greedy"], lambda: False, False)
for times in (1, 2):
    load = torch.arange(1, 13).reshape(1, 12) * times
    dist.all_reduce(load)
    plan(POLICIES["greedy"], load, 16, 1, 1, 2, past=kept)
dist.destroy_process_group()
"""


def test_of_two_ranks_the_first_writes(folder, tmp_path):
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, str(number), str(tmp_path / "store"), str(folder)])
        for number in range(2)
    ]
    assert [process.wait(timeout=300) for process in ranks] == [0, 0]
    assert read_loads(folder).load[:, 0, 0].tolist() == [2, 4]


def test_other_ranks_write_nothing(folder, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    Recorder(str(folder), False).record(LOAD)
    assert not folder.exists()


def test_an_empty_variable_records_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = read_options({"EPLB_OPT_RECORD": "", "EPLB_OPT_POLICY": "greedy"})
    plan(GREEDY, WEIGHT, *TOPOLOGY, past=past_of(options, GREEDY, never, False))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["a\0b", 3, None, ["folder"]])
def test_what_is_no_folder_is_named(value):
    with pytest.raises((ValueError, TypeError)):
        recording.RECORD.read(value)


# Reading


def test_files_of_different_models_are_refused(folder):
    Recorder(str(folder), False).record(LOAD)
    np.savez(folder / "other.npz", load=np.ones((1, 3, 12)))
    with pytest.raises(ValueError, match=r"other\.npz: 3 layers x 12 experts, of another model than loads-2x12-"):
        read_loads(folder)
    np.savez(folder / "other.npz", load=LOAD, layer_ids=[4, 5])
    with pytest.raises(ValueError, match="give a folder for each"):
        read_loads(folder)


def test_what_is_no_recording_is_refused(folder, monkeypatch):
    folder.mkdir()
    with pytest.raises(ValueError, match=r"no \*\.npz in the folder"):
        read_loads(folder, "recordings")
    (folder / "loads.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="damaged"):
        read_loads(folder)
    with pytest.raises(ValueError, match="a file, expected a folder"):
        recordings.decode_loads({}, "loads.npz")
    for name in ("loads.npz", "more.npz", "most.npz"):
        np.savez(folder / name, load=np.ones((1, 2, 50_000)))
    monkeypatch.setenv("EPLB_OPT_MAX_FILE_MIB", "1")
    with pytest.raises(ValueError, match="its arrays take 2 MiB, more than 2"):
        read_loads(folder)
