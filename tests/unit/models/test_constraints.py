"""Promises that the database keeps, whatever a program does."""

import pytest
from sqlalchemy.exc import IntegrityError

from gateway.models import UpgradeStatus

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
