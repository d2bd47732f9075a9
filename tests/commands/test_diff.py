"""The command diff as a user types it."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

from eplb_opt.claims.reading import read_section
from eplb_opt.cli import main
from eplb_opt.commands.units import bytes_in, speed_in
from eplb_opt.report.diff_schema import DIFF, LAYER, SCHEDULE, STEP, TOTALS
from eplb_opt.report.diff_tables import layer_table, schedule_table
from eplb_opt.report.layout import table_lines

LOAD = [[[40, 30, 20, 10], [25, 25, 25, 25]], [[20, 50, 20, 10], [40, 20, 20, 20]]]
OLD = [[0, 1, 2, 3, 0, 0], [0, 1, 2, 3, 0, 1]]
NEW = [[0, 3, 1, 2, 0, 1], [0, 1, 2, 3, 1, 0]]  # of three ranks
COST = ["--bytes-per-expert", "1MiB", "--within-node", "1MiB/s"]


def write_map(path, rows, **others):
    np.savez(path, physical_to_logical_map=np.array(rows), layer_ids=[5, 8], **others)
    return str(path)


@pytest.fixture
def files(tmp_path):
    np.savez(tmp_path / "loads.npz", load=np.array(LOAD), layer_ids=[5, 8], window=["day", "night"])
    return {
        "old": write_map(tmp_path / "old.npz", OLD, num_experts=4, num_ranks=3),
        "new": write_map(tmp_path / "new.npz", NEW, num_experts=4, num_ranks=3),
        "loads": str(tmp_path / "loads.npz"),
    }


def report_of(old, new, *options, capsys):
    assert main(["diff", old, new, *options, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def shown(old, new, *options, capsys):
    assert main(["diff", old, new, *options]) == 0
    return capsys.readouterr().out


def always(_):
    return True


def assert_section(content, section):
    assert tuple(content) == section.names()
    read_section(content, section, section.name, always)


@pytest.mark.parametrize(
    "options",
    [[], COST, ["--loads"], ["--loads", "--schedule"], ["--loads", "--schedule", "--moves-per-rank", "1", *COST]],
)
def test_json_is_what_the_page_says(options, files, capsys):
    given = [part for option in options for part in ([option, files["loads"]] if option == "--loads" else [option])]
    report = report_of(files["old"], files["new"], *given, capsys=capsys)
    assert report["schema"] == "eplb_opt.diff/1"
    assert_section(report, DIFF)
    assert_section(report["totals"], TOTALS)
    for row in report["layers"]:
        assert_section(row, LAYER)
    assert (report["schedule"] is not None) == ("--schedule" in options)
    if report["schedule"]:
        assert_section(report["schedule"], SCHEDULE)
        for step in report["schedule"]["steps"]:
            assert_section(step, STEP)


def test_moves_by_hand(files, capsys):
    report = report_of(files["old"], files["new"], *COST, capsys=capsys)
    first, second = report["layers"]
    # Rank 0 gets 3, rank 1 gets 1, rank 2 gets 1; then places within ranks only.
    assert [first[key] for key in ("layer_id", "changed", "moved", "within_node", "in_place")] == [5, 4, 3, 3, 1]
    assert (first["sent_bytes"], first["seconds"], first["busiest_link"]) == (3 * 2**20, 2.0, "rank 0 out")
    assert [second[key] for key in ("layer_id", "changed", "moved", "in_place")] == [8, 2, 0, 2]
    totals = report["totals"]
    assert (totals["moved"], totals["layers_changed"], totals["seconds"]) == (3, 2, 2.0)
    assert (totals["saved"], report["schedule"], report["notes"]) == (None, None, [])


def test_the_gain_by_hand(files, capsys):
    report = report_of(files["old"], files["new"], "--loads", files["loads"], "--windows", "day", capsys=capsys)
    first, second = report["layers"]
    # Ranks have 13.33 + 30, 20 + 10, 26.67 of 100 tokens; then 20 + 10, 15 + 20, 20 + 15.
    assert first["imbalance_before"] == pytest.approx(1.3)
    assert first["imbalance_after"] == pytest.approx(1.05)
    assert second["imbalance_before"] == second["imbalance_after"] == pytest.approx(1.5)
    assert report["totals"]["saved"] == pytest.approx(1 - (1.05 + 1.5) / (1.3 + 1.5))


def test_several_windows_count_by_their_mean(files, capsys):
    report = report_of(files["old"], files["new"], "--loads", files["loads"], capsys=capsys)
    assert "mean imbalance of 2 windows" in report["instance"]
    days = [
        report_of(files["old"], files["new"], "--loads", files["loads"], "--windows", label, capsys=capsys)
        for label in ("day", "night")
    ]
    mean = np.mean([day["totals"]["imbalance_after"] for day in days])
    assert report["totals"]["imbalance_after"] == pytest.approx(mean)


def test_what_is_printed(files, capsys):
    text = shown(
        files["old"],
        files["new"],
        "--loads",
        files["loads"],
        *COST,
        "--schedule",
        "--moves-per-pair",
        "1",
        capsys=capsys,
    )
    lines = text.splitlines()
    assert "moved: 3 of 12 replicas, in 2 of 2 layers: 3 from their own node\n3 further slots changed" in text
    assert "copied: 3.0 MiB; 2.00 s one layer after the other, longest in layer 5: 2.00 s, rank 0 out" in text
    assert any(
        line.startswith("imbalance 1.") and "% less load, for 1.5 replicas moved a layer" in line for line in lines
    )
    assert "at most 1 from one rank to another" in text
    assert lines[-1].startswith("half of the gain is there after")


def test_what_gets_worse_is_said(files, capsys):
    text = shown(files["new"], files["old"], "--loads", files["loads"], "--windows", "day", capsys=capsys)
    assert "% MORE load" in text


def test_nothing_moves(files, tmp_path, capsys):
    assert shown(files["old"], files["old"], capsys=capsys).endswith("nothing moves: the maps are the same\n")
    turned = write_map(tmp_path / "turned.npz", [[1, 0, *OLD[0][2:]], OLD[1]], num_ranks=3)
    text = shown(files["old"], turned, "--loads", files["loads"], "--schedule", capsys=capsys)
    assert "nothing moves: 2 slots changed, replicas change place within their rank" in text


def test_the_last_step_leads_to_the_new_map(files, capsys):
    options = ["--loads", files["loads"], "--schedule", "--moves-per-rank", "1"]
    report = report_of(files["old"], files["new"], *options, capsys=capsys)
    rows = {5: list(OLD[0]), 8: list(OLD[1])}
    for step in report["schedule"]["steps"]:
        for slot, expert in zip(step["slots"], step["experts"], strict=True):
            rows[step["layer_id"]][slot] = expert
    assert list(rows.values()) == NEW
    assert report["schedule"]["steps"][-1]["mean_imbalance"] == report["totals"]["imbalance_after"]


@pytest.mark.parametrize("nodes", ["1", "3"])
def test_everything_fits_a_terminal(nodes, files, capsys):
    options = ["--loads", files["loads"], "--nodes", nodes, *COST, "--across-nodes", "1kB/s", "--schedule"]
    report = report_of(files["old"], files["new"], *options, capsys=capsys)
    for table in (layer_table, schedule_table):
        lines = table_lines(table(report), 80)
        assert max(len(line) for line in lines) <= 80
        assert not any("left out" in line for line in lines)


def test_maps_of_other_slots_and_ranks(files, tmp_path, capsys):
    lost = write_map(tmp_path / "lost.npz", [[0, 1, 2, 2], [0, 1, 2, 3]])
    report = report_of(lost, files["new"], "--loads", files["loads"], *COST, capsys=capsys)
    assert (report["old_replicas"], report["old_ranks"]) == (4, 2)
    assert "taken as 2 on each of 2 ranks" in report["notes"][0]
    assert report["layers"][0]["imbalance_before"] is None
    assert report["totals"]["loaded"] == 1
    text = shown(lost, files["new"], "--loads", files["loads"], *COST, capsys=capsys)
    assert "the old map lacks experts in 1 layer" in text
    assert "loaded: 1.0 MiB" in text
    on_four = report_of(lost, files["new"], "--old-ranks", "4", capsys=capsys)
    assert (on_four["old_ranks"], on_four["notes"]) == (4, [])


def test_failed_ranks_hold_nothing(files, capsys):
    options = ["--failed-ranks", "1", "--loads", files["loads"], "--schedule"]
    report = report_of(files["old"], files["old"], *options, capsys=capsys)
    assert report["failed_ranks"] == [1]
    assert [row["loaded"] for row in report["layers"]] == [2, 2]
    assert report["totals"]["imbalance_before"] == report["totals"]["imbalance_after"]
    assert report["schedule"]["imbalance"] is None
    assert [step["experts"] for step in report["schedule"]["steps"]] == [[2, 3], [2, 3]]
    assert "1 rank of the old map failed: 1" in shown(files["old"], files["old"], *options, capsys=capsys)


def test_other_ranks_move_up(files, tmp_path, capsys):
    two = write_map(tmp_path / "two.npz", [[0, 1, 2, 3]] * 2, num_ranks=2)
    report = report_of(files["old"], two, "--failed-ranks", "2", capsys=capsys)
    assert report["totals"]["moved"] == 0
    report = report_of(files["old"], two, "--failed-ranks", "0", capsys=capsys)
    # Layer 5: ranks hold 2, 3 and 0. Layer 8: 2, 3 and 0, 1.
    assert [row["moved"] for row in report["layers"]] == [4, 4]
    assert [row["loaded"] for row in report["layers"]] == [1, 0]


def test_more_ranks_carry_less_each(files, tmp_path, capsys):
    np.savez(tmp_path / "flat.npz", load=np.full((1, 2, 4), 10), layer_ids=[5, 8])
    flat = ["--loads", str(tmp_path / "flat.npz")]
    two = write_map(tmp_path / "two.npz", [[0, 1, 2, 3]] * 2, num_ranks=2)
    four = write_map(tmp_path / "four.npz", [[0, 1, 2, 3]] * 2, num_ranks=4)
    report = report_of(two, four, *flat, capsys=capsys)
    assert (report["totals"]["imbalance_before"], report["totals"]["imbalance_after"]) == (1.0, 1.0)
    assert report["totals"]["saved"] == 0.5


def test_maps_without_numbers_take_those_of_the_loads(files, tmp_path, capsys):
    for name, rows in (("old", OLD), ("new", NEW)):
        np.save(tmp_path / f"{name}.npy", np.array(rows))
    bare = [str(tmp_path / "old.npy"), str(tmp_path / "new.npy"), "--ranks", "3"]
    plain = report_of(*bare, capsys=capsys)
    assert [row["layer_id"] for row in plain["layers"]] == [0, 1]
    numbered = report_of(*bare, "--loads", files["loads"], capsys=capsys)
    assert [row["layer_id"] for row in numbered["layers"]] == [5, 8]
    chosen = report_of(files["old"], files["new"], "--layers", "8", capsys=capsys)
    assert [row["layer_id"] for row in chosen["layers"]] == [8]


def test_groups_without_effect_are_named(files, capsys):
    report = report_of(files["old"], files["new"], "--groups", "2", "--nodes", "3", capsys=capsys)
    assert report["notes"] == [
        "--groups 2 has no effect: 2 groups cannot be shared out among 3 nodes; the mode is global"
    ]
    report = report_of(files["old"], files["new"], "--groups", "2", capsys=capsys)
    assert report["notes"][0].startswith("--groups 2 has no effect: one node")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--schedule"], "--schedule needs --loads: give both"),
        (["--moves-per-rank", "2"], "--moves-per-rank needs --schedule: give both"),
        (["--within-node", "1GB/s"], "--within-node needs --bytes-per-expert: give both"),
        (["--bytes-per-expert", "1MB", "--across-nodes", "1GB/s"], "--across-nodes needs --within-node"),
        ([*COST, "--nodes", "3"], "--within-node with --nodes 3 needs --across-nodes"),
        (["--nodes", "2"], "--ranks 3 on --nodes 2: give nodes that share the ranks equally"),
        (["--ranks", "2"], "it has 3 ranks, the option says 2: leave it out"),
        (["--layers", "5,6"], "no layer 6 among its layers 5..8"),
        (["--groups", "3"], "4 experts cannot be divided into --groups 3 equal groups"),
        (["--failed-ranks", "3"], "--failed-ranks 3: the map in use has ranks 0 to 2"),
        (["--distinct"], "old.npz: the map does not fit the instance: layer 5: rank 2 holds an expert twice"),
    ],
)
def test_bad_input_is_one_line(options, message, files, capsys):
    assert main(["diff", files["new"], files["old"], *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_maps_that_do_not_fit_each_other(files, tmp_path, capsys):
    six = write_map(tmp_path / "six.npz", [[0, 1, 2, 3, 4, 5]] * 2, num_ranks=3)
    bare = write_map(tmp_path / "bare.npz", NEW)
    few = write_map(tmp_path / "few.npz", [[0, 1, 2]] * 2, num_ranks=3)
    odd = write_map(tmp_path / "odd.npz", [[0, 1, 2, 3, 0]] * 2)
    for arguments, message in (
        ((files["old"], six), "six.npz: a map of 6 experts, not 4"),
        ((six, files["new"]), "six.npz: a map of 6 experts, not 4"),
        ((files["old"], bare), "--ranks is missing"),
        ((files["old"], few), "3 slots a layer for 4 experts: every expert needs one"),
        ((files["old"], odd, "--ranks", "2"), "odd.npz: a map of 5 slots a layer has 2 ranks"),
    ):
        assert main(["diff", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_an_output_is_never_an_input(files, capsys):
    assert main(["diff", files["old"], files["new"], "--json", files["old"]]) == 2
    assert "which it would replace" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "0", "MiB", "1 apple", "-1", "1e999", "nan", "0.1B", "1/s"])
def test_what_is_no_size(text):
    with pytest.raises(argparse.ArgumentTypeError, match="give bytes, such as 44MiB"):
        bytes_in(text)


@pytest.mark.parametrize("text", ["", "0GB/s", "50GB", "1e999", "50Gb/s", "fast"])
def test_what_is_no_speed(text):
    with pytest.raises(argparse.ArgumentTypeError, match="give a speed, such as 50GB/s"):
        speed_in(text)
