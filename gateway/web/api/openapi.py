"""The OpenAPI document, made from the table of calls and the models of their bodies."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway import __version__
from gateway.web.api.call import PREFIX, Call
from gateway.web.api.idempotency import HEADER
from gateway.web.api.reading import INVALID_BODY
from gateway.web.api.schemas_problem import Problem
from gateway.web.api.table import CALLS
from gateway.web.problems import CONTENT_TYPE
from gateway.web.security import READING

Schema = dict[str, Any]

DESCRIPTION = """\
Upgrades many Microsoft 365 subscriptions from one service plan to another.

Every call but this document needs an API key, `Authorization: Bearer KEY`. The provider acts in the whole
tree of accounts, a reseller in its own branch: what lies outside of it does not exist for its keys.

Lists come in pages: `next` is the `cursor` of the page that follows and null on the last one. Errors are
`application/problem+json` with a `code` that never changes its meaning. Query parameters and members that
are not described here are refused.
"""

TAGS = {
    "Catalog": "What is sold: application instances, service plans and where their subscriptions can go",
    "Subscriptions": "What customers have",
    "Upgrades": "Scheduling, following, canceling and refreshing upgrades",
}

PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "A query parameter is not valid, or the body is not JSON",
    HTTPStatus.UNAUTHORIZED: "The API key is missing, unknown or revoked",
    HTTPStatus.FORBIDDEN: "The role of the API key does not allow it, or the account lacks the ability",
    HTTPStatus.NOT_FOUND: "Something that the request names does not exist for the caller",
    HTTPStatus.NOT_ACCEPTABLE: "The caller accepts no JSON",
    HTTPStatus.CONFLICT: "The first request with this Idempotency-Key is still being worked on",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not application/json",
    INVALID_BODY: "The body is JSON, but asks for something that cannot be done",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many invalid API keys came from this address",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database cannot be reached",
}

OF_ALL = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_ACCEPTABLE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
OF_BODIES = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, INVALID_BODY)
COMES_AGAIN = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
REFERENCE = "#/components/schemas/{model}"


@cache
def document() -> Schema:
    """Return the whole document; whoever gets it does not change it."""
    schemas = _schemas()
    queries = {call.name: schemas[call.query.__name__] for call in CALLS if call.query}
    paths: defaultdict[str, Schema] = defaultdict(dict)
    for call in CALLS:
        paths[call.path][call.method.lower()] = _operation(call, queries.get(call.name, {}))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Office 365 gateway",
            "version": __version__,
            "summary": "Bulk upgrades of Microsoft 365 subscriptions",
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": PREFIX}],
        "security": [{"apiKey": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": dict(paths),
        "components": {
            "schemas": {name: schemas[name] for name in schemas if not name.endswith("Query")},
            "responses": {_name(status): _problem(status) for status in PROBLEMS},
            "parameters": {"IdempotencyKey": _IDEMPOTENCY_KEY},
            "headers": _HEADERS,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key that `gateway api-key create --account ID` printed",
                }
            },
        },
    }


@cache
def document_bytes() -> bytes:
    return json.dumps(document(), ensure_ascii=False).encode()


def _schemas() -> dict[str, Schema]:
    """The schema of every model that a call takes or answers, and of those within them, by name."""
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "validation"): None}
    for call in CALLS:
        models |= {(model, "validation"): None for model in (call.query, call.body) if model}
        models |= {(model, "serialization"): None for model in call.answers.values()}
    _, definitions = models_json_schema(list(models), ref_template=REFERENCE)
    schemas: dict[str, Schema] = definitions["$defs"]
    return schemas


def _operation(call: Call, query: Schema) -> Schema:
    operation: Schema = {
        "operationId": call.name,
        "summary": call.summary,
        "tags": [call.tag],
        "responses": _responses(call),
    }
    if call.description:
        operation["description"] = call.description
    if parameters := [*_path_parameters(call), *_query_parameters(query), *_header_parameters(call)]:
        operation["parameters"] = parameters
    if call.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": _content(call.body)}}
    return operation


def _responses(call: Call) -> Schema:
    responses = {
        str(int(status)): {
            "description": call.descriptions.get(status, "Done"),
            "headers": _answer_headers(call, status),
            "content": {"application/json": _content(model)},
        }
        for status, model in call.answers.items()
    }
    statuses = {*OF_ALL, *call.errors, *(OF_BODIES if call.body else ())}
    if call.permission not in READING:
        statuses.add(HTTPStatus.FORBIDDEN)
    for status in sorted(statuses):
        responses[str(int(status))] = {"$ref": f"#/components/responses/{_name(status)}"}
    if call.is_idempotent:  # Refusals for reasons of business are kept and repeated too.
        responses[str(int(INVALID_BODY))] = _problem(INVALID_BODY, "Idempotency-Replayed")
    return responses


def _answer_headers(call: Call, status: HTTPStatus) -> Schema:
    names = ["X-Request-ID"]
    if status is HTTPStatus.ACCEPTED:
        names.append("Location")
    if call.is_idempotent:
        names.append("Idempotency-Replayed")
    return _headers(names)


def _path_parameters(call: Call) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", call.path)
    ]


def _query_parameters(query: Schema) -> list[Schema]:
    return [_query_parameter(name, dict(schema)) for name, schema in query.get("properties", {}).items()]


def _query_parameter(name: str, schema: Schema) -> Schema:
    """A parameter is left out where a member would be null."""
    parameter = {"name": name, "in": "query", "required": False}
    if "description" in schema:
        parameter["description"] = schema.pop("description")
    schema.pop("title", None)
    if schema.get("default", 0) is None:
        del schema["default"]
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) > 1:
        schema["anyOf"] = choices
    else:
        schema |= choices[0] if choices else {}
    return parameter | {"schema": schema}


def _header_parameters(call: Call) -> list[Schema]:
    return [{"$ref": "#/components/parameters/IdempotencyKey"}] if call.is_idempotent else []


def _content(model: type[BaseModel]) -> Schema:
    return {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}


def _problem(status: HTTPStatus, *more_headers: str) -> Schema:
    names = ["X-Request-ID", *more_headers]
    if status in COMES_AGAIN:
        names.append("Retry-After")
    if status is HTTPStatus.UNAUTHORIZED:
        names.append("WWW-Authenticate")
    return {
        "description": PROBLEMS[status],
        "headers": _headers(names),
        "content": {CONTENT_TYPE: _content(Problem)},
    }


def _headers(names: list[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _name(status: HTTPStatus) -> str:
    return "".join(re.findall(r"[A-Za-z]+", status.phrase.title()))


_IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": (
        "Any text that is new for each request, such as a UUID. A repetition of the request with the same "
        "key gets the same answer and schedules nothing again."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

_HEADERS = {
    "X-Request-ID": {
        "description": "The id of the request: the caller's own, or one that was made for it",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where to follow what was scheduled",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Idempotency-Replayed": {
        "description": "`true` when this is the answer to an earlier request with the same key",
        "schema": {"type": "string", "const": "true"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"description": "How to sign in", "schema": {"type": "string"}},
}
