"""Cost: the time, or any unit, that a replica takes for the tokens of a step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..atomic import atomic_write
from ..costs_measured import measured_names, measured_path
from ..errors import FormatError, OptionError, shown
from ..own_files import COST, kind_of_schema
from .arrays import Floats
from .curves import CURVES, Curve, Linear, Roofline, Table, Tiles, not_negative

SCHEMA = "eplb-opt/cost/1"
SECONDS = "s"
TOKENS = "tokens"
WRITER = "give a file that Cost.save or 'eplb-opt calibrate' wrote"


@dataclass(frozen=True)
class Cost:
    """What a replica costs that gets n tokens a step, and what every rank costs besides.

    Costs never fall as tokens grow. Make one with `tokens`, `roofline`, `tiles`, `table` or `load`; called with numbers
    of tokens it gives the cost of a replica, without ``per_rank``.

    Parameters
    ----------
    curve : Curve
        The cost of a replica.
    per_rank : float, default 0
        Added once to every rank; finite, >= 0.
    unit : str, default ``"s"``
        Of both, for people.
    about : mapping, optional
        Where it comes from, as JSON types: card, versions, shape, and what else may be known.

    Raises
    ------
    OptionError
        A number is negative, not finite or out of order.

    Examples
    --------
    An expert's weights take 40 us to be read, a token 0.13 us; an idle expert takes nothing.

    >>> from eplb_opt import Cost
    >>> cost = Cost.roofline(per_expert=40.0, per_token=0.13)
    >>> cost([0, 1, 100, 1000]).tolist()
    [0.0, 40.0, 40.0, 130.0]
    """

    curve: Curve
    per_rank: float = 0.0
    unit: str = SECONDS
    about: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.curve, Curve):
            raise OptionError(
                f"curve is {shown(self.curve)}: give Cost.table(tokens, seconds)"
            )
        object.__setattr__(self, "per_rank", not_negative("per_rank", self.per_rank))
        if not isinstance(self.unit, str) or not self.unit:
            raise OptionError(f"unit={shown(self.unit)}: give a text such as 's'")
        if not isinstance(self.about, Mapping):
            raise OptionError(f"about={shown(self.about)}: give keys and values")

    @classmethod
    def tokens(cls) -> Cost:
        """A token costs one: loads are what counts, as without a cost.

        Examples
        --------
        >>> Cost.tokens()(3.5)
        3.5
        """
        return cls(Linear(), unit=TOKENS)

    @classmethod
    def roofline(
        cls, per_expert: float, per_token: float, per_rank: float = 0.0
    ) -> Cost:
        """A fixed cost of reading an expert's weights, or a cost a token where that is more; nothing if idle.

        Parameters
        ----------
        per_expert, per_token, per_rank : float
            Finite, >= 0, in seconds or any unit.

        Returns
        -------
        Cost
            ``max(per_expert, per_token * n)`` for n > 0, 0 for n = 0.

        Raises
        ------
        OptionError
            A number is negative or not finite.

        Examples
        --------
        >>> Cost.roofline(40.0, 0.5)([0, 10, 100]).tolist()
        [0.0, 40.0, 50.0]
        """
        return cls(Roofline(per_expert, per_token), per_rank)

    @classmethod
    def tiles(cls, rows: float, seconds: float) -> Cost:
        """Whole tiles of so many tokens.

        Parameters
        ----------
        rows : float
            Tokens of a tile, > 0.
        seconds : float
            Of a tile, >= 0.

        Returns
        -------
        Cost
            ``seconds * ceil(n / rows)``, where n above whole tiles by a relative 2^-40 is taken as rounding.

        Raises
        ------
        OptionError
            A number is negative or not finite, or ``rows`` is 0.

        Examples
        --------
        >>> Cost.tiles(128, 2.0)([0, 1, 128, 129]).tolist()
        [0.0, 2.0, 2.0, 4.0]
        """
        return cls(Tiles(rows, seconds))

    @classmethod
    def table(
        cls,
        tokens: Sequence[float],
        seconds: Sequence[float],
        per_rank: float = 0.0,
    ) -> Cost:
        """Measured points with lines between them, from 0 tokens on; the last slope goes on.

        Parameters
        ----------
        tokens : sequence of float
            Growing, >= 0. Without an entry at 0 an idle replica costs nothing, and the first line starts there.
        seconds : sequence of float
            As many, >= 0, never falling.
        per_rank : float, default 0
            Added once to every rank.

        Returns
        -------
        Cost

        Raises
        ------
        OptionError
            There are not as many of both, or a number is negative, not finite or out of order.

        Examples
        --------
        >>> Cost.table([0, 1, 100], [0.0, 40.0, 60.0])([0, 1, 50.5, 199]).tolist()
        [0.0, 40.0, 50.0, 80.0]
        """
        return cls(Table(tokens, seconds), per_rank)

    @property
    def counts_tokens(self) -> bool:
        """Whether it says nothing but the loads themselves."""
        return isinstance(self.curve, Linear) and self.per_rank == 0

    def __call__(self, tokens: npt.ArrayLike) -> Any:
        """The cost of a replica with so many tokens a step, without ``per_rank``.

        Parameters
        ----------
        tokens : float or array of any shape
            Finite, >= 0; whole or not.

        Returns
        -------
        float or array of the same shape, float64

        Raises
        ------
        OptionError
            A number is negative or not finite.
        """
        given = np.asarray(tokens, dtype=np.float64)
        is_right = np.isfinite(given) & (given >= 0)
        if not is_right.all():
            raise OptionError(
                f"{given[~is_right][0]:g} tokens: give finite numbers >= 0"
            )
        cost: Floats = self.curve.at(given)
        return float(cost) if given.ndim == 0 else cost

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types.

        Returns
        -------
        dict
            ``schema``, ``kind``, the kind's numbers, ``per_rank``, ``unit`` and ``about``.

        Examples
        --------
        >>> Cost.tiles(128, 0.25).to_dict()["rows"]
        128.0
        """
        return {
            "schema": SCHEMA,
            **self.curve.to_dict(),
            "per_rank": self.per_rank,
            "unit": self.unit,
            "about": dict(self.about),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cost:
        """The cost of a `to_dict`.

        Parameters
        ----------
        data : mapping
            ``per_rank``, ``unit`` and ``about`` may be missing.

        Returns
        -------
        Cost

        Raises
        ------
        FormatError
            It is of another schema, a key is missing or not known, or a value cannot be.

        Examples
        --------
        >>> Cost.from_dict(Cost.tokens().to_dict()) == Cost.tokens()
        True
        """
        _require_schema(data)
        curve = CURVES[_kind_of(data)]
        given = {key: value for key, value in data.items() if key not in HEAD}
        names = [one.name for one in fields(curve)]
        _require_keys(curve, given, names)
        rest = {name: data[name] for name in OPTIONAL if name in data}
        try:
            return cls(curve(**given), **rest)
        except OptionError as error:
            raise FormatError(f"a cost: {error}") from None

    @classmethod
    def load(cls, path: str | Path) -> Cost:
        """The cost in a JSON file, or one that ships with the package.

        Parameters
        ----------
        path : str or Path
            A file or, where there is none of that name, a name of `eplb_opt.costs_measured.measured_names`.

        Returns
        -------
        Cost

        Raises
        ------
        FormatError
            The file cannot be read, or holds no cost.

        Examples
        --------
        >>> Cost.load("h100-deepseek-v3").about["card"]
        'NVIDIA H100 80GB HBM3'
        >>> Cost.load("no_such_file.json")
        Traceback (most recent call last):
        eplb_opt.errors.FormatError: cannot read no_such_file.json: No such file or directory, nor is it one of \
h100-deepseek-v3, h100-deepseek-v3-fp8, h100-glm-4.5, h100-gpt-oss-120b, h100-qwen3-235b-a22b
        """
        file = measured_path(str(path)) or Path(path)
        try:
            text = (Path(path) if Path(path).exists() else file).read_text("utf-8")
        except FileNotFoundError as error:
            names = ", ".join(measured_names())
            raise FormatError(
                f"cannot read {path}: {error.strerror}, nor is it one of {names}"
            ) from None
        except UnicodeDecodeError:
            raise FormatError(f"{path} is no text, so no cost: {WRITER}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise FormatError(f"cannot read {path}: {reason}") from None
        try:
            return cls.from_dict(json.loads(text))
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path} is no JSON ({error}): {WRITER}") from None

    def save(self, path: str | Path) -> None:
        """Write it as JSON, the file whole or not at all.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        FormatError
            The file cannot be written, or ``about`` holds what JSON cannot.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "cost.json")
        ...     Cost.roofline(4e-5, 1.3e-7).save(path)
        ...     Cost.load(path) == Cost.roofline(4e-5, 1.3e-7)
        True
        """
        try:
            text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise FormatError(
                f"cannot write {path}: 'about' is not JSON ({error})"
            ) from None
        content = (text + "\n").encode()
        atomic_write(Path(path), lambda file: file.write(content))


OPTIONAL = ("per_rank", "unit", "about")
HEAD = ("schema", "kind", *OPTIONAL)


def _require_schema(data: Any) -> None:
    if not isinstance(data, Mapping):
        raise FormatError(f"a cost: {shown(data)}, expected keys and values: {WRITER}")
    schema = data.get("schema")
    if schema == SCHEMA:
        return
    kind = kind_of_schema(schema)
    if kind not in (None, COST):
        raise FormatError(f"{kind.what}, not {COST.what}: {kind.taken}")
    raise FormatError(f"schema {shown(schema)}, a cost has {SCHEMA}: {WRITER}")


def _kind_of(data: Mapping[str, Any]) -> str:
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in CURVES:
        raise FormatError(
            f"a cost of kind {shown(kind)}, known are {', '.join(CURVES)}"
        )
    return kind


def _require_keys(
    curve: type[Curve], given: Mapping[str, Any], names: Sequence[str]
) -> None:
    missing = [name for name in names if name not in given]
    if missing:
        raise FormatError(f"a cost of kind {curve.kind}: no {missing[0]!r}: {WRITER}")
    unknown = [key for key in given if key not in names]
    if unknown:
        raise FormatError(
            f"a cost of kind {curve.kind}: {shown(unknown[0])} is no key of it, put it into 'about'"
        )
