"""Files: every input form, detection by content, bad files, atomic output."""

from __future__ import annotations

import contextlib
import json
import os

import numpy as np
import pytest
import torch

from eplb_opt import FormatError, Placement
from eplb_opt.formats import Loads, atomic_write, read_loads, read_map, write_json, write_map

LOAD = np.array([[[1, 2, 3], [4, 5, 6]], [[0, 1, 0], [7, 0, 2]]])  # [windows, layers, experts]


def write_npz(path):
    np.savez(path, load=LOAD, layer_ids=[3, 9], window=["a", "b"])


def write_npy(path):
    np.save(path, LOAD)


def write_json_file(path):
    path.write_text(json.dumps({"load": LOAD.tolist(), "layer_ids": [3, 9]}))


def write_json_bare(path):
    path.write_text(json.dumps(LOAD.tolist()))


def write_pt(path):
    torch.save({"load": torch.from_numpy(LOAD), "layer_ids": torch.tensor([3, 9])}, path)


def write_pt_bare(path):
    torch.save(torch.from_numpy(LOAD), path)


FORMS = {
    "npz": write_npz, "npy": write_npy, "json": write_json_file, "bare.json": write_json_bare, "pt": write_pt,
    "bare.pt": write_pt_bare,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_and_detected_by_content(form, tmp_path):
    path = tmp_path / f"loads.{form}"
    FORMS[form](path)
    renamed = path.rename(tmp_path / "anything")
    loads = read_loads(renamed)
    assert loads.load.tolist() == LOAD.tolist()
    assert loads.layer_ids == (None if form in ("npy", "bare.json", "bare.pt") else (3, 9))
    assert loads.windows == (("a", "b") if form == "npz" else ("0", "1"))


@pytest.mark.parametrize(
    ("text", "ids"),
    [("1,2,3\n4,5,6\n", None), ("e0,e1,e2\n1,2,3\n4,5,6\n", None), ("layer,e0,e1,e2\n3,1,2,3\n9,4,5,6\n", (3, 9))],
)
def test_csv(text, ids, tmp_path):
    path = tmp_path / "loads.csv"
    path.write_text(text)
    loads = read_loads(path)
    assert loads.load.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    assert loads.layer_ids == ids


@pytest.mark.parametrize("form", FORMS)
def test_truncated_files_are_refused(form, tmp_path):
    path = tmp_path / f"loads.{form}"
    FORMS[form](path)
    data = path.read_bytes()
    for size in (0, 1, len(data) // 3, len(data) - 9):
        path.write_bytes(data[:size])
        with pytest.raises(FormatError, match=str(path)):
            read_loads(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02garbage", "known format"),
        (b"hello world", "known format"),
        (b"1,2\n3\n", "different lengths"),
        (b"1,2\n3,x\n", "known format"),
        (b'{"something": 1, "else": 2}', "no array 'load'"),
        (b'{"load": [[1, 2], [3]]}', "rectangular"),
        (b'{"load": "abc"}', "expected numbers"),
        (b'{"load": [[1, 2]], "layer_ids": [1, 2]}', "layer_ids"),
        (b'{"load": [[1, 2]], "window": ["a", "b"]}', "window labels"),
    ],
)
def test_bad_loads_name_the_file_and_the_cause(content, message, tmp_path):
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        read_loads(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FormatError, match="No such file"):
        read_loads(tmp_path / "nothing")
    with pytest.raises(FormatError, match="cannot read"):
        read_loads(tmp_path)


class Hostile:
    def __reduce__(self):
        return (os.mkdir, ("hostile-was-run",))


def test_a_hostile_torch_file_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"load": Hostile()}, "loads.pt")
    with pytest.raises(FormatError, match="damaged"):
        read_loads("loads.pt")
    assert not (tmp_path / "hostile-was-run").exists()


@pytest.mark.parametrize(
    ("which", "expected"), [("all", [0, 1]), ("0", [0]), ("-1", [1]), ("1,0", [1, 0]), ("0:2", [0, 1]), ("b", [1])]
)
def test_windows(which, expected, tmp_path):
    write_npz(tmp_path / "loads.npz")
    assert read_loads(tmp_path / "loads.npz").select(which).load.tolist() == LOAD[expected].tolist()


@pytest.mark.parametrize("which", ["2", "c", "5:9", "", "0:x", "1:2:3"])
def test_windows_that_do_not_exist(which, tmp_path):
    write_npz(tmp_path / "loads.npz")
    with pytest.raises(FormatError, match="no window"):
        read_loads(tmp_path / "loads.npz").select(which)


PLACEMENT = Placement([[0, 1, 2, 0], [2, 1, 0, 1]], 3, (3, 9))


@pytest.mark.parametrize("name", ["npz", "json"])
def test_maps_round_trip(name, tmp_path):
    path = tmp_path / f"map.{name}"
    write_map(path, PLACEMENT)
    again = read_map(path, 3)
    assert again.phy2log.tolist() == PLACEMENT.phy2log.tolist()
    assert again.layer_ids == (3, 9)
    write_map(tmp_path / "other", PLACEMENT, name)
    assert read_map(tmp_path / "other", 3).layer_ids == (3, 9)


def test_maps_are_read_by_layer_id(tmp_path):
    path = tmp_path / "map.json"
    write_map(path, PLACEMENT)
    assert read_map(path, 3, [9, 3]).phy2log.tolist() == PLACEMENT.phy2log[::-1].tolist()
    assert read_map(path, 3, [9]).layer_ids == (9,)
    with pytest.raises(FormatError, match="no layer 4"):
        read_map(path, 3, [3, 4])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"load": [[1]]}', "is recorded loads, not a map"),
        ('{"something": [[1]], "else": 1}', "no 'physical_to_logical_map'"),
        ("[[0, 1.5]]", "expected integers"),
        ("[[0, 1], [0]]", "rectangular"),
        ('{"physical_to_logical_map": [[0, 1]], "layer_ids": [1, 2]}', "layer_ids"),
    ],
)
def test_bad_maps(content, message, tmp_path):
    path = tmp_path / "map.json"
    path.write_text(content)
    with pytest.raises(FormatError, match=message):
        read_map(path, 3)


def test_unknown_formats_and_places(tmp_path):
    with pytest.raises(FormatError, match="use --format hygon or json or"):
        write_map(tmp_path / "map.txt", PLACEMENT)
    with pytest.raises(FormatError, match="no folder"):
        write_map(tmp_path / "no" / "map.npz", PLACEMENT)
    with pytest.raises(FormatError, match="it is a folder"):
        write_json(tmp_path, {})


def test_a_crash_while_writing_keeps_the_old_file(tmp_path):
    path = tmp_path / "map.json"
    path.write_text("old")

    def crash(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, crash)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["map.json"]


def test_a_new_file_has_the_usual_rights_and_an_old_one_keeps_its_own(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "new", [1])
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    (tmp_path / "new").chmod(0o604)
    write_json(tmp_path / "new", [2])
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o604


def test_writing_changes_no_state_of_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", None)  # other threads create files, too
    write_json(tmp_path / "new", [1])


def test_a_link_stays_one_and_its_file_is_written(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_json(tmp_path / "link", [1])
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "file").read_text()) == [1]


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, message in (("pipe", "no regular file"), ("loop", "cannot write"), ("x" * 300, "too long")):
        with pytest.raises(FormatError, match=message):
            write_json(tmp_path / name, [1])
    write_json(tmp_path / ("y" * 250), [1])
    assert (tmp_path / "pipe").is_fifo()
    with pytest.raises(FormatError, match="cannot"):
        read_loads(tmp_path / ("x" * 300))


def test_flipped_bytes_are_an_error_or_loads(tmp_path):
    random = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "good.npz", load=random.integers(0, 1000, (4, 64)))
    torch.save({"logical_count": torch.ones(2, 3, 4)}, tmp_path / "good.pt")
    np.save(tmp_path / "good.npy", LOAD)
    for name in ("good.npz", "good.pt", "good.npy"):
        good = (tmp_path / name).read_bytes()
        for _ in range(60):
            data = bytearray(good)
            for place in random.integers(0, len(data), 3):
                data[place] = random.integers(0, 256)
            (tmp_path / "bad").write_bytes(data)
            with contextlib.suppress(FormatError):
                read_loads(tmp_path / "bad")


def test_a_window_that_is_not_there_is_told_from_the_labels_that_are():
    loads = Loads(np.ones((3, 2, 4)), (0, 1), windows=("decode", "prefill", "decode"))
    for which in ("decoding", "0:4", "3", "2:1"):
        with pytest.raises(FormatError, match=r"the file has 3 \(0..2\).*a label \(decode, prefill\), or all"):
            loads.select(which)
    assert loads.select("1:3").windows == ("prefill", "decode")
