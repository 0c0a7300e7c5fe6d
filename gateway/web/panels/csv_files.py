"""Lists as files for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from pyramid.response import Response

LINES_AT_ONCE = 200
"""Each piece is sent by itself, which takes longer than to make a line."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What begins so is carried out by a spreadsheet instead of shown."""


def csv_line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def csv_response(name: str, lines: Iterable[str]) -> Response:
    """:param lines: taken some at a time while they are sent"""
    response = Response(content_type="text/csv", charset="utf-8", app_iter=_encoded(lines))
    safe_name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe_name}"'
    return response


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    yield "\ufeff".encode()  # By this a spreadsheet knows UTF-8.
    left = iter(lines)
    while piece := "".join(islice(left, LINES_AT_ONCE)):
        yield piece.encode()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
