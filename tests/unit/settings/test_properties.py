"""Whatever is in the file: it is read, or refused with SettingsError."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import (
    AppSettings,
    GatewaySettings,
    InstanceSettings,
    SettingsError,
    dump_settings,
    format_span,
    parse_settings,
    parse_span,
    restore_settings,
)
from gateway.settings.base import xml_name
from tests.unit.settings.helpers import document

PATH = Path("/nowhere/Settings.config")

XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
)
KEYS = st.sampled_from([name.upper() for name in AppSettings.model_fields]) | XML_TEXT
ATTRIBUTES = st.sampled_from([xml_name(name) for name in InstanceSettings.model_fields])
URLS = st.builds("{}://{}".format, st.sampled_from(["postgresql", "sqlite", "https", "http"]), XML_TEXT)
PIECES = st.sampled_from(
    [
        *(
            "<configuration>",
            "</configuration>",
            "<appSettings>",
            "</appSettings>",
            "<add ",
            'key="LOG_LEVEL" ',
        ),
        *('value="1" ', "/>", ">", "<clear/>", "<!--", "-->", "<![CDATA[", "]]>", "&amp;", "&#0;", "&x;"),
        *(
            "<!DOCTYPE a [",
            "<!ENTITY a 'b'>",
            "]>",
            '<?xml version="1.0" encoding="',
            "utf-16",
            '"?>',
            "text",
            "\n",
        ),
    ]
)


def read_or_refuse(data: bytes) -> GatewaySettings | None:
    with suppress(SettingsError):
        return parse_settings(data, PATH)
    return None


@given(st.binary())
def test_bytes(data):
    read_or_refuse(data)


@given(st.binary(), st.sampled_from([b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"<configuration>"]))
def test_bytes_after_a_promising_start(data, start):
    read_or_refuse(start + data)


@given(st.lists(PIECES, max_size=30))
def test_pieces_of_xml(pieces):
    read_or_refuse("".join(pieces).encode())


@given(KEYS, XML_TEXT)
def test_any_text_as_a_value(key, value):
    read_or_refuse(
        document(f"<appSettings><add key={quoteattr(key)} value={quoteattr(value)} /></appSettings>")
    )


@given(st.dictionaries(ATTRIBUTES, XML_TEXT | URLS))
def test_any_text_as_an_attribute_of_an_instance(attributes):
    text = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())

    settings = read_or_refuse(document(f"<applicationInstances><add {text} /></applicationInstances>"))

    if settings is not None:
        assert restore_settings(dump_settings(settings)) == settings


@given(XML_TEXT | URLS)
def test_any_text_as_a_connection_string(text):
    entry = f'<add name="Gateway" connectionString={quoteattr(text)} />'

    settings = read_or_refuse(document(f"<connectionStrings>{entry}</connectionStrings>"))

    if settings is not None:
        assert repr(settings)


@given(st.text(st.sampled_from("0123456789abcXYZ%-._~!$&'()*+,;=/:#"), min_size=12))
def test_a_password_never_shows(password):
    url = f"postgresql://gw:{password}@db.example.com/gateway"
    entry = f'<add name="Gateway" connectionString={quoteattr(url)} />'

    settings = read_or_refuse(document(f"<connectionStrings>{entry}</connectionStrings>"))

    assert settings is not None
    assert password in settings.database_url
    assert password not in repr(settings)


@given(XML_TEXT)
def test_any_text_as_a_time_span_or_name(text):
    value = quoteattr(text)
    read_or_refuse(
        document(f"<applicationPool name={value}><processModel pingInterval={value} /></applicationPool>")
    )


@given(st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_time_span_comes_back_as_it_was(span):
    assert parse_span(format_span(span)) == span


@given(st.integers(0, 9999), st.integers(0, 59), st.integers(0, 59))
def test_hours_alone_may_be_more_than_a_day(hours, minutes, seconds):
    assert parse_span(f"{hours}:{minutes:02}:{seconds:02}") == timedelta(
        hours=hours, minutes=minutes, seconds=seconds
    )


@given(st.text(st.sampled_from("0123456789.:- ")))
def test_any_digits_as_a_time_span(text):
    with suppress(ValueError):
        assert parse_span(format_span(parse_span(text))) == parse_span(text)
