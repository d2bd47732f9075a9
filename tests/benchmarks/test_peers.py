"""Peers: unpacked packages are found and imported alone; every peer present gives valid maps."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from benchmarks.peers import PEERS, PeerMissingError, adapters, fetch, unpacked
from eplb_opt import Instance
from eplb_opt.external import as_placement, call_policy, engine_arguments
from eplb_opt.policies import POLICIES

from ..conftest import KNOWN, TWO_LAYERS, engine_instance


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A made-up engine whose ``__init__`` must not run."""
    folder = tmp_path / "engine_x-1.2" / "engine_x" / "deep"
    folder.mkdir(parents=True)
    for init in (folder.parent / "__init__.py", folder / "__init__.py"):
        init.write_text("raise RuntimeError('loads a model')")
    (folder / "balance.py").write_text("from engine_x.settings import LIMIT\nanswer = LIMIT + 1\n")
    monkeypatch.setattr(unpacked, "FOLDER", tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "engine_x"]:
        del sys.modules[name]


def test_a_module_is_imported_without_its_packages(outside):
    module = unpacked.import_alone("engine_x", "engine_x.deep.balance", {"engine_x.settings": {"LIMIT": 41}})
    assert module.answer == 42
    assert unpacked.version_of("engine_x", "engine_x") == "1.2"


def test_a_missing_package_says_how_to_get_it(outside):
    with pytest.raises(PeerMissingError, match=r"benchmarks\.peers fetch engine_y"):
        unpacked.root_of("engine_y", "engine_y")


@pytest.mark.parametrize("kind", ["whl", "tar.gz"])
def test_only_the_wanted_python_files_are_unpacked(kind, tmp_path):
    files = {"x/deep/a.py": b"a", "x/deep/b.so": b"b", "x/other.py": b"c"}
    archive = tmp_path / f"x-1.{kind}"
    if kind == "whl":
        with zipfile.ZipFile(archive, "w") as wheel:
            for name, content in files.items():
                wheel.writestr(name, content)
    else:
        with tarfile.open(archive, "w:gz") as source:
            for name, content in files.items():
                member = tarfile.TarInfo(f"x-1/{name}")
                member.size = len(content)
                source.addfile(member, io.BytesIO(content))
    fetch._unpack(archive, "x/deep/", tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["a.py"]
    with pytest.raises(RuntimeError, match="holds no y/"):
        fetch._unpack(archive, "y/", tmp_path / "none")


def loaded(name):
    try:
        return PEERS[name].load()
    except PeerMissingError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("known", KNOWN)
def test_every_peer_gives_valid_maps(name, known):
    place = loaded(name)
    instance = KNOWN[known][0]
    weight = torch.from_numpy(instance.weight.copy())
    try:
        output = place(weight, *engine_arguments(instance))
    except NotImplementedError:
        assert name.startswith("ascend")
        return
    placement = as_placement(output, instance)
    assert (placement.objective(instance) >= np.array(KNOWN[known][1]) * (1 - 1e-9)).all()


@pytest.mark.parametrize("name", ["vllm", "sglang-deepseek", "sglang-elastic"])
def test_the_published_greedy_agrees_with_the_peers_that_ship_it(name):
    place = loaded(name)
    random = np.random.default_rng(3)
    for topology_ in [(20, 1, 1, 5), (24, 4, 2, 8)]:
        instance = engine_instance(random.integers(1, 10**6, (6, 16)), *topology_)
        ours = call_policy(POLICIES["greedy"].rebalance_experts, instance)
        theirs = call_policy(place, instance)
        np.testing.assert_allclose(theirs.objective(instance), ours.objective(instance), rtol=1e-6)


def test_a_table_interface_starts_from_the_engine_s_first_map():
    seen = {}

    def keep(table, load):
        seen.update(table=table, load=load)
        return 0, None, table

    place = adapters._from_table(keep)
    weight = torch.tensor(TWO_LAYERS, dtype=torch.float64)
    instance = Instance(weight, 16, num_ranks=4)
    assert (
        as_placement(place(weight, *engine_arguments(instance)), instance).counts().tolist() == [[2] * 4 + [1] * 8] * 2
    )
    assert seen["table"][0].ravel().tolist() == [*range(12), 0, 1, 2, 3]
    np.testing.assert_allclose(seen["load"].sum(axis=(1, 2)), weight.sum(1))
    with pytest.raises(NotImplementedError, match="hierarchical"):
        place(weight, 16, 4, 2, 4)
