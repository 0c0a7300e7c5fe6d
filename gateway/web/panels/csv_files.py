"""Lists as files for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from pyramid.response import Response

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What begins so is carried out by a spreadsheet instead of shown."""


def csv_line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def csv_response(name: str, lines: Iterable[str]) -> Response:
    """:param lines: taken one by one while they are sent"""
    response = Response(content_type="text/csv", charset="utf-8", app_iter=_encoded(lines))
    safe_name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe_name}"'
    return response


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    yield "\ufeff".encode()  # By this a spreadsheet knows UTF-8.
    for line in lines:
        yield line.encode()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
