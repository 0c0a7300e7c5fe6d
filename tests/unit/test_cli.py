import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from gateway.cli import main
from gateway.db import Database
from gateway.models import Account, Role
from gateway.services.api_keys import APIKeys
from gateway.services.users import Users
from tests.databases import sqlite_url
from tests.factories import PASSWORD, Factories
from tests.unit.services.catalogs import put, small_catalog

SETTINGS = """<configuration>
  <connectionStrings><add name="Gateway" connectionString={url} /></connectionStrings>
  <applicationInstances>
    <add name="Office 365" partnerCenterUrl="simulator" tenantId="" clientId="" clientSecret="" />
  </applicationInstances>
</configuration>
"""


class TestInit:
    def test_the_database_and_its_folder_are_created(self, tmp_path):
        run = commands(tmp_path, sqlite_url(tmp_path / "data" / "gateway.db"))

        assert run("init").exit_code == 0
        assert (tmp_path / "data" / "gateway.db").exists()
        assert run("api-key", "list").exit_code == 0

    @pytest.mark.skipif(os.name != "posix", reason="Windows has no modes of folders")
    def test_the_folder_is_for_its_owner_only(self, tmp_path):
        commands(tmp_path, sqlite_url(tmp_path / "data" / "gateway.db"))("init")

        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700

    def test_the_data_folder_stands_in_for_its_name(self, tmp_path):
        run = commands(tmp_path, "sqlite:///|DataDirectory|/gateway.db")

        assert run("init").exit_code == 0
        assert (tmp_path / "var" / "gateway.db").exists()

    def test_it_may_be_run_again(self, gateway):
        assert gateway("init").exit_code == 0

    @pytest.mark.parametrize(
        "command", [["api-key", "list"], ["user", "list"], ["import", "Settings.config"]]
    )
    def test_others_need_it_first_and_say_so(self, tmp_path, command):
        run = commands(tmp_path, sqlite_url(tmp_path / "gateway.db"))

        result = run(*command)

        assert result.exit_code == 1
        assert "does not exist; run: gateway init" in result.stderr
        assert not (tmp_path / "gateway.db").exists()

    def test_a_database_without_schema_is_not_ready(self, tmp_path, postgresql):
        with postgresql.empty_database() as url:
            result = commands(tmp_path, url)("api-key", "list")

        assert result.exit_code == 1
        assert "run: gateway init" in result.stderr

    def test_one_of_a_newer_program_is_not_gone_back_with(self, gateway, database):
        with database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        for command in (["init"], ["api-key", "list"]):
            result = gateway(*command)
            assert result.exit_code == 1
            assert "9999, which is newer than" in result.stderr

    def test_a_database_that_does_not_answer_is_named_without_its_password(self, tmp_path):
        url = f"postgresql+psycopg://gateway:secret@/gateway?host={tmp_path}&connect_timeout=2"

        result = commands(tmp_path, url)("init")

        assert result.exit_code == 1
        assert "does not answer" in result.stderr
        assert "secret" not in result.stderr


class TestImport:
    def test_the_summary_counts(self, gateway, catalog_file):
        result = gateway("import", catalog_file)

        assert result.exit_code == 0
        assert "accounts: 5 created, 0 updated, 0 unchanged\n" in result.stdout

    def test_the_same_file_again_changes_nothing(self, gateway, catalog_file):
        gateway("import", catalog_file)

        result = gateway("import", catalog_file)

        assert "subscriptions: 0 created, 0 updated, 3 unchanged\n" in result.stdout
        assert "Nothing changed" in result.stderr

    def test_every_problem_is_told_and_nothing_is_written(self, gateway, database, tmp_path):
        document = small_catalog()
        put(document, "accounts.4.email", "x")
        put(document, "subscriptions.0.resources.1.limit", -5)
        path = tmp_path / "wrong.json"
        path.write_text(json.dumps(document))

        result = gateway("import", path)

        assert result.exit_code == 1
        assert 'accounts[4].email: found "x", expected an email address' in result.stderr
        assert "subscriptions[0].resources[1].limit: found -5, expected -1 or more" in result.stderr
        assert "Traceback" not in result.stderr
        with database.read() as session:
            assert session.get(Account, "provider") is None

    def test_the_simulator_gets_a_copy(self, gateway, catalog_file, tmp_path):
        gateway("import", catalog_file)

        (copy,) = (tmp_path / "var" / "simulator" / "catalog").iterdir()
        assert json.loads(copy.read_text()) == small_catalog()

    def test_without_a_simulator_there_is_no_copy(self, gateway, catalog_file, tmp_path):
        config = tmp_path / "Settings.config"
        real = 'partnerCenterUrl="https://api.partnercenter.microsoft.com" tenantId="t" clientId="c"'
        text = config.read_text().replace('partnerCenterUrl="simulator" tenantId="" clientId=""', real)
        config.write_text(text.replace('clientSecret=""', 'clientSecret="s"'))

        assert gateway("import", catalog_file).exit_code == 0
        assert not (tmp_path / "var" / "simulator").exists()

    def test_a_file_that_is_not_there_is_named(self, gateway):
        result = gateway("import", "absent.json")

        assert result.exit_code == 1
        assert "absent.json" in result.stderr

    @pytest.fixture
    def catalog_file(self, tmp_path):
        path = tmp_path / "catalog.json"
        path.write_text(json.dumps(small_catalog()))
        return path


class TestDemoCatalog:
    def test_it_goes_to_stdout(self):
        result = CliRunner().invoke(main, ["demo-catalog", "--customers", "3"])

        assert len(json.loads(result.stdout)["accounts"]) == 8

    def test_it_can_be_written_and_imported(self, gateway, tmp_path):
        path = tmp_path / "demo.json"
        assert gateway("demo-catalog", "--customers", "60", "--output", path).exit_code == 0

        assert "accounts: 65 created" in gateway("import", path).stdout

    def test_it_needs_a_number(self):
        assert CliRunner().invoke(main, ["demo-catalog"]).exit_code == 2


class TestUsers:
    def test_a_password_comes_from_stdin(self, gateway, reseller, database):
        result = gateway(
            "user", "add", "Anna", "--account", reseller, "--password-stdin", input=f"{PASSWORD}\n"
        )

        assert result.exit_code == 0
        with database.read() as session:
            user = Users(session).verify("anna", PASSWORD)
            assert user is not None
            assert (user.account_id, user.role) == (reseller, Role.ADMINISTRATOR)

    def test_a_password_is_asked_for_twice(self, gateway, reseller, database):
        result = gateway(
            "user", "add", "anna", "--account", reseller, "--role", "operator", input=f"{PASSWORD}\n" * 2
        )

        assert result.exit_code == 0
        assert PASSWORD not in result.output
        with database.read() as session:
            user = Users(session).verify("anna", PASSWORD)
            assert user is not None
            assert user.role is Role.OPERATOR

    def test_a_short_password_is_refused(self, gateway, reseller):
        result = gateway("user", "add", "anna", "--account", reseller, "--password-stdin", input="short\n")

        assert result.exit_code == 1
        assert "expected 12" in result.stderr

    def test_they_are_listed(self, gateway, reseller):
        gateway("user", "add", "anna", "--account", reseller, "--password-stdin", input=f"{PASSWORD}\n")

        assert gateway("user", "list").stdout == f"anna\t{reseller}\tadministrator\n"


class TestAPIKeys:
    def test_the_key_is_alone_on_the_last_line_of_stdout(self, gateway, reseller, database):
        result = gateway("api-key", "create", "--account", reseller, "--name", "Panel", "--role", "operator")

        assert result.exit_code == 0
        with database.read() as session:
            key = APIKeys(session).authenticate(result.stdout.splitlines()[-1])
            assert key is not None
            assert (key.account_id, key.name, key.role) == (reseller, "Panel", Role.OPERATOR)

    def test_it_is_an_administrator_unless_told_otherwise(self, gateway, reseller, database):
        text = gateway("api-key", "create", "--account", reseller).stdout.strip()

        with database.read() as session:
            key = APIKeys(session).authenticate(text)
            assert key is not None
            assert key.role is Role.ADMINISTRATOR

    def test_an_unknown_account_is_named(self, gateway):
        result = gateway("api-key", "create", "--account", "nobody")

        assert (result.exit_code, result.stdout) == (1, "")
        assert "nobody" in result.stderr

    def test_an_unknown_role_is_wrong_use(self, gateway, reseller):
        assert gateway("api-key", "create", "--account", reseller, "--role", "king").exit_code == 2

    def test_keys_are_listed_and_revoked(self, gateway, reseller, database):
        text = gateway("api-key", "create", "--account", reseller).stdout.strip()
        prefix = text.split("_")[1]

        before = gateway("api-key", "list", "--account", reseller).stdout
        assert gateway("api-key", "revoke", prefix).exit_code == 0
        after = gateway("api-key", "list").stdout

        assert before.split("\t")[:5] == [prefix, reseller, "administrator", "active", "never used"]
        assert after.split("\t")[3] == "revoked"
        with database.read() as session:
            assert APIKeys(session).authenticate(text) is None

    def test_an_unknown_prefix_is_named(self, gateway):
        result = gateway("api-key", "revoke", "0123456789ab")

        assert result.exit_code == 1
        assert "0123456789ab" in result.stderr


class TestCopyDatabase:
    def test_everything_moves_and_what_to_do_next_is_said(self, gateway, tmp_path):
        catalog_file = tmp_path / "catalog.json"
        catalog_file.write_text(json.dumps(small_catalog()))
        gateway("import", catalog_file)

        result = gateway("copy-database", "--to", "sqlite:///|DataDirectory|/copy.db")

        assert result.exit_code == 0, result.output
        assert "Upgrades not over: 0 pending, 0 in progress" in result.stderr
        assert "Name it in Settings.config" in result.stderr
        again = commands(tmp_path, sqlite_url(tmp_path / "var" / "copy.db"))("import", catalog_file)
        assert "Nothing changed" in again.stderr

    def test_a_target_in_use_is_refused_in_one_line(self, gateway, database_url, tmp_path):
        target = sqlite_url(tmp_path / "other.db")
        commands(tmp_path, target)("init")
        with closing(Database(target)) as other, other.read() as session:
            session.execute(text("SELECT * FROM account"))

            result = commands(tmp_path, database_url)("copy-database", "--to", target)

        assert result.exit_code == 1
        assert "is not at rest" in result.stderr
        assert "Traceback" not in result.stderr

    def test_what_is_no_connection_string_is_wrong_use(self, gateway):
        result = gateway("copy-database", "--to", "mysql://u:secret@h/d")

        assert result.exit_code == 2
        assert "expected sqlite:///FILE or postgresql+psycopg://" in result.stderr
        assert "secret" not in result.stderr


class TestWrongUse:
    def test_settings_that_are_not_there_are_named(self, tmp_path):
        result = CliRunner().invoke(main, ["--config", str(tmp_path / "absent.config"), "init"])

        assert result.exit_code == 1
        assert "absent.config" in result.stderr

    def test_an_unknown_command_is_wrong_use(self):
        assert CliRunner().invoke(main, ["fly"]).exit_code == 2


def test_help_does_not_load_the_database_library():
    code = "import sys, gateway.cli; sys.exit('sqlalchemy' in sys.modules or 'pydantic' in sys.modules)"
    root = Path(__file__).parents[2]

    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def commands(folder, url):
    """The `gateway` command with a Settings.config of its own."""
    config = folder / "Settings.config"
    config.write_text(SETTINGS.format(url=quoteattr(url)))

    def run(*arguments, input=None):
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(main, ["--config", str(config), *words], input=input)

    return run


@pytest.fixture
def gateway(tmp_path, database_url):
    return commands(tmp_path, database_url)


@pytest.fixture
def reseller(database):
    with database.write() as session:
        return Factories(session).reseller().id
