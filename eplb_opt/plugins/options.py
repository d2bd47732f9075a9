"""Options of the in-engine policies, from the environment or a file that it names."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import OptionError, shown
from ..limits import TAKEN, Limits
from ..methods import METHODS
from ..methods.needs import require_method
from ..methods.option import LIMITS, Option, flag
from ..policies.moving import MOVE_OPTIONS
from ..policies.options import configure, options_of
from ..policies.policy import DISTINCT, AbstractEplbPolicy
from ..policies.registry import POLICIES
from ..policies.windows import WINDOW_OPTIONS
from .call_log import LOG
from .history import HALF_LIFE, HISTORY
from .recording import RECORD

logger = logging.getLogger("eplb_opt.plugins")

PREFIX = "EPLB_OPT_"
DEFAULT_POLICY = "refined"
OFF = "off"
# Variables that are read elsewhere: this file's name, recorded loads for tests, the largest file that is read.
NO_OPTIONS = ("config", "data", "max_file_mib", "worker_mib")
MOST_BYTES = 2**16  # of the options file
MOST_WORK = 3600.0  # units of `Limits.work`, about seconds, on each pool


def read_options(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the user asked for; a variable wins over the file.

    ``EPLB_OPT_POLICY`` (a name in `POLICIES`, or ``off``), ``EPLB_OPT_DISTINCT`` (0 or 1), ``EPLB_OPT_MAX_MOVES``,
    ``EPLB_OPT_SLACK``, ``EPLB_OPT_MOVE_PRICE`` and ``EPLB_OPT_MIN_GAIN`` (see `MoveRule`), ``EPLB_OPT_HISTORY`` (0, or
    an integer from 2 to `history.MOST`), ``EPLB_OPT_ACROSS`` and ``EPLB_OPT_LEVEL`` (see `Objective`; of these
    windows), ``EPLB_OPT_HALF_LIFE`` (0, or windows), ``EPLB_OPT_RECORD`` (a folder), ``EPLB_OPT_LOG`` (a file),
    ``EPLB_OPT_STEPS`` (an integer from 0 to `heuristics.options.MOST_STEPS`) and ``EPLB_OPT_GREEDY_CHECK`` (a float >=
    0 or ``inf``; both of `RefinedPolicy`), ``EPLB_OPT_WORK`` (a float above 0, up to `MOST_WORK`) and ``EPLB_OPT_SEED``
    (for policies that use solvers), or the same names in lower case without prefix in the JSON file that
    ``EPLB_OPT_CONFIG`` names. Every rank must see the same options.

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
        if variable.startswith(PREFIX) and name not in NO_OPTIONS:
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
    limits = getattr(policy, LIMITS.name, LIMITS.default)
    require_method(name, limits, f"{PREFIX}POLICY={name}")
    return _compiled(name, policy)


def _compiled(name: str, policy: type[AbstractEplbPolicy]) -> type[AbstractEplbPolicy]:
    """The policy, with what it calls compiled, or told to do without where that does not work."""
    method = METHODS[name]
    if method.compiles_if is None:
        return policy
    try:
        method.compile_all()
    # Whatever a compiler says that does not fit the versions beside it.
    except Exception as error:
        logger.warning(
            "numba does not work here (%s: %s): %r runs without it, the maps are the same",
            type(error).__name__,
            error,
            name,
        )
        return configure(policy, **{method.compiles_if.name: False})
    return policy


def _settings(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as `configure` takes them."""
    known = options_of(POLICIES[name])
    settings = {key: value for key, value in options.items() if key not in _OURS}
    of_limits = {o.name: settings.pop(o.name) for o in _OF_LIMITS if o.name in settings}
    absent = [key for key in settings if key not in known]
    if absent:
        others = {other: options_of(policy) for other, policy in POLICIES.items()}
        owners = [other for other in others if {*absent} & {*others[other]}]
        raise OptionError(
            f"policy {name!r} has no {' or '.join(absent)}: these are options of {', '.join(owners)}"
        )
    if of_limits:
        if LIMITS.name not in known:
            raise OptionError(
                f"policy {name!r} uses no solver: it has no {' or '.join(of_limits)}"
            )
        limits = getattr(POLICIES[name], LIMITS.name)
        settings[LIMITS.name] = replace(limits, **of_limits)
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
    options = _readable()
    if name not in options:
        raise OptionError(f"{source} is no option: choose from {', '.join(options)}")
    option = options[name]
    try:
        return option.read(value)
    except (ValueError, TypeError, OverflowError):
        raise OptionError(
            f"{source}={shown(value)}: not a value of this option, give {option.kind}"
        ) from None


def _readable() -> dict[str, Option]:
    """The options that can be written in a variable or a file, by name."""
    of_methods = [o for method in METHODS.values() for o in method.options if o.parse]
    ours = (_POLICY, _DISTINCT, *WINDOW_OPTIONS, *MOVE_OPTIONS, *_PAST)
    options = (*ours, *of_methods, *_OF_LIMITS)  # of two of one name the later one
    return {option.name: option for option in options}


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value.strip().lower()


def _work(value: Any) -> float:
    work = Limits(work=value).work
    if work is None or work > MOST_WORK:
        raise ValueError(value)
    return float(work)


def _seed(value: Any) -> int:
    return Limits(seed=value).seed


_POLICY = Option(
    "policy",
    DEFAULT_POLICY,
    _name,
    f"one of {', '.join(POLICIES)}, or {OFF}",
    "which policy takes the place of the engine's",
)
# What the plug-ins keep of past calls, whatever the policy.
_PAST = (HISTORY, HALF_LIFE, RECORD, LOG)
_OURS = {option.name for option in (_POLICY, *_PAST)}  # which no policy has
_DISTINCT = replace(DISTINCT, check=flag, kind="0 or 1")
# What a user may write of a policy's limits.
_OF_LIMITS = (
    Option(
        "work",
        LIMITS.default.work,
        _work,
        f"a number above 0, up to {MOST_WORK:g}",
        "`Limits.work`, on each pool",
        float,
    ),
    Option(
        "seed", LIMITS.default.seed, _seed, TAKEN["seed"].expected, "`Limits.seed`", int
    ),
)
