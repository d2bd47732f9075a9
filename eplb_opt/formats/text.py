"""Text files but tables: JSON and YAML, without keys that are there twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from .arrays import first_line

YAML_INT = "tag:yaml.org,2002:int"
YAML_FLOAT = "tag:yaml.org,2002:float"
DEPTH = 32  # of YAML: a map has 3
DECIMAL = re.compile(r"[-+]?[0-9]{1,18}")
REAL = re.compile(
    r"[-+]?([0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})([eE][-+]?[0-9]{1,3})?"
)


class Records(list[Any]):
    """JSON lines: one record a line."""


def parse_json(text: str) -> Any:
    """JSON, or JSON lines: records with a ``record_type``, or more than one object."""
    try:
        if _is_lines(text):
            return Records(
                json.loads(line, object_pairs_hook=_once) for line in _lines(text)
            )
        content = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    is_record = isinstance(content, dict) and "record_type" in content
    return Records([content]) if is_record else content


def _is_lines(text: str) -> bool:
    """Whether there are several lines, each of which begins an object."""
    lines = _lines(text)
    begins = (line.startswith("{") for line in lines)
    return next(begins) and next(begins, False) and all(begins)


def _lines(text: str) -> Iterator[str]:
    """Lines that are not blank, one after the other: all at once they take many times the text."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].strip()
        start = end + 1
        if line:
            yield line


def _once(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A mapping, unless it has a key twice."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key is there twice")
    return content


def parse_yaml(text: str) -> dict[Any, Any]:
    """YAML that a map needs: no alias, which may stand for more than memory holds, decimal numbers, no key twice."""
    import yaml

    loader = _loader()
    try:
        _check_events(yaml.parse(text, Loader=loader))
        content = yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(f"YAML: {first_line(error)}") from None
    if not isinstance(content, dict):
        raise ValueError(f"YAML that holds a {type(content).__name__}, expected keys")
    return content


def _loader() -> type[Any]:
    """YAML's safe loader, with our own numbers and without keys that are there twice."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        # Without YAML's own numbers: 1:10:10 is one of base 60, read in quadratic time.
        yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            make = self.construct_object
            return _once(
                [(make(key, True), make(value, deep)) for key, value in node.value]
            )

    _add_number(Loader, YAML_INT, DECIMAL, "-+0123456789", _decimal)
    _add_number(Loader, YAML_FLOAT, REAL, "-+.0123456789", _real)
    return Loader


def _add_number(
    loader: Any,
    tag: str,
    form: re.Pattern[str],
    begins: str,
    read: Callable[[Any], Any],
) -> None:
    """A scalar that begins with one of the characters and has the form is a number, which our function reads."""

    def construct(own: Any, node: Any) -> Any:
        return read(own.construct_scalar(node))

    loader.add_implicit_resolver(tag, re.compile(f"^{form.pattern}$"), list(begins))
    loader.add_constructor(tag, construct)


def _check_events(events: Iterable[Any]) -> None:
    """Raise `ValueError` for an alias, and for depth, at which a parser that recurses dies."""
    import yaml

    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("YAML with an alias")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH:
            raise ValueError(f"YAML that is nested more than {DEPTH} deep")


def _decimal(text: Any) -> int:
    """An integer; one that YAML 1.1 reads in base 8 and YAML 1.2 in base 10 is refused."""
    if not isinstance(text, str) or not DECIMAL.fullmatch(text):
        raise ValueError(f"YAML: {str(text)[:30]!r} is no decimal integer")
    digits = text.lstrip("+-")
    if digits != "0" and digits.startswith("0") and int(digits) > 7:
        raise ValueError(
            f"YAML: integer {text} with a leading zero, which YAML 1.1 reads in base 8: leave it out"
        )
    return int(text)


def _real(text: Any) -> float:
    is_number = isinstance(text, str) and (
        REAL.fullmatch(text) or DECIMAL.fullmatch(text)
    )
    if not is_number:
        raise ValueError(f"YAML: {str(text)[:30]!r} is no decimal number")
    return float(text)
