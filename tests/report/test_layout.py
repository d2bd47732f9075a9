"""Tables on terminals of any width: columns are left out and names folded, numbers never cut."""

from __future__ import annotations

import re

import numpy as np
import pytest

from eplb_opt import Instance, solve
from eplb_opt.report.gap import gap_rows
from eplb_opt.report.layout import Column, table_lines, text_lines
from eplb_opt.report.tables import gap_table, layer_table, totals_lines

NUMBER = re.compile(r"\d[\d./]*\d|\d")


@pytest.fixture(scope="module")
def result():
    load = np.random.default_rng(0).lognormal(size=(58, 64))
    return solve(Instance(load, 80, num_ranks=16, layer_ids=range(3, 61)), "refined")


@pytest.fixture(scope="module")
def report(result):
    return result.to_dict()


def numbers(lines):
    return {number for line in lines for number in NUMBER.findall(line)}


@pytest.mark.parametrize("width", [*range(40, 201), 10_000])
def test_every_number_of_a_layer_table_is_whole(width, report):
    whole = table_lines(layer_table(report))
    lines = table_lines(layer_table(report), width)
    assert max(map(len, lines)) <= width
    note = [line for line in lines if "left out" in line]
    assert numbers(lines[:59]) <= numbers(whole)
    assert len(note) == (width < max(map(len, whole)) + 1)
    assert lines[0].split()[:2] == ["layer", "imbalance"]
    assert [line.split()[:2] for line in lines[1:59]] == [line.split()[:2] for line in whole[1:]]
    assert not any(mark in "\n".join(lines) for mark in ("...", "\N{HORIZONTAL ELLIPSIS}"))


def test_the_least_important_columns_are_left_out_first(report):
    def header(width):
        return re.split(r"\s{2,}", table_lines(layer_table(report), width)[0].strip())

    assert header(None)[-1] == "seconds"
    assert header(80) == ["layer", "imbalance", "balancedness", "bound", "gap %", "status", "found by", "proved by"]
    assert header(40) == ["layer", "imbalance", "gap %", "status"]


@pytest.mark.parametrize("width", [*range(45, 160), None])
def test_long_names_fold_and_numbers_stay_whole(width, result):
    instance = result.instance
    names = ["greedy", f"map /home/{'very_long_name/' * 12}map.npz", "policy some_package.some_module:SomePolicy"]
    rows = gap_rows(instance, dict.fromkeys(names, result.objective), {"greedy": 1.25}, result.lower_bound, 1e-4)
    whole = table_lines(gap_table(rows))
    lines = table_lines(gap_table(rows), width)
    assert width is None or max(map(len, lines)) <= width
    values = {row[key] for row in rows for key in ("imbalance_mean", "gap_mean")}
    assert all(f"{value:.5f}" in "\n".join(lines) or f"{100 * value:.4f}" in "\n".join(lines) for value in values)
    table = [line for line in lines if "left out" not in line]
    assert numbers(table) <= numbers(whole) | {str(width)}
    folded = "".join(line.split("  ")[0].strip() for line in table)
    assert names[1].replace(" ", "") in folded.replace(" ", "")


def test_a_table_that_fits_nowhere_is_still_whole():
    columns = [Column("a", ["1234567890"]), Column("b", ["1"], order=1)]
    assert table_lines(columns, 5) == ["          a", " 1234567890", "left", "  out,", "  as", "  the", "  terminal",
                                       "  has", "  5", "  columns:", "  b"]  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_lines_are_broken_between_words(width, report):
    for text in totals_lines(report):
        lines = text_lines(text, width)
        assert max(map(len, lines)) <= width
        assert " ".join(lines).split() == text.split()
        assert text_lines(text, None) == [text]
    path = "/a/" + "b" * 100
    assert path in text_lines(f"map: {path}", width)[-1]
