"""Second files, which are merged over a section of Settings.config."""

import pytest

from gateway.settings import settings_files
from tests.unit.settings.helpers import SECRET, SECRET_XML, document, read, refusal

KEY = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"
OUTER = ('<appSettings file="Secrets.config">', f'<add key="{KEY}" value="7" />', "</appSettings>")
INSTANCES = (
    '<applicationInstances file="Instances.config">'
    '<add name="Office 365" tenantId="contoso.com" clientId="app" country="DE" />'
    "</applicationInstances>"
)


@pytest.fixture
def write(tmp_path):
    def write_file(name, text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    return write_file


def test_a_missing_one_is_ignored(tmp_path):
    settings = read(*OUTER, INSTANCES.replace('country="DE"', 'clientSecret="x"'), folder=tmp_path)

    assert settings.app.max_allowed_nb_of_simultaneous_upgrades == 7
    assert settings.warnings == ()


def test_no_name_means_no_file(tmp_path):
    assert read('<appSettings file="" />', folder=tmp_path).warnings == ()


def test_its_entries_win(tmp_path, write):
    entries = f'<add key="{KEY.lower()}" value="8" /><add key="LOG_LEVEL" value="DEBUG" />'
    write("Secrets.config", f"<appSettings>{entries}</appSettings>")

    app = read(*OUTER, folder=tmp_path).app

    assert (app.max_allowed_nb_of_simultaneous_upgrades, app.log_level) == (8, "DEBUG")


def test_it_is_found_relative_to_the_file(tmp_path, write):
    write("private/Secrets.config", f'<appSettings><add key="{KEY}" value="8" /></appSettings>')

    app = read('<appSettings file="private/Secrets.config" />', folder=tmp_path).app

    assert app.max_allowed_nb_of_simultaneous_upgrades == 8


@pytest.mark.parametrize("removal", ["<clear />", f'<remove key="{KEY}" />'])
def test_it_removes_from_the_outer_section(tmp_path, write, removal):
    write("Secrets.config", f"<appSettings>{removal}</appSettings>")

    assert read(*OUTER, folder=tmp_path).app.max_allowed_nb_of_simultaneous_upgrades == 10


def test_an_instance_takes_the_attributes_that_are_given(tmp_path, write):
    entry = f'<add name="office 365" clientSecret="{SECRET_XML}" />'
    write("Instances.config", f"<applicationInstances>{entry}</applicationInstances>")

    (found,) = read(INSTANCES, folder=tmp_path).application_instances

    assert found.client_secret.get_secret_value() == SECRET
    assert (found.tenant_id, found.client_id, found.country) == ("contoso.com", "app", "DE")


def test_an_instance_of_its_own_is_added(tmp_path, write):
    entry = '<add name="Other" partnerCenterUrl="simulator" />'
    write("Instances.config", f"<applicationInstances>{entry}</applicationInstances>")

    settings = read('<applicationInstances file="Instances.config" />', folder=tmp_path)

    assert [each.name for each in settings.application_instances] == ["Other"]


REFUSED = {
    "empty": ("", None, "the file", "is empty"),
    "not well formed": ("<appSettings>", 1, "the file", "is not well formed"),
    "doctype": ("<!DOCTYPE a><appSettings/>", 1, "<!DOCTYPE>", "is not allowed"),
    "other root": ("<configuration/>", 1, "<configuration>", "is the outermost element"),
    "attributes": ('<appSettings file="More.config"/>', 1, "<appSettings>", "has attributes"),
    "key twice": (
        f'<appSettings>\n<add key="{KEY}" value="1"/>\n<add key="{KEY}" value="1"/></appSettings>',
        3,
        KEY,
        "is given a second time, first in line 2",
    ),
    "bad value": (f'<appSettings>\n\n<add key="{KEY}" value="x"/></appSettings>', 3, KEY, ""),
    "unknown element": (
        "<appSettings><set/></appSettings>",
        1,
        "<set>",
        "is not an element of <appSettings>",
    ),
    "too large": ("<appSettings/>" + " " * 1024 * 1024, None, "the file", "is larger than 1 MiB"),
}


@pytest.mark.parametrize(("text", "line", "key", "fault"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_in_it_is_told_with_its_own_name(tmp_path, write, text, line, key, fault):
    write("Secrets.config", text)

    (problem,) = refusal(document(*OUTER), tmp_path).problems

    assert (problem.file, problem.line, problem.key) == ("Secrets.config", line, key)
    assert fault in problem.fault


def test_problems_of_both_files_are_told_at_once(tmp_path, write):
    write("Secrets.config", "<appSettings>")

    error = refusal(document(*OUTER, "<unknown />"), tmp_path)

    assert [(each.file, each.line) for each in error.problems] == [
        ("Settings.config", 5),
        ("Secrets.config", 1),
    ]


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "Secrets.config").mkdir()

    (problem,) = refusal(document(*OUTER), tmp_path).problems

    assert (problem.file, problem.fault) == ("Secrets.config", "is no regular file")


class TestFiles:
    def test_they_are_the_file_and_those_it_names(self, tmp_path):
        path = tmp_path / "Settings.config"
        path.write_bytes(document(*OUTER, INSTANCES))

        assert settings_files(path) == (path, tmp_path / "Secrets.config", tmp_path / "Instances.config")

    def test_each_is_named_once(self, tmp_path):
        path = tmp_path / "Settings.config"
        path.write_bytes(document('<appSettings file="S.config"/><applicationInstances file="S.config"/>'))

        assert settings_files(path) == (path, tmp_path / "S.config")

    @pytest.mark.parametrize("data", [None, b"", b"<configuration", document()])
    def test_a_file_that_cannot_be_read_names_no_others(self, tmp_path, data):
        path = tmp_path / "Settings.config"
        if data is not None:
            path.write_bytes(data)

        assert settings_files(path) == (path,)

    def test_a_file_with_wrong_values_still_names_them(self, tmp_path):
        path = tmp_path / "Settings.config"
        path.write_bytes(document('<appSettings file="S.config"/><unknown/>'))

        assert settings_files(path) == (path, tmp_path / "S.config")
