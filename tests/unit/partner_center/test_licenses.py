"""Directory licences of people."""

import json

import pytest

from gateway.partner_center import License, LicenseWarning, RefusedError, UnavailableError
from tests.unit.partner_center.helpers import (
    CUSTOMER,
    REQUEST_ID,
    Server,
    client_answered,
    client_of,
    collection,
    fault,
    json_answer,
)

SKU = {"id": "3b555118", "name": "Microsoft 365 Business Basic", "skuPartNumber": "O365_BUSINESS_ESSENTIALS"}


def test_units_of_a_tenant_are_read():
    server = Server(
        collection(
            {"availableUnits": 3, "activeUnits": 15, "consumedUnits": 12, "totalUnits": 15, "productSku": SKU}
        )
    )

    [found] = client_of(server).list_subscribed_skus(CUSTOMER)

    assert server.call.url.path == f"/v1/customers/{CUSTOMER}/subscribedskus"
    assert (found.sku_id, found.part_number) == ("3b555118", "O365_BUSINESS_ESSENTIALS")
    assert (found.available_units, found.consumed_units, found.warning_units) == (3, 12, 0)


def test_users_are_read_page_by_page():
    link = {
        "uri": "/v1/customers/x/users?size=500",
        "headers": [{"key": "MS-ContinuationToken", "value": "t"}],
    }
    server = Server(
        collection({"id": "1", "userPrincipalName": "bo@fabrikam"}, links={"next": link}),
        collection({"id": "2"}),
    )

    found = list(client_of(server).list_users(CUSTOMER))

    assert [(user.id, user.user_principal_name) for user in found] == [("1", "bo@fabrikam"), ("2", "")]


def test_licences_of_a_user_are_read():
    server = Server(collection({"productSku": SKU}))

    found = client_of(server).list_licenses(CUSTOMER, "bo")

    assert found == [License("3b555118", "Microsoft 365 Business Basic", "O365_BUSINESS_ESSENTIALS")]
    assert server.call.url.path == f"/v1/customers/{CUSTOMER}/users/bo/licenses"


def test_licences_are_exchanged_in_one_step():
    answer = {
        "licensesToAssign": [],
        "licenseWarnings": [{"code": 5, "message": "Mind the plan", "servicePlans": [1]}],
    }
    server = Server(json_answer(answer, 201))

    warnings = client_of(server).update_licenses(CUSTOMER, "bo", ["new"], ["old"], REQUEST_ID)

    assert warnings == [LicenseWarning("5", "Mind the plan")]
    assert server.call.url.path == f"/v1/customers/{CUSTOMER}/users/bo/licenseupdates"
    assert server.call.headers["MS-RequestId"] == REQUEST_ID
    assert json.loads(server.call.content) == {
        "licensesToAssign": [{"skuId": "new", "excludedPlans": None}],
        "licensesToRemove": ["old"],
        "licenseWarnings": None,
    }


def test_no_licence_left_is_a_refusal():
    with pytest.raises(RefusedError) as caught:
        client_answered(fault(400, 60012)).update_licenses(CUSTOMER, "bo", ["new"], [], REQUEST_ID)
    assert caught.value.code == 60012


def test_an_empty_answer_may_have_been_a_success():
    with pytest.raises(UnavailableError) as caught:
        client_answered(json_answer({}, 201)).update_licenses(CUSTOMER, "bo", ["new"], [], REQUEST_ID)
    assert caught.value.may_have_been_done
