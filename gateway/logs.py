"""How log lines look: JSON for machines, one plain line for a person at a console."""

from __future__ import annotations

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that this thread answers, if any; every line that is logged meanwhile names it."""

MASK = "***"

_SECRETS = re.compile(
    r"""(?ix)
    (?P<lead>
        \bbearer\s+
      | ["']?\b(?:client_?secret|refresh_?token|access_?token|client_assertion|password|api_?key)
        ["']?\s*[=:]\s*["']?
    )
    [^\s"'&,;<>]+
    """
)
"""What introduces a secret, and the secret; values end at white space, quotes or a separator."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def mask_secrets(text: str) -> str:
    """Return text without the values of tokens, secrets and passwords.

    A last resort: nobody may log them in the first place.
    """
    return _SECRETS.sub(lambda match: match["lead"] + MASK, text)


def utc_text(at: datetime) -> str:
    """Return a time as `2026-11-23T06:01:02.345Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, message, what `extra` added, exception.

    `event` is the constant text of the message up to its first colon: it groups lines whose values differ.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": utc_text(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "event": mask_secrets(_event(record)),
            "message": mask_secrets(record.getMessage()),
            "process": record.process,
            "thread": record.threadName,
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line |= {key: _plain(value) for key, value in vars(record).items() if key not in _STANDARD}
        if text := self._exception(record):
            line["exception"] = mask_secrets(text)
        return json.dumps(line, ensure_ascii=False, default=str)

    def _exception(self, record: logging.LogRecord) -> str | None:
        if record.exc_info:
            return self.formatException(record.exc_info)
        return record.exc_text or (self.formatStack(record.stack_info) if record.stack_info else None)


class ConsoleFormatter(logging.Formatter):
    """One line for a person: `06:01:02 INFO    Worker started: pid=4711`, in local time."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return mask_secrets(super().format(record))


def _event(record: logging.LogRecord) -> str:
    return str(record.msg).partition(":")[0].strip()


def _plain(value: object) -> object:
    return mask_secrets(value) if isinstance(value, str) else value
