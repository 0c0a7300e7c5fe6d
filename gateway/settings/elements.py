"""What the sections have in common: what an element may hold, how collections merge, how texts convert."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

from gateway.settings.document import Element
from gateway.settings.errors import HIDDEN, Findings
from gateway.settings.kinds import Kind
from gateway.settings.only_in_iis import instead_of

Entry = dict[str, Element]
"""An entry of a collection: for each of its attributes the element that gives it."""


def check_element(
    element: Element, attributes: Collection[str], children: Collection[str], findings: Findings
) -> None:
    """Report attributes and elements that are not known, and text, which no element holds.

    The value of an unknown attribute is never shown: it may be a secret under a misspelt name.
    """
    tag = f"<{element.name}>"
    for name in element.attributes:
        if name not in attributes:
            fault = _fault("attribute", name, element)
            findings.add(element.problem(name, HIDDEN, _one_of(attributes, "no attributes"), fault))
    for child in element.children:
        if child.name not in children:
            allowed = _one_of([f"<{name}>" for name in children], "no elements")
            fault = _fault("element", child.name, element)
            findings.add(child.problem(f"<{child.name}>", "", allowed, fault))
    if element.has_text:
        findings.add(element.problem(tag, HIDDEN, "attributes and elements only", "holds text"))


def _fault(what: str, name: str, element: Element) -> str:
    instead = instead_of(element.name, name)
    if instead:
        return f"is not supported, unlike in IIS ({instead})"
    return f"is not an {what} of <{element.name}>"


def check_each_once(element: Element, findings: Findings) -> None:
    """Report children that stand twice."""
    first: dict[str, Element] = {}
    for child in element.children:
        earlier = first.setdefault(child.name, child)
        if earlier is not child:
            fault = f"is given a second time, first in line {earlier.line}"
            allowed = f"one <{child.name}> in <{element.name}>"
            findings.add(child.problem(f"<{child.name}>", "", allowed, fault))


class Collect(NamedTuple):
    """A collection of `<add>`, `<remove>` and `<clear>`, which apply in document order."""

    key: str
    """The attribute that tells entries apart, without regard to case."""
    attributes: tuple[str, ...]
    """All attributes of `<add>`."""
    required: tuple[str, ...]

    def merge(self, section: Element, entries: dict[str, Entry], findings: Findings) -> None:
        """Apply one file's section to the entries, which are kept by their keys in lower case.

        An entry already there from another file is overridden attribute by attribute; the same entry twice in
        one file is a mistake.
        """
        added: dict[str, Element] = {}
        for child in section.children:
            if child.name == "clear":
                check_element(child, (), (), findings)
                entries.clear()
                added.clear()
            elif child.name == "remove" and (key := self._checked(child, (self.key,), (self.key,), findings)):
                entries.pop(key.casefold(), None)
                added.pop(key.casefold(), None)
            elif child.name == "add" and (
                key := self._checked(child, self.attributes, self.required, findings)
            ):
                self._report_second(child, key, added.setdefault(key.casefold(), child), findings)
                entries.setdefault(key.casefold(), {}).update(dict.fromkeys(child.attributes, child))

    def _checked(
        self, child: Element, attributes: Collection[str], required: Iterable[str], findings: Findings
    ) -> str | None:
        """The key of an entry; none when the entry is of no use, which is then reported."""
        check_element(child, attributes, (), findings)
        missing = [name for name in required if name not in child.attributes]
        for name in missing:
            fault = f"is missing from <{child.name}>"
            findings.add(child.problem(name, "", f"<{child.name}> with {' and '.join(required)}", fault))
        if missing:
            return None
        key = child.attributes[self.key]
        if not key.strip():
            findings.add(child.problem(f"{self.key} of <{child.name}>", key, "a name that is not empty"))
            return None
        return key

    def _report_second(self, child: Element, key: str, earlier: Element, findings: Findings) -> None:
        if earlier is not child:
            fault = f"is given a second time, first in line {earlier.line}"
            findings.add(child.problem(key, "", "each once in a file, or <remove /> in between", fault))


def convert(kind: Kind, element: Element, attribute: str, key: str, findings: Findings) -> object | None:
    """The value of an attribute; none when it has none, which is then reported under the key."""
    text = element.attributes[attribute]
    if text.strip() or kind.may_be_empty:
        with suppress(ValueError):
            value: object = kind.parse(text)
            return value
    findings.add(element.problem(key, kind.reveal(text), kind.allowed))
    return None


def _one_of(names: Collection[str], otherwise: str) -> str:
    if len(names) < 2:
        return next(iter(names), otherwise)
    return f"one of {', '.join(names)}"
