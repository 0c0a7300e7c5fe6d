"""For every call: what each kind of caller gets when it asks about something of a reseller."""

from __future__ import annotations

import pytest

from gateway.models import Role, UpgradeStatus
from gateway.web.api.table import CALLS
from tests.factories import NOW
from tests.unit.web.helpers import API

CALLERS = ("provider", "owner", "sibling", "sub_reseller", "read_only", "no_key", "revoked_key")

READ = (200, 200, 404, 404, 200, 401, 401)
"""One thing: the owner, those above it and its read-only keys see it; for others it does not exist."""
LIST = (200, 200, 200, 200, 200, 401, 401)
"""Everybody may list; what is in the list is tested below."""

TABLE = {
    "listApplicationInstances": ("/application-instances", None, LIST),
    "listServicePlans": ("/service-plans", None, LIST),
    "getServicePlan": ("/service-plans/{plan}", None, READ),
    "listUpgradeTargets": ("/service-plans/{plan}/upgrade-targets", None, READ),
    "listSubscriptions": ("/subscriptions", None, LIST),
    "getSubscription": ("/subscriptions/{subscription}", None, READ),
    "importCatalog": ("/catalog", {}, (200, 403, 403, 403, 403, 401, 401)),
    "createUpgradeBatch": (
        "/upgrade-batches",
        {"subscription_ids": ["{other}"], "target_service_plan_id": "{target}"},
        (202, 202, 404, 404, 403, 401, 401),
    ),
    "listUpgradeBatches": ("/upgrade-batches", None, LIST),
    "getUpgradeBatch": ("/upgrade-batches/{batch}", None, READ),
    "listUpgrades": ("/upgrades", None, LIST),
    "cancelUpgrades": ("/upgrades/cancel", {"batch_id": "{batch}"}, (200, 200, 404, 404, 403, 401, 401)),
    "refreshUpgrades": ("/upgrades/refresh", {"upgrade_ids": ["{upgrade}"]}, READ),
    "getUpgrade": ("/upgrades/{upgrade}", None, READ),
    "listUserLicenses": ("/upgrades/{upgrade}/user-licenses", None, READ),
    "moveLicenses": ("/upgrades/{left_behind}/move-licenses", None, (202, 202, 404, 404, 403, 401, 401)),
}
"""The call's path and body, and the status for each of the callers."""

LISTS = {
    "listServicePlans": "plan",
    "listSubscriptions": "subscription",
    "listUpgradeBatches": "batch",
    "listUpgrades": "upgrade",
}


def test_the_table_has_every_call():
    assert set(TABLE) == {call.name for call in CALLS}


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("index", range(len(CALLERS)), ids=CALLERS)
def test_each_caller_gets_what_it_may(app, keys, names, name, index):
    path, body, statuses = TABLE[name]
    method = next(call.method for call in CALLS if call.name == name)

    response = API(app, keys[CALLERS[index]]).call(method, path.format(**names), filled(body, names))

    assert response.status_int == statuses[index]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("caller", "sees_it"),
    [("provider", True), ("owner", True), ("read_only", True), ("sibling", False), ("sub_reseller", False)],
)
def test_lists_hold_what_the_caller_sees(app, keys, names, name, caller, sees_it):
    path, _, _ = TABLE[name]

    items = API(app, keys[caller]).get(path).json["items"]

    assert (names[LISTS[name]] in [item["id"] for item in items]) is sees_it


@pytest.mark.parametrize("caller", ["sibling", "sub_reseller"])
def test_what_is_foreign_is_answered_as_what_does_not_exist(app, keys, names, caller):
    api = API(app, keys[caller])
    nothing = missing_ids(names)

    answers = {
        name: [told(api, name, path, body, ids) for ids in (names, nothing)]
        for name, (path, body, _) in TABLE.items()
    }

    assert {name: pair for name, pair in answers.items() if pair[0] != pair[1]} == {}


def test_a_reseller_without_customer_management_may_not_upgrade(app, db, factories, world):
    beginner = factories.reseller()
    plan = factories.service_plan([world.license], vendor=beginner)
    target = factories.service_plan([world.better_license], vendor=beginner)
    subscription = factories.subscription(plan)
    _, key = factories.api_key(beginner)
    db.commit()

    response = API(app, key).post("/upgrade-batches", world.request(subscription, target=target))

    assert response.status_int == 403
    assert response.json["code"] == "customer_management_required"


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


def missing_ids(names):
    """Ids that look as those do and that nothing has."""
    return {
        name: str(999_990 + number) if value.isdecimal() else f"no-such-{name}"
        for number, (name, value) in enumerate(names.items())
    }


def told(api, name, path, body, ids):
    """What an answer tells, with the ids that were asked for under one name."""
    method = next(call.method for call in CALLS if call.name == name)
    response = api.call(method, path.format(**ids), filled(body, ids))
    whole = (
        f"{response.status_int} { {key: value for key, value in response.json.items() if key != 'instance'} }"
    )
    for key, value in ids.items():
        word = "number" if value.isdecimal() else key
        whole = whole.replace(f"'{value}'", word).replace(f" {value} ", f" {word} ")
    return whole


def filled(body, names):
    if isinstance(body, dict):
        return {key: filled(value, names) for key, value in body.items()}
    if isinstance(body, list):
        return [filled(value, names) for value in body]
    return body.format(**names) if isinstance(body, str) else body


@pytest.fixture
def names(db, factories, world):
    """Ids of what belongs to the reseller."""
    plan, target = world.plans["reseller"], world.targets["reseller"]
    batch = factories.batch(target)
    upgrade = factories.upgrade(world.subscriptions["reseller"], target, batch, status=UpgradeStatus.PENDING)
    other = factories.subscription(plan)
    left_behind = factories.upgrade(
        factories.subscription(plan), target, batch, status=UpgradeStatus.COMPLETED_WITH_WARNINGS
    )
    factories.user_license(left_behind)
    db.commit()
    return {
        "plan": plan.id,
        "target": target.id,
        "subscription": world.subscriptions["reseller"].id,
        "other": other.id,
        "batch": str(batch.id),
        "upgrade": str(upgrade.id),
        "left_behind": str(left_behind.id),
    }


@pytest.fixture
def keys(db, factories, world):
    keys = {
        "provider": world.provider_key,
        "owner": world.reseller_key,
        "sibling": factories.api_key(world.sibling)[1],
        "sub_reseller": factories.api_key(world.sub_reseller)[1],
        "read_only": factories.api_key(world.reseller, Role.READ_ONLY)[1],
        "no_key": None,
        "revoked_key": factories.api_key(world.reseller, revoked_at=NOW)[1],
    }
    db.commit()
    return keys
