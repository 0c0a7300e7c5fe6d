"""The sections of Settings.config, each turned into values for its model."""

from __future__ import annotations

from datetime import time
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel

from gateway.settings.base import POOL_PREFIX, kind_of, nested_prefix, submodel_of, xml_name
from gateway.settings.document import Element
from gateway.settings.elements import Collect, Entry, check_each_once, check_element, convert
from gateway.settings.errors import Findings, shortened
from gateway.settings.instances import InstanceSettings
from gateway.settings.kinds import Schedule, TimeOfDay
from gateway.settings.models import AppSettings
from gateway.settings.pool import PoolSettings
from gateway.settings.urls import SIMULATOR, DatabaseURL, absolute_database_url

Values = dict[str, object]

CONNECTION = "Gateway"
"""Name of the connection string of the gateway's database."""

APP_KEYS = {attribute.upper(): attribute for attribute in AppSettings.model_fields}
INSTANCE_ATTRIBUTES = {xml_name(name): name for name in InstanceSettings.model_fields if name != "simulated"}
REQUIRED_AT_MICROSOFT = ("tenantId", "clientId", "clientSecret")

_APP_SETTINGS = Collect("key", ("key", "value"), ("key", "value"))
_CONNECTIONS = Collect("name", ("name", "connectionString"), ("name", "connectionString"))
_INSTANCES = Collect("name", tuple(INSTANCE_ATTRIBUTES), ("name",))
_SCHEDULE = Collect("value", ("value",), ("value",))

_COLLECTION_ELEMENTS = ("add", "remove", "clear")


def app_settings(sections: list[Element], findings: Findings) -> Values:
    """The values of `<appSettings>`: the section of Settings.config, then that of its second file."""
    known = {key.casefold(): key for key in APP_KEYS}
    values: Values = {}
    for folded, entry in _merged(_APP_SETTINGS, sections, findings).items():
        element = entry["value"]
        if folded not in known:
            _warn(element, element.attributes["key"], "a known key", list(APP_KEYS), findings)
            continue
        attribute = APP_KEYS[known[folded]]
        kind = kind_of(AppSettings, attribute)
        if kind and (value := convert(kind, element, "value", known[folded], findings)) is not None:
            values[attribute] = value
    return values


def database_url(sections: list[Element], folder: Path, default: str, findings: Findings) -> str:
    """The URL of the database, with an absolute path where it is a file."""
    url = default
    for folded, entry in _merged(_CONNECTIONS, sections, findings).items():
        element = entry["connectionString"]
        if folded != CONNECTION.casefold():
            _warn(element, element.attributes["name"], "a known connection string", [CONNECTION], findings)
            continue
        key = f"connectionStrings[{CONNECTION}]"
        url = str(convert(DatabaseURL(), element, "connectionString", key, findings) or default)
    return absolute_database_url(url, folder)


def application_instances(sections: list[Element], findings: Findings) -> list[Values]:
    """The values of each instance."""
    entries = _merged(_INSTANCES, sections, findings)
    return [_instance(entry, findings) for entry in entries.values()]


def application_pool(element: Element | None, findings: Findings) -> Values:
    """The values of `<applicationPool>` and of the elements in it."""
    return {} if element is None else _model_values(PoolSettings, element, POOL_PREFIX, findings)


def _merged(collect: Collect, sections: list[Element], findings: Findings) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for section in sections:
        attributes = ("file",) if section.name in ("appSettings", "applicationInstances") else ()
        check_element(section, attributes, _COLLECTION_ELEMENTS, findings)
        collect.merge(section, entries, findings)
    return entries


def _instance(entry: Entry, findings: Findings) -> Values:
    name = entry["name"].attributes["name"]
    label = f"applicationInstances[{name}]"
    given = {xml: element for xml, element in entry.items() if element.attributes[xml].strip()}
    values: Values = {}
    for xml, attribute in INSTANCE_ATTRIBUTES.items():
        kind = kind_of(InstanceSettings, attribute)
        if kind and xml in given:
            value = convert(kind, given[xml], xml, f"{label}.{xml}", findings)
            if value is not None:
                values[attribute] = value
    values["simulated"] = values.get("partner_center_url") == SIMULATOR
    if not values["simulated"]:
        for xml in REQUIRED_AT_MICROSOFT:
            if xml not in given:
                allowed = f'a value, unless partnerCenterUrl is "{SIMULATOR}"'
                findings.add(entry["name"].problem(f"{label}.{xml}", "", allowed, "is missing"))
    return values


def _model_values(model: type[BaseModel], element: Element, prefix: str, findings: Findings) -> Values:
    kinds = {name: kind for name in model.model_fields if (kind := kind_of(model, name))}
    attributes = {xml_name(name): name for name, kind in kinds.items() if not isinstance(kind, Schedule)}
    elements = {xml_name(name): name for name in model.model_fields if name not in attributes.values()}
    check_element(element, attributes, elements, findings)
    check_each_once(element, findings)
    values: Values = {}
    for xml, name in attributes.items():
        if xml in element.attributes:
            value = convert(kinds[name], element, xml, prefix + xml, findings)
            values |= {} if value is None else {name: value}
    for xml, name in elements.items():
        if child := element.child(xml):
            submodel = submodel_of(model, name)
            values[name] = (
                _model_values(submodel, child, nested_prefix(prefix, xml), findings)
                if submodel
                else _schedule(child, prefix + xml, findings)
            )
    return values


def _schedule(element: Element, key: str, findings: Findings) -> tuple[time, ...]:
    entries = _merged(_SCHEDULE, [element], findings)
    times = [convert(TimeOfDay(), entry["value"], "value", key, findings) for entry in entries.values()]
    return tuple(sorted(each for each in times if isinstance(each, time)))


def _warn(element: Element, name: str, wanted: str, known: list[str], findings: Findings) -> None:
    folded = {each.casefold(): each for each in known}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    suggestion = f"; did you mean {folded[close[0]]}?" if close else ""
    place = f"{element.file}, line {element.line}"
    findings.warn(f"{place}: {shortened(name)} is not {wanted} and has no effect{suggestion}")
