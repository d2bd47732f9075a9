"""What ``inspect --json`` writes, as data: a part of the page ``docs/outputs.md`` is made of it."""

from __future__ import annotations

from ..claims.schema import Field, Section, objects
from ..claims.values import (
    AT_LEAST_0,
    BOOLEAN,
    COUNT,
    POSITIVE,
    TEXT,
    list_of,
    or_null,
)
from . import inspection
from .replay_schema import TEXTS

LAYER = Field("layer_id", COUNT, "absolute layer index, or the row")
HOT = Section(
    "hot expert",
    (
        LAYER,
        Field("expert", COUNT, "logical expert"),
        Field("tokens", AT_LEAST_0, "in all windows"),
        Field("share", AT_LEAST_0, "of its layer's tokens"),
        Field("times_mean", AT_LEAST_0, "its tokens over those of the mean expert"),
    ),
)
EMPTY_ROW = Section(
    "row without tokens", (Field("window", COUNT, "number of the window"), LAYER)
)
WINDOW = Section(
    "window",
    (
        Field("window", COUNT, "its number"),
        Field("label", TEXT, "its label; its number where the file has none"),
        Field("tokens", AT_LEAST_0, "in all layers"),
        Field(
            "difference",
            AT_LEAST_0,
            "share of its tokens that go to other experts than in the mean window, mean over layers",
        ),
        Field("noise", AT_LEAST_0, "what few tokens alone would make of that"),
        Field(
            "differs",
            BOOLEAN,
            f"of three windows or more: the difference is above {inspection.MUCH:g} and "
            f"{inspection.TIMES_NOISE:g} times the noise",
        ),
    ),
)
INSPECT = Section(
    "inspect --json",
    (
        Field("schema", TEXT, f"`{inspection.SCHEMA}`"),
        Field("file", TEXT, "what was read"),
        Field("layers", POSITIVE, "MoE layers"),
        Field("layer_ids", list_of(COUNT, "integers >= 0"), "absolute layer indices"),
        Field("is_numbered", BOOLEAN, "the file or `--layers` numbers the layers"),
        Field("experts", POSITIVE, "logical experts a layer"),
        Field("windows", POSITIVE, "recorded windows that were selected"),
        Field("tokens", AT_LEAST_0, "routed tokens of all layers and windows"),
        Field("skew_mean", AT_LEAST_0, "hottest over mean expert load, mean of layers"),
        Field("skew_max", AT_LEAST_0, "the same of the most skewed layer"),
        Field("skew_max_layer", COUNT, "that layer"),
        Field("hottest", objects(HOT), "the hottest experts, the hottest first"),
        Field("idle_experts", COUNT, "experts of all layers without a token"),
        Field("empty_rows", COUNT, "windows' layers without a token"),
        Field("first_empty_rows", objects(EMPTY_ROW), "the first of them"),
        Field(
            "silent_layers",
            list_of(COUNT, "integers >= 0"),
            "layers without a token that were left out, as they seem to be dense",
        ),
        Field("window_rows", objects(WINDOW), "one item a window"),
        Field(
            "guess",
            or_null(TEXT),
            "what the axes seem to be instead; null: nothing speaks for others",
        ),
        Field(
            "mode", or_null(TEXT), "`global` or `hierarchical`; null without `--ranks`"
        ),
        Field(
            "instance",
            or_null(TEXT),
            "loads and topology in a line; null without `--replicas`",
        ),
        Field(
            "contiguous",
            or_null(AT_LEAST_0),
            "mean imbalance over layers without EPLB; null without `--replicas`",
        ),
        Field("notes", TEXTS, "what was said of options without effect"),
    ),
)
SECTIONS = (INSPECT, HOT, WINDOW, EMPTY_ROW)
