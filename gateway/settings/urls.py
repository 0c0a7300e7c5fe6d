"""The kinds of settings that are URLs, and the database URL, whose password nobody may read."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from gateway.settings.errors import HIDDEN
from gateway.settings.kinds import Kind

SIMULATOR = "simulator"

DATA_DIRECTORY = "|DataDirectory|"
"""Stands in a connection string for the data folder, as in ASP.NET."""

_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_POSTGRESQL = re.compile(
    r"(?P<scheme>postgresql(?:\+psycopg)?)://"
    r"(?:(?P<user>[^:/?@]*)(?::[^?@]*)?@)?"
    r"(?P<host>(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%,-]*)(?::[0-9]{1,5})?)"
    r"(?P<database>/[^?@]*)?"
    r"(?P<query>\?[^@]*)?"
)
"""As SQLAlchemy splits it; an @ stands once at most, or it would be open where the password ends."""
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30})://")
_SQLITE_FILE = re.compile(r"sqlite:///(?P<file>(?!:memory:|file:)[^?]+)(?P<query>\?.*)?")


class _URLKind(Kind):
    def reveal(self, text: str) -> str:
        """A URL may hold a name and a password, in front of an @."""
        return HIDDEN if "@" in text else text


class LinkURL(_URLKind):
    """The address of a page for people; empty for none."""

    may_be_empty = True

    @property
    def allowed(self) -> str:
        return "nothing, or an http:// or https:// URL without user name"

    def parse(self, text: str) -> str:
        return _split(text).geturl() if text.strip() else ""


class ServiceURL(_URLKind):
    """The base address of a service that is given secrets; without a trailing slash."""

    def __init__(self, *, or_simulator: bool = False) -> None:
        self._or_simulator = or_simulator

    def reveal(self, text: str) -> str:
        """Also a query may hold a key, and does not belong into a base URL."""
        return HIDDEN if "?" in text else super().reveal(text)

    @property
    def allowed(self) -> str:
        url = "an https:// URL without user name, query and fragment (http:// for this machine only)"
        return f"{SIMULATOR}, or {url}" if self._or_simulator else url

    def parse(self, text: str) -> str:
        if self._or_simulator and text.strip().casefold() == SIMULATOR:
            return SIMULATOR
        url = _split(text)
        if url.query or url.fragment:
            raise ValueError("a base URL has neither query nor fragment")
        if url.scheme == "http" and not _is_loopback(url.hostname or ""):
            raise ValueError("secrets do not travel in clear")
        return url.geturl().rstrip("/")


class DatabaseURL(Kind):
    """Where the database is; SQLAlchemy reads the rest of it."""

    @property
    def allowed(self) -> str:
        postgresql = "postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
        return f"sqlite:///FILE or {postgresql} (@ and ? within the password as %40 and %3F)"

    def parse(self, text: str) -> str:
        text = text.strip()
        if _SQLITE_FILE.fullmatch(text):
            return text
        if match := _POSTGRESQL.fullmatch(text):
            return "postgresql+psycopg" + text.removeprefix(match["scheme"])
        raise ValueError("no database that the gateway runs on")

    def show(self, value: str) -> str:
        return masked_database_url(value)

    def reveal(self, text: str) -> str:
        """The scheme alone: in a text that is not understood the password may stand anywhere."""
        match = _SCHEME.match(text.strip())
        return f"{match['scheme']}://{HIDDEN}" if match else HIDDEN


def masked_database_url(url: str) -> str:
    """The URL without the password and without the values of the query, one of which may be the password."""
    if match := _SQLITE_FILE.fullmatch(url):
        return f"sqlite:///{match['file']}{_masked_query(match['query'])}"
    if match := _POSTGRESQL.fullmatch(url):
        user = "" if match["user"] is None else f"{match['user']}:{HIDDEN}@"
        place = match["host"] + (match["database"] or "")
        return f"{match['scheme']}://{user}{place}{_masked_query(match['query'])}"
    return HIDDEN


def _masked_query(query: str | None) -> str:
    return f"?{HIDDEN}" if query else ""


def absolute_database_url(url: str, folder: Path) -> str:
    """The URL with a relative SQLite file taken as relative to the folder."""
    match = _SQLITE_FILE.fullmatch(url)
    if match is None or DATA_DIRECTORY.casefold() in url.casefold():
        return url
    file = folder.absolute() / match["file"]
    return f"sqlite:///{file.as_posix()}{match['query'] or ''}"


def in_data_folder(url: str, folder: Path) -> str:
    """The URL with the data folder in place of its stand-in."""
    place = folder.absolute().as_posix()
    return re.sub(re.escape(DATA_DIRECTORY), lambda _: place, url, flags=re.IGNORECASE)


def _split(text: str) -> SplitResult:
    """The parts of an http or https URL.

    :raises ValueError: when it is none, or holds a user name
    """
    text = text.strip()
    if not _URL.fullmatch(text):
        raise ValueError("a character that does not belong into a URL")
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc or url.port == 0:
        raise ValueError("no http URL, or one with a user name")
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
