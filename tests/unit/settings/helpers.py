from pathlib import Path

import pytest

from gateway.settings import GatewaySettings, SettingsError, parse_settings

SECRET = "pr1vate-Val&e"
"""As it stands in a value; XML writes its ampersand otherwise."""

SECRET_XML = "pr1vate-Val&amp;e"


def document(*lines: str) -> bytes:
    """A Settings.config whose first given line is line 2."""
    return "\n".join(["<configuration>", *lines, "</configuration>"]).encode()


def parse(data: bytes, folder: Path = Path("/nowhere")) -> GatewaySettings:
    return parse_settings(data, folder / "Settings.config")


def read(*lines: str, folder: Path = Path("/nowhere")) -> GatewaySettings:
    return parse(document(*lines), folder)


def refusal(data: bytes, folder: Path = Path("/nowhere")) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse(data, folder)
    return caught.value


def instance(**attributes: str) -> str:
    """A section with one instance at Microsoft that lacks nothing, unless an attribute says otherwise."""
    given = {"name": "Office 365", "tenantId": "contoso.com", "clientId": "app", "clientSecret": SECRET_XML}
    text = " ".join(f'{name}="{value}"' for name, value in (given | attributes).items())
    return f"<applicationInstances><add {text} /></applicationInstances>"
