"""What pages show is what the maps are worth, by hand and by the package's own judges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eplb_opt import Cost, FormatError, Instance, Limits, Objective, Placement, solve
from eplb_opt.pages.html import page_html
from eplb_opt.pages.of_maps import page_of_maps
from eplb_opt.pages.part_figures import part_section
from eplb_opt.pages.rank_figures import rank_section
from eplb_opt.pages.studies import study_of_methods, study_of_report
from eplb_opt.pages.study import rank_loads, window_imbalance
from eplb_opt.pages.summary import cards, sentences
from eplb_opt.pages.window_figures import _together, window_section
from eplb_opt.replayer.players import contiguous
from eplb_opt.report.gap import best_bound, gap_rows

from ..conftest import EDGES, TWO_LAYERS, engine_instance
from .examples import IN_USE, LIMITS, largest_study, moved_study, two_layers, windows_study


def test_rank_loads_are_those_of_the_placement():
    instance = two_layers()
    placement = solve(instance, "greedy").placement
    slots = placement.phy2log.reshape(2, 8, 2)
    expected = placement.rank_loads(instance) / instance.mean[:, None]
    np.testing.assert_allclose(rank_loads(slots, instance.weight), expected)


def test_windows_are_judged_as_the_placement_judges_them():
    instance = two_layers(3)
    placement = solve(instance, "greedy").placement
    found = window_imbalance(placement.phy2log.reshape(2, 8, 2), instance)
    np.testing.assert_allclose(found, placement.window_imbalance(instance))


def test_all_maps_are_beside_each_other():
    study = moved_study()
    assert [shown.name for shown in study.maps] == ["contiguous", "map in use", "greedy"]
    assert (study.before, study.after) == ("map in use", "greedy")
    in_use = IN_USE.objective(study.instance) / study.instance.mean
    np.testing.assert_allclose(study.map_named("map in use").imbalance, in_use)
    for shown in study.maps:
        assert (shown.imbalance >= study.bound * (1 - 1e-9)).all()


def test_the_summary_says_who_waits_and_what_moves():
    study = moved_study()
    loads = rank_loads(study.slots_of["map in use"], study.instance.weight)
    layer, rank = np.unravel_index(loads.argmax(), loads.shape)
    first, *_, moved, _ = sentences(study)
    assert f"rank {rank} is {(loads.max() - 1) * 100:.0f} % above the mean in layer {study.layer_ids[layer]}" in first
    assert moved.startswith(f"Getting there moves {sum(study.moves)} replicas of 32 ")
    assert cards(study)[-1].value == str(sum(study.moves))


def test_the_heaviest_rank_of_each_layer_is_marked():
    study = moved_study()
    (figure,) = rank_section(study).parts
    heat, marks, *_ = figure.plots["map in use and greedy"]["data"]
    values = np.array(figure.shared[heat["z"]["shared"]])
    assert marks["y"] == ["5", "8"]
    assert marks["x"] == values.argmax(axis=1).tolist()
    loads = rank_loads(study.slots_of["map in use"], study.instance.weight)
    np.testing.assert_allclose(values, (loads - 1) * 100, atol=0.005)


def test_windows_are_shown_where_there_are_several():
    titles = [section.title for section in page_of_maps(windows_study()).sections]
    assert "Window by window" in titles
    assert "What moves" not in titles


def test_windows_and_layers_are_those_of_the_placement():
    study = windows_study()
    *_, figure = window_section(study).parts
    placement = Placement(study.slots_of["refined"].reshape(2, -1), 12, (5, 8))
    expected = (placement.window_imbalance(study.instance).T - 1) * 100
    (heat,) = figure.plots["refined"]["data"]
    np.testing.assert_allclose(heat["z"], expected, atol=0.006)
    assert heat["y"] == ["5", "8"]
    assert figure.shared["labels"][0][1] == "night"


def test_many_windows_are_put_together():
    starts, means = _together(np.arange(10.0)[:, None], 4)
    assert starts == [0, 3, 6, 9]
    np.testing.assert_allclose(means[:, 0], [1, 4, 7, 9])


def test_the_parts_of_an_imbalance_add_up():
    """Map and drift are the mean of windows; sampling is what the file says."""
    study = windows_study()
    sampled = replace(study.map_named("refined"), sampling={"sampling": 0.25})
    others = [shown for shown in study.maps if shown.name != "refined"]
    section = part_section(replace(study, maps=(*others, sampled), tokens_per_step=64))
    assert section.title == "Map, drift and sampling"
    (figure,) = section.parts
    bars = {bar["name"]: dict(zip(bar["x"], bar["y"], strict=True)) for bar in figure.plots["parts"]["data"]}
    for shown in study.maps:
        mean = window_imbalance(shown.slots, study.instance).mean() - 1
        assert bars["map"][shown.name] + bars["drift"][shown.name] == pytest.approx(mean * 100, abs=1e-3)
    assert bars["sampling"]["refined"] == 25
    assert "steps of 64 tokens" in figure.caption


def test_one_part_alone_is_no_section():
    assert part_section(moved_study()) is None


def test_a_report_alone_is_enough():
    instance = two_layers()
    report = solve(instance, "greedy", LIMITS).to_dict()
    study = study_of_report(report)
    page = page_of_maps(study)
    assert [section.title for section in page.sections] == ["Every layer, every method", "What is proven"]
    np.testing.assert_allclose(study.map_named("greedy").imbalance, [layer["imbalance"] for layer in report["layers"]])


def test_another_map_than_the_reports_is_refused():
    instance = two_layers()
    report = solve(instance, "greedy", LIMITS).to_dict()
    other = Placement(IN_USE.phy2log, 12, (5, 8))
    with pytest.raises(FormatError, match="not that of the report"):
        study_of_report(report, instance, other)


def test_methods_are_compared_with_the_best_bound():
    instance = two_layers()
    results = [solve(instance, method, LIMITS) for method in ("greedy", "refined")]
    bound, proofs = best_bound(results)
    objectives = {result.method: result.objective for result in results}
    found = {
        "instance": instance.describe(),
        "layer_ids": [5, 8],
        "lower_bound": bound.tolist(),
        "bound_method": proofs,
        "notes": [],
        "methods": gap_rows(instance, objectives, {}, bound, 1e-3),
    }
    placements = {result.method: result.placement for result in results}
    study = study_of_methods(found, instance, placements)
    assert [shown.name for shown in study.maps] == ["contiguous", "greedy", "refined"]
    np.testing.assert_allclose(study.gaps(study.map_named("greedy")), results[0].objective / bound - 1, atol=1e-12)
    assert study.after == min(results, key=lambda result: result.imbalance.mean()).method


def test_a_layer_without_tokens_is_even():
    instance = Instance([[0] * 6, [5, 4, 3, 2, 1, 0]], 8, num_ranks=4)
    result = solve(instance, "greedy", Limits(seconds=1))
    study = study_of_report(result.to_dict(), instance, result.placement)
    assert study.map_named("greedy").imbalance[0] == 1
    assert study.bound[0] == 1
    assert page_of_maps(study).figures


@pytest.mark.parametrize("name", EDGES)
def test_ordinary_input_at_the_edges_has_a_page(name):
    instance = engine_instance(*EDGES[name])
    result = solve(instance, "greedy", LIMITS)
    page = page_of_maps(study_of_report(result.to_dict(), instance, result.placement))
    assert "NaN" not in page_html(page).partition("</head>")[2].partition("<script>")[0]


@pytest.mark.parametrize("options", [{"spare": "rank"}, {}], ids=["spare", "plain"])
@pytest.mark.parametrize("nodes", [1, 2])
def test_hierarchical_and_spare_maps_have_a_page(nodes, options):
    instance = Instance(TWO_LAYERS, 24, num_ranks=8, num_groups=4, num_nodes=nodes)
    result = solve(instance, "greedy", LIMITS, **options)
    page = page_of_maps(study_of_report(result.to_dict(), instance, result.placement))
    assert instance.mode in page.subtitle


def test_a_map_in_use_that_lost_ranks_is_judged_by_what_it_holds():
    instance = two_layers()
    result = solve(instance, "greedy", LIMITS, previous=IN_USE, failed_ranks=[7, 3])
    study = study_of_report(result.to_dict(), instance, result.placement, IN_USE)
    in_use = study.map_named("map in use")
    assert (in_use.slots[:, [3, 7]] == -1).all()
    assert np.isfinite(in_use.imbalance).all()
    assert page_html(page_of_maps(study))


def test_a_map_in_use_may_have_more_ranks():
    wider = Placement(np.array([[*range(12)] * 2] * 2), 12, (5, 8), num_ranks=12)
    instance = two_layers()
    result = solve(instance, "greedy", LIMITS, previous=wider)
    study = study_of_report(result.to_dict(), instance, result.placement, wider)
    assert study.slots_of["map in use"].shape == (2, 12, 2)
    assert page_html(page_of_maps(study))


@pytest.mark.parametrize("across", ["sum", "mean"])
def test_maps_are_compared_in_time_where_there_is_a_cost(across):
    cost = Cost.roofline(per_expert=30.0, per_token=1.0)
    instance = two_layers(2, objective=Objective(across, cost=cost))
    result = solve(instance, "refined", LIMITS)
    study = study_of_report(result.to_dict(), instance, result.placement)
    first = study.map_named("contiguous").imbalance
    after = study.map_named("refined").imbalance
    np.testing.assert_allclose(after, result.imbalance)
    np.testing.assert_allclose(first / after, contiguous(instance).objective(instance) / result.objective)
    assert page_html(page_of_maps(study))


def test_the_largest_models_fit():
    study = largest_study()
    assert study.slots_of["greedy"].shape == (94, 320, 2)


@pytest.mark.parametrize("cost", [None, Cost.roofline(2.0, 1.0, per_rank=0.5)])
@pytest.mark.parametrize("across", ["sum", "mean"])
def test_shown_ranks_are_those_of_the_objective_where_they_are_unequal(cost, across):
    load = np.random.default_rng(3).lognormal(1, 1, (2, 3, 6))
    instance = Instance(
        load,
        9,
        num_ranks=4,
        rank_speeds=[1, 0.5, 2, 1],
        rank_slots=[3, 2, 4, 0],
        objective=Objective(across, cost=cost),
    )
    result = solve(instance, "greedy")
    study = study_of_report(result.to_dict(), instance, result.placement)
    shown = study.map_named("greedy")
    np.testing.assert_allclose(shown.imbalance, result.imbalance)
    if across == "sum":
        relative = rank_loads(shown.slots, instance.step_weight, cost, instance.unequal)
        np.testing.assert_allclose(relative.max(axis=1), result.imbalance)
        assert (relative[:, 3] == 0).all()
    else:
        np.testing.assert_allclose(window_imbalance(shown.slots, instance), result.window_imbalance)
