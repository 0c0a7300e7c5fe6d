"""Ways in which a line can be wrong: something is left out of it, or turned around."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

TURNED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}

CONDITIONS = {"where", "or_", "and_", "join"}
"""Calls of which each argument is a condition of its own."""

LINKS = CONDITIONS | {"order_by", "limit", "with_for_update", "correlate", "casefold", "startswith"}
"""Links that a chain of calls may lack."""

WORD = re.compile(r"'?[a-z]+(_[a-z]+)*'?")
"""A name of something; other texts are for people."""

SKIPPED = {"annotation", "returns", "decorator_list", "args", "type_comment"}


@dataclass
class Mutant:
    """One change of a module."""

    number: int
    lines: tuple[int, int]
    """Of the statement, without those of its body."""
    function: str | None
    """The qualified name of the outermost function around it; None in the module itself."""
    words: str


def mutants_of(source: str) -> list[Mutant]:
    return [
        Mutant(number, place.lines, place.function, _words(place.node, new))
        for number, (place, new) in enumerate(_changes(ast.parse(source)))
    ]


def mutated(source: str, number: int) -> ast.Module:
    """The module with the change of that number."""
    tree = ast.parse(source)
    for each, (place, new) in enumerate(_changes(tree)):
        if each == number:
            place.put(new)
            return ast.fix_missing_locations(tree)
    raise ValueError(f"there is no change {number}")


@dataclass
class _Place:
    """Where a node stands."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    lines: tuple[int, int]
    function: str | None

    def put(self, new: ast.AST) -> None:
        ast.copy_location(new, self.node)
        if self.index is None:
            setattr(self.parent, self.field, new)
        else:
            getattr(self.parent, self.field)[self.index] = new


def _changes(tree: ast.Module) -> Iterator[tuple[_Place, ast.AST]]:
    for place in list(_places(tree, (1, 1), None, "")):
        for new in _variants(place):
            yield place, new


def _places(node: ast.AST, lines: tuple[int, int], function: str | None, prefix: str) -> Iterator[_Place]:
    for field, value in ast.iter_fields(node):
        if field in SKIPPED and not isinstance(node, ast.Call):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_for_people(child, node):
                continue
            at = _lines_of(child) if isinstance(child, (ast.stmt, ast.ExceptHandler)) else lines
            name = prefix + child.name if isinstance(child, (ast.FunctionDef, ast.ClassDef)) else ""
            if isinstance(child, ast.FunctionDef):
                yield from _places(child, at, function or name, "")
            elif isinstance(child, ast.ClassDef):
                yield from _places(child, at, function, f"{name}.")
            elif not isinstance(node, ast.ClassDef):
                yield _Place(node, field, index, child, at, function)
                yield from _places(child, at, function, prefix)


def _is_for_people(node: ast.AST, parent: ast.AST) -> bool:
    """Docstrings, log lines and sentences; and what mypy wants."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Assert, ast.JoinedStr)):
        return True
    if isinstance(node, ast.Expr):
        call = node.value
        is_log = isinstance(call, ast.Call) and ast.unparse(call.func).startswith("log.")
        return is_log or isinstance(call, ast.Constant)
    is_type = isinstance(parent, ast.Call) and ast.unparse(parent.func) == "cast"
    return is_type and node is parent.args[0] if isinstance(parent, ast.Call) else False


def _lines_of(node: Any) -> tuple[int, int]:
    body = getattr(node, "body", None)
    return node.lineno, max(node.lineno, body[0].lineno - 1) if body else node.end_lineno


def _variants(place: _Place) -> Iterator[ast.AST]:  # noqa: C901 (a table, in the words of `match`)
    node = place.node
    match node:
        case ast.If():
            yield from (_with(node, test=ast.Constant(value)) for value in (True, False))
        case ast.While():
            yield _with(node, test=ast.Constant(False))
        case ast.IfExp():
            yield from (node.body, node.orelse)
        case ast.Expr() | ast.Raise() | ast.Continue() | ast.Break() | ast.AugAssign() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield ast.Pass()
        case ast.Try():
            yield from _without_a_handler(node)
        case ast.BoolOp() if not _is_for_mypy(node):
            for rest in _each_left_out(node.values):
                yield rest[0] if len(rest) == 1 else _with(node, values=rest)
        case ast.Compare(ops=[operator]) if type(operator) in TURNED and not _is_test(place):
            yield _with(node, ops=[TURNED[type(operator)]()])
        case ast.Compare(ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE() as operator]):
            yield _with(node, ops=[TURNED[type(operator)]()])
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()) if not _is_test(place):
            yield node.operand
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd()):
            yield from (node.left, node.right)
        case ast.BinOp() if type(node.op) in TURNED:
            yield _with(node, op=TURNED[type(node.op)]())
        case ast.comprehension():
            yield from (_with(node, ifs=rest) for rest in _each_left_out(node.ifs))
        case ast.Dict():
            for number in range(len(node.keys)):
                yield _with(node, keys=_without(node.keys, number), values=_without(node.values, number))
        case ast.Tuple(ctx=ast.Load()) | ast.Set() if len(node.elts) > 1 and _is_choice(place):
            yield from (_with(node, elts=rest) for rest in _each_left_out(node.elts))
        case ast.Call():
            yield from _calls(node)
        case ast.Constant() if place.field != "keys":
            yield from _constants(node.value)


def _is_for_mypy(node: ast.BoolOp) -> bool:
    """Such as `name or ""` of a column that may be empty in general, and is not here."""
    last = node.values[-1]
    return isinstance(last, ast.Constant) and last.value == ""


def _is_test(place: _Place) -> bool:
    return place.field == "test"


def _is_choice(place: _Place) -> bool:
    """Whether it says which values or types there are to choose from."""
    parent = place.parent
    if isinstance(parent, ast.Call):
        return ast.unparse(parent.func) == "isinstance"
    return isinstance(parent, (ast.Compare, ast.ExceptHandler)) or place.function is None


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    yield from (_with(node, keywords=rest) for rest in _each_left_out(node.keywords))
    if name in ("min", "max") and len(node.args) == 2:
        yield from node.args
    if name in CONDITIONS and len(node.args) > 1:
        yield from (_with(node, args=rest) for rest in _each_left_out(node.args))
    if name in LINKS and isinstance(node.func, ast.Attribute):
        yield node.func.value


def _constants(value: object) -> Iterator[ast.AST]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, (int, float)):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and WORD.fullmatch(value):
        yield ast.Constant("'other'" if value[0] == "'" else "other")


def _without_a_handler(node: ast.Try) -> Iterator[ast.AST]:
    for rest in _each_left_out(node.handlers):
        if rest or node.finalbody:
            yield _with(node, handlers=rest, orelse=node.orelse if rest else [])
        else:
            yield ast.If(ast.Constant(True), [*node.body, *node.orelse], [])


def _each_left_out(nodes: Sequence[Any]) -> list[list[Any]]:
    return [_without(nodes, number) for number in range(len(nodes))]


def _without(nodes: Sequence[Any], number: int) -> list[Any]:
    return [*nodes[:number], *nodes[number + 1 :]]


def _with(node: ast.AST, **changes: object) -> ast.AST:
    new = copy.copy(node)
    for field, value in changes.items():
        setattr(new, field, value)
    return new


def _words(old: ast.AST, new: ast.AST) -> str:
    return f"{_short(old)} -> {_short(new)}"


def _short(node: ast.AST) -> str:
    if isinstance(node, ast.Try):
        return f"try with {[each.type and ast.unparse(each.type) for each in node.handlers]}"
    if isinstance(node, (ast.If, ast.While)):
        return f"{type(node).__name__.lower()} {ast.unparse(node.test)}"
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 160 else f"{text[:157]}..."
