"""Options of the in-engine policies: environment, file, errors."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from eplb_opt import POLICIES, MissingPackageError, OptionError
from eplb_opt.methods import METHODS
from eplb_opt.plugins import options as options_module
from eplb_opt.plugins.history import HISTORY
from eplb_opt.plugins.options import DEFAULT_POLICY, engine_policy, read_options
from eplb_opt.plugins.past import ACROSS_WINDOWS


def test_the_default():
    assert read_options({}) == {"policy": DEFAULT_POLICY}


def test_the_environment_wins_over_the_file(tmp_path):
    path = tmp_path / "options.json"
    path.write_text(json.dumps({"policy": "optimal", "distinct": True, "seed": 7}))
    environ = {"EPLB_OPT_CONFIG": str(path), "EPLB_OPT_POLICY": "greedy", "EPLB_OPT_WORK": "0.25", "HOME": "/"}
    assert read_options(environ) == {"policy": "greedy", "distinct": True, "seed": 7, "work": 0.25}


def test_policies_are_configured():
    assert engine_policy({"policy": "off"}) is None
    policy = engine_policy({"policy": "optimal", "distinct": True, "work": 0.25, "seed": 3})
    assert issubclass(policy, POLICIES["optimal"])
    assert policy.distinct
    assert (policy.limits.work, policy.limits.seed) == (0.25, 3)
    assert policy.limits.seconds is None
    assert POLICIES["optimal"].limits.seed == 0
    policy = engine_policy(read_options({"EPLB_OPT_STEPS": "12", "EPLB_OPT_GREEDY_CHECK": "inf"}))
    assert (policy.steps, policy.greedy_check) == (12, math.inf)


def test_what_the_plug_ins_keep_is_no_policys(tmp_path):
    path = tmp_path / "options.json"
    path.write_text(json.dumps({"history": 8, "record": "here"}))
    options = read_options({"EPLB_OPT_CONFIG": str(path), "EPLB_OPT_HISTORY": "0"})
    assert options == {"policy": DEFAULT_POLICY, "history": 0, "record": "here"}
    assert engine_policy(options).history is None
    assert issubclass(engine_policy(options | {"policy": "greedy"}), POLICIES["greedy"])


def documented() -> dict[str, str]:
    """The variables in the documentation's table of options, with the defaults that it gives."""
    text = (Path(__file__).parents[2] / "docs/reference/engine_options.md").read_text()
    found = {}
    for line in text.splitlines():
        if line.startswith("| `EPLB_OPT_"):
            names, defaults = (cell.replace("`", "").split(", ") for cell in line.split("|")[1:3])
            found |= {name.strip(): text.strip() for name, text in zip(names, defaults, strict=True)}
    return found


def test_the_documentation_lists_every_option_and_its_default():
    options = options_module._readable().values()
    policy = POLICIES[DEFAULT_POLICY]
    defaults = {option.name: getattr(policy, option.name, option.default) for option in options}
    # What the plug-ins remember, and plan these windows for, is no matter of the policies.
    defaults |= {"history": HISTORY.default, "across": ACROSS_WINDOWS, "config": ""}

    def written(default):
        if default is None:
            return "none"
        return f"{default:g}" if isinstance(default, (int, float)) else default

    assert documented() == {f"EPLB_OPT_{name.upper()}": written(default) for name, default in defaults.items()}


def test_variables_that_are_read_elsewhere_are_no_options():
    environ = {"EPLB_OPT_MAX_FILE_MIB": "2048", "EPLB_OPT_DATA": "/data", "EPLB_OPT_CONFIG": ""}
    assert read_options(environ) == {"policy": DEFAULT_POLICY}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"EPLB_OPT_POLICY": "magic"}, "'magic': choose from greedy"),
        ({"EPLB_OPT_SPEED": "1"}, "EPLB_OPT_SPEED is no option"),
        ({"EPLB_OPT_POLICY": "greedy", "EPLB_OPT_DISTINCT": "maybe"}, "EPLB_OPT_DISTINCT='maybe'"),
        ({"EPLB_OPT_POLICY": "greedy", "EPLB_OPT_WORK": "fast"}, "EPLB_OPT_WORK='fast'"),
        ({"EPLB_OPT_POLICY": "greedy", "EPLB_OPT_WORK": "1"}, "'greedy' uses no solver"),
        ({"EPLB_OPT_POLICY": "optimal", "EPLB_OPT_WORK": "-1"}, "-1"),
        ({"EPLB_OPT_STEPS": "-1"}, "EPLB_OPT_STEPS='-1'"),
        ({"EPLB_OPT_STEPS": "2.5"}, "EPLB_OPT_STEPS='2.5'"),
        ({"EPLB_OPT_GREEDY_CHECK": "nan"}, "EPLB_OPT_GREEDY_CHECK='nan'"),
        ({"EPLB_OPT_POLICY": "greedy", "EPLB_OPT_STEPS": "4"}, "'greedy' has no steps"),
        ({"EPLB_OPT_STEPS": "1000000000000000000"}, "EPLB_OPT_STEPS='1000000000000000000'.*from 0 to 10000"),
        ({"EPLB_OPT_STEPS": "9" * 5000}, "EPLB_OPT_STEPS='999"),
        ({"EPLB_OPT_GREEDY_CHECK": "-1"}, "EPLB_OPT_GREEDY_CHECK='-1'"),
        ({"EPLB_OPT_POLICY": "optimal", "EPLB_OPT_WORK": "1e18"}, "EPLB_OPT_WORK='1e18'.*up to 3600"),
        ({"EPLB_OPT_POLICY": "optimal", "EPLB_OPT_WORK": "nan"}, "EPLB_OPT_WORK='nan'"),
        ({"EPLB_OPT_POLICY": "optimal", "EPLB_OPT_SEED": "1000000000000000000"}, "EPLB_OPT_SEED='1000000000000000000'"),
        ({"EPLB_OPT_POLICY": "optimal", "EPLB_OPT_SEED": "-1"}, "EPLB_OPT_SEED='-1'"),
        ({"EPLB_OPT_CONFIG": "/nonexistent"}, "cannot be read"),
        ({"EPLB_OPT_CONFIG": "/dev/zero"}, "it is no file"),
        ({"EPLB_OPT_CONFIG": "/"}, "it is no file"),
        ({"EPLB_OPT_CONFIG": "a\0b"}, "cannot be read"),
    ],
)
def test_wrong_options_are_named(environ, message):
    with pytest.raises(OptionError, match=message):
        engine_policy(read_options(environ))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "holds a list"),
        ("{", "cannot be read"),
        ('{"polcy": "greedy"}', "polcy is no option"),
        *(
            (f'{{"{name}": {value}}}', f"options.json: {name}=.*not a value")
            for name, value in (
                ("seed", 1.5),
                ("seed", "true"),
                ("work", "true"),
                ("policy", "null"),
                ("policy", 3),
                ("distinct", 2),
                ("distinct", "[1]"),
                ("steps", 10**18),
                ("steps", "[8]"),
                ("greedy_check", "NaN"),
                ("greedy_check", "{}"),
                ("work", "1" + "0" * 400),
                ("seed", "null"),
                ("history", "true"),
                ("history", "16.0"),
                ("history", "null"),
                ("record", "1"),
            )
        ),
    ],
)
def test_wrong_files_are_named(text, message, tmp_path):
    path = tmp_path / "options.json"
    path.write_text(text)
    with pytest.raises(OptionError, match=message):
        read_options({"EPLB_OPT_CONFIG": str(path)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 60_000, "within each other"),
        (b'{"policy": ' * 5_000, "within each other|cannot be read"),
        (b'{"policy": ' + b"[" * 400 + b"]" * 400 + b"}", "not a value"),
        (b" " * 2**20, "more than 65536 bytes"),
        (b"\xff\xfe\xfd", "cannot be read"),
        (b'{"seed": ' + b"9" * 60_000 + b"}", "cannot be read|not a value"),
    ],
)
def test_files_that_hurt_are_errors_of_one_line(content, message, tmp_path):
    path = tmp_path / "options.json"
    path.write_bytes(content)
    with pytest.raises(OptionError, match=message) as caught:
        read_options({"EPLB_OPT_CONFIG": str(path)})
    assert len(str(caught.value)) < 500


def test_a_fifo_is_no_options_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OptionError, match="it is no file"):
        read_options({"EPLB_OPT_CONFIG": str(tmp_path / "fifo")})


def test_a_compiler_that_does_not_work_is_done_without(monkeypatch, caplog):
    def fails():
        raise RuntimeError("cannot cache function")

    monkeypatch.setitem(METHODS, "refined", replace(METHODS["refined"], compile_all=fails))
    assert not engine_policy({"policy": "refined"}).compiled
    assert "cannot cache function" in caplog.text


@pytest.mark.parametrize(("name", "package"), [("milp", "pulp"), ("cpsat", "ortools"), ("optimal", "numba")])
def test_packages_are_missed_at_registration(name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=f"EPLB_OPT_POLICY={name} needs the package {package}: "):
        engine_policy({"policy": name})


@pytest.mark.parametrize("group", ["vllm.general_plugins", "sglang.srt.plugins"])
def test_engines_find_the_plug_ins(group):
    (found,) = entry_points(group=group, name="eplb_opt")
    assert found.load().__name__ == "register"


BARE = """
import subprocess
import sys
for name in ("numba", "loky", "pulp", "highspy", "ortools", "yaml", "safetensors", "scipy", "pandas"):
    sys.modules[name] = None
import torch
from eplb_opt.plugins.options import engine_policy, read_options
from eplb_opt.plugins.planning import plan
policy = engine_policy(read_options({}))
print(policy.__name__, plan(policy, torch.tensor([[8, 3, 1]]), 4, 1, 1, 2).shape)
"""


def test_beside_an_engine_numpy_and_torch_are_enough():
    run = subprocess.run([sys.executable, "-W", "error", "-c", BARE], capture_output=True, text=True, check=True)
    assert run.stdout == "ConfiguredRefinedPolicy (1, 4)\n"
    assert run.stderr == ""
