from __future__ import annotations

import pytest
from webtest import TestApp

from gateway.models import PlanKind, SubscriptionStatus, UpgradeStatus
from gateway.web import make_app
from tests.unit.web.helpers import API


class TestInstancesAndPlans:
    def test_instances_are_listed(self, provider):
        assert provider.get("/application-instances").json == {
            "items": [{"id": "office365", "name": "Office 365"}],
            "next": None,
        }

    def test_a_plan_is_shown_whole(self, provider, world):
        plan = world.plans["reseller"]

        assert provider.get(f"/service-plans/{plan.id}").json == {
            "id": plan.id,
            "name": plan.name,
            "kind": "standard",
            "application_instance_id": "office365",
            "service_template_id": world.template.id,
            "vendor_id": "reseller",
            "delegated_from_id": None,
            "resources": [
                {
                    "resource_type_id": world.license.key,
                    "kind": "license",
                    "name": world.license.name,
                    "offer_id": world.license.offer_id,
                    "limit": 1,
                }
            ],
            "subscription_periods": [
                {"months": 12, "setup_fee": "0.00", "recurring_fee": "6.00", "currency": "USD"}
            ],
            "resource_rates": [
                {"resource_type_id": world.license.key, "recurring_fee": "6.00", "currency": "USD"}
            ],
            "subscription_count": 1,
        }

    def test_plans_of_an_instance_are_listed(self, provider, world, db, factories):
        other = factories.service_template(factories.application_instance(id="other"))
        plan = factories.service_plan(service_template=other)
        db.commit()

        answer = provider.get("/service-plans", {"application_instance": "other"}).json

        assert [item["id"] for item in answer["items"]] == [plan.id]

    def test_a_management_plan_says_what_it_is(self, provider, world):
        assert provider.get("/service-plans/management").json["kind"] == PlanKind.CUSTOMER_MANAGEMENT.value


class TestUpgradeTargets:
    def test_plans_that_microsoft_offers_are_listed(self, provider, world):
        plan = world.plans[world.provider.id]

        [target] = provider.get(f"/service-plans/{plan.id}/upgrade-targets").json["items"]

        assert target["id"] == world.target.id
        assert target["available"] is True
        assert target["violations"] == []

    def test_the_others_are_told_with_the_reason(self, provider, world, clients):
        clients.upgrade_targets[world.better_license.offer_id] = []
        path = f"/service-plans/{world.target.id}/upgrade-targets"

        answer = provider.get(path).json

        assert answer["items"] == []
        others = answer["unavailable"]
        reasons = {item["id"]: [each["code"] for each in item["violations"]] for item in others}
        assert reasons["management"] == ["target_not_upgradable", "target_license_missing"]
        assert not any(item["available"] for item in others)

    def test_microsoft_is_asked_by_the_name_of_the_instance(self, provider, world, clients):
        provider.get(f"/service-plans/{world.target.id}/upgrade-targets")

        assert clients.asked == [("Office 365", world.better_license.offer_id)]


class TestSubscriptions:
    def test_one_is_shown_whole(self, provider, world):
        subscription = world.subscription

        answer = provider.get(f"/subscriptions/{subscription.id}").json

        assert answer["status"] == "active"
        assert answer["account_id"] == subscription.account_id
        assert answer["service_plan_id"] == subscription.service_plan_id
        assert answer["microsoft_subscription_id"] == subscription.microsoft_subscription_id
        assert [(each["limit"], each["usage"]) for each in answer["resources"]] == [(5, 4)]
        assert answer["upgrade"] is answer["upgrade_status"] is None

    def test_it_shows_its_newest_upgrade(self, provider, world, db, factories):
        factories.upgrade(world.subscription, world.target, status=UpgradeStatus.FAILED)
        newest = factories.upgrade(world.subscription, world.target)
        db.commit()

        answer = provider.get(f"/subscriptions/{world.subscription.id}").json

        assert answer["upgrade_status"] == "pending"
        assert answer["upgrade"]["id"] == str(newest.id)
        assert answer["upgrade"]["target_service_plan_id"] == world.target.id

    def test_they_are_filtered_by_plan_and_by_upgrade_status(self, provider, world, db, factories):
        plan = world.plans[world.provider.id]
        untouched = factories.subscription(plan, status=SubscriptionStatus.SUSPENDED)
        factories.upgrade(world.subscription, world.target)
        db.commit()

        def ids(**query):
            return [item["id"] for item in provider.get("/subscriptions", query).json["items"]]

        assert ids(service_plan=plan.id) == sorted([world.subscription.id, untouched.id])
        assert ids(service_plan=plan.id, upgrade_status="pending") == [world.subscription.id]
        assert ids(service_plan=plan.id, upgrade_status="none") == [untouched.id]
        assert ids(service_plan="no-such") == []

    def test_pages_hold_every_one_once(self, provider, world, db, factories):
        plan = world.plans[world.provider.id]
        ids = sorted([world.subscription.id, *(factories.subscription(plan).id for _ in range(4))])
        db.commit()

        found, cursor = [], None
        for _ in range(3):
            query = {"service_plan": plan.id, "limit": 2} | ({"cursor": cursor} if cursor else {})
            answer = provider.get("/subscriptions", query).json
            found += [item["id"] for item in answer["items"]]
            cursor = answer["next"]

        assert found == ids
        assert cursor is None

    @pytest.mark.parametrize("key", ["%00", "a%00b", "x" * 101, "%20"])
    def test_what_cannot_be_an_id_is_not_found(self, provider, key):
        assert provider.get(f"/subscriptions/{key}").status_int == 404


class TestImport:
    def test_a_catalog_is_imported_and_counted(self, provider, database):
        response = provider.post("/catalog", CATALOG)

        assert response.status_int == 200
        counts = response.json["application_instances"]
        assert counts == {"created": 1, "updated": 0, "unchanged": 0, "skipped": 0}
        instances = provider.get("/application-instances").json["items"]
        assert {"id": "second", "name": "Second"} in instances

    def test_the_simulator_gets_a_copy(self, provider, tmp_path):
        provider.post("/catalog", CATALOG)

        [copy] = (tmp_path / "simulator" / "catalog").iterdir()
        assert b"Second" in copy.read_bytes()

    def test_there_is_no_copy_without_a_simulated_instance(
        self, settings, database, world, background, clients, tmp_path
    ):
        app = make_app(
            settings.model_copy(update={"application_instances": ()}),
            database=database,
            var=tmp_path,
            background=background,
            clients=clients,
        )

        API(TestApp(app), world.provider_key).post("/catalog", CATALOG)

        assert not (tmp_path / "simulator").exists()

    def test_what_is_wrong_is_named_with_its_path(self, provider, tmp_path):
        response = provider.post("/catalog", {"subscriptions": [{"id": 5}]})

        assert response.status_int == 422
        assert response.json["code"] == "invalid_catalog"
        paths = [error["path"] for error in response.json["errors"]]
        assert "subscriptions[0].id" in paths
        assert not (tmp_path / "simulator").exists()


CATALOG = {"application_instances": [{"id": "second", "name": "Second"}]}
