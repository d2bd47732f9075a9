"""Files that hurt: each is a typed error, in bounded time and memory."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from eplb_opt import FormatError
from eplb_opt.formats import Loads, arrays, holds_map, read_expert_map, read_loads, read_report, reading, write_json
from eplb_opt.formats.text import parse_yaml

READ = (read_loads, read_expert_map, lambda path: holds_map(path, "npz"), read_report)
MAP = "num_slots: 2\ninitial_global_assignments:\n  1: [0, {}]\nlayer_updates_per_iter: 0\n"


def refused(path, message=""):
    """Whatever reads it says why not; at least one does."""
    said = []
    for read in READ:
        try:
            read(path)
        except FormatError as error:
            said.append(str(error))
    assert said
    assert not any("\n" in text for text in said)
    assert message in " ".join(said)


def header(shape, descr="<i8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    for folder, files in {"trt": ["rank0.safetensors"], "trt2": ["meta_info.json", "rank0.safetensors"],
                          "sglang": ["a.pt"], "tables": ["rank0.csv"], ".": ["fifo"]}.items():  # fmt: skip
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in files:
            os.mkfifo(tmp_path / folder / name)
        if folder == "trt":
            (tmp_path / folder / "meta_info.json").write_text('{"num_experts": 3}')
        refused(tmp_path / folder if folder != "." else tmp_path / "fifo", "no regular file")
    for device in ("/dev/zero", "/dev/urandom", "/dev/tty"):
        if os.path.exists(device):
            refused(device, "no regular file")


@pytest.mark.parametrize("head", [b"", b"\0", b"[", b"{", b"a: ", b"1,2\n", b"PK\3\4", b"\x93NUMPY", b"\x80\2"])
def test_large_files_are_not_read(head, tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.write(head)
        file.truncate(3 << 30)  # takes no space on the disk
    refused(tmp_path / "large", "3072 MiB, more than")


def test_the_limit_can_be_set(tmp_path, monkeypatch):
    np.save(tmp_path / "loads.npy", np.ones((300, 1000)))
    monkeypatch.setenv(reading.VARIABLE, "2")
    with pytest.raises(FormatError, match=r"has 3 MiB, more than the 2 MiB .* set EPLB_OPT_MAX_FILE_MIB to at least 3"):
        read_loads(tmp_path / "loads.npy")
    monkeypatch.setenv(reading.VARIABLE, "3")
    assert read_loads(tmp_path / "loads.npy").load.shape == (1, 300, 1000)
    for wrong in ("0", "-1", "many", "1e3"):
        monkeypatch.setenv(reading.VARIABLE, wrong)
        with pytest.raises(FormatError, match="expected MiB, a positive integer"):
            read_loads(tmp_path / "loads.npy")


def write_npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)


def test_arrays_are_not_larger_than_their_bytes(tmp_path, monkeypatch):
    for shape, descr in (((10**6, 10**6), "<i8"), ((10**6, 10**6), "|S0"), ((-1, 3), "<i8"), ((2, 3), "|O")):
        data = header(shape, descr) + b"\1" * 48
        (tmp_path / "loads.npy").write_bytes(data)
        refused(tmp_path / "loads.npy")
        write_npz(tmp_path / "loads.npz", load=data)
        refused(tmp_path / "loads.npz")
    write_npz(tmp_path / "loads.npz", load=header((1, 2)) + b"\1" * 16, window=header((10**9,), "|S0"))
    refused(tmp_path / "loads.npz", "window")
    monkeypatch.setenv(reading.VARIABLE, "1")
    write_npz(tmp_path / "bomb.npz", load=header((1, 1, 3 << 17)) + bytes(3 << 20))
    refused(tmp_path / "bomb.npz", "its arrays take 3 MiB, more than 2: set EPLB_OPT_MAX_FILE_MIB to at least 2")


def test_an_npz_of_many_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "loads.npz", "w") as archive:
        for i in range(2000):
            archive.writestr(f"a{i}.npy", header((1,)) + bytes(8))
    refused(tmp_path / "loads.npz", "an npz of 2000 arrays")
    entries = b"PK\1\2" * 300_000  # a directory of so many entries would take memory before anyone counts them
    (tmp_path / "loads.npz").write_bytes(b"PK\3\4" + entries)
    refused(tmp_path / "loads.npz", "a zip of more than")


class Bytes:
    def __reduce__(self):
        return (bytearray, (10**12,))


def test_few_bytes_of_torch_are_not_many_values(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MOST_VALUES", 1 << 20)  # that the test is quick
    wide = torch.ones(1, dtype=torch.int32)
    shared = [1]
    for _ in range(60):
        shared = [shared, shared]
    loop: list[object] = []
    loop.append(loop)
    contents = [
        {"load": wide.expand(10**6, 10**6)}, wide.expand(10**4, 10**4, 10**4),
        {"logical_count": wide.expand(9, 10**11)},
        {"records": [{"x": wide.expand(1 << 26)}] * 64, "last_physical_to_logical_map": torch.zeros(1, 1)},
        {"load": shared}, {"load": loop}, {"load": [[1, 2]], "layer_ids": shared},
    ]  # fmt: skip
    for content in contents:
        torch.save(content, tmp_path / "loads.pt")
        refused(tmp_path / "loads.pt")
    torch.save({"load": Bytes()}, tmp_path / "loads.pt")
    refused(tmp_path / "loads.pt", "nothing is run")
    torch.save({"load": torch.ones(1, 1).expand(3, 4)}, tmp_path / "small.pt")
    assert read_loads(tmp_path / "small.pt").load.shape == (1, 3, 4)


def test_safetensors_claims_are_checked(tmp_path):
    (tmp_path / "meta_info.json").write_text('{"num_experts": 3}')
    for shape, end in (([10**12], 24), ([3], 10**13), ([2**62, 8], 24)):
        text = json.dumps({"1_1": {"dtype": "I64", "shape": shape, "data_offsets": [0, end]}}).encode()
        (tmp_path / "rank0.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(24))
        with pytest.raises(FormatError, match="no safetensors file"):
            read_loads(tmp_path)


def test_ranks_are_not_counted_up_to_the_largest(tmp_path):
    (tmp_path / "meta_info.json").write_text('{"num_experts": 3}')
    name = f"rank{'9' * 18}.safetensors"
    save_file({"10_1": np.ones(3, dtype=np.int64)}, tmp_path / name)
    with pytest.raises(FormatError, match=f"rank {'9' * 18} without rank 0"):
        read_loads(tmp_path)


def test_yaml_numbers_are_decimal():
    content = parse_yaml(
        "a: 12\nb: -3\nc: 1.5\nd: 1:10\ne: 0x10\nf: 0b1\ng: 1_0\nh: 1:10.5\ni: .inf\nj: 07\nk: 2001-01-01"
    )
    assert content == {"a": 12, "b": -3, "c": 1.5, "d": "1:10", "e": "0x10", "f": "0b1", "g": "1_0", "h": "1:10.5",
                       "i": ".inf", "j": 7, "k": "2001-01-01"}  # fmt: skip
    for text in ("a: 010", "a: !!int 1:10:10", "a: !!float 1:10:10.5", "a: !!int [1]"):
        with pytest.raises(ValueError, match="YAML"):
            parse_yaml(text)


@pytest.mark.parametrize("end", ["", ".5"])
def test_yaml_of_base_60(end, tmp_path):
    (tmp_path / "map.yaml").write_text(MAP.format(":".join(["10"] * 500_000) + end))  # minutes, if it were a number
    refused(tmp_path / "map.yaml", "expected integers")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000, '{"load":' + "[" * 100_000, '{"a":' * 50_000, '{"load":' + "[" * 900 + "1" + "]" * 900 + "}",
        "a: " + "[" * 100_000, "a:\n" + "".join(" " * i + "b:\n" for i in range(1, 500)), "a: " + "{b: " * 500,
    ],
    ids=range(7),
)  # fmt: skip
def test_deep_nesting(text, tmp_path):
    (tmp_path / "deep").write_text(text)
    refused(tmp_path / "deep")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"record_type": []}', "records of type []"),
        ('{"record_type": {"a": 1}}\n{"record_type": [1]}', "records of type"),
        (json.dumps({"load": [[1, 2]], "layer_ids": [10**30]}), "layer_ids"),
        (json.dumps({"load": [[1, 2]], "layer_ids": [10**18]}), "no model has more"),
        (json.dumps({"physical_to_logical_map": [[0, 1]], "layer_ids": [10**18]}), "no model has more"),
        ('{"moe_layer_count": 1, "layer_list": [{"layer_id": 1' + "0" * 30 + ', "device_count": 1, "device_list": '
         '[{"device_id": 0, "device_expert": [0, 1]}]}]}', "no model has more"),
        ("layer,e0,e1\n1" + "0" * 30 + ",1,2\n", "is no layer"),
        ("layer,expert,count\n1,1" + "0" * 30 + ",2\n", "is no expert"),
        ("step,layer,expert,count\n" + "".join(f"{i},{i},{e},1\n" for i in range(3000) for e in (0, 60000)), "MiB"),
        ("1," * 100_000 + "1\n", "no model has more"),
        ('{"load": [[1' + "0" * 10_000 + ", 2]]}", "known format"),
        ('"' + "a," * 100_000, "known format"),
        ("#" * 100_000, "nothing but comments"),
        ("layer,e0,e1\n0,1," + "1" * 100_000 + "x", "is no number"),
        ("layer,e0,e1\n0,1," + "1" * 100_000, "beyond 2^53"),
        ("#\n" + ("#" + " " * 50 + "\n") * 5_000 + "x", "no rows"),
    ],
    ids=range(16),
)  # fmt: skip
def test_values_beyond_reason(text, message, tmp_path):
    (tmp_path / "loads").write_text(text)
    refused(tmp_path / "loads", message)


def test_a_path_with_a_zero_byte():
    refused("a\0b", "null byte")
    with pytest.raises(FormatError, match="null byte"):
        write_json("a\0b", {})
    with pytest.raises(FormatError, match=r"asked for [(]1000000"):
        Loads(np.ones((1, 2, 3)), (0, 1), ("0",)).with_layers([10**30], "loads")


def test_memory_stays_bounded(tmp_path):
    """Of a process that reads the worst of these files: a few hundred MiB above what its imports take."""
    with open(tmp_path / "zeros", "wb") as file:
        file.truncate(60 << 20)
    torch.save({"load": torch.ones(1).expand(10**6, 10**6)}, tmp_path / "wide.pt")
    write_npz(tmp_path / "bomb.npz", load=header((1, 1, 1 << 37)) + bytes(1 << 20))
    code = """if True:
        import resource, sys
        import torch, yaml
        from eplb_opt import FormatError
        from eplb_opt.formats import read_loads
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for path in sys.argv[1:]:
            try:
                read_loads(path)
            except FormatError:
                continue
            raise SystemExit(f"{path} was read")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    paths = [str(tmp_path / name) for name in ("zeros", "wide.pt", "bomb.npz")]
    run = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 400 << 10
