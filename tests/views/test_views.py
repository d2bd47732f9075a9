"""A result as a frame, as a table of a notebook and as figures shows the result's own numbers."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from eplb_opt import Instance, MissingPackageError, Objective, solve

from ..conftest import KNOWN, TWO_LAYERS

RESULT = solve(KNOWN["global"][0], "greedy")
WINDOWS = solve(
    Instance([TWO_LAYERS, TWO_LAYERS[::-1]], 16, num_ranks=8, layer_ids=[5, 8], objective=Objective("mean")), "greedy"
)


@pytest.fixture
def without(monkeypatch):
    """Makes a package look as if it were not installed."""

    def hide(package):
        loaded = [name for name in sys.modules if name.partition(".")[0] == package]
        for name in {package, f"{package}.pyplot", *loaded}:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


def test_without_pandas_there_are_arrays(without):
    without("pandas")
    columns = RESULT.to_frame()
    np.testing.assert_array_equal(columns["gap"], RESULT.gap)
    assert columns["layer_id"].tolist() == [0, 1]
    assert columns["status"].tolist() == [str(status) for status in RESULT.status]
    assert "moves" not in columns


def test_with_pandas_there_is_a_frame():
    pytest.importorskip("pandas")
    frame = RESULT.to_frame()
    assert frame.index.tolist() == [0, 1]
    np.testing.assert_array_equal(frame["objective"].to_numpy(), RESULT.objective)


def test_moves_are_a_column_where_a_map_is_in_use(without):
    without("pandas")
    moved = solve(RESULT.instance, "greedy", previous=RESULT.placement)
    np.testing.assert_array_equal(moved.to_frame()["moves"], moved.moves)


def test_a_notebook_shows_a_table_without_a_script():
    text = RESULT._repr_html_()
    assert text.count("<tr>") == 3
    assert f"<td>{RESULT.imbalance[0]:.4f}</td>" in text
    assert "<script" not in text


def test_a_notebook_shows_the_layers_with_the_largest_gaps():
    rng = np.random.default_rng(0)
    result = solve(Instance(rng.integers(1, 99, (30, 12)), 16, num_ranks=8), "greedy")
    text = result._repr_html_()
    worst = int(result.gap.argmax())
    assert f"<tr><td>{worst}</td>" in text
    assert text.count("<tr>") == 13
    assert "and 18 layers with smaller gaps" in text


@pytest.fixture
def axes():
    """Axes of a figure that no window manager knows."""
    figure = pytest.importorskip("matplotlib.figure").Figure()
    return figure.subplots()


def test_layers_are_drawn(axes):
    assert WINDOWS.plot_layers(axes) is axes
    drawn, bound = axes.get_lines()
    np.testing.assert_array_equal(drawn.get_xdata(), [5, 8])
    np.testing.assert_array_equal(drawn.get_ydata(), WINDOWS.imbalance)
    assert (bound.get_ydata() <= drawn.get_ydata()).all()


def test_ranks_are_drawn(axes):
    RESULT.plot_ranks(axes)
    (image,) = axes.get_images()
    loads = RESULT.placement.rank_loads(RESULT.instance)
    np.testing.assert_allclose(image.get_array() * loads.mean(axis=1, keepdims=True), loads)


def test_windows_are_drawn(axes):
    WINDOWS.plot_windows(axes)
    (mean,) = axes.get_lines()
    np.testing.assert_allclose(mean.get_ydata(), WINDOWS.window_imbalance.mean(axis=1))


def test_without_axes_a_figure_is_made():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    axes = RESULT.plot_layers()
    assert axes.figure.number in pyplot.get_fignums()
    pyplot.close(axes.figure)


@pytest.mark.parametrize("name", ["plot_layers", "plot_ranks", "plot_windows"])
def test_without_matplotlib_the_error_says_what_to_install(name, without):
    without("matplotlib")
    with pytest.raises(MissingPackageError, match=rf"Result.{name} needs .*eplb_opt\[plot\]"):
        getattr(RESULT, name)()
