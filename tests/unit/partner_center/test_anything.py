"""Whatever a server answers, a call ends in a value or in an error of the client, and a secret stays one."""

import json

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.partner_center import (
    LegacyUpgrade,
    PartnerCenterError,
    SignInError,
    ThrottledError,
    TransitionRequest,
    UnavailableError,
)
from tests.unit.partner_center.helpers import CUSTOMER, REQUEST_ID, SUBSCRIPTION, Server, client_of

UPGRADE = LegacyUpgrade("offer", "Offer", "upgrade_only", True, 1, (), "{}")
READS = [
    lambda client: client.check_connection(),
    lambda client: client.get_customer(CUSTOMER),
    lambda client: list(client.list_customers()),
    lambda client: client.is_domain_available("a.example"),
    lambda client: client.list_subscriptions(CUSTOMER),
    lambda client: client.get_subscription(CUSTOMER, SUBSCRIPTION),
    lambda client: client.get_provisioning_status(CUSTOMER, SUBSCRIPTION),
    lambda client: client.list_transition_eligibilities(CUSTOMER, SUBSCRIPTION),
    lambda client: [
        (one.state, one.started_at, one.errors)
        for one in client.list_transitions(CUSTOMER, SUBSCRIPTION, "x")
    ],
    lambda client: [
        client.create_upgrade(CUSTOMER, SUBSCRIPTION, one, REQUEST_ID)
        for one in client.list_upgrades(CUSTOMER, SUBSCRIPTION)
    ],
    lambda client: client.get_upgrade_target_offers("a:b"),
    lambda client: client.get_upgrade_target_offers("a"),
    lambda client: client.list_subscribed_skus(CUSTOMER),
    lambda client: list(client.list_users(CUSTOMER)),
    lambda client: client.list_licenses(CUSTOMER, "user"),
]
WRITES = [
    lambda client: client.create_transition(
        CUSTOMER, SUBSCRIPTION, TransitionRequest("a:b:c", 1, "transition_only"), REQUEST_ID
    ),
    lambda client: client.create_upgrade(CUSTOMER, SUBSCRIPTION, UPGRADE, REQUEST_ID),
    lambda client: client.update_licenses(CUSTOMER, "user", ["a"], ["b"], REQUEST_ID),
]

NAMES = st.sampled_from(
    [
        "items",
        "transition",
        "totalCount",
        "links",
        "next",
        "uri",
        "headers",
        "key",
        "value",
        "continuationToken",
        "id",
        "offerId",
        "status",
        "quantity",
        "code",
        "description",
        "message",
        "error",
        "error_description",
        "error_codes",
        "errors",
        "events",
        "name",
        "timestamp",
        "operationId",
        "toCatalogItemId",
        "catalogItemId",
        "eligibilities",
        "isEligible",
        "transitionType",
        "targetOffer",
        "upgradeErrors",
        "licenseErrors",
        "productSku",
        "skuId",
        "dynamicAttributes",
        "upgradeTargetOffers",
        "companyProfile",
        "access_token",
        "expires_in",
        "refresh_token",
        "licenseWarnings",
        "billingProfile",
        "commitmentEndDate",
        "targetSubscriptionId",
        "productType",
        "Items",
        "ID",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.sampled_from(
        ["2026-01-01T00:00:00.1234567Z", "Completed", "/v1/x?a=b", "active", "7", "9" * 50, "\ud800"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)
BODIES = st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Retry-After": st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
        | st.sampled_from(["5", "Mon, 23 Nov 2026 10:00:30 GMT", "Fri, 31 Dec 9999 23:59:59 -1200", "1e5"]),
        "Date": st.sampled_from(["Mon, 23 Nov 2026 10:00:00 GMT", "now", "Sat, 01 Jan 0001 00:00:00 +1200"]),
        "Content-Type": st.sampled_from(["application/json", "text/html; charset=none", ""]),
        "Content-Encoding": st.sampled_from(["gzip", "identity", "unheard-of"]),
        "Location": st.sampled_from(["https://elsewhere.example", "http://[", "\x7f"]),
        "Set-Cookie": st.sampled_from(["a=b", "=", ";;;", "a=b; expires=never"]),
        "MS-RequestId": st.sampled_from(["a,a", "", ",", "x" * 500]),
    },
)
STATUSES = st.sampled_from(
    [200, 200, 200, 201, 202, 204, 206, 302, 400, 401, 403, 404, 408, 409, 429, 500, 503, 599]
)


@st.composite
def answers(draw):
    status, headers, body = draw(STATUSES), draw(HEADERS), draw(BODIES)

    def answer(request):
        return httpx2.Response(status, headers=headers, content=iter([body]))

    return answer


def error_of(call, server, **changes):
    """The error that a call ends in, if it does; any other exception fails the test."""
    try:
        call(client_of(server, **changes))
    except PartnerCenterError as error:
        return error
    return None


@pytest.mark.parametrize("call", READS + WRITES)
@given(answer=answers())
@settings(max_examples=40, deadline=None)
def test_a_call_ends_in_a_value_or_in_an_error_of_ours(call, answer):
    error = error_of(call, Server(answer))

    assert error is None or (str(error) + error.description).isprintable()


@pytest.mark.parametrize("call", WRITES)
@given(body=BODIES)
@settings(max_examples=40, deadline=None)
def test_a_write_that_succeeded_is_never_called_undone(call, body):
    error = error_of(call, Server(httpx2.Response(200, content=body)))

    assert error is None or (isinstance(error, UnavailableError) and error.may_have_been_done)


@given(answer=answers())
@settings(max_examples=300, deadline=None)
def test_a_sign_in_ends_in_a_token_or_in_an_error_of_ours(answer):
    server = Server(httpx2.Response(200, json={"id": CUSTOMER}))
    server.on_token = answer

    error = error_of(lambda client: client.get_customer(CUSTOMER), server, refresh_token="r")

    if isinstance(error, UnavailableError):
        assert not error.may_have_been_done
    else:
        assert error is None or isinstance(error, SignInError | ThrottledError)
