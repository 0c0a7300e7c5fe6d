"""Every combination of what the rules look at, and what always holds for them."""

import dataclasses
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.models import PlanKind, ResourceKind, SubscriptionStatus
from gateway.partner_center import same_offer
from gateway.services.eligibility import (
    PlanFacts,
    SubscriptionFacts,
    ViolationCode,
    check,
    describe_target,
)
from tests.unit.services.helpers import (
    E1,
    E3,
    E5,
    addon_facts,
    license_facts,
    other_facts,
    plan_facts,
    subscription_facts,
)

V = ViolationCode

LICENSES = [
    # Limits of the licenses, what they break, and whether one of them alone can be compared to the target.
    ((), {V.LICENSE_MISSING}, False),
    ((0,), {V.LICENSE_MISSING}, False),
    ((0, 0), {V.LICENSE_MISSING}, False),
    ((5,), set(), True),
    ((1, 0), set(), True),
    ((0, 5, 0), set(), True),
    ((5, 2), {V.ADDITIONAL_LICENSE_NOT_ZERO}, False),
    ((1, 1, 0), {V.ADDITIONAL_LICENSE_NOT_ZERO}, False),
    ((-1,), {V.LICENSE_UNLIMITED}, False),
    ((-1, 0), {V.LICENSE_UNLIMITED}, False),
    ((5, -1), {V.LICENSE_UNLIMITED, V.ADDITIONAL_LICENSE_NOT_ZERO}, True),
]
ADDONS = [((), set()), ((0, 0), set()), ((0, 2), {V.ADDON_NOT_ZERO}), ((-1,), {V.ADDON_NOT_ZERO})]
STATUSES = [
    (status, set() if status is SubscriptionStatus.ACTIVE else {V.SUBSCRIPTION_NOT_ACTIVE})
    for status in (SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED)
]
LIVE = [(False, set()), (True, {V.UPGRADE_IN_PROGRESS})]
SOURCE_KINDS = [(PlanKind.STANDARD, set()), (PlanKind.CUSTOMER_MANAGEMENT, {V.SOURCE_NOT_UPGRADABLE})]
INSTANCES = [("office365", set()), ("another", {V.OTHER_APPLICATION_INSTANCE})]
VENDORS = [("provider", set()), ("reseller", {V.OTHER_VENDOR})]
PLANS = [("source", set()), ("target", {V.SAME_PLAN})]
TARGET_KINDS = [(PlanKind.STANDARD, set()), (PlanKind.CUSTOMER_MANAGEMENT, {V.TARGET_NOT_UPGRADABLE})]
TARGET_LICENSES = [
    (0, {V.TARGET_LICENSE_MISSING}, False),
    (1, set(), True),
    (2, {V.TARGET_ADDITIONAL_LICENSE}, False),
]
PATHS = [
    # The target's offer, what Microsoft upgrades to, and what that breaks.
    (E3, None, set()),
    (E3, frozenset({E5, E3.lower()}), set()),
    (E3, frozenset({E5}), {V.NO_UPGRADE_PATH}),
    (E1, frozenset({E1, E3}), {V.NO_UPGRADE_PATH}),
]


@pytest.mark.parametrize("licenses", LICENSES, ids=lambda case: f"licenses={case[0]}")
def test_every_broken_rule_is_reported_and_no_other(licenses):
    limits, of_licenses, is_comparable = licenses
    targets = list(_targets())
    for subscription, of_subscription in _subscriptions(limits):
        for target, path, of_target, of_path in targets:
            expected = of_licenses | of_subscription | of_target | (of_path if is_comparable else set())

            found = [violation.code for violation in check(subscription, target, path)]

            assert found == sorted(expected, key=ORDER.index), (subscription, target, path)


ORDER = list(ViolationCode)


def _subscriptions(limits):
    """Every subscription with these limits of licenses, and what it breaks besides."""
    licenses = [license_facts(limit, key=f"license-{n}") for n, limit in enumerate(limits)]
    for case in itertools.product(ADDONS, STATUSES, LIVE, SOURCE_KINDS, INSTANCES, VENDORS, PLANS):
        (addons, status, live, kind, instance, vendor, plan), broken = zip(*case, strict=True)
        subscription = subscription_facts(
            *licenses,
            *(addon_facts(limit, key=f"addon-{n}") for n, limit in enumerate(addons)),
            other_facts(-1),
            status=status,
            has_live_upgrade=live,
            kind=kind,
            application_instance_id=instance,
            vendor_id=vendor,
            service_plan_id=plan,
        )
        yield subscription, set().union(*broken)


def _targets():
    """Every target with what Microsoft says of it, what it breaks itself, and what the path breaks."""
    for (kind, of_kind), licenses, path in itertools.product(TARGET_KINDS, TARGET_LICENSES, PATHS):
        (count, of_licenses, is_comparable), (offer_id, known, of_path) = licenses, path
        resources = [license_facts(1, offer_id, key=f"target-{n}") for n in range(count)]
        target = plan_facts(*resources, addon_facts(3), other_facts(-1), kind=kind)
        yield target, known, of_kind | of_licenses, of_path if is_comparable else set()


class TestCheck:
    @pytest.mark.parametrize("status", [s for s in SubscriptionStatus if s is not SubscriptionStatus.ACTIVE])
    def test_only_active_subscriptions_are_upgraded(self, status):
        [violation] = check(subscription_facts(status=status), plan_facts(), None)

        assert violation.code == "subscription_not_active"
        assert status.value in violation.detail

    @pytest.mark.parametrize("missing", ["has_microsoft_subscription", "has_microsoft_tenant"])
    @pytest.mark.parametrize("nothing", [None, ""])
    def test_microsoft_must_know_the_subscription_and_its_tenant(self, missing, nothing):
        [violation] = check(subscription_facts(**{missing: nothing}), plan_facts(), None)

        assert violation.code == "not_provisioned"

    def test_the_detail_names_every_license_with_its_limit(self):
        facts = subscription_facts(license_facts(5, key="E3"), license_facts(2, key="E1"))

        [violation] = check(facts, plan_facts(), None)

        assert violation.detail.startswith("License E1 has limit 2, License E3 has limit 5")

    def test_the_detail_names_every_addon_with_its_limit(self):
        facts = subscription_facts(license_facts(5), addon_facts(2, "archive"), addon_facts(-1, "audio"))

        [violation] = check(facts, plan_facts(), None)

        assert violation.detail.startswith("Add-on archive has limit 2, Add-on audio is unlimited")

    def test_addons_and_other_resources_of_the_target_do_not_matter(self):
        target = plan_facts(license_facts(0, E3), addon_facts(7), other_facts(-1))

        assert check(subscription_facts(), target, frozenset({E3})) == ()

    def test_other_resources_may_be_unlimited(self):
        assert check(subscription_facts(license_facts(1), other_facts(-1)), plan_facts(), None) == ()

    @pytest.mark.parametrize("offer_id", ["cfq7ttc0lf8r:0001", f"{E3}:CFQ7TTC0K971", E3])
    def test_offers_are_compared_by_product_and_sku_in_any_case(self, offer_id):
        assert check(subscription_facts(), plan_facts(), frozenset({offer_id})) == ()

    def test_another_sku_of_the_product_is_another_offer(self):
        assert not same_offer("CFQ7TTC0LF8R:0001", "CFQ7TTC0LF8R:0002")

    @pytest.mark.parametrize("target_offer_ids", [None, frozenset({E1, E3})])
    def test_the_same_offer_is_no_upgrade(self, target_offer_ids):
        target = plan_facts(license_facts(1, E1.lower(), key="same"))

        [violation] = check(subscription_facts(), target, target_offer_ids)

        assert violation.code == "no_upgrade_path"
        assert "same offer" in violation.detail

    @pytest.mark.parametrize(("source", "target"), [(None, E3), (E1, None), (None, None), ("", E3)])
    def test_a_license_without_an_offer_cannot_be_upgraded(self, source, target):
        facts = subscription_facts(license_facts(5, source))

        [violation] = check(facts, plan_facts(license_facts(1, target)), None)

        assert violation.code == "no_upgrade_path"
        assert "names no offer" in violation.detail

    def test_every_violation_says_what_to_do(self):
        facts = subscription_facts(
            license_facts(-1, key="one"),
            license_facts(2, key="two"),
            addon_facts(3),
            status=SubscriptionStatus.EXPIRED,
            kind=PlanKind.CUSTOMER_MANAGEMENT,
            has_microsoft_tenant=False,
            has_live_upgrade=True,
            application_instance_id="another",
            vendor_id="another",
            service_plan_id="target",
        )
        target = plan_facts(kind=PlanKind.CUSTOMER_MANAGEMENT)

        violations = check(facts, target, frozenset())

        assert len(violations) == 12
        for violation in violations:
            assert violation.detail
            assert violation.remedy
            assert not f"{violation.detail}{violation.remedy}".endswith(".")


class TestDescribeTarget:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({}, None),
            ({"id": "source"}, "same_plan"),
            ({"application_instance_id": "another"}, "other_application_instance"),
            ({"vendor_id": "another"}, "other_vendor"),
            ({"kind": PlanKind.CUSTOMER_MANAGEMENT}, "target_not_upgradable"),
            ({"resources": (other_facts(1),)}, "target_license_missing"),
            ({"resources": (license_facts(1, E3), license_facts(1, E5))}, "target_additional_license"),
            ({"resources": (license_facts(1, E5),)}, "no_upgrade_path"),
        ],
    )
    def test_it_tells_what_speaks_against_the_target(self, changes, code):
        source = plan_facts(license_facts(0, E1), id="source")

        found = [v.code for v in describe_target(source, plan_facts(**changes), frozenset({E3}))]

        assert found == ([code] if code else [])

    def test_nothing_goes_away_from_customer_management(self):
        source = plan_facts(license_facts(0, E1), id="source", kind=PlanKind.CUSTOMER_MANAGEMENT)

        [violation] = describe_target(source, plan_facts(), None)

        assert violation.code == "source_not_upgradable"

    def test_a_source_with_several_licenses_leaves_the_path_to_each_subscription(self):
        source = plan_facts(license_facts(1, E1), license_facts(1, E5), id="source")

        assert describe_target(source, plan_facts(), None) == ()


limits = st.sampled_from([-1, 0, 0, 1, 7])
offers = st.sampled_from([E1, E3, E5, E3.lower(), f"{E3}:CFQ7TTC0K971", None])
resources = st.lists(
    st.builds(license_facts, limits, offers, st.sampled_from("abc"))
    | st.builds(addon_facts, limits)
    | st.builds(other_facts, limits),
    max_size=5,
).map(tuple)
subscriptions = st.builds(
    SubscriptionFacts,
    status=st.sampled_from([SubscriptionStatus.ACTIVE] * 6 + list(SubscriptionStatus)),
    kind=st.sampled_from([PlanKind.STANDARD] * 5 + list(PlanKind)),
    service_plan_id=st.sampled_from(["source", "source", "target"]),
    application_instance_id=st.sampled_from(["office365", "office365", "another"]),
    vendor_id=st.sampled_from(["provider", "provider", "reseller"]),
    has_microsoft_subscription=st.sampled_from([True, True, False]),
    has_microsoft_tenant=st.sampled_from([True, True, False]),
    has_live_upgrade=st.sampled_from([False, False, True]),
    resources=resources,
)
plans = st.builds(
    PlanFacts,
    id=st.just("target"),
    name=st.just("Target"),
    kind=st.sampled_from([PlanKind.STANDARD] * 5 + list(PlanKind)),
    application_instance_id=st.just("office365"),
    vendor_id=st.just("provider"),
    resources=resources,
)
known_paths = st.none() | st.frozensets(st.sampled_from([E1, E3, E5]))

SPOILED = [
    ({"status": SubscriptionStatus.DELETED}, V.SUBSCRIPTION_NOT_ACTIVE),
    ({"has_live_upgrade": True}, V.UPGRADE_IN_PROGRESS),
    ({"kind": PlanKind.CUSTOMER_MANAGEMENT}, V.SOURCE_NOT_UPGRADABLE),
    ({"has_microsoft_subscription": False}, V.NOT_PROVISIONED),
    ({"has_microsoft_tenant": False}, V.NOT_PROVISIONED),
    ({"application_instance_id": "elsewhere"}, V.OTHER_APPLICATION_INSTANCE),
    ({"vendor_id": "somebody"}, V.OTHER_VENDOR),
    ({"service_plan_id": "target"}, V.SAME_PLAN),
]


def is_allowed(subscription, target, target_offer_ids):
    """The rules once more, as one question that is answered without looking at the other answer."""
    counts = {kind: [r.limit for r in subscription.resources if r.kind is kind] for kind in ResourceKind}
    sold = [r for r in subscription.resources if r.kind is ResourceKind.LICENSE and r.limit]
    wanted = [r for r in target.resources if r.kind is ResourceKind.LICENSE]
    if len(sold) != 1 or sold[0].limit < 1 or any(counts[ResourceKind.ADDON]) or len(wanted) != 1:
        return False
    if not sold[0].offer_id or not wanted[0].offer_id:
        return False
    here, there = (":".join(r.offer_id.lower().split(":")[:2]) for r in (sold[0], wanted[0]))
    reachable = target_offer_ids is None or there in {
        ":".join(offer.lower().split(":")[:2]) for offer in target_offer_ids
    }
    return (
        here != there
        and reachable
        and subscription.status.value == "active"
        and not subscription.has_live_upgrade
        and subscription.has_microsoft_subscription
        and subscription.has_microsoft_tenant
        and (subscription.kind, target.kind) == (PlanKind.STANDARD, PlanKind.STANDARD)
        and subscription.service_plan_id != target.id
        and subscription.application_instance_id == target.application_instance_id
        and subscription.vendor_id == target.vendor_id
    )


unhurried = settings(deadline=None)
"""The machine may be busy with other tests."""


class TestWhatAlwaysHolds:
    @unhurried
    @given(subscriptions, plans, known_paths)
    def test_nothing_is_reported_exactly_when_the_upgrade_is_allowed(self, subscription, target, paths):
        assert (check(subscription, target, paths) == ()) is is_allowed(subscription, target, paths)

    @unhurried
    @given(subscriptions, plans, known_paths, st.sampled_from(SPOILED))
    def test_one_more_broken_rule_hides_no_other(self, subscription, target, paths, spoiled):
        changes, code = spoiled
        before = {violation.code for violation in check(subscription, target, paths)}

        worse = check(dataclasses.replace(subscription, **changes), target, paths)

        assert {violation.code for violation in worse} >= before | {code}

    @unhurried
    @given(subscriptions, plans, known_paths, st.sampled_from([2, -1]))
    def test_one_more_addon_hides_no_other_rule(self, subscription, target, paths, limit):
        before = {violation.code for violation in check(subscription, target, paths)}
        resources = (*subscription.resources, addon_facts(limit, "one more"))

        worse = check(dataclasses.replace(subscription, resources=resources), target, paths)

        assert {violation.code for violation in worse} == before | {V.ADDON_NOT_ZERO}

    @unhurried
    @given(subscriptions, plans, known_paths, st.randoms())
    def test_the_order_of_resources_does_not_matter(self, subscription, target, paths, chance: random.Random):
        def shuffled(facts):
            return dataclasses.replace(
                facts, resources=tuple(chance.sample(facts.resources, len(facts.resources)))
            )

        assert check(shuffled(subscription), shuffled(target), paths) == check(subscription, target, paths)

    @unhurried
    @given(subscriptions, plans, known_paths)
    def test_each_code_is_reported_once_and_in_the_fixed_order(self, subscription, target, paths):
        codes = [violation.code for violation in check(subscription, target, paths)]

        assert codes == [code for code in ViolationCode if code in codes]
