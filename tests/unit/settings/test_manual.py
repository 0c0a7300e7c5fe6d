"""The manual's tables say what the code does."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from gateway.settings import (
    AppSettings,
    FailureSettings,
    GatewaySettings,
    InstanceSettings,
    PeriodicRestartSettings,
    PoolSettings,
    ProcessModelSettings,
    RecyclingSettings,
    load_settings,
)
from gateway.settings.base import kind_of, xml_name

ROOT = Path(__file__).parents[3]

SECTIONS: dict[str, type[BaseModel]] = {
    "appSettings": AppSettings,
    "connectionStrings": GatewaySettings,
    "applicationInstances": InstanceSettings,
    "applicationPool": PoolSettings,
    "processModel": ProcessModelSettings,
    "recycling": RecyclingSettings,
    "recycling / periodicRestart": PeriodicRestartSettings,
    "failure": FailureSettings,
}


def name_in_manual(model: type[BaseModel], attribute: str) -> str:
    if model is AppSettings:
        return attribute.upper()
    return "Gateway" if model is GatewaySettings else xml_name(attribute)


def rows_of(model: type[BaseModel]) -> list[list[str]]:
    rows = []
    for attribute, field in model.model_fields.items():
        if kind := kind_of(model, attribute):
            default = (
                ""
                if field.is_required() or isinstance(field.default, SecretStr)
                else kind.show(field.default)
            )
            allowed = re.sub(r"([|<>])", r"\\\1", kind.allowed)
            name = f"`{name_in_manual(model, attribute)}`"
            shown = f"`{default}`".replace("|", r"\|") if default else ""
            rows.append([name, allowed, shown, (field.description or "").replace("|", r"\|")])
    return rows


def rows_in_manual(heading: str) -> list[list[str]]:
    text = (ROOT / "docs" / "manual.md").read_text(encoding="utf-8")
    section = text.partition(f"# {heading}\n")[2].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[2:-2].split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items())
def test_the_manual_has_the_table_of_the_code(heading, model):
    assert rows_in_manual(heading) == rows_of(model)


def test_every_setting_says_what_it_is_for():
    descriptions = [row[3] for model in SECTIONS.values() for row in rows_of(model)]

    assert all(text.endswith(".") for text in descriptions)


def test_the_file_that_comes_with_the_gateway_has_all_keys_with_their_defaults_but_polls_sooner():
    path = ROOT / "Settings.config"
    settings = load_settings(path)

    assert settings.warnings == ()
    assert settings.app == AppSettings(upgrade_poll_interval_seconds=5)
    assert settings.application_pool == PoolSettings()
    assert settings.database_url == GatewaySettings().database_url
    assert all(key.upper() in path.read_text(encoding="utf-8") for key in AppSettings.model_fields)
    assert [(each.name, each.partner_center_url) for each in settings.application_instances] == [
        ("Office 365", "simulator")
    ]
