"""Foresight's benchmark: how a recording is split, its interval, and that the page is made of the results."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import foresight
from benchmarks.store import read_lines


def test_windows_of_prompts_do_not_mix_labels():
    parts = [np.full((25, 2, 4), 1.0), np.full((9, 2, 4), 5.0), np.full((10, 2, 4), 2.0)]
    windows = foresight.in_tens(parts)
    assert windows[:, 0, 0].tolist() == [10.0, 10.0, 20.0]


def test_mixed_windows_depend_on_the_seed_alone():
    parts = [np.random.default_rng(0).random((100, 2, 4))]
    assert foresight.mixed(parts, 1).shape == (foresight.MIXED_WINDOWS, 2, 4)
    np.testing.assert_array_equal(foresight.mixed(parts, 1), foresight.mixed(parts, 1))
    assert (foresight.mixed(parts, 1) != foresight.mixed(parts, 2)).any()


def test_a_label_names_its_data_set():
    labels = ["gpqa_main", "mmlu_pro_test", "mmlu_dev", "Polyglot-or-Not_Fact-Completion", "law"]
    assert [foresight.data_set(label) for label in labels] == ["gpqa", "mmlu_pro", "mmlu", "Polyglot-or-Not", "law"]


def test_the_interval_holds_the_mean():
    imbalance = 1 + np.random.default_rng(0).random((50, 3))
    low, high = foresight.interval(imbalance)
    assert low < imbalance.mean() < high


def test_the_page_is_made_of_the_results():
    if not foresight.RESULTS.exists():
        pytest.skip("no results")
    assert foresight.PAGE.read_text() == foresight.page(read_lines(foresight.RESULTS))


@pytest.mark.recorded
def test_the_halves_share_no_window():
    if not (foresight.data_folder() / f"{foresight.V2_LITE}.npz").exists():
        pytest.skip("no recorded loads")
    first, second = foresight.halves(foresight.V2_LITE)
    seen = {window.tobytes() for part in first for window in part}
    assert not any(window.tobytes() in seen for part in second for window in part)
