"""What is read at all, and how a document that is not is refused."""

import codecs
from pathlib import Path

import pytest

from gateway.settings import GatewaySettings, SettingsError, load_settings
from tests.unit.settings.helpers import document, instance, parse, read, refusal

KEY = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"
SEVEN = f'<appSettings><add key="{KEY}" value="7" /></appSettings>'

REFUSED_WHOLE = {
    "empty": (b"", None, None, "the file", "is empty"),
    "blank": (b" \n\n ", None, None, "the file", "is empty"),
    "only a byte order mark": (codecs.BOM_UTF8, None, None, "the file", "is empty"),
    "only a comment": (b"<!-- nothing -->", 1, 17, "the file", "is not well formed (no element found)"),
    "not closed": (
        b"<configuration>\n<appSettings>\n",
        3,
        1,
        "the file",
        "is not well formed (no element found)",
    ),
    "wrong end": (
        b"<configuration>\n <appSettings></x></configuration>",
        2,
        17,
        "the file",
        "is not well formed (mismatched tag)",
    ),
    "attribute twice": (
        document('<appSettings file="a" file="b" />'),
        2,
        23,
        "the file",
        "duplicate attribute",
    ),
    "undefined entity": (document("<appSettings>&x;</appSettings>"), 2, 14, "the file", "undefined entity"),
    "two roots": (b"<configuration/><configuration/>", 1, 17, "the file", "junk after document element"),
    "doctype": (b"<!DOCTYPE configuration>\n<configuration/>", 1, None, "<!DOCTYPE>", "is not allowed"),
    "entity": (
        b'<?xml version="1.0"?>\n<!DOCTYPE c [<!ENTITY a "b">]>\n<configuration/>',
        2,
        None,
        "<!DOCTYPE>",
        "is not allowed",
    ),
    "external entity": (
        b'\n<!DOCTYPE c SYSTEM "file:///etc/passwd">\n<configuration/>',
        2,
        None,
        "<!DOCTYPE>",
        "is not allowed",
    ),
    "wrong root": (b"\n<appSettings/>", 2, None, "<appSettings>", "is the outermost element"),
    "root in other case": (b"<Configuration/>", 1, None, "<Configuration>", "is the outermost element"),
    "not UTF-8": (b"<configuration>\n<!-- \xe9 -->\n</configuration>", 2, None, "the file", "at byte 21"),
    "cut UTF-16": (codecs.BOM_UTF16_LE + b"<\0c", None, None, "the file", "cannot be decoded at byte"),
    "other encoding": (
        b'<?xml version="1.0" encoding="windows-1252"?><configuration/>',
        1,
        None,
        "encoding",
        'is "windows-1252"',
    ),
    "too large": (b"<configuration/>" + b" " * 1024 * 1024, None, None, "the file", "is larger than 1 MiB"),
    "too many": (document("", "<a/>" * 10_000), 3, None, "the file", "has too many elements"),
    "too deep": (document("<a>" * 20 + "</a>" * 20), 2, None, "<a>", "is nested too deep"),
}


@pytest.mark.parametrize(
    ("data", "line", "column", "key", "fault"), REFUSED_WHOLE.values(), ids=REFUSED_WHOLE
)
def test_a_document_that_is_none_is_refused(data, line, column, key, fault):
    (problem,) = refusal(data).problems

    assert (problem.file, problem.line, problem.key) == ("Settings.config", line, key)
    assert fault in problem.fault
    if column is not None:
        assert problem.column == column
        assert f"Settings.config, line {line}, column {column}: the file is not well formed" in str(problem)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf_8_and_utf_16_are_read(encoding):
    text = f"<configuration>{SEVEN}{instance(name='Zürich ☁')}</configuration>"

    settings = parse(text.encode(encoding))

    assert settings.app.max_allowed_nb_of_simultaneous_upgrades == 7
    assert settings.application_instances[0].name == "Zürich ☁"


@pytest.mark.parametrize(
    ("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")]
)
def test_both_byte_orders_are_read(mark, encoding):
    text = f'<?xml version="1.0" encoding="utf-16"?><configuration>{SEVEN}</configuration>'

    assert parse(mark + text.encode(encoding)).app.max_allowed_nb_of_simultaneous_upgrades == 7


def test_a_file_of_exactly_one_mebibyte_is_read():
    assert parse(b"<configuration/>".ljust(1024 * 1024)).app == GatewaySettings().app


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<appSettings/>",
        "<appSettings></appSettings><connectionStrings/><applicationInstances/><applicationPool/>",
        "<appSettings><!-- nothing --></appSettings><?editor hint?>",
        "<applicationPool><processModel/><recycling><periodicRestart><schedule/></periodicRestart></recycling>"
        "<failure/></applicationPool>",
    ],
)
def test_sections_may_be_empty_or_missing(body):
    settings = read(body, folder=Path("/srv"))

    assert settings == GatewaySettings(database_url=read(folder=Path("/srv")).database_url)


MISPLACED = {
    "unknown section": ("<appSetting/>", "<appSetting>", "is not an element of <configuration>"),
    "section in other case": ("<AppSettings/>", "<AppSettings>", "is not an element of <configuration>"),
    "section twice": (
        "<appSettings/><appSettings/>",
        "<appSettings>",
        "is given a second time, first in line 2",
    ),
    "text in a section": ("<appSettings>words</appSettings>", "<appSettings>", "holds text"),
    "cdata in a section": ("<appSettings><![CDATA[words]]></appSettings>", "<appSettings>", "holds text"),
    "unknown element": ("<appSettings><set/></appSettings>", "<set>", "is not an element of <appSettings>"),
    "add in other case": ("<appSettings><Add/></appSettings>", "<Add>", "is not an element of <appSettings>"),
    "element in an entry": (
        '<appSettings><add key="LOG_LEVEL" value="INFO"><add/></add></appSettings>',
        "<add>",
        "is not an element of <add>",
    ),
    "unknown attribute of a section": (
        '<appSettings configSource="x"/>',
        "configSource",
        "is not an attribute of <appSettings>",
    ),
    "file where none is merged": (
        '<connectionStrings file="x"/>',
        "file",
        "is not an attribute of <connectionStrings>",
    ),
    "namespace": ('<appSettings xmlns="urn:x"/>', "xmlns", "is not an attribute of <appSettings>"),
    "attribute in other case": (
        '<appSettings><add key="LOG_LEVEL" value="INFO" Value="x"/></appSettings>',
        "Value",
        "is not an attribute of <add>",
    ),
    "attribute of clear": (
        '<appSettings><clear key="x"/></appSettings>',
        "key",
        "is not an attribute of <clear>",
    ),
    "value of remove": (
        '<appSettings><remove key="x" value="y"/></appSettings>',
        "value",
        "is not an attribute of <remove>",
    ),
    "no key": ('<appSettings><add value="1"/></appSettings>', "key", "is missing from <add>"),
    "no value": ('<appSettings><add key="LOG_LEVEL"/></appSettings>', "value", "is missing from <add>"),
    "nothing to remove": ("<appSettings><remove/></appSettings>", "key", "is missing from <remove>"),
    "connection without name": (
        '<connectionStrings><add connectionString="sqlite:///x"/></connectionStrings>',
        "name",
        "is missing from <add>",
    ),
    "connection without string": (
        '<connectionStrings><add name="Gateway"/></connectionStrings>',
        "connectionString",
        "is missing from <add>",
    ),
    "instance without name": (
        '<applicationInstances><add country="US"/></applicationInstances>',
        "name",
        "is missing from <add>",
    ),
    "unknown element of the pool": (
        "<applicationPool><site/></applicationPool>",
        "<site>",
        "is not an element of <applicationPool>",
    ),
    "unknown attribute of the pool": (
        "<applicationPool><processModel idle='1'/></applicationPool>",
        "idle",
        "is not an attribute of <processModel>",
    ),
    "element of the pool twice": (
        "<applicationPool><failure/><failure/></applicationPool>",
        "<failure>",
        "is given a second time",
    ),
}


@pytest.mark.parametrize(("body", "key", "fault"), MISPLACED.values(), ids=MISPLACED)
def test_what_has_no_place_is_refused(body, key, fault):
    (problem,) = refusal(document(body)).problems

    assert (problem.line, problem.key) == (2, key)
    assert fault in problem.fault
    assert problem.allowed


def test_the_root_has_no_attributes():
    (problem,) = refusal(b'<configuration version="2"/>').problems

    assert str(problem) == (
        "Settings.config, line 1: version is not an attribute of <configuration>; expected no attributes"
    )


def test_all_problems_are_told_at_once_in_the_order_of_the_file():
    error = refusal(
        document(
            '<applicationPool queueLength="many" />',
            "<appSettings>",
            f'<add key="{KEY}" value="ten" />',
            '<add key="UPGRADE_MAX_ATTEMPTS" value="0" />',
            "</appSettings>",
            "<unknown />",
        )
    )

    assert str(error).splitlines() == [
        'Settings.config, line 2: applicationPool.queueLength is "many"; '
        "expected a whole number from 1 to 65535",
        f'Settings.config, line 4: {KEY} is "ten"; expected a whole number from 1 to 1000',
        'Settings.config, line 5: UPGRADE_MAX_ATTEMPTS is "0"; expected a whole number from 1 to 100',
        "Settings.config, line 7: <unknown> is not an element of <configuration>; expected one of "
        "<appSettings>, <connectionStrings>, <applicationInstances>, <applicationPool>",
    ]
    assert error.code == "invalid_settings"


def test_a_message_stays_on_its_line():
    text = str(
        refusal(document('<appSettings><add key="LOG_LEVEL" value="a&#10;b&#x2028;c"/></appSettings>'))
    )

    assert text.splitlines() == [text]
    assert 'is "a\\nb\\u2028c"' in text


def test_a_long_value_is_cut():
    (problem,) = refusal(
        document(f'<appSettings><add key="LOG_LEVEL" value="{"x" * 5000}"/></appSettings>')
    ).problems

    assert problem.value == "x" * 79 + "…"


def test_a_flood_of_problems_ends():
    assert len(refusal(document("<x/>" * 5000)).problems) == 200


def test_a_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"Settings\.config: .* does not exist"):
        load_settings(tmp_path / "Settings.config")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="the file is no regular file"):
        load_settings(tmp_path)


def test_a_file_on_the_disk_is_read(tmp_path):
    path = tmp_path / "Settings.config"
    path.write_bytes(document(SEVEN))

    assert load_settings(path).app.max_allowed_nb_of_simultaneous_upgrades == 7


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / ("x" * 300))
