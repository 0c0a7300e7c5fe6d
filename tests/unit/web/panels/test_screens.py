"""For every address of the panels: what each kind of person gets when it belongs to a reseller."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.db import Base
from gateway.models import PlanKind, UpgradeStatus
from gateway.web.panels.screens import SCREENS
from gateway.web.registry import POOL_DESK
from tests.factories import NOW
from tests.pools import StandInPool
from tests.unit.web.panels.helpers import Browser
from tests.unit.web.test_tenancy import missing_ids

PEOPLE = ("anyone", "sibling", "read_only", "owner", "provider", "administrator")
"""Sibling and owner administer their accounts; the last two are an operator and an administrator above."""

PUBLIC = (200, 303, 303, 303, 303, 303)
LEAVE = (303, 303, 303, 303, 303, 303)
OWN = (303, 200, 200, 200, 200, 200)
OWN_FORM = (303, 422, 422, 422, 422, 422)

PROVIDER = (303, 404, 404, 404, 200, 200)
PROVIDER_MOVES = (303, 404, 404, 404, 303, 303)
PROVIDER_MANAGES = (303, 404, 404, 404, 403, 200)
PROVIDER_MANAGES_FORM = (303, 404, 404, 404, 403, 422)
PROVIDER_MANAGES_MOVES = (303, 404, 404, 404, 403, 303)
RESELLER = (303, 200, 200, 200, 404, 404)
RESELLER_MOVES = (303, 303, 303, 303, 404, 404)
RESELLER_MANAGES = (303, 200, 403, 200, 404, 404)
RESELLER_MANAGES_FORM = (303, 422, 403, 422, 404, 404)
READ = (303, 404, 200, 200, 404, 404)
CHANGE = (303, 404, 403, 303, 404, 404)
CHANGE_FORM = (303, 404, 403, 422, 404, 404)
STALE = (303, 404, 403, 409, 404, 404)
"""A form that was not opened before: whoever may save is told that the thing has changed."""
PROVIDER_MANAGES_STALE = (303, 404, 404, 404, 403, 409)
REFRESH = (303, 404, 303, 303, 404, 404)
STEP = (303, 404, 403, 200, 404, 404)

SESSION = {
    "GET session.sign_in": PUBLIC,
    "POST session.sign_in": (422, 422, 422, 422, 422, 422),
    "POST session.sign_out": LEAVE,
    "POST session.sign_out_everywhere": LEAVE,
    "GET session.account": OWN,
    "POST session.password": OWN_FORM,
    "POST session.preferences": LEAVE,
}
ONLY_PROVIDER = dict.fromkeys(
    (
        "GET provider.services",
        "GET provider.applications",
        "GET provider.aps_connectors",
        "GET provider.package",
        "GET provider.instances",
        "GET provider.instance",
    ),
    PROVIDER,
)
SHARED = {
    "GET plan": READ,
    "GET plan_live": READ,
    "GET plan_csv": READ,
    "POST plan_cancel": CHANGE,
    "POST plan_refresh": REFRESH,
    "GET target": STEP,
    "GET preview": STEP,
    "POST finish": CHANGE,
    "GET batch": READ,
    "GET batch_live": READ,
    "GET batch_csv": READ,
    "POST batch_cancel": CHANGE,
    "POST batch_refresh": REFRESH,
    "GET batch_retry": STEP,
    "POST batch_again": CHANGE,
    "GET upgrade": READ,
    "POST upgrade_move": CHANGE,
}
ONLY_PROVIDER |= {
    "POST provider.instance_test": PROVIDER,
    "GET provider.templates": PROVIDER,
    "GET provider.template": PROVIDER,
    "POST provider.template": PROVIDER_MANAGES_STALE,
    "GET provider.template_new": PROVIDER_MANAGES,
    "POST provider.template_new": PROVIDER_MANAGES_FORM,
    "GET provider.plan_new": PROVIDER_MANAGES,
    "POST provider.plan_new": PROVIDER_MANAGES_FORM,
}
LISTS = ("GET audit", "GET audit_csv", "GET users", "GET api_keys", "GET resellers", "GET customers")
ONLY_PROVIDER |= {
    "GET provider.pool": PROVIDER,
    "POST provider.pool_recycle": PROVIDER_MANAGES_MOVES,
    "GET provider.pool_stop": PROVIDER_MANAGES,
    "POST provider.pool_stop": PROVIDER_MANAGES_MOVES,
    "POST provider.pool_start": PROVIDER_MANAGES_MOVES,
    "GET provider.pool_settings": PROVIDER_MANAGES,
    "POST provider.pool_settings": PROVIDER_MANAGES_STALE,
    "POST provider.pool_settings_preview": PROVIDER_MANAGES_STALE,
    "POST provider.pool_settings_check": PROVIDER_MANAGES,
}
FORMS = ("user_new", "api_key_new")
"""Of the account itself; the provider's are for all accounts."""
MANAGING = {
    "GET user": READ,
    "POST user_role": CHANGE_FORM,
    "POST user_password": CHANGE_FORM,
    "POST user_disable": CHANGE,
    "POST user_enable": CHANGE,
    "POST user_sign_out": CHANGE,
    "GET api_key_revoke": STEP,
    "POST api_key_revoke": CHANGE,
    "GET plan_general": READ,
    "POST plan_general": STALE,
    "GET plan_prices": READ,
    "POST plan_prices": STALE,
    "GET plan_delegation": READ,
    "POST plan_delegation": CHANGE_FORM,
    "POST reseller_new": CHANGE,
    "GET reseller": READ,
    "POST reseller": STALE,
    "GET reseller_customers": READ,
    "GET reseller_plans": READ,
    "GET reseller_subscriptions": READ,
    "GET subscribe": STEP,
    "POST subscribe": CHANGE_FORM,
    "POST customer_new": CHANGE,
    "GET customer": READ,
    "POST customer": STALE,
}
"""A user, a key and a plan of the reseller, and the accounts below it."""
AS_PROVIDER = {
    READ: PROVIDER,
    STEP: PROVIDER_MANAGES,
    CHANGE: PROVIDER_MANAGES_MOVES,
    CHANGE_FORM: PROVIDER_MANAGES_FORM,
    STALE: PROVIDER_MANAGES_STALE,
}


def _access():
    for key in LISTS:
        yield key.replace(" ", " reseller."), RESELLER
        yield key.replace(" ", " provider."), PROVIDER
    for form in FORMS:
        yield f"GET reseller.{form}", RESELLER_MANAGES
        yield f"POST reseller.{form}", RESELLER_MANAGES_FORM
        yield f"GET provider.{form}", PROVIDER_MANAGES
        yield f"POST provider.{form}", PROVIDER_MANAGES_FORM
    for form in ("reseller_new", "customer_new"):
        yield f"GET reseller.{form}", RESELLER_MANAGES
        yield f"GET provider.{form}", PROVIDER_MANAGES
    for key, statuses in MANAGING.items():
        yield key.replace(" ", " reseller."), statuses
        yield key.replace(" ", " provider."), AS_PROVIDER[statuses]


RESELLERS = {f"{key.replace(' ', ' reseller.')}": statuses for key, statuses in SHARED.items()} | {
    "GET reseller.home": RESELLER_MOVES,
    "GET reseller.customer_cp": RESELLER,
    "GET reseller.office365": RESELLER,
    "GET reseller.plans": RESELLER,
    "GET reseller.batches": RESELLER,
}
PROVIDERS = {
    f"{key.replace(' ', ' provider.')}": PROVIDER_MOVES if key.startswith("POST") else PROVIDER
    for key in SHARED
} | {
    "GET provider.home": PROVIDER_MOVES,
    "GET provider.plans": PROVIDER,
    "GET provider.batches": PROVIDER,
}
TABLE = SESSION | ONLY_PROVIDER | RESELLERS | PROVIDERS | dict(_access())
BY_KEY = {f"{screen.method} {screen.route}": screen for screen in SCREENS}


def test_the_table_has_every_screen():
    assert set(TABLE) == set(BY_KEY)


def test_only_the_way_in_needs_no_session():
    open_to_all = {key for key, screen in BY_KEY.items() if screen.permission is None}

    assert open_to_all == set(SESSION) - {"GET session.account", "POST session.password"}


@pytest.mark.parametrize("key", TABLE)
def test_each_person_gets_what_it_may(router, people, names, key):
    screen = BY_KEY[key]
    url = screen.path.format(**names)

    found = [_ask(Browser(router, people.get(who)), screen.method, url, names) for who in PEOPLE]

    assert tuple(response.status_int for response in found) == TABLE[key]


@pytest.mark.parametrize("who", ["sibling", "sub_reseller"])
def test_what_is_foreign_is_answered_as_what_does_not_exist(router, world, people, names, who):
    """With ids in the address, and with ids in the form or the query of an address that is one's own."""
    browser = Browser(router, people[who])
    mine = {"instance_id": "office365", "own": world.plans[who.replace("_", "-")].id}
    foreign = names | mine
    nothing = missing_ids(names) | mine

    told = {}
    for key, screen in BY_KEY.items():
        for path in (screen.path, screen.path.replace("{plan_id}", "{own}")):
            if "{" in path:
                answers = [_told(browser, screen.method, path, ids) for ids in (foreign, nothing)]
                if answers[0] != answers[1]:
                    told[key, path] = answers

    assert told == {}


def test_what_is_foreign_is_left_as_it_is(router, database, people, names):
    browser = Browser(router, people["sibling"])
    before = _rows(database)

    for screen in SCREENS:
        if screen.method == "POST" and "{" in screen.path:
            _ask(browser, "POST", screen.path.format(**names), names)

    assert _rows(database) == before


def test_no_form_is_taken_with_the_token_of_another_session(router, database, people, names):
    owner, token = Browser(router, people["owner"]), Browser(router, people["sibling"]).token()
    before = _rows(database)

    posted = {key: screen.path.format(**names) for key, screen in BY_KEY.items() if screen.method == "POST"}
    found = {
        key: owner.app.post(url, {"csrf": token, "s": names["subscription"]}, expect_errors=True).status_int
        for key, url in posted.items()
    }

    assert found == {key: 404 if key.startswith("POST provider.") else 403 for key in posted}
    assert _rows(database) == before


def _told(browser, method, path, ids):
    """What an answer tells, with the ids that were asked for under one name."""
    response = _ask(browser, method, path.format(**ids), ids)
    told = response.html.main.get_text() if response.content_type == "text/html" else response.text
    message = browser.take_message()
    whole = (
        f"{response.status_int} {response.headers.get('Location')} {message} {told.split('The log knows')[0]}"
    )
    for name, value in ids.items():
        if "-" in value:  # Numbers and the reseller's own id, a plain word, stand in every page.
            whole = whole.replace(value, name)
    return whole


def _rows(database):
    """Everything that is kept, but for sessions and the log of what was done."""
    tables = [
        each for each in Base.metadata.sorted_tables if each.name not in ("audit_entry", "user_session")
    ]
    with database.read() as db:
        return {table.name: sorted(map(repr, db.execute(select(table)))) for table in tables}


def _ask(browser, method, url, names):
    chosen = [("s", names["subscription"]), ("target", names["target"]), ("u", names["upgrade_id"])]
    if method == "GET":
        return browser.get(url, chosen if "upgrade-subscriptions" in url or "again" in url else None)
    written = {"name": "Somebody", "parent": names["owner"], "kind": "standard", "subdomain": "somebody"}
    written |= {"service_template": names["template_id"], "service_plan": names["management"]}
    return browser.post(url, [*chosen, *written.items()])


@pytest.fixture(autouse=True)
def pool(router, tmp_path):
    router.registry[POOL_DESK] = StandInPool(tmp_path, NOW).desk


@pytest.fixture
def names(db, factories, world):
    """What belongs to the reseller; `subscription` has no upgrade yet."""
    plan, target = world.plans["reseller"], world.targets["reseller"]
    batch = factories.batch(target)
    upgrade = factories.upgrade(world.subscriptions["reseller"], target, batch, status=UpgradeStatus.PENDING)
    other = factories.subscription(plan)
    user, (key, _) = factories.user(world.reseller), factories.api_key(world.reseller)
    management = factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT, vendor=world.reseller)
    db.commit()
    return {
        "instance_id": "office365",
        "plan_id": plan.id,
        "target": target.id,
        "subscription": other.id,
        "batch_id": str(batch.id),
        "upgrade_id": str(upgrade.id),
        "user_id": str(user.id),
        "prefix": key.prefix,
        "template_id": world.template.id,
        "owner": world.reseller.id,
        "reseller_id": world.sub_reseller.id,
        "customer_id": other.account_id,
        "management": management.id,
    }
