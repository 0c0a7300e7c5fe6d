"""What the models of the settings have in common, and what they know of their names in the file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from gateway.settings.kinds import Kind

POOL_PREFIX = "applicationPool."
"""How the keys of the pool's own attributes begin."""


class Settings(BaseModel):
    """Frozen; an error of pydantic shows no values, for they may be secrets.

    These classes are the table of all settings: names, kinds, ranges, defaults and meanings. The description
    of a field is the line the manual has for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


def kind_of(model: type[BaseModel], attribute: str) -> Kind | None:
    """The kind of a field; none for a field that is a model itself or is not in the file."""
    metadata: list[Any] = model.model_fields[attribute].metadata
    return next((each for each in metadata if isinstance(each, Kind)), None)


def submodel_of(model: type[BaseModel], attribute: str) -> type[BaseModel] | None:
    """The model of a field that is an element of its own."""
    annotation = model.model_fields[attribute].annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def xml_name(attribute: str) -> str:
    """The name that a field has in the file: `ping_interval` is `pingInterval`."""
    return to_camel(attribute)


def nested_prefix(prefix: str, name: str) -> str:
    """How the keys of an element in the pool begin: as in IIS, the pool's own element is not named."""
    return f"{'' if prefix == POOL_PREFIX else prefix}{name}."
