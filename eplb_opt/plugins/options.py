"""Options of the in-engine policies, from the environment or a file that it names."""

from __future__ import annotations

import json
import logging
import operator
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import OptionError, shown
from ..heuristics.refine import compile_kernels
from ..limits import DISTANCE_IS, STEPS_ARE, distance, step_count
from ..methods.needs import require_method
from ..policies import (
    POLICIES,
    AbstractEplbPolicy,
    RefinedPolicy,
    SolverPolicy,
    configure,
)

logger = logging.getLogger("eplb_opt.plugins")

PREFIX = "EPLB_OPT_"
DEFAULT_POLICY = "refined"
OFF = "off"
TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")
MOST_BYTES = 2**16  # of the options file
MOST_WORK = 3600.0  # units of `Limits.work`, about seconds, on each pool
MOST_SEED = 2**31 - 1


def read_options(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the user asked for; a variable wins over the file.

    ``EPLB_OPT_POLICY`` (a name in `POLICIES`, or ``off``), ``EPLB_OPT_DISTINCT`` (0 or 1), ``EPLB_OPT_STEPS`` (an
    integer from 0 to `limits.MOST_STEPS`) and ``EPLB_OPT_GREEDY_CHECK`` (a float >= 0 or ``inf``; both of
    `RefinedPolicy`), ``EPLB_OPT_WORK`` (a float above 0, up to `MOST_WORK`) and ``EPLB_OPT_SEED`` (for policies that
    use solvers), or the same names in lower case without prefix in the JSON file that ``EPLB_OPT_CONFIG`` names. Every
    rank must see the same options.

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
        given |= {
            name: _parse(name, value, f"{path}: {name}")
            for name, value in _read(path).items()
        }
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name not in ("config", "data"):
            given[name] = _parse(name, value, variable)
    return given


def engine_policy(options: Mapping[str, Any]) -> type[AbstractEplbPolicy] | None:
    """The policy that the options name, configured, and loaded as far as it can be; None if they say ``off``.

    Raises
    ------
    OptionError
        There is no such policy, or it has no such option.
    MissingPackageError
        The policy needs a package that is not installed.
    """
    name = options["policy"]
    if name == OFF:
        return None
    if name not in POLICIES:
        raise OptionError(
            f"{PREFIX}POLICY={shown(name)}: choose from {', '.join(POLICIES)}, or {OFF}"
        )
    policy = configure(POLICIES[name], **_settings(name, options))
    # What a call needs is loaded and compiled now, not in the first rearrangement.
    if issubclass(policy, SolverPolicy):
        require_method(policy.method, policy.limits, f"{PREFIX}POLICY={name}")
    if issubclass(policy, RefinedPolicy):
        try:
            compile_kernels()
        # Whatever a compiler says that does not fit the versions beside it.
        except Exception as error:
            logger.warning(
                "numba does not work here (%s: %s): %r runs without it, the maps are the same",
                type(error).__name__,
                error,
                name,
            )
            policy = configure(policy, compiled=False)
    return policy


def _settings(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as `configure` takes them."""
    policy = POLICIES[name]
    settings = {
        key: options[key]
        for key in ("distinct", "steps", "greedy_check")
        if key in options
    }
    absent = [key for key in settings if not hasattr(policy, key)]
    if absent:
        raise OptionError(
            f"policy {name!r} has no {' or '.join(absent)}: these are options of refined"
        )
    work = {key: options[key] for key in ("work", "seed") if key in options}
    if work:
        if not issubclass(policy, SolverPolicy):
            raise OptionError(
                f"policy {name!r} uses no solver: it has no {' or '.join(work)}"
            )
        settings["limits"] = replace(policy.limits, **work)
    return settings


def _read(path: str) -> dict[str, Any]:
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise ValueError("it is no file")
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        content = json.loads(text)
    except RecursionError:
        raise OptionError(
            f"{PREFIX}CONFIG={path!r} cannot be read: lists or objects within each other"
        ) from None
    except (OSError, ValueError) as error:
        raise OptionError(f"{PREFIX}CONFIG={path!r} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise OptionError(
            f"{PREFIX}CONFIG={path!r} holds a {type(content).__name__}, expected a JSON object"
        )
    return content


def _parse(name: str, value: Any, source: str) -> Any:
    if name not in _PARSERS:
        raise OptionError(f"{source} is no option: choose from {', '.join(_PARSERS)}")
    parse, kind = _PARSERS[name]
    try:
        return parse(value)
    except (ValueError, TypeError, OverflowError):
        raise OptionError(
            f"{source}={shown(value)}: not a value of this option, give {kind}"
        ) from None


def _flag(value: Any) -> bool:
    text = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if text not in TRUE + FALSE:
        raise ValueError(value)
    return text in TRUE


def _number(value: Any) -> float:
    """A number, or the text of one: variables are texts."""
    return distance(float(value) if isinstance(value, str) else value)


def _integer(value: Any) -> Any:
    """An integer, or the text of one."""
    return int(value) if isinstance(value, str) else value


def _work(value: Any) -> float:
    work = _number(value)
    if not 0 < work <= MOST_WORK:
        raise ValueError(value)
    return work


def _steps(value: Any) -> int:
    return step_count(_integer(value))


def _seed(value: Any) -> int:
    number = _integer(value)
    if isinstance(number, bool):
        raise TypeError(value)
    seed = operator.index(number)
    if not 0 <= seed <= MOST_SEED:
        raise ValueError(value)
    return seed


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value.strip().lower()


# Option -> how it is read, and what it is.
_PARSERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "policy": (_name, f"one of {', '.join(POLICIES)}, or {OFF}"),
    "distinct": (_flag, "0 or 1"),
    "steps": (_steps, STEPS_ARE),
    "greedy_check": (_number, DISTANCE_IS),
    "work": (_work, f"a number above 0, up to {MOST_WORK:g}"),
    "seed": (_seed, f"an integer from 0 to {MOST_SEED}"),
}
