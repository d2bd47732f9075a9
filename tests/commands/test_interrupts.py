"""Ctrl-C at random moments: a handful; ``python -m tests.interrupts`` has more."""

from __future__ import annotations

import dataclasses
import signal

import pytest

from tests.every_command import write_inputs
from tests.interrupts import SITE, Ended, faults, interrupt, moments

MOMENTS = 4


def test_whenever_it_comes_files_are_whole_and_nothing_goes_on(tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    write_inputs(inputs)
    for number, (name, delay, is_group) in enumerate(moments(MOMENTS, seed=1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        ended = interrupt(name, delay, is_group, inputs, folder)
        assert faults(ended) == [], (name, delay, is_group, ended.said)


KEPT = "eplb-opt: interrupted: the best maps so far are kept: map.npz, report.json\n"
FILES = {"map.npz": b"PK", "report.json": b'{"interrupted": true}'}
GOOD = Ended("solve", 1.0, True, 130, KEPT, FILES)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"code": 0, "said": ""}, []),
        ({"code": -signal.SIGINT, "said": "", "files": {}}, []),
        ({"code": 1}, ["exit code 1"]),
        ({"code": 1, "said": f"{SITE}\nTraceback", "files": {}}, []),
        ({"code": -signal.SIGINT}, ["exit code -2"]),
        ({"said": f"{KEPT}Traceback"}, ["a traceback"]),
        ({"said": ""}, ["0 lines say that it was interrupted"]),
        ({"files": {}}, ["[] are there, ['map.npz', 'report.json'] are named"]),
        ({"files": {**GOOD.files, "map.npz": b"P"}}, ["map.npz is no archive"]),
        ({"left_behind": ["process 1 (python)"]}, ["process 1 (python)"]),
    ],
)
def test_what_must_not_be_is_found(change, found):
    assert faults(dataclasses.replace(GOOD, **change)) == found


def test_a_file_that_is_cut_off_is_found():
    cut = dataclasses.replace(GOOD, files={**GOOD.files, "report.json": b'{"interrupted": tr'})
    assert any("report.json" in fault for fault in faults(cut))
