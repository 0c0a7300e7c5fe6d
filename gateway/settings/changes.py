"""What differs between two settings, in an administrator's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel, SecretStr

from gateway.settings.base import POOL_PREFIX, kind_of, nested_prefix, xml_name
from gateway.settings.errors import HIDDEN
from gateway.settings.instances import InstanceSettings
from gateway.settings.models import GatewaySettings
from gateway.settings.sections import APP_KEYS, CONNECTION, INSTANCE_ATTRIBUTES
from gateway.settings.urls import masked_database_url

ABSENT = "(none)"
PRESENT = "(given)"


class SettingChange(NamedTuple):
    """One value that differs; both values as text, a secret as "(hidden)"."""

    key: str
    old: str
    new: str


class _Value(NamedTuple):
    key: str
    shown: str
    exact: str


def settings_changes(old: GatewaySettings, new: GatewaySettings) -> tuple[SettingChange, ...]:
    """The values that differ, by the keys that an administrator writes; an added instance is one change."""
    before, after = _values(old), _values(new)
    appeared = _instance_names(new).keys() ^ _instance_names(old).keys()
    names = _instance_names(old) | _instance_names(new)
    changes = [_appearance(names[name], name in _instance_names(new)) for name in sorted(appeared)]
    for folded in before.keys() & after.keys():
        was, now = before[folded], after[folded]
        if was.exact != now.exact:
            changes.append(SettingChange(now.key, was.shown, now.shown))
    return tuple(sorted(changes, key=lambda change: change.key))


def _instance_names(settings: GatewaySettings) -> dict[str, str]:
    return {each.name.casefold(): each.name for each in settings.application_instances}


def _appearance(name: str, is_new: bool) -> SettingChange:
    old, new = (ABSENT, PRESENT) if is_new else (PRESENT, ABSENT)
    return SettingChange(f"applicationInstances[{name}]", old, new)


def _values(settings: GatewaySettings) -> dict[str, _Value]:
    """All values that the files can set, by their keys in lower case."""
    settings = settings.as_written()
    url = settings.database_url
    values = [_Value(f"connectionStrings[{CONNECTION}]", masked_database_url(url), url)]
    values += [_value(settings.app, attribute, key) for key, attribute in APP_KEYS.items()]
    for instance in settings.application_instances:
        values += _instance_values(instance)
    values += _pool_values(settings.application_pool, POOL_PREFIX)
    return {value.key.casefold(): value for value in values}


def _instance_values(instance: InstanceSettings) -> Iterator[_Value]:
    for xml, attribute in INSTANCE_ATTRIBUTES.items():
        yield _value(instance, attribute, f"applicationInstances[{instance.name}].{xml}")


def _pool_values(model: BaseModel, prefix: str) -> Iterator[_Value]:
    for attribute in type(model).model_fields:
        child = getattr(model, attribute)
        if isinstance(child, BaseModel):
            yield from _pool_values(child, nested_prefix(prefix, xml_name(attribute)))
        else:
            yield _value(model, attribute, prefix + xml_name(attribute))


def _value(model: BaseModel, attribute: str, key: str) -> _Value:
    value = getattr(model, attribute)
    if isinstance(value, SecretStr):
        return _Value(key, HIDDEN, value.get_secret_value())
    kind = kind_of(type(model), attribute)
    shown = kind.show(value) if kind else str(value)
    return _Value(key, shown, shown)
