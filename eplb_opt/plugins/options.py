"""Options of the in-engine policies, from the environment or a file that it names."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..heuristics.refine import prepare
from ..policies import POLICIES, AbstractEplbPolicy, RefinedPolicy, configure

PREFIX = "EPLB_OPT_"
DEFAULT_POLICY = "refined"
OFF = "off"
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def read_options(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the user asked for; a variable wins over the file.

    ``EPLB_OPT_POLICY`` (a name in `POLICIES`, or ``off``), ``EPLB_OPT_DISTINCT`` (0 or 1), ``EPLB_OPT_STEPS`` (an
    integer >= 0) and ``EPLB_OPT_GREEDY_CHECK`` (a float >= 0 or ``inf``; both of `RefinedPolicy`), ``EPLB_OPT_WORK`` (a
    float > 0) and ``EPLB_OPT_SEED`` (for policies that use solvers), or the same names in lower case without prefix in
    the JSON file that ``EPLB_OPT_CONFIG`` names. Every rank must see the same options.

    Returns
    -------
    dict
        Only what was given, of the right types, and ``policy``.

    Raises
    ------
    OptionError
        An unknown name, or a value that is no such option's.
    """
    given: dict[str, Any] = {"policy": DEFAULT_POLICY}
    path = environ.get(PREFIX + "CONFIG")
    if path:
        given |= {name: _parse(name, value, f"{path}: {name}") for name, value in _read(path).items()}
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name not in ("config", "data"):
            given[name] = _parse(name, value, variable)
    return given


def engine_policy(options: Mapping[str, Any]) -> type[AbstractEplbPolicy] | None:
    """The policy that the options name, configured; None if they say ``off``.

    Raises
    ------
    OptionError
        There is no such policy, or it has no such option.
    """
    name = options["policy"]
    if name == OFF:
        return None
    if name not in POLICIES:
        raise OptionError(f"{PREFIX}POLICY={name!r}: choose from {', '.join(POLICIES)}, or {OFF}")
    policy = POLICIES[name]
    settings = {key: options[key] for key in ("distinct", "steps", "greedy_check") if key in options}
    absent = [key for key in settings if not hasattr(policy, key)]
    if absent:
        raise OptionError(f"policy {name!r} has no {' or '.join(absent)}: these are options of refined")
    work = {key: options[key] for key in ("work", "seed") if key in options}
    if work:
        if not hasattr(policy, "limits"):
            raise OptionError(f"policy {name!r} uses no solver: it has no {' or '.join(work)}")
        settings["limits"] = replace(policy.limits, **work)
    if issubclass(policy, RefinedPolicy):
        prepare()  # now, not in the first rearrangement
    return configure(policy, **settings)


def _read(path: str) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise OptionError(f"{PREFIX}CONFIG={path!r} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise OptionError(f"{PREFIX}CONFIG={path!r} holds a {type(content).__name__}, expected a JSON object")
    return content


def _parse(name: str, value: Any, source: str) -> Any:
    if name not in _PARSERS:
        raise OptionError(f"{source} is no option: choose from {', '.join(_PARSERS)}")
    try:
        if isinstance(value, bool) and name != "distinct":
            raise TypeError(value)
        return _PARSERS[name](value)
    except (ValueError, TypeError):
        raise OptionError(f"{source}={value!r}: not a value of this option") from None


def _flag(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in TRUE + FALSE:
        raise ValueError(text)
    return text in TRUE


def _integer(value: Any) -> int:
    if isinstance(value, float):
        raise TypeError(value)
    return int(value)


def _not_negative(number: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        found = number(value)
        if not found >= 0:
            raise ValueError(found)
        return found

    return parse


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return str(value).strip().lower()


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "policy": _name, "distinct": _flag, "steps": _not_negative(_integer), "greedy_check": _not_negative(float),
    "work": float, "seed": _integer,
}  # fmt: skip
