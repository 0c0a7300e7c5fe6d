"""How somebody likes the pages: light or dark, comfortable or compact."""

from __future__ import annotations

from typing import NamedTuple

from pyramid.request import Request

PREFERENCES_COOKIE = "gateway_view"
YEAR = 31_536_000

THEMES = ("system", "light", "dark")
DENSITIES = ("comfortable", "compact")


class Preferences(NamedTuple):
    theme: str = THEMES[0]
    density: str = DENSITIES[0]


def preferences(request: Request) -> Preferences:
    """What the browser's cookie says, as far as it makes sense."""
    theme, _, density = request.cookies.get(PREFERENCES_COOKIE, "").partition(".")
    return make_preferences(theme, density)


def make_preferences(theme: str, density: str) -> Preferences:
    return Preferences(
        theme if theme in THEMES else THEMES[0], density if density in DENSITIES else DENSITIES[0]
    )
