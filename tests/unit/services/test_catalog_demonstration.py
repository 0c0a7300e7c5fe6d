from collections import Counter

import pytest

from gateway.services.catalog import import_catalog
from gateway.services.catalog.demonstration import ARCHIVING, make_catalog
from gateway.services.catalog.demonstration_names import company_name
from tests.factories import NOW


@pytest.mark.parametrize("customers", [1, 60])
def test_it_can_be_imported(db, customers):
    summary = import_catalog(db, make_catalog(customers), now=NOW)

    assert summary.accounts.created == customers + 5
    assert import_catalog(db, make_catalog(customers), now=NOW).changed_nothing


def test_the_same_numbers_give_the_same_catalog():
    assert make_catalog(20, seed=3) == make_catalog(20, seed=3)


def test_another_seed_keeps_the_ids():
    one, other = make_catalog(200, seed=1), make_catalog(200, seed=2)

    assert one != other
    assert [a["id"] for a in one["accounts"]] == [a["id"] for a in other["accounts"]]


def test_more_customers_leave_the_first_ones_as_they_were():
    few, many = make_catalog(10), make_catalog(20)

    assert many["subscriptions"][: len(few["subscriptions"])] == few["subscriptions"]


def test_most_subscriptions_can_be_upgraded_and_each_obstacle_is_there():
    found = Counter(obstacle(entry) for entry in make_catalog(1000)["subscriptions"])

    assert found["none"] > 0.7 * found.total()
    assert set(found) == {
        "none",
        "add-on",
        "disabled",
        "expired",
        "legacy without a way up",
        "management",
        "no Microsoft subscription",
        "no license",
        "pending",
        "second license",
        "suspended",
        "top plan",
        "unlimited",
    }


def test_one_reseller_cannot_manage_customers():
    document = make_catalog(1)
    resellers = {a["id"] for a in document["accounts"] if a["type"] == "reseller"}
    managing = {s["account"] for s in document["subscriptions"] if s["service_plan"] == "customer-management"}

    assert len(resellers - managing) == 1


def test_thousands_of_companies_have_names_of_their_own():
    assert len({company_name(number) for number in range(5000)}) == 5000


def obstacle(entry):
    """Why a subscription cannot be upgraded, in a word."""
    licenses = {r["resource_type"]: r["limit"] for r in entry["resources"] if "license" in r["resource_type"]}
    plan = entry["service_plan"]
    reasons = {
        "management": plan == "customer-management",
        entry["status"]: entry["status"] != "active",
        "no Microsoft subscription": "microsoft_subscription_id" not in entry,
        "second license": len(licenses) > 1,
        "add-on": any(r["resource_type"] == ARCHIVING and r["limit"] > 0 for r in entry["resources"]),
        "no license": 0 in licenses.values(),
        "unlimited": -1 in licenses.values(),
        "top plan": plan.startswith(("o365-e5", "m365-business-premium")),
        "legacy without a way up": plan.startswith("o365-e3-legacy"),
    }
    return next((reason for reason, holds in reasons.items() if holds), "none")
