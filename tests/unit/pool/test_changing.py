"""One setting is changed in the file: checked first, then written whole, or not at all."""

import pytest

from gateway.pool.changing import change_setting
from gateway.pool.commands import cli
from gateway.pool.errors import FileChangedError, PoolError, PoolRefusedError
from gateway.settings import edit_setting, parse_settings

KEY = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"
TEXT = f"""<configuration>
  <!-- a remark -->
  <appSettings><add key="{KEY}" value="10" /></appSettings>
</configuration>
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "Settings.config"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def test_only_the_value_changes(config):
    (change,) = change_setting(config, KEY, "20")

    assert (change.key, change.old, change.new) == (KEY, "10", "20")
    assert config.read_text() == TEXT.replace('"10"', '"20"')
    assert config.stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(config, tmp_path):
    link = tmp_path / "Link.config"
    link.symlink_to(config)

    change_setting(link, KEY, "20")

    assert link.is_symlink()
    assert 'value="20"' in config.read_text()


def test_nothing_is_written_when_nothing_changes(config):
    before = config.stat().st_mtime_ns

    assert change_setting(config, KEY, "10") == ()
    assert config.stat().st_mtime_ns == before


def test_what_somebody_else_writes_at_the_same_moment_is_not_overwritten(config, monkeypatch):
    def late(data, path):
        config.write_text(TEXT.replace('"10"', '"15"'))
        return parse_settings(data, path)

    monkeypatch.setattr("gateway.pool.changing.parse_settings", late)

    with pytest.raises(FileChangedError):
        change_setting(config, KEY, "20")

    assert '"15"' in config.read_text()


@pytest.mark.parametrize(("key", "value"), [(KEY, "ten"), (KEY, "0"), ("NO_SUCH_KEY", "1")])
def test_what_is_not_valid_is_refused_before_anything_is_written(config, key, value):
    with pytest.raises(PoolRefusedError):
        change_setting(config, key, value)

    assert config.read_text() == TEXT


def test_a_value_that_the_second_file_has_is_not_changed_in_the_first(config, tmp_path):
    config.write_text(TEXT.replace("<appSettings>", '<appSettings file="Second.config">'))
    (tmp_path / "Second.config").write_text(f'<appSettings><add key="{KEY}" value="5" /></appSettings>')

    with pytest.raises(PoolRefusedError, match="second file"):
        change_setting(config, KEY, "20")


def test_what_somebody_else_saves_meanwhile_is_not_overwritten(config, monkeypatch):
    def edit(data, key, value):
        edited = edit_setting(data, key, value)
        config.write_text(TEXT.replace('"10"', '"15"'))
        return edited

    monkeypatch.setattr("gateway.pool.changing.edit_setting", edit)

    with pytest.raises(PoolError, match="somebody else"):
        change_setting(config, KEY, "20")

    assert 'value="15"' in config.read_text()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PoolRefusedError, match=r"none\.config"):
        change_setting(tmp_path / "none.config", KEY, "20")


@pytest.mark.parametrize("command", [["validate"], ["set", KEY, "20"]])
def test_a_file_that_is_not_there_is_wrong_use_of_every_command(tmp_path, command):
    assert cli.main([*command, "--config", str(tmp_path / "none.config")], standalone_mode=False) == 2
