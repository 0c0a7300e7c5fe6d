"""The values of appSettings, connectionStrings and applicationPool."""

from datetime import time, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import AppSettings, GatewaySettings, settings_changes, with_data_folder
from tests.unit.settings.helpers import document, read, refusal

KEY = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"


def app_settings(**values: str) -> str:
    entries = "".join(f'<add key="{key}" value="{value}" />' for key, value in values.items())
    return f"<appSettings>{entries}</appSettings>"


GOOD_VALUES = [
    (KEY, "1", 1),
    (KEY, "1000", 1000),
    (KEY, " 25 ", 25),
    (KEY, "010", 10),
    ("UPGRADE_POLL_INTERVAL_SECONDS", "0.05", 0.05),
    ("UPGRADE_POLL_INTERVAL_SECONDS", "3600", 3600.0),
    ("UPGRADE_TIMEOUT_HOURS", "0.5", 0.5),
    ("UPGRADE_TIMEOUT_HOURS", "720", 720.0),
    ("UPGRADE_MAX_ATTEMPTS", "100", 100),
    ("UPGRADE_LEASE_SECONDS", "1", 1.0),
    ("UPGRADE_LOOK_UP_SECONDS", "0", 0.0),
    ("ELIGIBILITY_HELP_URL", "", ""),
    ("ELIGIBILITY_HELP_URL", "http://help.example.com/a?b=c#d", "http://help.example.com/a?b=c#d"),
    ("SIMULATOR_LATENCY_SECONDS", "0", 0.0),
    ("LOG_LEVEL", "warning", "WARNING"),
]


@pytest.mark.parametrize(("key", "text", "value"), GOOD_VALUES)
def test_a_value_within_its_range_is_taken(key, text, value):
    found = getattr(read(app_settings(**{key: text})).app, key.lower())

    assert found == value
    assert type(found) is type(value)


WHOLE = "a whole number from 1 to 1000"

BAD_VALUES = [
    *[
        (KEY, text, WHOLE)
        for text in ("0", "1001", "-1", "ten", "1.0", "1e2", "1_0", "+5", "\u0661\u0660", "9" * 5000, "nan")
    ],
    (KEY, "", WHOLE),
    (KEY, "   ", WHOLE),
    *[
        ("UPGRADE_POLL_INTERVAL_SECONDS", text, "a number from 0.05 to 3600")
        for text in ("0.049", "3600.1", "inf", "nan", "1,5", "1e1", "", ".", "-1", "9" * 400)
    ],
    *[
        ("UPGRADE_TIMEOUT_HOURS", text, "a number above 0, up to 720")
        for text in ("0", "0.0", "-0", "720.01", "48h")
    ],
    *[("UPGRADE_MAX_ATTEMPTS", text, "a whole number from 1 to 100") for text in ("0", "101")],
    *[("UPGRADE_LEASE_SECONDS", text, "a number from 1 to 3600") for text in ("0.9", "3601")],
    *[("UPGRADE_LOOK_UP_SECONDS", text, "a number from 0 to 3600") for text in ("-0.1", "3601")],
    ("LICENSE_CHECK_MAX_USERS", "-1", "a whole number from 0 to 100000"),
    ("LICENSE_PATIENCE_MINUTES", "1441", "a number from 0 to 1440"),
    *[("SIMULATOR_LATENCY_SECONDS", text, "a number from 0 to 3600") for text in ("-1", "3600.5")],
    *[("LOG_LEVEL", text, "DEBUG, INFO, WARNING or ERROR") for text in ("VERBOSE", "", "INF", "INFO,DEBUG")],
    *[
        ("ELIGIBILITY_HELP_URL", text, "nothing, or an http:// or https:// URL without user name")
        for text in (
            "help",
            "ftp://a/b",
            "javascript:alert(1)",
            "https://",
            "https://a b",
            "//a/b",
            "https://[::1",
        )
    ],
]


@pytest.mark.parametrize(("key", "text", "allowed"), BAD_VALUES)
def test_a_value_out_of_its_range_is_refused(key, text, allowed):
    (problem,) = refusal(
        document("<appSettings>", f'<add key="{key}" value="{text}" />', "</appSettings>")
    ).problems

    assert (problem.file, problem.line, problem.key, problem.allowed) == ("Settings.config", 3, key, allowed)
    assert problem.value == (text if len(text) < 80 else text[:79] + "…")


def test_the_defaults_are_those_of_the_manual():
    assert AppSettings().model_dump() == {
        "max_allowed_nb_of_simultaneous_upgrades": 10,
        "upgrade_poll_interval_seconds": 15.0,
        "upgrade_timeout_hours": 48.0,
        "upgrade_max_attempts": 5,
        "upgrade_lease_seconds": 30.0,
        "upgrade_look_up_seconds": 900.0,
        "license_check_max_users": 1000,
        "license_patience_minutes": 5.0,
        "eligibility_help_url": "",
        "simulator_latency_seconds": 3.0,
        "log_level": "INFO",
    }


def test_a_model_made_in_code_keeps_the_ranges_too():
    with pytest.raises(ValidationError, match="expected a whole number from 1 to 1000"):
        AppSettings(max_allowed_nb_of_simultaneous_upgrades=1001)


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        GatewaySettings().app.log_level = "DEBUG"  # type: ignore[misc]


class TestEntries:
    def test_a_key_compares_without_regard_to_case(self):
        assert self.limit(f'<add key="{KEY.lower()}" value="7" />') == 7

    def test_a_key_given_twice_is_refused(self):
        error = refusal(
            document(
                "<appSettings>",
                f'<add key="{KEY}" value="7" />',
                f'<add key="{KEY.title()}" value="8" />',
                "</appSettings>",
            )
        )

        assert str(error) == (
            f"Settings.config, line 4: {KEY.title()} is given a second time, first in line 3; "
            "expected each once in a file, or <remove /> in between"
        )

    def test_every_further_time_is_told(self):
        entry = f'<add key="{KEY}" value="7" />'

        assert len(refusal(document("<appSettings>", entry, entry, entry, "</appSettings>")).problems) == 2

    @pytest.mark.parametrize("between", [f'<remove key="{KEY.lower()}" />', "<clear />"])
    def test_it_is_not_given_twice_with_a_removal_in_between(self, between):
        assert self.limit(f'<add key="{KEY}" value="7" />{between}<add key="{KEY}" value="8" />') == 8

    @pytest.mark.parametrize("last", [f'<remove key="{KEY}" />', "<clear />"])
    def test_what_is_removed_has_its_default(self, last):
        assert self.limit(f'<add key="{KEY}" value="7" />{last}') == 10

    def test_removal_applies_to_what_stands_before_it(self):
        assert self.limit(f'<clear /><remove key="{KEY}" /><add key="{KEY}" value="7" />') == 7

    @pytest.mark.parametrize("tag", ["add", "remove"])
    def test_an_empty_key_is_refused(self, tag):
        value = ' value="1"' if tag == "add" else ""

        (problem,) = refusal(document(f'<appSettings><{tag} key=" "{value} /></appSettings>')).problems

        assert str(problem) == (
            f'Settings.config, line 2: key of <{tag}> is " "; expected a name that is not empty'
        )

    @staticmethod
    def limit(entries):
        return read(f"<appSettings>{entries}</appSettings>").app.max_allowed_nb_of_simultaneous_upgrades


class TestWarnings:
    def test_an_unknown_key_is_a_warning_with_a_suggestion(self):
        settings = read(
            "<appSettings>", '<add key="max_allowed_simultaneous_upgrades" value="7" />', "</appSettings>"
        )

        assert settings.app == AppSettings()
        assert settings.warnings == (
            "Settings.config, line 3: max_allowed_simultaneous_upgrades is not a known key "
            f"and has no effect; did you mean {KEY}?",
        )

    def test_nothing_is_suggested_where_nothing_is_like_it(self):
        (warning,) = read(app_settings(zzz="7")).warnings

        assert warning == "Settings.config, line 2: zzz is not a known key and has no effect"

    def test_an_unknown_connection_string_is_a_warning(self):
        settings = read('<connectionStrings><add name="Gatewy" connectionString="x" /></connectionStrings>')

        assert settings.warnings == (
            "Settings.config, line 2: Gatewy is not a known connection string and has no effect; "
            "did you mean Gateway?",
        )

    def test_the_value_of_an_unknown_key_is_not_shown(self):
        assert "hunter2" not in repr(read(app_settings(PASSWORD="hunter2")))


class TestDatabase:
    @pytest.mark.parametrize(
        ("text", "url"),
        [
            ("sqlite:///var/gateway.db", "sqlite:////srv/gateway/var/gateway.db"),
            ("sqlite:///gateway.db?timeout=5", "sqlite:////srv/gateway/gateway.db?timeout=5"),
            ("sqlite:////data/gateway.db", "sqlite:////data/gateway.db"),
            ("postgresql://gw:pw@db:5432/gw", "postgresql+psycopg://gw:pw@db:5432/gw"),
            ("postgresql+psycopg://gw@[::1]/gw", "postgresql+psycopg://gw@[::1]/gw"),
            ("postgresql://:pw@db/gw", "postgresql+psycopg://:pw@db/gw"),
            ("postgresql:///gw?host=/var/run/pg", "postgresql+psycopg:///gw?host=/var/run/pg"),
            (" postgresql://db/gw ", "postgresql+psycopg://db/gw"),
        ],
    )
    def test_it_is_sqlite_or_postgresql(self, text, url):
        assert self.read(text).database_url == url

    def test_without_one_it_is_a_file_in_the_data_folder(self):
        settings = with_data_folder(read(folder=Path("/srv/gateway")), Path("/data"))

        assert settings.database_url == "sqlite:////data/gateway.db"

    def test_the_data_folder_takes_the_place_of_its_stand_in(self):
        written = self.read("sqlite:///|datadirectory|/other.db")
        settings = with_data_folder(written, Path("/data"))

        assert settings.database_url == "sqlite:////data/other.db"
        assert with_data_folder(settings, Path("/elsewhere")) == settings
        assert settings.revision == written.revision
        assert settings_changes(written, settings) == ()

    def test_without_a_stand_in_the_data_folder_changes_nothing(self):
        assert with_data_folder(self.read("sqlite:////x.db"), Path("/data")).database_url == "sqlite:////x.db"

    def test_its_name_compares_without_regard_to_case(self):
        section = (
            '<connectionStrings><add name="GATEWAY" connectionString="sqlite:////x" /></connectionStrings>'
        )

        assert read(section).database_url == "sqlite:////x"

    def test_it_is_given_once(self):
        entry = '<add name="Gateway" connectionString="sqlite:////x" />'

        (problem,) = refusal(document(f"<connectionStrings>{entry}{entry}</connectionStrings>")).problems

        assert problem.fault == "is given a second time, first in line 2"

    def test_the_last_after_a_removal_counts(self):
        section = (
            '<connectionStrings><add name="Gateway" connectionString="sqlite:////x" /><clear />'
            '<add name="Gateway" connectionString="sqlite:////y" /></connectionStrings>'
        )

        assert read(section).database_url == "sqlite:////y"

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("", "(hidden)"),
            ("mysql://gw:hunter2@db/gw", "mysql://(hidden)"),
            ("Server=db;Password=hunter2", "(hidden)"),
            ("sqlite://", "sqlite://(hidden)"),
            ("sqlite:///:memory:", "sqlite://(hidden)"),
            ("sqlite:///file:x?uri=true", "sqlite://(hidden)"),
            ("postgresql://gw:hun@ter2@db/gw", "postgresql://(hidden)"),
            ("postgresql://gw:hun?ter2@db/gw", "postgresql://(hidden)"),
            ("postgresql://db:5432/gw?password=hun@ter2", "postgresql://(hidden)"),
            ("postgresql://db:port/gw", "postgresql://(hidden)"),
            ("postgresql+asyncpg://db/gw", "postgresql+asyncpg://(hidden)"),
            ("hunter2", "(hidden)"),
        ],
    )
    def test_another_one_is_refused_without_its_password(self, text, shown):
        section = f'<connectionStrings><add name="Gateway" connectionString="{text}" /></connectionStrings>'

        (problem,) = refusal(document(section)).problems

        assert (problem.line, problem.key, problem.value) == (2, "connectionStrings[Gateway]", shown)
        assert problem.allowed.startswith(
            "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
        )

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("postgresql://gw:hunter2@db:5432/gw", "postgresql+psycopg://gw:(hidden)@db:5432/gw"),
            ("postgresql://gw:hun/ter2@db/gw", "postgresql+psycopg://gw:(hidden)@db/gw"),
            ("postgresql://db/gw?password=hunter2", "postgresql+psycopg://db/gw?(hidden)"),
            ("postgresql://gw:hunter2@/gw?host=/run", "postgresql+psycopg://gw:(hidden)@/gw?(hidden)"),
            ("sqlite:////x.db?key=hunter2", "sqlite:////x.db?(hidden)"),
        ],
    )
    def test_the_password_does_not_show(self, text, shown):
        settings = self.read(text)

        assert f"database_url='{shown}'" in repr(settings)
        assert "ter2" not in f"{settings!r} {settings!s}"

    @staticmethod
    def read(url):
        section = f'<connectionStrings><add name="Gateway" connectionString="{url}" /></connectionStrings>'
        return read(section, folder=Path("/srv/gateway"))


class TestPool:
    def test_every_attribute_is_read(self):
        pool = read(
            '<applicationPool name="Pool" startMode="ondemand" autoStart="False" queueLength="5">',
            '<processModel startupTimeLimit="00:00:10" shutdownTimeLimit="00:00:20" pingingEnabled="FALSE"',
            ' pingInterval="00:00:05" pingResponseTime="00:01:00" idleTimeout="00:20:00" maxProcesses="1"',
            ' spareWorker="false" />',
            '<recycling disallowOverlappingRotation="true" disallowRotationOnConfigChange="TRUE">',
            '<periodicRestart time="29:00:00" requests="100" privateMemory="200000"><schedule>',
            '<add value="04:30:00" /><add value="03:00:00" /></schedule></periodicRestart></recycling>',
            '<failure rapidFailProtection="false" rapidFailProtectionInterval="00:01:00"',
            ' rapidFailProtectionMaxCrashes="2" loadBalancerCapabilities="TcpLevel" />',
            "</applicationPool>",
        ).application_pool

        assert pool.model_dump() == {
            "name": "Pool",
            "start_mode": "OnDemand",
            "auto_start": False,
            "queue_length": 5,
            "process_model": {
                "startup_time_limit": timedelta(seconds=10),
                "shutdown_time_limit": timedelta(seconds=20),
                "pinging_enabled": False,
                "ping_interval": timedelta(seconds=5),
                "ping_response_time": timedelta(minutes=1),
                "idle_timeout": timedelta(minutes=20),
                "spare_worker": False,
                "max_processes": 1,
            },
            "recycling": {
                "disallow_overlapping_rotation": True,
                "disallow_rotation_on_config_change": True,
                "periodic_restart": {
                    "time": timedelta(hours=29),
                    "requests": 100,
                    "private_memory": 200000,
                    "schedule": (time(3), time(4, 30)),
                },
            },
            "failure": {
                "rapid_fail_protection": False,
                "rapid_fail_protection_interval": timedelta(minutes=1),
                "rapid_fail_protection_max_crashes": 2,
                "load_balancer_capabilities": "TcpLevel",
            },
        }

    def test_the_defaults_are_those_of_iis_but_for_two(self):
        pool = GatewaySettings().application_pool

        assert (pool.start_mode, pool.process_model.idle_timeout) == ("AlwaysRunning", timedelta(0))
        assert (pool.queue_length, pool.auto_start) == (1000, True)
        assert pool.process_model.shutdown_time_limit == timedelta(seconds=90)
        assert pool.recycling.periodic_restart.time == timedelta(hours=29)
        assert pool.failure.rapid_fail_protection_max_crashes == 5

    @pytest.mark.parametrize(
        ("element", "attribute", "text", "key", "allowed"),
        [
            ("", "startMode", "Never", "applicationPool.startMode", "OnDemand or AlwaysRunning"),
            ("", "autoStart", "yes", "applicationPool.autoStart", "true or false"),
            ("", "autoStart", "", "applicationPool.autoStart", "true or false"),
            ("", "queueLength", "0", "applicationPool.queueLength", "a whole number from 1 to 65535"),
            (
                "",
                "name",
                "a/b",
                "applicationPool.name",
                'a name of at most 64 characters without | < > & \\ / [ ] + = ; : , ? * @ "',
            ),
            (
                "processModel",
                "maxProcesses",
                "65",
                "processModel.maxProcesses",
                "a whole number from 0 to 64",
            ),
            (
                "processModel",
                "shutdownTimeLimit",
                "90",
                "processModel.shutdownTimeLimit",
                "a time span [d.]hh:mm:ss from 00:00:01 to 30.00:00:00",
            ),
            (
                "processModel",
                "pingInterval",
                "00:00:00",
                "processModel.pingInterval",
                "a time span [d.]hh:mm:ss from 00:00:01 to 30.00:00:00",
            ),
            (
                "processModel",
                "idleTimeout",
                "31.00:00:00",
                "processModel.idleTimeout",
                "a time span [d.]hh:mm:ss from 00:00:00 to 30.00:00:00",
            ),
            (
                "failure",
                "rapidFailProtectionMaxCrashes",
                "0",
                "failure.rapidFailProtectionMaxCrashes",
                "a whole number from 1 to 2147483647",
            ),
            (
                "failure",
                "loadBalancerCapabilities",
                "",
                "failure.loadBalancerCapabilities",
                "HttpLevel or TcpLevel",
            ),
        ],
    )
    def test_a_wrong_value_is_refused(self, element, attribute, text, key, allowed):
        opening = f'{attribute}="{text}"'
        line = f"<{element} {opening} />" if element else ""
        pool = "<applicationPool>" if element else f"<applicationPool {opening}>"

        (problem,) = refusal(document(pool, line, "</applicationPool>")).problems

        assert (problem.line, problem.key) == (3 if element else 2, key)
        assert (problem.value, problem.allowed) == (text, allowed)

    def test_an_element_within_an_element_is_named_by_its_path(self):
        section = '<applicationPool><recycling><periodicRestart time="x" /></recycling></applicationPool>'

        (problem,) = refusal(document(section)).problems

        assert problem.key == "recycling.periodicRestart.time"

    @pytest.mark.parametrize("text", ["3:00:00", "24:00:00", "03:00", "noon", "03:60:00"])
    def test_a_wrong_time_of_day_is_refused(self, text):
        (problem,) = self.refusal_of_schedule(f'<add value="{text}" />')

        assert (problem.line, problem.key, problem.value) == (3, "recycling.periodicRestart.schedule", text)
        assert problem.allowed == "a time of day hh:mm:ss from 00:00:00 to 23:59:59"

    def test_a_time_of_day_is_given_once(self):
        (problem,) = self.refusal_of_schedule('<add value="03:00:00" /><add value="03:00:00" />')

        assert problem.fault == "is given a second time, first in line 3"

    def test_the_schedule_is_cleared_and_removed_from(self):
        entries = (
            '<add value="01:00:00" /><clear /><add value="02:00:00" /><add value="03:00:00" />'
            '<remove value="02:00:00" />'
        )
        pool = read(*self.schedule(entries)).application_pool

        assert pool.recycling.periodic_restart.schedule == (time(3),)

    @staticmethod
    def schedule(entries):
        outer = "<applicationPool><recycling><periodicRestart>"
        return outer, f"<schedule>{entries}</schedule>", "</periodicRestart></recycling></applicationPool>"

    def refusal_of_schedule(self, entries):
        return refusal(document(*self.schedule(entries))).problems
