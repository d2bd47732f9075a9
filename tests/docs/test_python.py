"""The Python that the documentation shows runs, with what it takes for granted."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from eplb_opt.formats import read_loads
from eplb_opt.synthetic import synthetic_load

from .pages import PAGES, name_of

FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LOAD = synthetic_load("deepseek-v3-decode", seed=0)[:, :1]
GIVEN = {"load": LOAD, "weight": LOAD[0]}
WITH_PYTHON = [page for page in PAGES if FENCE.search(page.read_text())]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    if "transformers" in text:
        pytest.importorskip("transformers", minversion="5")
    names: dict[str, Any] = dict(GIVEN)
    for script in FENCE.findall(text):
        exec(script, names)
    for saved in tmp_path.glob("*.npz"):
        assert read_loads(saved).load.sum() > 0
    if "count" in names:
        assert np.all(np.asarray(names["count"]).sum(axis=-1) == 288)
