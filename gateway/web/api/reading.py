"""From what came over the wire to a checked model, or to an error that names each thing that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pyramid.request import Request

from gateway.services.catalog.errors import NOTHING, shown
from gateway.web.api.call import MOST_BYTES
from gateway.web.problems import ProblemError

MOST_ERRORS = 100
INVALID_BODY = HTTPStatus.UNPROCESSABLE_ENTITY

Model = TypeVar("Model", bound=BaseModel)

_WORDS = {
    "bool_type": "true or false",
    "extra_forbidden": "no such member",
    "int_type": "a whole number",
    "list_type": "a list",
    "missing": "a value, which is required",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_type": "text",
    "string_unicode": "text of whole characters",
}


def read_query(request: Request, model: type[Model]) -> Model:
    """:raises ProblemError: 400 for a parameter that is unknown, given twice or has a wrong value"""
    parameters = request.GET
    errors = [
        _error(name, len(parameters.getall(name)), "the parameter once")
        for name in dict.fromkeys(parameters)
        if len(parameters.getall(name)) > 1
    ]
    if not errors:
        try:
            return model.model_validate(dict(parameters))
        except ValidationError as exc:
            errors = _errors(exc, model, "parameter")
    raise _refusal(HTTPStatus.BAD_REQUEST, "invalid_parameter", "query", errors)


def read_body(request: Request, model: type[Model]) -> Model:
    """:raises ProblemError: 413, 415, 400 for what is no JSON, 422 with `errors` for wrong members"""
    document = read_json(request)
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        errors = _errors(exc, model, "member")
        raise _refusal(INVALID_BODY, "invalid_body", "body", errors) from None


def read_json(request: Request) -> object:
    """:raises ProblemError: 413, 415, or 400 which says where the JSON breaks off"""
    if (request.content_length or 0) > MOST_BYTES:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body_too_large",
            f"The body has {request.content_length} bytes; expected at most {MOST_BYTES}",
        )
    if request.content_type != "application/json":
        found = request.content_type or "none"
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            f"The body's content type is {found}; expected application/json",
        )
    return _parse(request.body_file_raw.read(request.content_length or 0))


def _parse(body: bytes) -> object:
    try:
        return json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        reason = f"{exc.msg} at line {exc.lineno}, column {exc.colno}"
        raise _malformed(reason, line=exc.lineno, column=exc.colno) from None
    except UnicodeDecodeError as exc:
        raise _malformed(f"byte {exc.start} is not UTF-8") from None
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except ValueError as exc:  # A constant or a number that JSON has not.
        raise _malformed(str(exc)) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of a member that is there twice nobody knows which one is meant."""
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"an object has the member {shown(name)} twice")
        members[name] = value
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _malformed(reason: str, **where: Any) -> ProblemError:
    detail = f"The body is not valid JSON: {reason}"
    return ProblemError(HTTPStatus.BAD_REQUEST, "malformed_json", detail, **where)


def _refusal(status: HTTPStatus, code: str, place: str, errors: list[dict[str, str]]) -> ProblemError:
    first = errors[0]
    found = f"{first['path'] or place}: found {first['value']}, expected {first['expected']}"
    return ProblemError(status, code, f"The {place} is not valid: {found}", errors=errors[:MOST_ERRORS])


def _errors(exc: ValidationError, model: type[BaseModel], what: str) -> list[dict[str, str]]:
    known = f"one of the {what}s {', '.join(_names(model))}" if model.model_fields else f"no {what}s"
    return [_from_details(details, known) for details in exc.errors(include_url=False)]


def _names(model: type[BaseModel]) -> Iterable[str]:
    return (field.alias or name for name, field in model.model_fields.items())


def _from_details(details: ErrorDetails, known: str) -> dict[str, str]:
    path = _path(details["loc"])
    if details["type"] == "missing":
        return {"path": path, "value": NOTHING, "expected": _WORDS["missing"]}
    if details["type"] == "extra_forbidden" and len(details["loc"]) == 1:
        return _error(path, details["input"], known)
    return _error(path, details["input"], _WORDS.get(details["type"]) or _expected(details["msg"]))


def _error(path: str, value: object, expected: str) -> dict[str, str]:
    return {"path": path, "value": shown(value), "expected": expected}


def _expected(message: str) -> str:
    """Pydantic's sentence without its beginning: `Input should be less than 5` becomes `less than 5`."""
    for start in ("Input should be ", "Value error, "):
        message = message.removeprefix(start)
    return message


def _path(location: tuple[int | str, ...]) -> str:
    """Such as `subscription_ids[3]`; empty for the document as a whole."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")
