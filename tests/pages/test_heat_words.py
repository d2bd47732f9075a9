"""Words in the cells of a heat map: they are read on every colour, and a narrow page keeps the stars."""

from __future__ import annotations

import re

import numpy as np
import pytest

from eplb_opt.pages.figures import COLOURS
from eplb_opt.pages.sweep_heat import BLACK, BRIGHT, STAR, WHITE, losses
from eplb_opt.pages.swept import Swept

from .examples import sweep_report

LEAST_CONTRAST = 4.5  # of text, WCAG 2.2 AA


def luminance(colour):
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, two):
    low, high = sorted([luminance(np.asarray(one)), luminance(np.asarray(two))])
    return (high + 0.05) / (low + 0.05)


def test_words_are_read_on_every_colour():
    colormaps = pytest.importorskip("matplotlib").colormaps
    scale = colormaps[COLOURS.lower()]
    for part in np.linspace(0, 1, 101):
        word = [0.0] * 3 if part > BRIGHT else [1.0] * 3
        assert contrast(scale(part)[:3], word) >= LEAST_CONTRAST, part


def plots():
    return losses(Swept(sweep_report())).plots.values()


def test_every_cell_says_its_step_in_black_or_white():
    for plot in plots():
        (heat,) = plot["data"]
        end = plot["layout"]["coloraxis"]["cmax"]
        said = {(word["x"], word["y"]): (word["text"], word["font"]["color"]) for word in plot["layout"]["annotations"]}
        expected = {
            (x, y): (text, BLACK if heat["z"][y][x] > BRIGHT * end else WHITE)
            for y, texts in enumerate(heat["text"])
            for x, text in enumerate(texts)
            if text
        }
        assert said == expected


def test_a_narrow_page_keeps_the_stars():
    for plot in plots():
        words = plot["narrow"]["annotations"]
        assert words
        assert {word["text"] for word in words} == {STAR}
        starred = [word for word in plot["layout"]["annotations"] if re.match(STAR, word["text"])]
        assert [(word["x"], word["y"]) for word in words] == [(word["x"], word["y"]) for word in starred]
