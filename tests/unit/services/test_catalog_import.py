from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text

from gateway.models import (
    Account,
    AccountType,
    PlanKind,
    ResourceKind,
    ServicePlan,
    Subscription,
    SubscriptionResource,
    SubscriptionStatus,
    Upgrade,
    UpgradeBatch,
    UpgradeStatus,
)
from gateway.services.catalog import CatalogError, Counts, import_catalog
from tests.factories import NOW
from tests.unit.services.catalogs import account, plan, put, small_catalog, subscription, tenant

LATER = NOW + timedelta(hours=1)


class TestTheFirstImport:
    def test_everything_is_created_and_counted(self, load):
        summary = load(small_catalog())

        assert summary.as_dict() == {
            "application_instances": created(1),
            "accounts": created(5),
            "service_templates": created(1),
            "service_plans": created(3),
            "subscriptions": created(3),
        }
        assert not summary.changed_nothing

    def test_accounts_form_the_tree(self, db, load):
        load(small_catalog())

        dentist = db.get_one(Account, "dentist")
        assert dentist.type is AccountType.CUSTOMER
        assert (dentist.parent.id, dentist.parent.parent.id) == ("reseller", "provider")
        assert dentist.microsoft_tenant_id == tenant(2)
        assert (dentist.domain, dentist.email) == (
            "dentist.onmicrosoft.com",
            "admin@dentist.onmicrosoft.com",
        )
        assert dentist.created_at == dentist.updated_at == NOW

    def test_accounts_may_come_before_those_above_them(self, db, load):
        document = small_catalog()
        document["accounts"].reverse()

        load(document)

        assert db.get_one(Account, "sub-reseller").parent_id == "reseller"

    def test_plans_may_come_before_those_they_are_copies_of(self, db, load):
        document = small_catalog()
        document["service_plans"].insert(
            0, plan("basic-sub", "sub-reseller", delegated_from="basic-reseller")
        )
        document["service_plans"].reverse()

        load(document)

        assert db.get_one(ServicePlan, "basic-sub").delegated_from_id == "basic-reseller"

    def test_plans_have_resources_and_exact_prices(self, db, load):
        load(small_catalog())

        basic = db.get_one(ServicePlan, "basic")
        assert basic.kind is PlanKind.STANDARD
        assert [(r.resource_type.key, r.limit) for r in basic.resources] == [("user", -1), ("basic", 1)]
        assert [p.recurring_fee for p in basic.subscription_periods] == [Decimal("6.00")]
        assert [rate.recurring_fee for rate in basic.resource_rates] == [Decimal("6.0125")]
        assert basic.licenses[0].resource_type.offer_id == "CFQ7TTC0LH18:0001"

    def test_subscriptions_lie_in_the_branch_of_the_vendor(self, db, load):
        load(small_catalog())

        branches = {
            row.id: row.branch_id for row in db.execute(select(Subscription.id, Subscription.branch_id))
        }
        assert branches == {"1": "provider", "2": "reseller", "3": "reseller"}

    def test_subscriptions_have_resources(self, db, load):
        load(small_catalog())

        first = db.get_one(Subscription, "1")
        assert first.status is SubscriptionStatus.ACTIVE
        assert first.microsoft_subscription_id == "ms-1"
        assert [(r.resource_type.key, r.limit, r.usage) for r in first.resources] == [
            ("user", -1, 7),
            ("basic", 10, 7),
        ]

    def test_the_subdomain_form_is_kept(self, db, load):
        load(small_catalog())

        assert db.get_one(Subscription, "3").subdomain == "reseller-mgmt"

    def test_a_tenant_is_kept_in_lower_case(self, db, load):
        document = small_catalog()
        put(document, "accounts.3.microsoft_tenant_id", tenant(1).upper())

        load(document)

        assert db.get_one(Account, "bakery").microsoft_tenant_id == tenant(1)

    def test_progress_is_told_up_to_the_end(self, db):
        told = []

        import_catalog(db, small_catalog(), now=NOW, progress=lambda *args: told.append(args))

        assert ("checking subscriptions", 3, 3) in told
        assert ("writing accounts", 5, 5) in told
        assert told[-1] == ("writing subscriptions", 3, 3)

    def test_an_empty_catalog_is_one(self, load):
        assert load({}).changed_nothing


class TestTheSameAgain:
    def test_nothing_changes_and_the_summary_says_so(self, db, load):
        load(small_catalog())

        summary = load(small_catalog(), now=LATER)

        assert summary.changed_nothing
        assert summary.subscriptions == Counts(unchanged=3)
        assert db.get_one(Subscription, "1").updated_at == NOW

    def test_only_what_differs_is_updated(self, db, load):
        load(small_catalog())
        document = small_catalog()
        put(document, "accounts.3.name", "Bakery & Sons")
        put(document, "subscriptions.1.status", "suspended")

        summary = load(document, now=LATER)

        assert summary.accounts == Counts(updated=1, unchanged=4)
        assert summary.subscriptions == Counts(updated=1, unchanged=2)
        bakery = db.get_one(Account, "bakery")
        assert (bakery.name, bakery.created_at, bakery.updated_at) == ("Bakery & Sons", NOW, LATER)
        assert db.get_one(Subscription, "2").status is SubscriptionStatus.SUSPENDED

    def test_objects_of_the_session_show_the_new_values(self, db, load):
        load(small_catalog())
        bakery = db.get_one(Account, "bakery")
        document = small_catalog()
        put(document, "accounts.3.name", "Bakery & Sons")

        load(document)

        assert bakery.name == "Bakery & Sons"

    def test_resources_that_are_not_named_any_more_are_removed(self, db, load):
        load(small_catalog())
        document = small_catalog()
        del document["subscriptions"][0]["resources"][0]
        del document["service_plans"][0]["resources"][0]

        summary = load(document, now=LATER)

        assert (summary.subscriptions.updated, summary.service_plans.updated) == (1, 1)
        assert [r.resource_type.key for r in db.get_one(Subscription, "1").resources] == ["basic"]
        basic = db.get_one(ServicePlan, "basic")
        assert [r.resource_type.key for r in basic.resources] == ["basic"]
        assert basic.updated_at == LATER

    def test_prices_and_rates_are_replaced(self, db, load):
        load(small_catalog())
        document = small_catalog()
        put(document, "service_plans.0.subscription_periods.0.months", 1)
        put(document, "service_plans.0.resource_rates", [])

        load(document)

        basic = db.get_one(ServicePlan, "basic")
        assert [p.months for p in basic.subscription_periods] == [1]
        assert basic.resource_rates == []

    def test_a_resource_type_keeps_its_row(self, db, load):
        load(small_catalog())
        document = small_catalog()
        put(document, "service_templates.0.resource_types.1.name", "Business Basic")
        put(document, "service_templates.0.resource_types.1.kind", "addon")
        del document["service_templates"][0]["resource_types"][2]

        summary = load(document)

        assert summary.service_templates == Counts(updated=1)
        types = db.get_one(ServicePlan, "basic").service_template.resource_types
        assert {t.key: (t.name, t.kind) for t in types} == {
            "user": ("User", ResourceKind.OTHER),
            "basic": ("Business Basic", ResourceKind.ADDON),
            "archiving": ("Archiving", ResourceKind.ADDON),
        }
        assert db.get_one(Subscription, "1").resources[1].resource_type.name == "Business Basic"

    def test_what_is_not_named_any_more_stays(self, db, load):
        load(small_catalog())

        load({"accounts": [account("provider", "provider")]})

        assert db.scalar(select(func.count()).select_from(Subscription)) == 3


class TestAPartialImport:
    def test_it_refers_to_what_the_database_has(self, db, load):
        load(small_catalog())

        summary = load({"subscriptions": [subscription("9", "dentist", "basic-reseller")]})

        assert summary.subscriptions == Counts(created=1)
        assert summary.accounts == Counts()
        assert db.get_one(Subscription, "9").branch_id == "reseller"

    def test_the_subscriptions_of_a_customer_follow_it_into_another_branch(self, db, load):
        load(small_catalog())

        load({"accounts": [account("dentist", "customer", parent="sub-reseller")]}, now=LATER)

        moved = db.get_one(Subscription, "2")
        assert (moved.branch_id, moved.updated_at) == ("sub-reseller", LATER)
        assert db.get_one(Subscription, "1").branch_id == "provider"

    def test_a_reseller_who_moves_keeps_its_own_subscriptions(self, db, load):
        load(small_catalog())
        document = small_catalog()
        document["accounts"].append(account("other", "reseller", parent="provider"))
        load(document)

        load({"accounts": [account("reseller", "reseller", parent="other")]})

        assert db.get_one(Subscription, "3").branch_id == "reseller"


class TestASubscriptionInAnUpgrade:
    @pytest.mark.parametrize("status", [UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS])
    def test_it_keeps_plan_and_resources_and_is_counted_as_skipped(self, db, load, status):
        load(changed := small_catalog())
        schedule(db, "1", status)
        changed["service_plans"].append(plan("standard"))
        put(changed, "subscriptions.0.service_plan", "standard")
        put(changed, "subscriptions.0.resources.1.limit", 99)
        put(changed, "subscriptions.0.microsoft_subscription_id", "another")

        summary = load(changed)

        assert summary.subscriptions == Counts(unchanged=2, skipped=1)
        first = db.get_one(Subscription, "1")
        assert first.service_plan_id == "basic"
        assert first.resources[1].limit == 10
        assert first.microsoft_subscription_id == "ms-1"

    def test_the_rest_of_it_is_updated(self, db, load):
        load(changed := small_catalog())
        schedule(db, "1", UpgradeStatus.PENDING)
        put(changed, "subscriptions.0.status", "suspended")
        put(changed, "subscriptions.0.resources.1.limit", 99)

        summary = load(changed)

        assert summary.subscriptions == Counts(updated=1, unchanged=2)
        first = db.get_one(Subscription, "1")
        assert first.status is SubscriptionStatus.SUSPENDED
        assert first.resources[1].limit == 10

    def test_one_that_is_over_leaves_the_last_word_to_the_catalog(self, db, load):
        load(changed := small_catalog())
        schedule(db, "1", UpgradeStatus.COMPLETED)
        put(changed, "subscriptions.0.resources.1.limit", 99)

        summary = load(changed)

        assert summary.subscriptions == Counts(updated=1, unchanged=2)
        assert db.get_one(Subscription, "1").resources[1].limit == 99

    def test_nothing_is_skipped_where_nothing_would_change(self, db, load):
        load(small_catalog())
        schedule(db, "1", UpgradeStatus.PENDING)

        assert load(small_catalog()).changed_nothing


class TestAnError:
    def test_nothing_is_written(self, db):
        document = small_catalog()
        put(document, "subscriptions.2.account", "nobody")

        with pytest.raises(CatalogError):
            import_catalog(db, document, now=NOW)

        assert db.scalar(select(func.count()).select_from(Account)) == 0


def test_postgresql_goes_on_planning_as_before(postgresql_database):
    with postgresql_database.write() as db:
        import_catalog(db, small_catalog(), now=NOW)

        assert db.scalar(text("SHOW plan_cache_mode")) == "force_custom_plan"


def test_many_entries_are_written_in_chunks(db, load, monkeypatch):
    document = small_catalog()
    document["subscriptions"] = [subscription(f"s{n:03}", "bakery", "basic") for n in range(50)]
    for module in ("reading", "writing", "subscription_writing"):
        monkeypatch.setattr(f"gateway.services.catalog.{module}.CHUNK", 7)
    monkeypatch.setattr("gateway.services.catalog.bulk.VALUES_AT_ONCE", 3)

    assert load(document).subscriptions == Counts(created=50)
    assert load(document).changed_nothing
    assert db.scalar(select(func.count()).select_from(SubscriptionResource)) == 100


@pytest.fixture
def load(db):
    def load(document, now=NOW):
        return import_catalog(db, document, now=now)

    return load


def created(count: int) -> dict[str, int]:
    return {"created": count, "updated": 0, "unchanged": 0, "skipped": 0}


def schedule(db, subscription_id, status):
    """Add an upgrade of a subscription to its own plan; the import does not look at the target."""
    subject = db.get_one(Subscription, subscription_id)
    batch = UpgradeBatch(account_id="provider", requested_by="tests", target_plan_id=subject.service_plan_id)
    db.add(
        Upgrade(
            batch=batch,
            subscription_id=subject.id,
            account_id=subject.account_id,
            microsoft_tenant_id=tenant(1),
            application_instance_id="office365",
            source_plan_id=subject.service_plan_id,
            target_plan_id=subject.service_plan_id,
            status=status,
        )
    )
    db.flush()
