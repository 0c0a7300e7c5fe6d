"""Changes settings in the file, checked before anything is written."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.pool.errors import FileChangedError, PoolError, PoolRefusedError
from gateway.pool.files import replace_file
from gateway.settings import (
    GatewaySettings,
    SettingChange,
    SettingsError,
    edit_setting,
    load_settings,
    parse_settings,
    settings_changes,
    settings_files,
)


def change_setting(config: Path, key: str, value: str) -> tuple[SettingChange, ...]:
    """Return what the new value changes; as `change_settings` with one key."""
    return change_settings(config, {key: value})


class Seen(NamedTuple):
    """What the files were when somebody chose new values for them."""

    digest: str
    key: str
    """The one that the digest was made with."""


def change_settings(
    config: Path, values: Mapping[str, str], seen: Seen | None = None
) -> tuple[SettingChange, ...]:
    """Return what the new values change, in one write; nothing is written if that is nothing.

    Comments and layout are kept, and so is the mode of the file; a symbolic link is followed.

    :param seen: the files must still be the same
    :raises FileChangedError: if the files have changed since
    :raises PoolRefusedError: if the file, a key or a value is not valid, or a second file overrides it
    :raises PoolError: if the file cannot be written, or is being changed by somebody else
    """
    edit = _edit(config, values, seen)
    if edit.changes:
        _write(config, edit.data, edit.edited)
    return edit.changes


def preview_settings(config: Path, values: Mapping[str, str], seen: Seen) -> tuple[SettingChange, ...]:
    """Return what `change_settings` would change, and write nothing.

    :raises PoolError: as that does
    """
    return _edit(config, values, seen).changes


def files_digest(config: Path, key: str) -> str:
    """Return a text that is another one as soon as Settings.config or a second file has other bytes.

    :param key: without it nobody can try out by the digest what secrets the files may hold
    :raises PoolError: if a file cannot be read
    """
    digest = hmac.new(key.encode(), digestmod=hashlib.sha256)
    try:
        for file in settings_files(config):
            data = file.read_bytes() if file.exists() else b""
            digest.update(f"{file.name}:{len(data)}:".encode() + data)
    except OSError as exc:
        raise PoolError(f"{config}: cannot be read: {exc.strerror or exc}") from exc
    return digest.hexdigest()


class _Edit(NamedTuple):
    """The bytes before and after, and what that means."""

    data: bytes
    edited: bytes
    changes: tuple[SettingChange, ...]


def _edit(config: Path, values: Mapping[str, str], seen: Seen | None) -> _Edit:
    if seen is not None and seen.digest != files_digest(config, seen.key):
        raise FileChangedError(f"{config.name} was changed by somebody else; nothing was written")
    try:
        data = edited = config.read_bytes()
        before = load_settings(config)
        for key, value in values.items():
            edited = edit_setting(edited, key, value)
        after = parse_settings(edited, config)
    except SettingsError as exc:
        raise PoolRefusedError(str(exc)) from exc
    except OSError as exc:
        raise PoolRefusedError(f"{config}: cannot be read: {exc.strerror or exc}") from exc
    changes = settings_changes(before, after)
    changed = {change.key.casefold() for change in changes}
    for key, value in values.items():
        if key.casefold() not in changed:
            _refuse_overridden(config, after, key, value)
    return _Edit(data, edited, changes)


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
            raise FileChangedError(f"{config}: somebody else has just changed it; nothing was written")
        replace_file(target, edited)
    except OSError as exc:
        raise PoolError(f"{config}: cannot be written: {exc.strerror or exc}") from exc
