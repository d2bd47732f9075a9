"""A cost as `calibrate` wrote it, read again: of a file, or of one that ships with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..costs_measured import measured_names, measured_path
from ..errors import FormatError, shown
from ..formats.content import read_content
from ..problem.arrays import Floats
from ..strict import number, text
from .cost_file import SCHEMA
from .fit import FittedCost


@dataclass(frozen=True)
class MeasuredCost:
    """What a replica with n tokens takes, and every rank besides.

    Attributes
    ----------
    curve : FittedCost
    unit : str
    content : mapping
        The whole file.
    """

    curve: FittedCost
    unit: str
    content: Mapping[str, Any]

    @property
    def per_rank(self) -> float:
        """Of a rank and step."""
        return self.curve.per_rank

    def __call__(self, tokens: npt.ArrayLike) -> Floats:
        """Of replicas with so many tokens, of the same shape."""
        return self.curve.replica_seconds(tokens)

    def to_dict(self) -> dict[str, Any]:
        """The file's content."""
        return dict(self.content)


def load_cost(given: str) -> MeasuredCost:
    """The cost of a file, or one that ships with the package.

    Parameters
    ----------
    given : str
        A path, or a name of `measured_names`.

    Raises
    ------
    FormatError
        It cannot be read, or is not what ``eplb-opt calibrate`` writes.

    Examples
    --------
    >>> load_cost("h100-deepseek-v3").unit
    's'
    >>> load_cost("h100-no-model")
    Traceback (most recent call last):
    eplb_opt.errors.FormatError: cannot read h100-no-model: No such file or directory; costs that ship with the \
package: h100-deepseek-v3, h100-deepseek-v3-fp8, h100-glm-4.5, h100-gpt-oss-120b, h100-qwen3-235b-a22b
    """
    path = measured_path(given) or Path(given)
    if not path.exists():
        names = ", ".join(measured_names())
        raise FormatError(
            f"cannot read {given}: No such file or directory; costs that ship with the package: {names}"
        )
    return _read(read_content(path), given)


def _read(content: Any, source: str) -> MeasuredCost:
    """The cost that a file holds."""
    if not isinstance(content, Mapping) or content.get("schema") != SCHEMA:
        raise FormatError(f"{source}: not a cost, give a file of eplb-opt calibrate")
    if content.get("kind") != "table":
        kind = shown(content.get("kind"))
        raise FormatError(f"{source}: a cost of kind {kind}, give a measured table")
    try:
        tokens = _growing(content["tokens"])
        seconds = _rising(content["seconds"], len(tokens))
        per_rank = number(content["per_rank"])
        unit = text(content["unit"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{source}: not a measured cost ({error})") from None
    curve = FittedCost(tuple(tokens.tolist()), tuple(seconds.tolist()), per_rank)
    return MeasuredCost(curve, unit, content)


def _growing(values: Any) -> Floats:
    """Tokens, from 0 on."""
    found = np.array([number(value) for value in values])
    if len(found) < 2 or found[0] != 0 or (np.diff(found) <= 0).any():
        raise ValueError("tokens grow from 0")
    return found


def _rising(values: Any, count: int) -> Floats:
    """As many seconds, none of which is below the one before."""
    found = np.array([number(value) for value in values])
    if len(found) != count or found[0] < 0 or (np.diff(found) < 0).any():
        raise ValueError("seconds are as many as tokens and never fall")
    return found
