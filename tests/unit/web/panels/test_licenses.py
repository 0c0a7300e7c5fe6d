"""The users' licenses on the page of an upgrade, and what is said of them before."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.models import (
    AuditEntry,
    LicenseCheck,
    LicenseMove,
    MoveResult,
    UpgradeStatus,
    UserLicense,
    UserLicenseState,
)
from gateway.settings import InstanceSettings
from gateway.web.registry import SETTINGS
from tests.factories import NOW
from tests.unit.web.panels.helpers import location_of


def test_those_left_behind_come_first_with_what_they_hold(provider, upgrade):
    page = provider.get(url_of(upgrade))

    rows = [[cell.get_text(" ", strip=True) for cell in row.select("th, td")] for row in rows_of(page)]
    assert rows == [
        ["ada@customer.example", "Has it", "Has it not", "Left behind", ""],
        ["bo@customer.example", "Has it not", "Has it", "Moved", ""],
    ]
    assert "2 users had the old license" in page


def test_the_button_asks_for_exactly_those_once(db, provider, upgrade, background):
    form = form_of(provider.get(url_of(upgrade)))

    first, second = form.submit(), form.submit()

    assert location_of(first) == location_of(second) == url_of(upgrade)
    assert "Moving the licenses of 1 user" in provider.get(url_of(upgrade))
    states = {each.user_principal_name: each.state for each in db.scalars(select(UserLicense))}
    assert states == {
        "ada@customer.example": UserLicenseState.MOVING,
        "bo@customer.example": UserLicenseState.MOVED,
    }
    [move] = db.scalars(select(LicenseMove))
    assert (move.upgrade_id, background.wakes) == (upgrade.id, 2)
    [entry] = db.scalars(select(AuditEntry).where(AuditEntry.action == "licenses_moved"))
    assert entry.subject == f"upgrade {upgrade.id}"


def test_while_it_is_under_way_it_says_so_and_offers_no_button(db, factories, provider, upgrade):
    db.add(LicenseMove(upgrade_id=upgrade.id, requested_by="anna", requested_at=NOW, due_at=NOW))
    factories.user_license(upgrade, state=UserLicenseState.MOVING)
    db.commit()

    page = provider.get(url_of(upgrade))

    assert "1 still to be moved, asked for by anna" in page
    assert form_of(page) is None


def test_what_came_of_each_user_is_told(factories, db, provider, upgrade):
    factories.user_license(upgrade, result=MoveResult.NO_SEATS, detail="60012: Out of licences")
    db.commit()

    page = provider.get(url_of(upgrade))

    assert "no license is free" in page
    assert "60012: Out of licences" in page


def test_nothing_is_moved_where_a_newer_upgrade_came(factories, db, provider, upgrade):
    factories.upgrade(upgrade.subscription, upgrade.target_plan)
    db.commit()

    form_of(provider.get(url_of(upgrade))).submit()

    assert "No license is moved" in provider.get(url_of(upgrade))
    assert db.scalars(select(LicenseMove)).all() == []


@pytest.mark.parametrize("status", [UpgradeStatus.COMPLETED, UpgradeStatus.FAILED])
def test_there_is_no_button_for_other_states(db, provider, upgrade, status):
    upgrade.status = status
    db.commit()

    assert form_of(provider.get(url_of(upgrade))) is None


@pytest.mark.parametrize(
    ("check", "words"),
    [(LicenseCheck.COUNTS, "only the numbers"), (LicenseCheck.FAILED, "could not be read"), (None, "")],
)
def test_why_nobody_is_listed_is_said(db, factories, provider, upgrade, check, words):
    other = factories.upgrade(status=UpgradeStatus.COMPLETED, license_check=check)
    db.commit()

    page = provider.get(url_of(other))

    assert bool(page.html.select_one("#licenses")) is bool(words)
    assert words in page


class TestAGatewayWithoutAUser:
    def test_it_says_so_before_anything_is_scheduled(self, app_only, provider, world):
        plan, target = world.plans["reseller"], world.targets["reseller"]
        plans = f"{PLANS.format(plan.service_template.application_instance_id)}/{plan.id}"

        page = provider.get(f"{plans}/upgrade-subscriptions/preview", {"all": "1", "target": target.id})

        assert "app-only" in page
        assert "refreshToken" in page

    def test_it_says_so_on_the_page_of_an_upgrade(self, app_only, factories, db, provider):
        upgrade = factories.upgrade(status=UpgradeStatus.COMPLETED)
        db.commit()

        assert "app-only" in provider.get(url_of(upgrade)).html.select_one("#licenses").get_text()

    @pytest.fixture
    def app_only(self, router, world):
        name = world.plans["reseller"].service_template.application_instance.name
        registry = router.registry
        instance = InstanceSettings(
            name=name, tenant_id="partner.example", client_id="app", client_secret="hidden"
        )
        registry[SETTINGS] = registry[SETTINGS].model_copy(update={"application_instances": (instance,)})


PLANS = "/provider/services/applications/aps-connectors/office-365/instances/{}/service-plans"


@pytest.fixture
def upgrade(db, factories, world):
    """One of the reseller that left Ada behind."""
    upgrade = factories.upgrade(
        world.subscriptions["reseller"],
        world.targets["reseller"],
        status=UpgradeStatus.COMPLETED_WITH_WARNINGS,
        license_check=LicenseCheck.PEOPLE,
        reason_code="licenses_not_moved",
        reason="1 of 2 users does not have the new license",
    )
    factories.user_license(
        upgrade,
        user_principal_name="bo@customer.example",
        state=UserLicenseState.MOVED,
        holds_old=False,
        holds_new=True,
    )
    factories.user_license(upgrade, user_principal_name="ada@customer.example")
    db.commit()
    return upgrade


def url_of(upgrade):
    return f"/provider/upgrades/{upgrade.id}"


def rows_of(page):
    return page.html.select("#licenses tbody tr")


def form_of(page):
    forms = (form for form in page.forms.values() if form.action.endswith("/move-licenses"))
    return next(forms, None)
