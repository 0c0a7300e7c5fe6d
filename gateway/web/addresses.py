"""Which address a path is: found word by word in a tree, and not by trying a pattern after the other.

Pyramid compiles a pattern for each of its routes; for all addresses that took longer than all else it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pyramid.request import Request
from pyramid.traversal import PATH_SAFE, quote_path_segment
from pyramid.urldispatch import RoutesMapper

ANYTHING, HERE = "/", "//"
"""Keys of the tree that no word of a path can be: below which any word goes on, and what ends here."""


class AddressRoute(NamedTuple):
    """One address, as Pyramid sees its routes."""

    name: str
    pattern: str
    """Its words are fixed, or names in braces that stand for any word."""
    factory: Any
    predicates: tuple[()] = ()
    pregenerator: None = None

    @property
    def words(self) -> list[str]:
        return self.pattern.split("/")[1:]

    def match(self, words: list[str]) -> dict[str, str]:
        """What stands for the names."""
        return {name[1:-1]: word for name, word in zip(self.words, words, strict=True) if _is_name(name)}

    def generate(self, values: Mapping[str, object]) -> str:
        return self.pattern.format_map(
            {name: quote_path_segment(str(value), safe=PATH_SAFE) for name, value in values.items()}
        )


class AddressTable(RoutesMapper):  # type: ignore[misc]
    """Pyramid's routes, and our addresses beside them: of two, the one with the fixed word is meant."""

    def __init__(self) -> None:
        super().__init__()
        self._tree: dict[str, Any] = {}

    def add(self, route: AddressRoute) -> None:
        """:raises ValueError: if there is an address with this name or for these paths"""
        node = self._tree
        for word in route.words:
            node = node.setdefault(ANYTHING if _is_name(word) else word, {})
        if HERE in node or route.name in self.routes:
            raise ValueError(f"{route.name}: there is an address with this name or for {route.pattern}")
        node[HERE] = self.routes[route.name] = route

    def __call__(self, request: Request) -> dict[str, Any]:
        found: dict[str, Any] = super().__call__(request)
        if found["route"] is None and (path := request.path_info).startswith("/"):
            words = path.split("/")[1:]
            if (route := _find(self._tree, words)) is not None:
                return {"route": route, "match": route.match(words)}
        return found


def _is_name(word: str) -> bool:
    return word.startswith("{")


def _find(node: dict[str, Any], words: list[str]) -> AddressRoute | None:
    if not words:
        here: AddressRoute | None = node.get(HERE)
        return here
    first, *rest = words
    for key in (first, ANYTHING) if first else (first,):
        if key in node and (found := _find(node[key], rest)) is not None:
            return found
    return None
