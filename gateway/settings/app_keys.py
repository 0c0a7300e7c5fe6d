"""The keys of appSettings one by one, for a form."""

from __future__ import annotations

from typing import NamedTuple

from gateway.settings.base import kind_of
from gateway.settings.kinds import Choice, Kind, Secret
from gateway.settings.models import AppSettings
from gateway.settings.sections import APP_KEYS


class AppKey(NamedTuple):
    """One key that a form may show; secrets are none."""

    name: str
    description: str
    allowed: str
    default: str
    choices: tuple[str, ...]
    """Empty where the value is free."""
    attribute: str
    kind: Kind

    @property
    def options(self) -> list[tuple[str, str]]:
        """The choices as values with their names."""
        return [(word, word) for word in self.choices]

    def problem(self, text: str) -> str | None:
        """What is wrong with a value, None if it is good."""
        wanted = f"Expected {self.allowed}"
        if not text.strip():
            return None if self.kind.may_be_empty else wanted
        try:
            self.kind.parse(text)
        except ValueError:
            return wanted
        return None

    def text(self, settings: AppSettings) -> str:
        """The value that the settings have, as it is written in the file."""
        return self.kind.show(getattr(settings, self.attribute))


def app_keys() -> tuple[AppKey, ...]:
    """All of them that are no secrets, in the order of the manual."""
    return tuple(
        _key(name, attribute, kind)
        for name, attribute in APP_KEYS.items()
        if (kind := kind_of(AppSettings, attribute)) is not None and not isinstance(kind, Secret)
    )


def _key(name: str, attribute: str, kind: Kind) -> AppKey:
    field = AppSettings.model_fields[attribute]
    return AppKey(
        name=name,
        description=field.description or "",
        allowed=kind.allowed,
        default=kind.show(field.default),
        choices=kind.words if isinstance(kind, Choice) else (),
        attribute=attribute,
        kind=kind,
    )
