"""Changes one value in the text of a Settings.config and leaves all else as it is: comments, layout, order.

The positions come from expat, so that what looks like an element within a comment is none.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

from pydantic import BaseModel

from gateway.settings.base import POOL_PREFIX, kind_of, nested_prefix, submodel_of, xml_name
from gateway.settings.errors import Problem, SettingsError
from gateway.settings.kinds import Schedule
from gateway.settings.pool import PoolSettings
from gateway.settings.sections import APP_KEYS

_ATTRIBUTE = re.compile(r"""([^\s=<>/"']+)\s*=\s*("[^"]*"|'[^']*')""")


class _Tag(NamedTuple):
    """A start tag: where it begins and ends in the text, and what is in its element."""

    name: str
    attributes: dict[str, str]
    start: int
    end: int
    children: list[_Tag]

    def child(self, name: str) -> _Tag | None:
        return next((child for child in self.children if child.name == name), None)


def edit_setting(data: bytes, key: str, value: str) -> bytes:
    """The bytes of the file with another value of an appSettings key, or of an attribute of the pool.

    Keys are written as in messages: `LOG_LEVEL`, `processModel.pingInterval`, `applicationPool.startMode`.
    The file must be well formed; whether the value is good is for the reader of the settings to say.

    :raises SettingsError: when there is no such key, or no place for it
    """
    text, encode = _decode(data)
    root = _scan(text)
    folded = key.casefold()
    app_key = next((each for each in APP_KEYS if each.casefold() == folded), None)
    if app_key is not None:
        return encode(_set_app_key(text, root, app_key, value))
    paths = _pool_paths(PoolSettings, POOL_PREFIX, ("applicationPool",))
    if folded not in paths:
        raise _refusal(key, _alike(folded, paths))
    return encode(_set_pool_attribute(text, root, paths[folded], value))


def _alike(given: str, paths: Mapping[str, tuple[str, ...]]) -> str:
    """What may have been meant by an attribute without its element; else what there is."""
    for key, path in paths.items():
        if key.endswith(f".{given}"):
            return ".".join(path[-key.count(".") - 1 :])
    return "a key of appSettings, or an attribute such as processModel.pingInterval"


def _pool_paths(model: type[BaseModel], prefix: str, path: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """For each key in lower case the elements down to its attribute, and the attribute."""
    found: dict[str, tuple[str, ...]] = {}
    for attribute in model.model_fields:
        name = xml_name(attribute)
        submodel = submodel_of(model, attribute)
        kind = kind_of(model, attribute)
        if submodel is not None:
            found |= _pool_paths(submodel, nested_prefix(prefix, name), (*path, name))
        elif kind is not None and not isinstance(kind, Schedule):
            found[(prefix + name).casefold()] = (*path, name)
    return found


def _set_app_key(text: str, root: _Tag, key: str, value: str) -> str:
    section = root.child("appSettings")
    if section is None:
        text, root = _with_child(text, root, "appSettings")
        section = root.child("appSettings")
        assert section is not None
    given = [tag for tag in section.children if tag.name == "add" and _folded(tag, "key") == key.casefold()]
    if given:
        return _with_attribute(text, given[-1], "value", value)
    return _with_child(text, section, f'add key="{key}" value="{_quoted(value)}"')[0]


def _set_pool_attribute(text: str, root: _Tag, path: tuple[str, ...], value: str) -> str:
    for depth in range(len(path) - 1):
        parent = _descend(root, path[:depth])
        if parent.child(path[depth]) is None:
            text, root = _with_child(text, parent, path[depth])
    return _with_attribute(text, _descend(root, path[:-1]), path[-1], value)


def _descend(tag: _Tag, path: tuple[str, ...]) -> _Tag:
    for name in path:
        child = tag.child(name)
        assert child is not None
        tag = child
    return tag


def _folded(tag: _Tag, name: str) -> str:
    return tag.attributes.get(name, "").casefold()


def _with_attribute(text: str, tag: _Tag, name: str, value: str) -> str:
    """The text with a value in place of the old one, or a new attribute at the end of the tag."""
    for match in _ATTRIBUTE.finditer(text, tag.start, tag.end):
        if match[1] == name:
            return text[: match.start(2)] + f'"{_quoted(value)}"' + text[match.end(2) :]
    end = tag.end - (2 if text[: tag.end].endswith("/>") else 1)
    end = len(text[:end].rstrip())
    return f'{text[:end]} {name}="{_quoted(value)}"{text[end:]}'


def _with_child(text: str, parent: _Tag, content: str) -> tuple[str, _Tag]:
    """The text with an empty element at the end of another one, on a line of its own; its tags once more."""
    newline = "\r\n" if "\r\n" in text else "\n"
    outer = _indent(text, parent)
    inner = _indent(text, parent.children[-1]) if parent.children else outer + "  "
    line = f"{newline}{inner}<{content} />"
    if text[: parent.end].endswith("/>"):
        opened = text[: parent.end - 2].rstrip() + ">"
        text = f"{opened}{line}{newline}{outer}</{parent.name}>{text[parent.end :]}"
    else:
        close = _closing_tag(text, parent)
        body = text[:close].rstrip()
        text = f"{body}{line}{newline}{outer}{text[close:]}"
    return text, _scan(text)


def _indent(text: str, tag: _Tag) -> str:
    """The white space before an element that begins its line."""
    before = text[: tag.start].rpartition("\n")[2]
    return before if not before.strip() else " " * (len(before) - len(before.lstrip()))


def _closing_tag(text: str, parent: _Tag) -> int:
    """Where the end tag of an element begins."""
    found = [end for start, end in _Scanner(text).end_tags if start == parent.start]
    return found[0]


def _quoted(value: str) -> str:
    return escape(value, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _scan(text: str) -> _Tag:
    return _Scanner(text).root.children[0]


class _Scanner:
    """One pass of expat; its byte positions are turned into positions in the text."""

    def __init__(self, text: str) -> None:
        self.root = _Tag("", {}, 0, 0, [])
        self.end_tags: list[tuple[int, int]] = []
        """For each element where its start tag and its end tag begin."""
        self._text = text
        self._data = text.encode("utf-8")
        self._open = [self.root]
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.Parse(self._data, True)

    def _position(self) -> int:
        return len(self._data[: self._parser.CurrentByteIndex].decode("utf-8"))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        start = self._position()
        tag = _Tag(name, attributes, start, _end_of_tag(self._text, start), [])
        self._open[-1].children.append(tag)
        self._open.append(tag)

    def _end(self, _name: str) -> None:
        self.end_tags.append((self._open.pop().start, self._position()))


def _end_of_tag(text: str, start: int) -> int:
    """Where a start tag ends; a ">" may stand within its values."""
    quote = ""
    for index in range(start, len(text)):
        character = text[index]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == ">":
            return index + 1
    return len(text)


def _decode(data: bytes) -> tuple[str, _Encode]:
    """The text without its byte order mark, and how it is written back."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding), _Encode(mark, encoding)
    return data.decode("utf-8"), _Encode(b"", "utf-8")


_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class _Encode(NamedTuple):
    mark: bytes
    encoding: str

    def __call__(self, text: str) -> bytes:
        return self.mark + text.encode(self.encoding)


def _refusal(key: str, allowed: str) -> SettingsError:
    return SettingsError([Problem("set", None, key, "", allowed, "is no setting that can be set")])
