"""How dense the code is: ``python -m tests.density [FOLDER]`` prints its figures, file by file the densest first.

Expressions a line: nodes of Python's syntax tree that are expressions (names, attributes, calls, operators, constants)
by the line on which they begin, over the lines on which one begins; annotations and docstrings left out. Functions are
measured without their docstrings.
"""

from __future__ import annotations

import ast
import collections
import statistics
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "eplb_opt"


class _Expressions(ast.NodeVisitor):
    """Counts expressions by line, assignments, and the length of functions."""

    def __init__(self) -> None:
        self.by_line: collections.Counter[int] = collections.Counter()
        self.assignments = 0
        self.of_tuples = 0
        self.functions: list[int] = []

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.expr):
            self.by_line[node.lineno] += 1
        if isinstance(node, ast.Assign):
            self.assignments += 1
            is_tuple = isinstance(node.value, ast.Tuple) and any(isinstance(t, ast.Tuple) for t in node.targets)
            self.of_tuples += is_tuple
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.functions.append(_code_lines(node))
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "ctx", "op", "ops"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_docstring(child):
                    self.visit(child)


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if _is_docstring(first):
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def measured(path: Path) -> _Expressions:
    """The figures of a file."""
    counter = _Expressions()
    counter.visit(ast.parse(path.read_text()))
    return counter


def figures(paths: list[Path]) -> dict[str, float]:
    """Median of expressions a line, share of assignments of tuples to tuples, and the functions' lengths."""
    counters = [measured(path) for path in paths]
    lines = [count for counter in counters for count in counter.by_line.values()]
    lengths = sorted(length for counter in counters for length in counter.functions)
    return {
        "expressions a line, median": statistics.median(lines),
        "expressions a line, mean": statistics.mean(lines),
        "tuples to tuples": sum(c.of_tuples for c in counters) / max(sum(c.assignments for c in counters), 1),
        "function lines, median": statistics.median(lengths) if lengths else 0,
        "function lines, 90 %": lengths[len(lengths) * 9 // 10] if lengths else 0,
        "function lines, most": max(lengths, default=0),
    }


def main() -> None:
    """Print the figures."""
    paths = sorted(Path(sys.argv[1] if len(sys.argv) > 1 else PACKAGE).rglob("*.py"))
    filled = [path for path in paths if measured(path).by_line]
    for path in sorted(filled, key=lambda path: -figures([path])["expressions a line, mean"]):
        print(path.name, {name: round(value, 3) for name, value in figures([path]).items()})
    print({name: round(value, 3) for name, value in figures(filled).items()})


if __name__ == "__main__":
    main()
