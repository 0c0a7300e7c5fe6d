"""Revision, changes, and settings as text."""

import re
from pathlib import Path

import pytest

from gateway.settings import (
    GatewaySettings,
    SettingChange,
    SettingsError,
    dump_settings,
    restore_settings,
    settings_changes,
    with_simulator,
)
from tests.unit.settings.helpers import SECRET, instance, read

KEY = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"
SIMULATED = (
    '<applicationInstances><add name="Office 365" partnerCenterUrl="simulator" /></applicationInstances>'
)
TWO = '<add name="A" partnerCenterUrl="simulator" />', '<add name="B" partnerCenterUrl="simulator" />'


def limit(number: int) -> str:
    return f'<appSettings><add key="{KEY}" value="{number}" /></appSettings>'


class TestRevision:
    def test_it_is_twelve_hex_digits(self):
        assert re.fullmatch("[0-9a-f]{12}", GatewaySettings().revision)

    @pytest.mark.parametrize(
        "same",
        [
            ("<!-- a comment -->", limit(7), instance()),
            (instance(), "", limit(7)),
            (limit(7).replace('value="7"', "value = ' 07 '"), instance()),
            (limit(7).replace(KEY, KEY.lower()), instance()),
            (limit(7).replace("</app", '<add key="UNKNOWN" value="1"/></app'), instance()),
            (limit(7), instance(country="US"), "<applicationPool/>"),
        ],
    )
    def test_how_the_file_looks_does_not_change_it(self, same):
        assert read(*same).revision == read(limit(7), instance()).revision

    @pytest.mark.parametrize(
        "other",
        [
            (limit(8), instance()),
            (limit(7),),
            (limit(7), instance(clientSecret="other")),
            (limit(7), instance(refreshToken="other")),
            (limit(7), instance(name="Other")),
            (
                limit(7),
                instance(),
                '<applicationPool><processModel pingInterval="00:00:31"/></applicationPool>',
            ),
            (
                limit(7),
                instance(),
                '<connectionStrings><add name="Gateway" connectionString="sqlite:////x"/></connectionStrings>',
            ),
        ],
    )
    def test_every_value_changes_it(self, other):
        assert read(*other).revision != read(limit(7), instance()).revision

    def test_the_order_of_instances_does_not_change_it(self):
        one = read("<applicationInstances>", *TWO, "</applicationInstances>")
        other = read("<applicationInstances>", *reversed(TWO), "</applicationInstances>")

        assert one.revision == other.revision
        assert settings_changes(one, other) == ()

    def test_where_the_simulator_runs_does_not_change_it(self):
        settings = read(SIMULATED)
        copies = [with_simulator(settings, f"http://127.0.0.1:{port}") for port in (1, 2)]

        assert {each.revision for each in copies} == {settings.revision}
        assert settings_changes(copies[0], copies[1]) == settings_changes(settings, copies[0]) == ()


class TestChanges:
    def test_nothing_changed(self):
        assert settings_changes(read(limit(7)), read(limit(7))) == ()

    def test_each_is_named_as_an_administrator_writes_it(self):
        pool = (
            '<applicationPool queueLength="5"><processModel shutdownTimeLimit="1.00:00:00" />'
            '<recycling><periodicRestart requests="9"><schedule><add value="03:00:00" /></schedule>'
            "</periodicRestart></recycling></applicationPool>"
        )

        assert settings_changes(read(), read(limit(20), pool)) == (
            SettingChange(KEY, "10", "20"),
            SettingChange("applicationPool.queueLength", "1000", "5"),
            SettingChange("processModel.shutdownTimeLimit", "00:01:30", "1.00:00:00"),
            SettingChange("recycling.periodicRestart.requests", "0", "9"),
            SettingChange("recycling.periodicRestart.schedule", "", "03:00:00"),
        )

    def test_secrets_are_hidden(self):
        old = read(instance())
        new = read(instance(clientSecret="other", refreshToken="token", country="DE"))

        assert settings_changes(old, new) == (
            SettingChange("applicationInstances[Office 365].clientSecret", "(hidden)", "(hidden)"),
            SettingChange("applicationInstances[Office 365].country", "US", "DE"),
            SettingChange("applicationInstances[Office 365].refreshToken", "(hidden)", "(hidden)"),
        )

    def test_a_password_alone_is_a_change(self):
        urls = [f"postgresql://gw:{password}@db/gw" for password in ("one", "two")]
        old, new = (
            read(f'<connectionStrings><add name="Gateway" connectionString="{url}" /></connectionStrings>')
            for url in urls
        )
        shown = "postgresql+psycopg://gw:(hidden)@db/gw"

        assert settings_changes(old, new) == (SettingChange("connectionStrings[Gateway]", shown, shown),)

    def test_an_added_or_removed_instance_is_one_change(self):
        one = read(SIMULATED)

        assert settings_changes(read(), one) == (
            SettingChange("applicationInstances[Office 365]", "(none)", "(given)"),
        )
        assert settings_changes(one, read()) == (
            SettingChange("applicationInstances[Office 365]", "(given)", "(none)"),
        )

    def test_a_name_in_other_case_is_the_same_instance(self):
        (change,) = settings_changes(read(instance(name="a")), read(instance(name="A")))

        assert change == SettingChange("applicationInstances[A].name", "a", "A")

    def test_leaving_the_simulator_is_a_change_of_its_url(self):
        simulated = with_simulator(read(instance(partnerCenterUrl="simulator")), "http://127.0.0.1:9")

        (change,) = settings_changes(simulated, read(instance()))

        assert (change.old, change.new) == ("simulator", "https://api.partnercenter.microsoft.com")


class TestExchange:
    def test_the_round_trip_is_exact(self):
        settings = read(
            limit(7),
            instance(refreshToken="töken ☁"),
            '<applicationPool><recycling><periodicRestart time="1.05:00:01"><schedule>'
            '<add value="03:00:00" /></schedule></periodicRestart></recycling></applicationPool>',
            folder=Path("/srv"),
        )
        warned = read('<appSettings><add key="UNKNOWN" value="1" /></appSettings>')

        for each in (
            settings,
            warned,
            GatewaySettings(),
            with_simulator(read(SIMULATED), "http://127.0.0.1:9"),
        ):
            restored = restore_settings(dump_settings(each))
            assert restored == each
            assert restored.revision == each.revision

    def test_secrets_are_in_clear_only_there(self):
        settings = read(instance())

        assert SECRET in dump_settings(settings)
        assert SECRET not in settings.model_dump_json()

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", '{"app": {"log_level": "pr1vate"}}', '{"pr1vate-key": 1}']
    )
    def test_another_text_is_refused(self, text):
        with pytest.raises(SettingsError, match=r"saved settings: .* cannot be restored"):
            restore_settings(text)

    def test_a_refusal_does_not_show_what_was_found(self):
        text = dump_settings(read(instance())).replace('"country":"US"', f'"country":["{SECRET}"]')

        with pytest.raises(SettingsError) as caught:
            restore_settings(text)

        assert SECRET not in f"{caught.value!r} {caught.value}"
        assert caught.value.__suppress_context__
