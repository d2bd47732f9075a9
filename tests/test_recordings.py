"""The recording that comes with the package: read, of the right size, and each of its windows a whole one."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.recording import publish
from benchmarks.store import read_lines
from eplb_opt import OptionError, demo_recording
from eplb_opt.formats import read_loads
from eplb_opt.recordings import FOLDER, MODEL, NAMES, demo_routes, path_of

TOP_K = 8


@pytest.mark.parametrize(("name", "windows", "tokens"), [("days", 96, 8192), ("kinds", 64, 4096)])
def test_every_token_is_routed_in_every_layer(name, windows, tokens):
    loads = demo_recording(name)
    assert loads.load.dtype == np.int64
    assert loads.load.shape == (windows, 16, 64)
    assert loads.layer_ids == tuple(range(16))
    assert (loads.load.sum(axis=2) == tokens * TOP_K).all()
    assert (loads.load <= tokens).all()


def test_windows_are_labelled():
    days = demo_recording().windows
    assert len(set(days)) == len(days)
    assert [label.split()[1] for label in days] == ["1"] * 48 + ["2"] * 48
    kinds = demo_recording("kinds").windows
    assert len(set(kinds)) == 8
    assert all(kinds.count(kind) == 8 for kind in kinds)


@pytest.mark.parametrize(("name", "sequences"), [("days", 16), ("kinds", 8)])
def test_the_mix_of_a_window_is_said(name, sequences):
    with np.load(path_of(name)) as archive:
        mix = archive["sequences_of_kind"]
        kinds = archive["kinds"]
    assert mix.shape == (len(demo_recording(name).windows), len(kinds))
    assert (mix.sum(axis=1) == sequences).all()


def test_kinds_of_text_are_routed_differently():
    loads = demo_recording("kinds")
    of_window = loads.load.reshape(len(loads.windows), -1).astype(float)
    alike = np.corrcoef(of_window)
    same = np.equal.outer(loads.windows, loads.windows)
    others = ~np.eye(len(loads.windows), dtype=bool)
    assert alike[same & others].mean() > alike[~same].mean() + 0.2


def test_routes_of_single_tokens():
    routes = demo_routes()
    assert routes.experts.dtype == np.uint8
    assert routes.experts.shape == (len(routes.kinds), 16, TOP_K)
    assert routes.experts.max() == 63
    ordered = np.sort(routes.experts.astype(int), axis=2)
    assert (np.diff(ordered, axis=2) > 0).all()  # nobody is chosen twice
    assert set(routes.kinds) == set(demo_recording("kinds").windows)
    assert routes.layer_ids == demo_recording().layer_ids


def test_the_command_counts_single_tokens():
    path = FOLDER / f"{MODEL}-tokens.npz"
    loads = read_loads(path, tokens_per_window=2048, experts=64)
    first = demo_routes().experts[:2048]
    assert loads.load.shape == (8, 16, 64)
    for layer in range(16):
        np.testing.assert_array_equal(loads.load[0, layer], np.bincount(first[:, layer].ravel(), minlength=64))


def test_single_tokens_go_where_windows_of_their_kind_do():
    routes = demo_routes()
    loads = demo_recording("kinds")
    labels = np.array(loads.windows)
    of_token = np.array(routes.kinds)
    for kind in set(loads.windows):
        load = loads.load[labels == kind].sum(axis=0)
        chosen = routes.experts[of_token == kind]
        counted = np.stack([np.bincount(chosen[:, layer].ravel(), minlength=64) for layer in range(16)])
        alike = np.corrcoef(load.ravel(), counted.ravel())[0, 1]
        assert alike > 0.7, kind


def test_a_name_that_there_is_not():
    with pytest.raises(OptionError, match="name='weeks': choose from days, kinds"):
        demo_recording("weeks")


def test_the_files_are_small():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npz")) < 4_000_000
    assert {path.name for path in FOLDER.glob("*.npz")} == {f"{MODEL}-{name}.npz" for name in (*NAMES, "tokens")}


def test_the_page_is_made_of_the_results():
    assert publish.PAGE.read_text() == publish.page(read_lines(publish.RESULTS))
