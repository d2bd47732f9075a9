"""The demo: plans judged on the day that none of them saw."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest

from eplb_opt import Instance, Placement, demo_recording
from eplb_opt.cli import main
from eplb_opt.commands import demo
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.report.demo import foot_lines, head_lines, plan_row, plan_table
from eplb_opt.report.demo_schema import DEMO, PLAN
from eplb_opt.report.layout import table_lines

BETWEEN = ["greedy", "refined", "refined-windows", "optimal"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What the command wrote, and what it printed."""
    path = tmp_path_factory.mktemp("demo") / "demo.json"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["demo", "--work", "0.02", "--json", str(path)]) == 0
    return json.loads(path.read_text()), printed.getvalue()


@pytest.fixture(scope="module")
def report(run):
    return run[0]


def test_what_is_written_is_declared(report):
    assert list(report) == [field.name for field in DEMO.fields]
    for row in report["plans"]:
        assert list(row) == [field.name for field in PLAN.fields]
        for field in PLAN.fields:
            field.value.read(row[field.name])
    for field in DEMO.fields:
        field.value.read(report[field.name])


def test_no_window_is_planned_on_and_judged(report):
    assert not set(report["seen"]) & set(report["unseen"])
    assert {label[:5] for label in report["seen"]} == {"day 1"}
    assert {label[:5] for label in report["unseen"]} == {"day 2"}
    assert report["seen"] + report["unseen"] == list(demo_recording().windows)


def test_the_greedy_is_judged_as_computed_here(report):
    load = demo_recording().load
    placement = greedy(Instance(load[:48], demo.REPLICAS, num_ranks=demo.RANKS))
    row = next(row for row in report["plans"] if row["plan"] == "greedy")
    found = by_hand(placement, load[48:])
    assert row["unseen"] == pytest.approx(found.mean())
    assert row["worst_layer"] == found.mean(axis=0).argmax()
    assert row["seen"] == pytest.approx(by_hand(placement, load[:48]).mean())


def by_hand(placement: Placement, load: np.ndarray) -> np.ndarray:
    """Heaviest over mean rank load, [windows, layers]."""
    imbalance = np.empty(load.shape[:2])
    for layer, slots in enumerate(placement.phy2log):
        copies = np.bincount(slots, minlength=load.shape[2])
        ranks = (load[:, layer, slots] / copies[slots]).reshape(len(load), demo.RANKS, -1).sum(axis=2)
        imbalance[:, layer] = ranks.max(axis=1) / ranks.mean(axis=1)
    return imbalance


def test_plans_are_between_doing_nothing_and_what_nobody_can_do(report):
    unseen = {row["plan"]: row["unseen"] for row in report["plans"]}
    assert list(unseen) == ["contiguous", *BETWEEN, "own"]
    assert all(unseen["own"] < unseen[name] < unseen["contiguous"] for name in BETWEEN)
    assert unseen["refined-windows"] < unseen["refined"] < unseen["greedy"]


def test_it_fits_a_terminal_of_80_columns(report):
    lines = [*head_lines(report), *table_lines(plan_table(report), 80), *foot_lines(report)]
    paths = (report["recording"], "eplb-opt replay")
    assert all(len(line) <= 80 for line in lines if not any(path in line for path in paths))


def test_what_did_not_run_is_not_spoken_of(report):
    rows = [row for row in report["plans"] if row["plan"] in ("contiguous", "greedy")]
    stopped = report | {"interrupted": True, "proven": None, "plans": rows}
    text = "\n".join(foot_lines(stopped))
    assert "greedy:" in text
    assert "refined" not in text
    assert "proven" not in text


def test_the_table_is_printed(run):
    shown = run[1]
    assert "16 layers x 64 experts, 80 replicas, 16 ranks" in shown
    assert "less on the heaviest rank of day 2 than greedy" in shown


def test_a_row_of_no_plan_has_no_seen_part():
    row = plan_row("own", None, np.ones((2, 3)), [5, 6, 7], None)
    assert row["seen"] is None
    assert row["worst_layer"] == 5
