"""Changes one setting in the file, checked before anything is written."""

from __future__ import annotations

from pathlib import Path

from gateway.pool.errors import PoolError, PoolRefusedError
from gateway.pool.files import replace_file
from gateway.settings import (
    GatewaySettings,
    SettingChange,
    SettingsError,
    edit_setting,
    load_settings,
    parse_settings,
    settings_changes,
)


def change_setting(config: Path, key: str, value: str) -> tuple[SettingChange, ...]:
    """Return what the new value changes; nothing is written if that is nothing.

    Comments and layout are kept, and so is the mode of the file; a symbolic link is followed.

    :raises PoolRefusedError: if the key or the value is not valid, or a second file overrides it
    :raises PoolError: if the file cannot be read or written, or is being changed by somebody else
    """
    try:
        data = config.read_bytes()
        before = load_settings(config)
        edited = edit_setting(data, key, value)
        after = parse_settings(edited, config)
    except SettingsError as exc:
        raise PoolRefusedError(str(exc)) from exc
    except OSError as exc:
        raise PoolError(f"{config}: cannot be read: {exc.strerror or exc}") from exc
    changes = settings_changes(before, after)
    if not changes:
        _refuse_overridden(config, after, key, value)
    if changes:
        _write(config, data, edited)
    return changes


def _refuse_overridden(config: Path, after: GatewaySettings, key: str, value: str) -> None:
    """Without a change the value is in force already, unless the second file has another one."""
    wanted = parse_settings(edit_setting(b"<configuration/>", key, value), config)
    folded = key.casefold()
    if any(change.key.casefold() == folded for change in settings_changes(wanted, after)):
        raise PoolRefusedError(
            f"{key}: the second file has this key too, and its value wins; change it there"
        )


def _write(config: Path, data: bytes, edited: bytes) -> None:
    target = config.resolve()
    try:
        if target.read_bytes() != data:
            raise PoolError(f"{config}: somebody else has just changed it; nothing was written")
        replace_file(target, edited)
    except OSError as exc:
        raise PoolError(f"{config}: cannot be written: {exc.strerror or exc}") from exc
