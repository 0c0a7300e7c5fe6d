"""Changing one value in the text of the file."""

import codecs

import pytest
from hypothesis import given, strategies

from gateway.settings import SettingsError, edit_setting, parse_settings
from gateway.settings.document import read_document
from tests.functional.pool.helpers import ROOT

SHIPPED = (ROOT / "Settings.config").read_bytes()


def lines_that_differ(before, after):
    old, new = before.decode().splitlines(), after.decode().splitlines()
    return [(a.strip(), b.strip()) for a, b in zip(old, new, strict=True) if a != b]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("log_level", "DEBUG", '<add key="LOG_LEVEL" value="DEBUG" />'),
        ("processModel.PINGINTERVAL", "00:00:09", 'pingInterval="00:00:09"'),
        ("recycling.periodicRestart.time", "00:00:00", '<periodicRestart time="00:00:00" requests'),
        (
            "applicationPool.startMode",
            "OnDemand",
            '<applicationPool name="Office365Gateway" startMode="OnDemand">',
        ),
        ("failure.loadBalancerCapabilities", "TcpLevel", 'loadBalancerCapabilities="TcpLevel" />'),
    ],
)
def test_one_line_changes_and_all_else_stays(tmp_path, key, value, expected):
    edited = edit_setting(SHIPPED, key, value)

    [(_, line)] = lines_that_differ(SHIPPED, edited)
    assert expected in line
    parse_settings(edited, tmp_path / "Settings.config")


def test_what_is_missing_is_added_with_the_layout_of_the_file():
    text = b"<configuration>\r\n    <appSettings>\r\n    </appSettings>\r\n</configuration>\r\n"

    text = edit_setting(text, "LOG_LEVEL", "DEBUG")
    text = edit_setting(text, "recycling.periodicRestart.requests", "5")

    assert text.decode() == (
        "<configuration>\r\n"
        "    <appSettings>\r\n"
        '      <add key="LOG_LEVEL" value="DEBUG" />\r\n'
        "    </appSettings>\r\n"
        "    <applicationPool>\r\n"
        "      <recycling>\r\n"
        '        <periodicRestart requests="5" />\r\n'
        "      </recycling>\r\n"
        "    </applicationPool>\r\n"
        "</configuration>\r\n"
    )


def test_a_comment_that_looks_like_the_element_is_left_alone():
    text = b"""<configuration><appSettings><!-- <add key="LOG_LEVEL" value="INFO" /> -->
      <add value = 'INFO' key="log_level"/></appSettings></configuration>"""

    edited = edit_setting(text, "LOG_LEVEL", "DEBUG")

    assert edited == text.replace(b"'INFO'", b'"DEBUG"')


@pytest.mark.parametrize(
    ("mark", "encoding"), [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (b"", "utf-8")]
)
def test_the_encoding_stays(mark, encoding):
    section = '<appSettings><add key="LOG_LEVEL" value="INFO"/></appSettings>'
    text = f"<configuration><!-- größer → -->{section}</configuration>"

    edited = edit_setting(mark + text.encode(encoding), "LOG_LEVEL", "DEBUG")

    assert edited == mark + text.replace("INFO", "DEBUG").encode(encoding)


@pytest.mark.parametrize(
    "key", ["", "NO_SUCH_KEY", "processModel", "processModel.nothing", "connectionStrings"]
)
def test_an_unknown_key_is_refused(key):
    with pytest.raises(SettingsError, match="expected a key of appSettings"):
        edit_setting(SHIPPED, key, "1")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("queuelength", "expected applicationPool.queueLength"),
        ("privateMemory", "expected recycling.periodicRestart.privateMemory"),
        ("periodicRestart.time", "expected recycling.periodicRestart.time"),
    ],
)
def test_an_attribute_without_its_element_is_refused_with_its_whole_key(key, expected):
    with pytest.raises(SettingsError, match=expected):
        edit_setting(SHIPPED, key, "1")


@given(strategies.text(strategies.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_any_text_arrives_as_it_was_given(value):
    edited = edit_setting(b"<configuration/>", "LOG_LEVEL", value)

    section = read_document(edited, "Settings.config", "configuration").child("appSettings")
    assert section is not None
    assert section.children[0].attributes == {"key": "LOG_LEVEL", "value": value}
