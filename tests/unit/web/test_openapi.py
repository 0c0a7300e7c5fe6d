import json

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.models import UpgradeStatus
from gateway.web.api.openapi import document
from gateway.web.api.table import CALLS


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


def test_the_document_is_valid_openapi():
    OpenAPIV31SpecValidator(document()).validate()


def test_it_is_shown_without_a_key(app):
    response = app.get("/api/v1/openapi.json")

    assert response.content_type == "application/json"
    assert response.json == json.loads(json.dumps(document()))


def test_it_has_every_call():
    described = {(method, path) for path, methods in document()["paths"].items() for method in methods}

    assert described == {(call.method.lower(), call.path) for call in CALLS}


def test_every_call_says_which_key_it_needs_and_what_goes_wrong():
    for methods in document()["paths"].values():
        for operation in methods.values():
            assert {"401", "429", "500", "503"} <= set(operation["responses"])
            assert operation["summary"]


def test_a_parameter_is_not_null():
    operation = document()["paths"]["/subscriptions"]["get"]
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}

    assert parameters["service_plan"]["schema"] == {"type": "string", "minLength": 1, "maxLength": 100}
    assert parameters["limit"]["schema"]["maximum"] == 500


def test_ids_of_upgrades_are_text_in_answers_and_may_be_numbers_in_requests():
    schemas = document()["components"]["schemas"]

    assert schemas["Upgrade"]["properties"]["id"]["type"] == "string"
    assert {"integer", "string"} == {
        choice["type"]
        for choice in schemas["UpgradeSelection"]["properties"]["batch_id"]["anyOf"][0]["anyOf"]
    }


def test_statuses_are_listed():
    statuses = document()["components"]["schemas"]["UpgradeStatus"]["enum"]

    assert statuses == [status.value for status in UpgradeStatus]


def test_queries_are_parameters_and_no_schemas():
    assert not [name for name in document()["components"]["schemas"] if name.endswith("Query")]
