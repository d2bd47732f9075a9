"""What commands wrote is read back whole; whatever is missing or of another type is said in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt import FormatError, solve
from eplb_opt.pages.of_maps import page_of_maps
from eplb_opt.pages.of_replay import page_of_replay
from eplb_opt.pages.of_sweep import page_of_sweep
from eplb_opt.pages.reading import GAP, REPLAY, REPORT, SWEEP, read_found
from eplb_opt.pages.studies import study_of_methods, study_of_report

from ..commands.common import TOPOLOGY, write_loads
from .examples import LIMITS, replay_report, sweep_report, two_layers

PAGE_OF = {
    REPORT: lambda content: page_of_maps(study_of_report(content)),
    GAP: lambda content: page_of_maps(study_of_methods(content)),
    REPLAY: page_of_replay,
    SWEEP: page_of_sweep,
}


def write(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """One file of each command, as JSON has it."""
    from eplb_opt.cli import main

    folder = tmp_path_factory.mktemp("found")
    step = ["--tokens-per-step", "64", "--json", str(folder / "gap.json")]
    main(["gap", str(write_loads(folder)), *TOPOLOGY, "--methods", "greedy", *step])
    return {
        REPORT: json.loads(json.dumps(solve(two_layers(), "greedy", LIMITS).to_dict())),
        GAP: json.loads((folder / "gap.json").read_text()),
        REPLAY: json.loads(json.dumps(replay_report())),
        SWEEP: json.loads(json.dumps(sweep_report())),
    }


@pytest.mark.parametrize("kind", PAGE_OF)
def test_what_a_command_wrote_is_recognised(kind, contents, tmp_path):
    found = read_found(write(tmp_path / "found.json", contents[kind]))
    assert found[0] == kind
    assert PAGE_OF[kind](found[1]).figures


@pytest.mark.parametrize("kind", PAGE_OF)
def test_whatever_is_missing_or_of_another_type_is_a_format_error_or_harmless(kind, contents, tmp_path):
    """Every key of the head, of the first layer, method or outcome, and of the advice, is taken away and spoilt."""
    messages = []
    for content in spoilt(contents[kind]):
        try:
            found = read_found(write(tmp_path / "found.json", content))
        except FormatError as error:
            messages.append(str(error))
            continue
        if found is not None:
            PAGE_OF[kind](found[1])
    assert len(messages) > 10
    assert not any("\n" in message for message in messages)


PLACES = (
    (), ("layers", 0), ("methods", 0), ("methods", 0, "sampling"), ("outcomes", 0), ("advice",), ("advice", 0),
    ("totals",), ("cells", 0), ("left_out", 0),
)  # fmt: skip


def spoilt(content):
    for place in PLACES:
        for key in list(at(content, place)):
            for value in (None, "text", -1, [], {}, [1]):
                changed = json.loads(json.dumps(content))
                at(changed, place)[key] = value
                yield changed
            without = json.loads(json.dumps(content))
            del at(without, place)[key]
            yield without


def at(content, place):
    """Keys and values at a place; none where this kind of file has no such place."""
    for step in place:
        try:
            content = content[step]
        except (KeyError, IndexError, TypeError):
            return {}
    return content if isinstance(content, dict) else {}


def test_loads_are_none_of_ours(tmp_path):
    np.savez(tmp_path / "loads.npz", load=np.ones((1, 2, 4)))
    assert read_found(tmp_path / "loads.npz") is None
    assert read_found(write(tmp_path / "loads.json", {"load": [[1, 2]]})) is None
    assert read_found(tmp_path) is None
    assert read_found(tmp_path / "nothing.json") is None


def test_what_other_commands_wrote_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"diff.json is what diff found: give loads"):
        read_found(write(tmp_path / "diff.json", {"schema": "eplb_opt.diff/1"}))
    with pytest.raises(FormatError, match=r"new.json is of schema 'eplb_opt.new/1'"):
        read_found(write(tmp_path / "new.json", {"schema": "eplb_opt.new/1"}))
