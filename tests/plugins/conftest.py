"""What the plug-ins' tests share."""

from __future__ import annotations

import pytest

from eplb_opt.foresight import left_out


@pytest.fixture
def windows_help(monkeypatch):
    """Plans over windows are taken to help, so that they are what a test sees."""
    monkeypatch.setattr(left_out, "left_out", lambda *_, **__: left_out.LeftOut(2.0, 1.0))
