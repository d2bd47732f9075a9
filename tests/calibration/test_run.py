"""A calibration from measured steps to the file, on a simulated machine; and on a GPU where there is one."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from eplb_opt import Cost
from eplb_opt.calibration import device
from eplb_opt.calibration.cost_file import cost_content
from eplb_opt.calibration.run import calibrated
from eplb_opt.calibration.shape import ExpertShape
from eplb_opt.calibration.steps import steps_to_judge
from eplb_opt.cli import main
from eplb_opt.errors import DeviceError

from .machine import noisy_clock, true_seconds

SHAPE = ExpertShape(64, 32, 8)
ARGUMENTS = ["calibrate", "--hidden", "64", "--intermediate", "32", "--experts", "8"]
GPU = {"card": "a simulated GPU", "versions": {"torch": "2.8.0"}}


def has_gpu():
    torch = pytest.importorskip("torch")
    return torch.cuda.is_available()


def test_the_error_is_that_of_steps_that_were_held_out():
    found = calibrated(SHAPE, true_seconds)
    assert found.held_out.steps == steps_to_judge(8)
    predicted = found.cost.step_seconds(found.held_out.steps)
    errors = np.abs(predicted / found.held_out.seconds - 1)
    assert found.held_out_error["median"] == np.median(errors) < 0.01
    assert found.held_out_error["worst"] == errors.max()
    assert found.held_out_error["worst_step"] == list(found.held_out.steps[errors.argmax()])


def test_a_disturbance_in_one_pass_is_not_measured():
    measured = set()

    def clock(step):
        is_first = step not in measured
        measured.add(step)
        return true_seconds(step) * (30 if is_first else 1)

    found = calibrated(SHAPE, clock)
    assert found.fitted.seconds == [true_seconds(step) for step in found.fitted.steps]


def test_progress_ends_with_all_measurements():
    seen = []
    calibrated(SHAPE, true_seconds, progress=lambda *done: seen.append(done))
    assert seen[-1][0] == seen[-1][1] == len(seen)


def test_the_file_says_what_was_measured():
    found = calibrated(SHAPE, noisy_clock(0.02))
    content = json.loads(json.dumps(cost_content(found, GPU)))
    assert content["schema"] == "eplb-opt/cost/1"
    assert Cost.from_dict(content)(64) == content["seconds"][content["tokens"].index(64)]
    assert content["kind"] == "table"
    assert content["tokens"][0] == content["seconds"][0] == 0
    assert len(content["tokens"]) == len(content["seconds"])
    assert content["seconds"] == sorted(content["seconds"])
    assert content["about"]["card"] == GPU["card"]
    assert content["about"]["shape"] == {"hidden": 64, "intermediate": 32, "experts": 8, "dtype": "bf16"}
    assert 0 < content["about"]["held_out_error"]["median"] < 0.05


@pytest.fixture
def simulated(monkeypatch):
    """The command on a machine whose GPU is simulated."""
    monkeypatch.setattr(device, "gpu_clock", lambda shape: noisy_clock(0.02))
    monkeypatch.setattr(device, "describe_gpu", lambda: {**GPU, "versions": dict(GPU["versions"])})


def test_the_command_writes_the_cost_and_says_it(simulated, tmp_path, capsys):
    path = tmp_path / "cost.json"
    assert main([*ARGUMENTS, "-o", str(path)]) == 0
    content = json.loads(path.read_text())
    assert content["about"]["date"]
    out = capsys.readouterr().out
    assert max(map(len, out.replace(str(path), "").splitlines())) <= 80
    error = content["about"]["held_out_error"]
    assert f"error median {error['median']:.1%}" in out
    assert "a simulated GPU, torch 2.8.0" in out
    assert str(path) in out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--hidden", "100"], "--hidden 100: give a multiple of 16"),
        (["--dtype", "int4"], "--dtype 'int4': choose one of bf16, fp8"),
        (["--experts", "0"], "--experts 0: give an integer >= 1"),
        (["--seed", "-1"], "--seed -1: give an integer >= 0"),
        (["-o", "no such folder/cost.json"], "cannot write no such folder/cost.json"),
    ],
)
def test_what_is_wrong_with_the_options_is_one_line(given, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*ARGUMENTS, "-o", "cost.json", *given]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_without_a_gpu_the_command_says_so_and_writes_nothing(tmp_path, capsys):
    if has_gpu():
        pytest.skip("there is a GPU")
    path = tmp_path / "cost.json"
    assert main([*ARGUMENTS, "-o", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("eplb-opt: error: no GPU to measure")
    assert err.count("\n") == 1
    assert not path.exists()


def test_a_card_that_is_too_old_is_named(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "an A100")
    device.require_gpu("bf16")
    with pytest.raises(DeviceError, match="an A100 has no grouped products in fp8"):
        device.require_gpu("fp8")


def test_a_memory_that_is_too_small_is_said(monkeypatch):
    torch = pytest.importorskip("torch")

    def too_large(*_):
        raise torch.cuda.OutOfMemoryError("as torch says it")

    monkeypatch.setattr(device, "require_gpu", lambda dtype: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(L2_cache_size=1))
    monkeypatch.setattr(device, "FeedForward", too_large)
    with pytest.raises(DeviceError, match=r"8 experts of 12288 bytes .* give fewer experts"):
        device.gpu_clock(SHAPE)


def test_a_gpu_is_measured(tmp_path):
    if not has_gpu():
        pytest.skip("no GPU")
    measure = device.gpu_clock(ExpertShape(256, 128, 2), 64)
    assert 0 < measure((1, 1)) < 1
