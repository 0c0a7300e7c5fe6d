"""Settings as text: what a worker is handed over a pipe, and what is kept as the last good values."""

from __future__ import annotations

from pydantic import ValidationError

from gateway.settings.errors import Problem, SettingsError
from gateway.settings.instances import CLEAR_SECRETS
from gateway.settings.models import GatewaySettings


def dump_settings(settings: GatewaySettings) -> str:
    """JSON with the secrets in clear: for a pipe, or for a file that only its owner may read."""
    return settings.model_dump_json(context=CLEAR_SECRETS)


def restore_settings(text: str) -> GatewaySettings:
    """The settings that were dumped.

    :raises SettingsError: when the text is none of `dump_settings`, or one of another version of the gateway
    """
    try:
        return GatewaySettings.model_validate_json(text)
    except ValidationError as error:
        raise SettingsError(_problem(each["loc"]) for each in error.errors(include_input=False)) from None


def _problem(location: tuple[int | str, ...]) -> Problem:
    key = ".".join(str(part) for part in location) or "the text"
    return Problem("saved settings", None, key, "", "what dump_settings writes", "cannot be restored")
