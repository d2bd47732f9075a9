"""Mangled files, a few of each kind (`tests.fuzz` makes more): read, or a typed error; never another exception."""

from __future__ import annotations

import random

import pytest

from .mangled import KINDS

ROUNDS = 300


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_read_or_refused(kind, tmp_path):
    pick = random.Random(1)
    found = {kind(pick, tmp_path) for _ in range(ROUNDS)}
    assert found == {True, False}
