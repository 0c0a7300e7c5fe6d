"""No secret shows, whatever is wrong with the file that holds it."""

import pickle

import pytest
from pydantic import ValidationError

from gateway.settings import InstanceSettings, SettingsError, parse_settings, settings_changes, with_simulator
from tests.unit.settings.helpers import SECRET, SECRET_XML, document, instance, read

PASSWORD_URL = f"postgresql://gw:{SECRET_XML}@db/gw"

INSTANCE = f'<add name="Office 365" clientSecret="{SECRET_XML}" refreshToken="{SECRET_XML}" />'


def instances(entries: str) -> str:
    return f"<applicationInstances>{entries}</applicationInstances>"


def app_settings(entries: str) -> str:
    return f"<appSettings>{entries}</appSettings>"


def connection(url: str, name: str = "Gateway", attribute: str = "connectionString") -> str:
    return f'<connectionStrings><add name="{name}" {attribute}="{url}" /></connectionStrings>'


WRONG = {
    "credentials missing": instances(INSTANCE),
    "given twice": instances(INSTANCE * 2),
    "no name": instances(f'<add clientSecret="{SECRET_XML}" />'),
    "empty name": instances(f'<add name="" clientSecret="{SECRET_XML}" />'),
    "misspelt attribute": instance(clientSecrt=SECRET_XML),
    "attribute in other case": instance(ClientSecret=SECRET_XML),
    "attribute of the section": f'<applicationInstances clientSecret="{SECRET_XML}" />',
    "attribute of remove": instances(f'<remove name="x" clientSecret="{SECRET_XML}" />'),
    "attribute of clear": instances(f'<clear clientSecret="{SECRET_XML}" />'),
    "text": instances(SECRET_XML),
    "text in the entry": instances(f'<add name="x">{SECRET_XML}</add>'),
    "element": instances(f"<clientSecret>{SECRET_XML}</clientSecret>"),
    "element with attribute": instances(f'<set clientSecret="{SECRET_XML}" />'),
    "not closed": instances(INSTANCE[:-2]),
    "quote within": instances(f'<add clientSecret="{SECRET_XML}"{SECRET_XML}" />'),
    "bare ampersand": instances(f'<add clientSecret="{SECRET}" />'),
    "wrong url": instance(partnerCenterUrl=f"https://me:{SECRET_XML}@example.com"),
    "wrong section": f'<instances><add clientSecret="{SECRET_XML}" /></instances>',
    "key in other section": app_settings(f'<add clientSecret="{SECRET_XML}" />'),
    "unknown key twice": app_settings(f'<add key="SECRET" value="{SECRET_XML}" />' * 2),
    "help with password": app_settings(
        f'<add key="ELIGIBILITY_HELP_URL" value="https://me:{SECRET_XML}@x" />'
    ),
    "password, other database": connection("my" + PASSWORD_URL),
    "password, bad port": connection(PASSWORD_URL.replace("@db", "@db:port")),
    "password, two at signs": connection(f"postgresql://a:b@{SECRET_XML}@db"),
    "password as keyword": connection(f"Password={SECRET_XML}"),
    "misspelt connection": connection(PASSWORD_URL, attribute="connectionstring"),
    "text in a connection": f'<connectionStrings><add name="x">{PASSWORD_URL}</add></connectionStrings>',
    "other connection": connection(PASSWORD_URL, name="Other").replace(" />", ' provider="x" />'),
}


@pytest.mark.parametrize("section", WRONG.values(), ids=WRONG)
def test_a_refusal_shows_no_secret(tmp_path, section):
    with pytest.raises(SettingsError) as caught:
        parse_settings(document(section), tmp_path / "Settings.config")

    error = caught.value
    assert error.problems
    shown = f"{error} {error!r} {error.args} {error.problems!r} {[str(each) for each in error.problems]}"
    assert SECRET not in shown
    assert SECRET_XML not in shown
    assert error.__cause__ is None


@pytest.mark.parametrize("root", ["appSettings", "applicationInstances"])
@pytest.mark.parametrize(
    "form", ['<add name="x" secret="{}"/>', "{}", '<add clientSecret="{}"', '<x a="{}"/>']
)
def test_a_refusal_of_a_second_file_shows_no_secret(tmp_path, root, form):
    (tmp_path / "S.config").write_text(f"<{root}>{form.format(SECRET_XML)}</{root}>", encoding="utf-8")

    with pytest.raises(SettingsError) as caught:
        parse_settings(document(f'<{root} file="S.config" />'), tmp_path / "Settings.config")

    assert SECRET not in f"{caught.value} {caught.value!r}"


@pytest.fixture
def settings():
    return read(
        instance(refreshToken=SECRET_XML),
        f'<connectionStrings><add name="Gateway" connectionString="{PASSWORD_URL}" /></connectionStrings>',
        f'<appSettings><add key="UNKNOWN" value="{SECRET_XML}" /></appSettings>',
    )


def test_settings_show_no_secret(settings):
    shown = (
        f"{settings!r} {settings!s} {settings.application_instances} {settings.warnings} {settings.revision}"
    )

    assert SECRET in settings.database_url
    assert SECRET not in shown


def test_changes_show_no_secret(settings):
    changes = settings_changes(read(instance(clientSecret="other")), settings)

    assert len(changes) == 3
    assert SECRET not in repr(changes)


def test_the_copy_for_the_simulator_shows_no_secret(settings):
    assert SECRET not in repr(with_simulator(settings, "http://127.0.0.1:9"))


def test_an_error_of_pydantic_shows_no_secret():
    with pytest.raises(ValidationError) as caught:
        InstanceSettings.model_validate({"name": "x", "clientSecret": SECRET, "client_secret": [SECRET]})

    assert SECRET not in f"{caught.value} {caught.value!r}"


def test_the_error_can_be_sent_to_another_process():
    with pytest.raises(SettingsError) as caught:
        read(instance(country="USA"))

    copy = pickle.loads(pickle.dumps(caught.value))

    assert (copy.problems, str(copy)) == (caught.value.problems, str(caught.value))
