"""From the bytes of one file to a tree of elements that know their lines.

xmltodict turns the document into values. It knows neither lines nor the order of elements with different
names, so expat goes over the text first: it refuses what must not be there, and notes name and line of each
element in document order. Both are then laid over each other.
"""

from __future__ import annotations

import codecs
from collections import Counter
from typing import Any, NamedTuple
from xml.parsers import expat

import xmltodict

from gateway.settings.errors import Problem, SettingsError, shortened

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16
"""The deepest element of a valid file is on level 6; a bound keeps the recursion below small."""
MAX_ELEMENTS = 10_000
"""So that a file that is no Settings.config does not hold up the pool."""

ENCODINGS = ("utf-8", "utf-16", "us-ascii")


class Element(NamedTuple):
    """An element: its attributes as written, its children in document order."""

    name: str
    file: str
    line: int
    attributes: dict[str, str]
    children: tuple[Element, ...]
    has_text: bool

    def child(self, name: str) -> Element | None:
        return next((child for child in self.children if child.name == name), None)

    def problem(self, key: str, value: str, allowed: str, fault: str = "") -> Problem:
        return Problem(self.file, self.line, shortened(key), shortened(value), allowed, fault)


def read_document(data: bytes, file: str, root: str) -> Element:
    """The outermost element, which must be named `root`.

    :raises SettingsError: with one problem; a document is read as a whole or not at all
    """
    text = _decode(data, file)
    expected = f"<{root}> as the outermost element"
    if not text.strip():
        raise SettingsError([Problem(file, None, "the file", "", expected, "is empty")])
    skeleton = _Scanner(file).run(text)
    document = xmltodict.parse(text, force_list=True)
    element = _overlay(skeleton, document[skeleton.name][0], file)
    if element.name != root:
        fault = "is the outermost element"
        raise SettingsError([element.problem(f"<{element.name}>", "", f"<{root}>", fault)])
    return element


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise SettingsError([Problem(file, None, "the file", "", "at most 1 MiB", "is larger than 1 MiB")])
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        fault = f"cannot be decoded at byte {error.start}"
        line = None if is_utf16 else data.count(b"\n", 0, error.start) + 1
        allowed = "UTF-8, or UTF-16 with a byte order mark"
        raise SettingsError([Problem(file, line, "the file", "", allowed, fault)]) from None


class _Node(NamedTuple):
    name: str
    line: int
    children: list[_Node]


class _Scanner:
    """One pass of expat over a document."""

    def __init__(self, file: str) -> None:
        self.root = _Node("", 0, [])
        self._open = [self.root]
        self._count = 0
        self._file = file
        self._parser = expat.ParserCreate("utf-8")
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def run(self, text: str) -> _Node:
        try:
            self._parser.Parse(text.encode(), True)
        except expat.ExpatError as error:
            fault = f"is not well formed ({expat.ErrorString(error.code)})"
            raise self._refusal(
                "the file", "well-formed XML", fault, error.lineno, error.offset + 1
            ) from None
        return self.root.children[0]

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ENCODINGS:
            raise self._refusal("encoding", "utf-8 or utf-16", f'is "{shortened(encoding)}"', 1)

    def _doctype(self, *_declared: object) -> None:
        raise self._refusal("<!DOCTYPE>", "a file without DOCTYPE and entity declarations", "is not allowed")

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise self._refusal(f"<{shortened(name)}>", f"at most {MAX_DEPTH} levels", "is nested too deep")
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise self._refusal("the file", f"at most {MAX_ELEMENTS} elements", "has too many elements")
        node = _Node(name, self._parser.CurrentLineNumber, [])
        self._open[-1].children.append(node)
        self._open.append(node)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _refusal(
        self, key: str, allowed: str, fault: str, line: int | None = None, column: int | None = None
    ) -> SettingsError:
        line = line or self._parser.CurrentLineNumber
        return SettingsError([Problem(self._file, line, key, "", allowed, fault, column)])


def _overlay(node: _Node, value: dict[str, Any] | str | None, file: str) -> Element:
    """The values of xmltodict in the order and with the lines of expat."""
    values = value if isinstance(value, dict) else {"#text": value} if value else {}
    taken: Counter[str] = Counter()
    children = []
    for child in node.children:
        children.append(_overlay(child, values[child.name][taken[child.name]], file))
        taken[child.name] += 1
    attributes = {key[1:]: text for key, text in values.items() if key.startswith("@")}
    return Element(node.name, file, node.line, attributes, tuple(children), "#text" in values)
