"""How single values look in JSON: ids, times and money."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from gateway.logs import utc_text
from gateway.services.keys import LARGEST_ROW_ID, LONGEST_TEXT_ID
from gateway.services.paging import DEFAULT_LIMIT, MAXIMUM_LIMIT


class APIModel(BaseModel):
    """What goes in or out: nothing but the members that are described.

    Pydantic makes its validators when one is first needed, for a worker should start soon.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def read_row_id(value: Any) -> int:
    """A row number, written as text as we give it out, or as a number."""
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdecimal()
        and len(value) <= len(str(LARGEST_ROW_ID))
    ):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LARGEST_ROW_ID:
        raise ValueError("the id of an upgrade or batch, such as 17")
    return value


def price_text(price: Decimal) -> str:
    """At least two digits after the point, and as many as it takes."""
    whole, _, fraction = f"{price.normalize():f}".partition(".")
    return f"{whole}.{fraction:0<2}"


def enum_schema(kind: type[enum.Enum]) -> dict[str, Any]:
    return {"type": "string", "enum": [member.value for member in kind]}


Timestamp = Annotated[
    datetime,
    PlainSerializer(utc_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T06:01:02.345Z"]}),
]
Price = Annotated[
    Decimal,
    PlainSerializer(price_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+\.[0-9]{2,4}$", "examples": ["6.00"]}),
]
TextId = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT_ID)]
"""An id of the catalog, which its importer chose."""

RowId = Annotated[
    int,
    BeforeValidator(read_row_id),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]{1,10}$"},
                {"type": "integer", "minimum": 1, "maximum": LARGEST_ROW_ID},
            ],
            "examples": ["17"],
        },
        mode="validation",
    ),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,10}$", "examples": ["17"]}, mode="serialization"),
]
"""The number of an upgrade or of a batch: text in answers; requests may hold it as a number too."""

Limit = Annotated[int, Field(ge=1, le=MAXIMUM_LIMIT, description="How many items one answer holds at most")]
Cursor = Annotated[
    str | None,
    Field(max_length=500, description="`next` of the answer before, to get the items that follow"),
]


class PageQuery(APIModel):
    """What every list takes."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None
