"""The schema: what is written is what it lists, and the page about it is up to date."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from eplb_opt import Cost, FormatError, Instance, Limits, Objective, solve
from eplb_opt.claims.digest import loads_digest
from eplb_opt.claims.reading import read_head
from eplb_opt.claims.schema import (
    HEAD,
    LAYER,
    LIMITS,
    MILESTONE,
    OBJECTIVE,
    PREVIOUS,
    SCHEMA,
    SECTIONS,
    TOTALS,
    in_order,
)
from eplb_opt.report.page import PATH, page
from eplb_opt.version import __version__

LOAD = np.array([[[5.0, 3, 2, 1], [0, 0, 0, 0]]])


@pytest.fixture(scope="module")
def report():
    result = solve(Instance(LOAD, 6, num_ranks=3), "greedy", Limits(seconds=7.0, work=2.0, gap=0.01, workers=1, seed=4))
    return json.loads(json.dumps(result.to_dict()))


def test_what_is_written_is_what_the_schema_lists(report):
    assert list(report) == [field.name for field in HEAD.fields if not field.optional]
    assert report["previous"] is None
    assert list(report["layers"][0]) == [field.name for field in LAYER.fields if not field.optional]
    assert tuple(report["totals"]) == TOTALS.names()
    assert tuple(report["totals"]["reached"][0]) == MILESTONE.names()
    assert tuple(report["limits"]) == LIMITS.names()
    assert list(report["objective"]) == [field.name for field in OBJECTIVE.fields if not field.optional]


def test_a_report_in_time_has_all_keys_of_layers_and_objectives():
    objective = Objective(cost=Cost.roofline(2.0, 0.1), tokens_per_step=32)
    report = solve(Instance(LOAD, 6, num_ranks=3, objective=objective), "greedy").to_dict()
    assert set(report["layers"][0]) == set(LAYER.names())
    assert set(report["objective"]) == set(OBJECTIVE.names())


def test_a_report_says_what_was_in_use():
    instance = Instance(LOAD, 6, num_ranks=3)
    used = solve(instance, "greedy").placement
    result = solve(instance, "greedy", previous=used, max_moves=2, failed_ranks=[1])
    said = result.to_dict()["previous"]
    assert tuple(said) == PREVIOUS.names()
    assert (said["max_moves"], said["slack"], said["failed_ranks"]) == (2, None, [1])


def test_a_report_says_what_it_is_of(report):
    assert report["schema"] == SCHEMA
    assert (report["package"], report["version"]) == ("eplb_opt", __version__)
    assert report["commit"] is None or re.fullmatch("[0-9a-f]{7,64}", report["commit"])
    assert report["loads_sha256"] == loads_digest(LOAD)
    assert report["limits"] == {"seconds": 7.0, "work": 2.0, "gap": 0.01, "workers": 1}
    assert report["seed"] == 4
    assert {layer["gap_limit"] for layer in report["layers"]} == {0.01}


def test_the_digest_is_of_the_numbers():
    digest = loads_digest(LOAD)
    assert loads_digest(np.asfortranarray(LOAD)) == digest
    assert loads_digest(np.where(LOAD == 0, -0.0, LOAD)) == digest
    assert loads_digest(LOAD.astype(">f8")) == digest
    others = (LOAD[:, ::-1], LOAD * 2, LOAD.reshape(2, 1, 4), LOAD.reshape(1, 1, 8), LOAD[:, :1])
    assert len({digest, *map(loads_digest, others)}) == len(others) + 1


def test_the_page_is_up_to_date():
    assert PATH.read_text() == page(), "run python -m eplb_opt.report.page"


def test_every_key_has_a_meaning():
    for section in SECTIONS:
        assert len(set(section.names())) == len(section.names())
        for field in section.fields:
            assert field.meaning
            assert field.value.expected
            assert "|" not in field.meaning + field.value.expected


def test_the_head_in_order(report):
    mixed = {"unknown": 1, "interrupted": False, **dict(reversed(report.items())), "windows": "all"}
    absent = {"notes", "rank_speeds", "rank_slots", "proof_file"}
    expected = [name for name in HEAD.names() if name not in absent]
    assert list(in_order(mixed)) == [*expected, "unknown"]
    assert in_order(mixed) == mixed


@pytest.mark.parametrize("content", [None, [], "x", 3])
def test_what_is_no_report_is_refused(content):
    with pytest.raises(FormatError, match="expected keys and values"):
        read_head(content, "file.json")
