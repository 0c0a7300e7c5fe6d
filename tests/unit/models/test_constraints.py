"""Promises that the database keeps, whatever a program does."""

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from gateway.models import (
    Account,
    AccountWord,
    ApplicationInstance,
    PlanResource,
    ResourceRate,
    ServicePlan,
    Subscription,
    SubscriptionPeriod,
    SubscriptionResource,
    Upgrade,
    UpgradeBatch,
    UpgradeStatus,
)

OVER = [UpgradeStatus.COMPLETED, UpgradeStatus.FAILED, UpgradeStatus.CANCELED]


@pytest.mark.parametrize("first", [UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS])
@pytest.mark.parametrize("second", [UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS])
def test_a_subscription_has_one_live_upgrade(factories, first, second):
    subscription = factories.subscription()
    factories.upgrade(subscription, status=first)

    with pytest.raises(IntegrityError):
        factories.upgrade(subscription, status=second, microsoft_tenant_id="another tenant")


@pytest.mark.parametrize("status", OVER)
def test_an_upgrade_that_is_over_makes_room(factories, status):
    subscription = factories.subscription()
    factories.upgrade(subscription, status=status)
    factories.upgrade(subscription, status=status)

    assert factories.upgrade(subscription).is_live


def test_a_tenant_has_one_upgrade_in_progress(factories):
    first = factories.subscription()
    second = factories.subscription(first.service_plan, account=first.account)
    factories.upgrade(first, status=UpgradeStatus.IN_PROGRESS)

    with pytest.raises(IntegrityError):
        factories.upgrade(second, status=UpgradeStatus.IN_PROGRESS)


def test_a_tenant_may_have_several_that_wait(factories):
    first = factories.subscription()
    second = factories.subscription(first.service_plan, account=first.account)
    factories.upgrade(first, status=UpgradeStatus.IN_PROGRESS)

    assert factories.upgrade(second).status is UpgradeStatus.PENDING


def test_logins_are_unique(factories):
    factories.user(login="anna")

    with pytest.raises(IntegrityError):
        factories.user(login="anna")


def test_names_of_application_instances_are_unique(factories):
    factories.application_instance(name="Office 365")

    with pytest.raises(IntegrityError):
        factories.application_instance(name="Office 365")


def test_a_template_has_each_resource_type_once(factories):
    template = factories.service_template()
    factories.resource_type(service_template=template, key="license")

    with pytest.raises(IntegrityError):
        factories.resource_type(service_template=template, key="license")


def test_prefixes_of_keys_are_unique(factories):
    factories.api_key(prefix="0123456789ab")

    with pytest.raises(IntegrityError):
        factories.api_key(prefix="0123456789ab")


@pytest.mark.parametrize(
    ("model", "column"),
    [
        (Account, "account_id"),
        (ApplicationInstance, "application_instance_id"),
        (ServicePlan, "source_plan_id"),
        (ServicePlan, "target_plan_id"),
    ],
)
class TestWhatAnUpgradeTellsOf:
    """Each is tried with a row to which nothing but an upgrade refers."""

    def test_it_is_not_deleted(self, db, told, model):
        with pytest.raises(IntegrityError):
            db.execute(delete(model).where(model.id == told))

    def test_it_keeps_its_id(self, db, told, model):
        with pytest.raises(IntegrityError):
            db.execute(update(model).where(model.id == told).values(id="another"))

    def test_others_may_go(self, db, factories, told, model):
        spare = _spare(db, factories, model)

        db.execute(delete(model).where(model.id == spare))

        assert db.get(model, spare) is None
        assert db.get(model, told) is not None

    def test_others_may_change(self, db, factories, told, model):
        spare = _spare(db, factories, model)

        db.execute(update(model).where(model.id == spare).values(id="another"))

        assert db.get(model, "another") is not None

    @pytest.fixture
    def told(self, db, factories, model, column):
        """The id of a row that the upgrade names and nothing else does."""
        upgrade = factories.upgrade()
        told = _spare(db, factories, model)
        db.execute(update(Upgrade).where(Upgrade.id == upgrade.id).values({column: told}))
        return told


class TestWhatBelongsTogether:
    @pytest.mark.parametrize("missing", [{"subscription_id": "nobody's"}, {"batch_id": 999_999}])
    def test_an_upgrade_names_what_is_there(self, db, factories, missing):
        upgrade = factories.upgrade(status=UpgradeStatus.FAILED)
        columns = {column.key: getattr(upgrade, column.key) for column in Upgrade.__table__.columns}
        another = columns | {"id": upgrade.id + 1}

        db.execute(insert(Upgrade).values(another))
        with pytest.raises(IntegrityError):
            db.execute(insert(Upgrade).values([another | {"id": upgrade.id + 2} | missing]))

    @pytest.mark.parametrize("model", [Subscription, UpgradeBatch, Upgrade])
    def test_what_is_named_stays(self, db, named, model):
        with pytest.raises(IntegrityError):
            db.execute(delete(model).where(model.id == named))

    @pytest.mark.parametrize("model", [Subscription, UpgradeBatch, Upgrade])
    def test_what_is_named_keeps_its_id(self, db, named, model):
        another = "another" if model is Subscription else 999_999
        with pytest.raises(IntegrityError):
            db.execute(update(model).where(model.id == named).values(id=another))

    @pytest.mark.parametrize("model", [Subscription, UpgradeBatch, Upgrade])
    def test_what_nobody_names_may_go(self, db, factories, named, model):
        if model is Upgrade:
            spare = factories.upgrade().id
        else:
            spare = (factories.subscription() if model is Subscription else factories.batch()).id
            db.execute(delete(SubscriptionResource).where(SubscriptionResource.subscription_id == str(spare)))
        db.execute(delete(model).where(model.id == spare))
        db.expire_all()

        assert db.get(model, spare) is None
        assert db.get(model, named) is not None

    @pytest.fixture
    def named(self, db, factories, model):
        """The id of a row that an upgrade names, or an event, and nothing else does."""
        upgrade = factories.upgrade()
        factories.upgrade_event(upgrade)
        named = {
            Subscription: upgrade.subscription_id,
            UpgradeBatch: upgrade.batch_id,
            Upgrade: upgrade.id,
        }[model]
        db.execute(delete(SubscriptionResource))
        return named


def _spare(db, factories, model):
    """The id of a row to which nothing refers."""
    make = {
        Account: factories.customer,
        ApplicationInstance: factories.application_instance,
        ServicePlan: factories.service_plan,
    }[model]
    key = make().id
    db.execute(delete(AccountWord).where(AccountWord.account_id == key))
    for child in (PlanResource, ResourceRate, SubscriptionPeriod):
        db.execute(delete(child).where(child.service_plan_id == key))
    return key
