"""Mutated headers and shapes, a few of them (`tests.formats.mutations` makes more)."""

from __future__ import annotations

import random

import pytest

from .mutations import KINDS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_read_is_right(kind, tmp_path):
    pick = random.Random(7)
    were_read = {kind(pick, tmp_path) for _ in range(200)}
    assert were_read == {True, False}
