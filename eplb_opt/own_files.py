"""What a file of this package is, by the schema in its head, and what takes it: for who gives it to another command."""

from __future__ import annotations

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A kind of files.

    Attributes
    ----------
    what : str
        What such a file is, with its article.
    taken : str
        Which command or option takes it.
    """

    what: str
    taken: str

    def instead_of(self, source: str, wanted: str) -> str:
        """What to say where a file of this kind is given for another one.

        Parameters
        ----------
        source : str
            The file.
        wanted : str
            What should be there, with its article.

        Returns
        -------
        str

        Examples
        --------
        >>> Kind("a cost", "--cost takes it").instead_of("cost.json", "a map")
        'cost.json is a cost, not a map: --cost takes it'
        """
        return f"{source} is {self.what}, not {wanted}: {self.taken}"


PAGE_TAKES = "eplb-opt report takes it"
NOBODY_TAKES = "no command takes it, give what it was made of"
LOADS = Kind(
    "recorded loads", "eplb-opt inspect, solve, gap, replay, sweep and report take them"
)
MAP = Kind("a map", "gap --map judges it, diff compares two, convert writes it anew")
REPORT = Kind("a report of solve", "eplb-opt report and verify take it")
JOURNAL = Kind(
    "a journal", "--journal goes on with it, eplb-opt merge joins those of shards"
)
COST = Kind("a cost of experts", "--cost takes it")
PAGE = Kind("a page for people", "open it in a browser")
# By their schema's name, which stands before the last slash.
BY_SCHEMA = {
    "eplb_opt.report": REPORT,
    "eplb_opt.gap": Kind("what gap found", PAGE_TAKES),
    "eplb_opt.replay": Kind("what replay found", PAGE_TAKES),
    "eplb_opt.sweep": Kind("what sweep found", PAGE_TAKES),
    "eplb_opt.diff": Kind("what diff found", NOBODY_TAKES),
    "eplb_opt.inspect": Kind("what inspect found", NOBODY_TAKES),
    "eplb_opt.verify": Kind("what verify found", NOBODY_TAKES),
    "eplb_opt.demo": Kind("what demo found", NOBODY_TAKES),
    "eplb_opt.call": Kind("a log of an engine's calls", NOBODY_TAKES),
    "eplb-opt/cost": COST,
}


def kind_of_schema(schema: Any) -> Kind | None:
    """The kind of files with this schema; None: it is none of ours.

    Parameters
    ----------
    schema : object
        What a file has for it.

    Returns
    -------
    Kind or None

    Examples
    --------
    >>> kind_of_schema("eplb_opt.gap/1").what
    'what gap found'
    >>> kind_of_schema(None)
    """
    if not isinstance(schema, str):
        return None
    return BY_SCHEMA.get(schema.rpartition("/")[0])
