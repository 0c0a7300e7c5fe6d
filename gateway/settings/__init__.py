"""Settings.config, read once into a frozen object that everything else is given."""

from gateway.settings.app_keys import AppKey, app_keys
from gateway.settings.changes import SettingChange, settings_changes
from gateway.settings.editing import edit_setting
from gateway.settings.errors import Problem, SettingsError
from gateway.settings.exchange import dump_settings, restore_settings
from gateway.settings.instances import InstanceSettings
from gateway.settings.kinds import format_span, parse_span
from gateway.settings.models import AppSettings, GatewaySettings, with_data_folder, with_simulator
from gateway.settings.pool import (
    FailureSettings,
    PeriodicRestartSettings,
    PoolSettings,
    ProcessModelSettings,
    RecyclingSettings,
)
from gateway.settings.reader import load_settings, parse_settings, settings_files

__all__ = [
    "AppKey",
    "AppSettings",
    "FailureSettings",
    "GatewaySettings",
    "InstanceSettings",
    "PeriodicRestartSettings",
    "PoolSettings",
    "Problem",
    "ProcessModelSettings",
    "RecyclingSettings",
    "SettingChange",
    "SettingsError",
    "app_keys",
    "dump_settings",
    "edit_setting",
    "format_span",
    "load_settings",
    "parse_settings",
    "parse_span",
    "restore_settings",
    "settings_changes",
    "settings_files",
    "with_data_folder",
    "with_simulator",
]
