"""The experts of a model as matrix products see them: sizes and number format, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import OptionError, shown

DTYPES = ("bf16", "fp8")
ALIGNED = 16  # grouped products take rows of whole 16 bytes
MATRICES = 3  # of an expert: gate and up, which are one product, and down
BYTES = {"bf16": 2, "fp8": 1}


@dataclass(frozen=True)
class ExpertShape:
    """Sizes of a feed-forward expert, and how many of them a rank holds at most.

    Parameters
    ----------
    hidden : int
        Width of a token, a multiple of 16.
    intermediate : int
        Width between the two products, a multiple of 16.
    experts : int
        Slots of a rank, at most.
    dtype : {"bf16", "fp8"}, default "bf16"
        Number format of weights and tokens.

    Raises
    ------
    OptionError
        A value is none of these.

    Examples
    --------
    >>> ExpertShape(7168, 2048, 12).bytes_per_expert
    88080384
    """

    hidden: int
    intermediate: int
    experts: int
    dtype: str = "bf16"

    def __post_init__(self) -> None:
        for name in ("hidden", "intermediate"):
            _check_integer(name, getattr(self, name), ALIGNED)
        _check_integer("experts", self.experts, 1)
        if self.dtype not in DTYPES:
            names = ", ".join(DTYPES)
            raise OptionError(f"dtype={shown(self.dtype)}: choose one of {names}")

    @property
    def bytes_per_expert(self) -> int:
        """Bytes of an expert's weights."""
        return MATRICES * self.hidden * self.intermediate * BYTES[self.dtype]


def _check_integer(name: str, value: object, multiple: int) -> None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or value < 1 or value % multiple:  # type: ignore[operator]
        kind = "an integer >= 1" if multiple == 1 else f"a multiple of {multiple}"
        raise OptionError(f"{name}={shown(value)}: give {kind}")
